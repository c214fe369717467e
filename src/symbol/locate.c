/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From an address in a process to a file, and to a symbol of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/internal.h"

#define TRIES_MAX 8 /* of processes in which a file is looked for */

/* ---- files ---- */

static struct hw_symbol_file *get_by_key(struct hw_symbolizer *symbolizer, const char *key, const char *path,
                                         enum hw_frame_kind kind)
{
	struct file_entry *entry;

	HASH_FIND_STR(symbolizer->files, key, entry);
	if (entry)
		return &entry->file;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->key = hw_strings_keep(&symbolizer->strings, key, strlen(key));
	entry->file.path = hw_strings_keep(&symbolizer->strings, path, strlen(path));
	if (!entry->key || !entry->file.path) {
		free(entry);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, symbolizer->files, entry->key, strlen(entry->key), entry);
	if (!hash_added(entry)) {
		free(entry);
		return NULL;
	}
	entry->file.number = symbolizer->file_count++;
	entry->file.kind = (uint8_t)kind;
	return &entry->file;
}

static struct hw_symbol_file *get_file(struct hw_symbolizer *symbolizer, const struct hw_process_event *map)
{
	struct hw_symbol_file **known = &symbolizer->file_of_event[map - symbolizer->events];
	bool vdso = !strcmp(map->name, "[vdso]");
	char key[8192], hex[41] = "";

	if (*known)
		return *known;
	for (size_t i = 0; i < map->build_id_size && i < 20; i++)
		snprintf(hex + 2 * i, 3, "%02x", map->build_id[i]);
	if (map->build_id_size || vdso)
		snprintf(key, sizeof(key), "%s %s", hex, map->name);
	else
		snprintf(key, sizeof(key), "%u:%u:%llu %s", map->major, map->minor,
		         (unsigned long long)map->inode, map->name);
	*known = get_by_key(symbolizer, key, map->name, vdso ? HW_FRAME_VDSO : HW_FRAME_USER);
	return *known;
}

static void read_file(struct hw_symbolizer *symbolizer, struct hw_symbol_file *file,
                      const struct hw_process_event *map, uint32_t pid)
{
	if (file->kind == HW_FRAME_VDSO) {
		hw_symbol_file_read_vdso(file, map, symbolizer->search.this_boot);
		return;
	}
	/* What is gone from the file system may still be open in another process. */
	if (file->tries >= TRIES_MAX || (file->tries && file->last_pid == pid))
		return;
	hw_symbol_file_read(file, &symbolizer->search, map, pid,
	                    hw_search_is_alive(&symbolizer->search, pid, symbolizer->now_ns));
}

static struct hw_symbol_file *get_perf_map(struct hw_symbolizer *symbolizer, uint32_t pid)
{
	struct hw_symbol_file *file;
	char key[64];

	snprintf(key, sizeof(key), "perf map %u", pid);
	file = get_by_key(symbolizer, key, "[jit]", HW_FRAME_JIT);
	if (file && !file->read)
		hw_symbol_file_read_perf_map(
		    file, &symbolizer->search, pid,
		    hw_search_is_alive(&symbolizer->search, pid, symbolizer->now_ns));
	return file;
}

/* ---- addresses ---- */

/*
 * Kernel code that came at run time is told by records of its own. They go before kallsyms, which is of now:
 * what stands before such code now (a trampoline of ftrace) would seem to reach over it.
 */
static const struct hw_process_event *run_time_code(const struct hw_symbolizer *symbolizer, uint64_t address)
{
	const struct hw_kernel *kernel = &symbolizer->kernel;
	const struct hw_process_event *map;

	if (symbolizer->kernel_match == HW_KERNEL_SAME && address >= kernel->text &&
	    address < kernel->text_end)
		return NULL;
	map = hw_processes_find(symbolizer->processes, (uint32_t)-1, address);
	return map && map->name[0] != '[' ? map : NULL;
}

static void look_up_kernel(struct hw_symbolizer *symbolizer, struct hw_found *found)
{
	const struct hw_kernel *kernel = &symbolizer->kernel;
	uint32_t symbol = HW_NO_SYMBOL;

	if (found->code) {
		found->function = found->code->name;
		found->start = found->code->start;
		found->path = "[bpf]";
		return;
	}
	if (symbolizer->kernel_match == HW_KERNEL_SAME) {
		symbol = hw_symtab_find(&kernel->symtab, found->address);
	} else if (symbolizer->kernel_match == HW_KERNEL_MOVED) {
		found->address += symbolizer->kernel_moved_by;
		if (found->address - kernel->text < kernel->text_end - kernel->text)
			symbol = hw_symtab_find(&kernel->symtab, found->address);
	}
	if (symbol == HW_NO_SYMBOL)
		return;
	found->function = hw_symtab_name(&kernel->symtab, symbol);
	found->start = kernel->symtab.symbols[symbol].start;
	found->path = hw_kernel_file(kernel, found->address);
}

/* Memory files hold programs, or code made at run time. */
static struct hw_symbol_file *get_memory_file(struct hw_symbolizer *symbolizer,
                                              const struct hw_process_event *map, uint32_t pid)
{
	struct hw_symbol_file *file = get_file(symbolizer, map), *perf_map;

	if (file && !file->read)
		read_file(symbolizer, file, map, pid);
	perf_map = file && file->read ? NULL : get_perf_map(symbolizer, pid);
	return perf_map && perf_map->symtab.count ? perf_map : file;
}

/* Which file an address is in, and where there. */
void hw_symbolizer_locate(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                          struct hw_found *found, const struct hw_process_event **map)
{
	*found = (struct hw_found){.file = &symbolizer->nowhere, .offset = lookup, .address = lookup};
	*map =
	    kernel ? NULL : hw_processes_find_then(symbolizer->processes, pid, lookup, symbolizer->walked_ns);
	if (*map) {
		struct hw_symbol_file *known = symbolizer->file_of_event[*map - symbolizer->events];

		if (known && known->read && known->kind == HW_FRAME_USER) {
			found->file = known;
			found->offset = lookup - (*map)->start + (*map)->offset;
			return;
		}
	}
	if (kernel) {
		found->file = &symbolizer->kernel_file;
		found->code = run_time_code(symbolizer, lookup);
	} else if (*map && hw_mapping_is_anonymous(*map)) {
		found->file = get_perf_map(symbolizer, pid);
	} else if (*map) {
		found->file = hw_mapping_is_memory_file(*map) ? get_memory_file(symbolizer, *map, pid)
		                                              : get_file(symbolizer, *map);
		if (found->file && found->file->kind == HW_FRAME_JIT)
			return;
		found->offset = lookup - (*map)->start + (*map)->offset;
	}
	if (!found->file)
		found->file = &symbolizer->nowhere;
	symbolizer->unsure |= !kernel && !found->file->read;
}

void hw_symbolizer_look_up(struct hw_symbolizer *symbolizer, uint32_t pid, const struct hw_process_event *map,
                           struct hw_found *found)
{
	struct hw_symbol_file *file = found->file;
	const struct hw_bound *bound;
	uint32_t symbol;
	bool alive;

	found->path = file->path;
	if (file == &symbolizer->kernel_file) {
		look_up_kernel(symbolizer, found);
		return;
	}
	if (!file->read)
		read_file(symbolizer, file, map, pid);
	if (file->kind != HW_FRAME_JIT && hw_symbol_file_address(file, found->offset, &found->address))
		return;
	symbol = hw_symtab_find(&file->symtab, found->address);
	if (symbol != HW_NO_SYMBOL) {
		found->function = hw_symtab_name(&file->symtab, symbol);
		found->start = file->symtab.symbols[symbol].start;
		return;
	}
	alive = !file->bounds_tried && hw_search_is_alive(&symbolizer->search, pid, symbolizer->now_ns);
	bound = hw_symbol_file_bound(file, &symbolizer->search, map, pid, alive, found->address);
	found->bounded = bound != NULL;
	found->start = bound ? bound->start : 0;
}
