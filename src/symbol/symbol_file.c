/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/symbol_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbol/elf_symbols.h"
#include "symbol/perf_map.h"
#include "symbol/vdso.h"

#define PAGE_MASK 4095ull

static int take_loads(struct hw_symbol_file *file, const struct hw_elf_file *elf)
{
	file->loads = malloc((elf->load_count + 1) * sizeof(*file->loads));
	if (!file->loads)
		return -ENOMEM;
	memcpy(file->loads, elf->loads, elf->load_count * sizeof(*file->loads));
	file->load_count = elf->load_count;
	return 0;
}

/*
 * A debug file does not know any more where its segments stood in the program (objcopy moves them), only
 * at which address. A mapping that is as long as one executable segment is that segment.
 */
static int guess_load(struct hw_symbol_file *file, const struct hw_elf_file *debug,
                      const struct hw_process_event *map)
{
	size_t fitting = 0;

	file->loads = malloc(sizeof(*file->loads));
	if (!file->loads)
		return -ENOMEM;
	for (size_t i = 0; i < debug->load_count; i++) {
		const struct hw_elf_load *load = &debug->loads[i];
		uint64_t start = load->address & ~PAGE_MASK;
		uint64_t end = (load->address + load->memory_size + PAGE_MASK) & ~PAGE_MASK;

		if (!load->executable || end - start != map->length)
			continue;
		fitting++;
		file->loads[0] =
		    (struct hw_elf_load){.offset = map->offset, .size = map->length, .address = start};
	}
	file->load_count = fitting == 1;
	return fitting == 1 ? 0 : -ENOENT;
}

static uint8_t cause_of(int r)
{
	return r == -ESTALE                    ? HW_GAP_REPLACED
	       : r == -EACCES || r == -ENOEXEC ? HW_GAP_UNREADABLE
	                                       : HW_GAP_MISSING;
}

struct opened {
	const struct hw_search *search;
	const struct hw_process_event *map;
	uint32_t pid;
	bool alive, symbols_only;
	struct hw_elf_file elf;
};

static int collect(struct hw_symbol_file *file, struct opened *opened)
{
	struct hw_collector collector = {0};
	struct hw_elf_file debug;
	bool full;
	int r = hw_elf_symbols_collect(&opened->elf, &collector, &full);

	if (!r && !full && !opened->symbols_only &&
	    !hw_search_debug(opened->search, opened->map, opened->pid, opened->alive, &opened->elf, &debug)) {
		r = hw_elf_symbols_collect(&debug, &collector, &full);
		hw_elf_file_close(&debug);
	}
	if (!r)
		r = hw_elf_plt_collect(&opened->elf, &collector);
	if (!r)
		r = hw_collector_build(&collector, &file->symtab);
	hw_collector_clear(&collector);
	return r;
}

void hw_symbol_file_read(struct hw_symbol_file *file, const struct hw_search *search,
                         const struct hw_process_event *map, uint32_t pid, bool alive)
{
	struct opened opened = {.search = search, .map = map, .pid = pid, .alive = alive};
	int r = hw_search_program(search, map, pid, alive, &opened.elf, &opened.symbols_only);

	file->last_pid = pid;
	if (r) {
		file->cause = cause_of(r);
		file->tries++;
		return;
	}
	file->read = true;
	file->cause = HW_GAP_STRIPPED;
	r = opened.symbols_only ? guess_load(file, &opened.elf, map) : take_loads(file, &opened.elf);
	if (!r)
		r = collect(file, &opened);
	if (r)
		file->cause = HW_GAP_UNREADABLE;
	hw_elf_file_close(&opened.elf);
}

void hw_symbol_file_read_vdso(struct hw_symbol_file *file, const struct hw_process_event *map, bool this_boot)
{
	struct hw_collector collector = {0};
	struct hw_elf_file elf;
	bool full;
	int r;

	file->read = true;
	file->cause = HW_GAP_KERNEL_OTHER;
	if (hw_vdso_open(&elf))
		return;
	if (map->build_id_size ? map->build_id_size == elf.build_id_size &&
	                             !memcmp(map->build_id, elf.build_id, elf.build_id_size)
	                       : this_boot) {
		file->cause = HW_GAP_STRIPPED;
		r = take_loads(file, &elf);
		if (!r)
			r = hw_elf_symbols_collect(&elf, &collector, &full);
		if (!r)
			hw_collector_build(&collector, &file->symtab);
	}
	hw_collector_clear(&collector);
	hw_elf_file_close(&elf);
}

void hw_symbol_file_read_perf_map(struct hw_symbol_file *file, const struct hw_search *search, uint32_t pid,
                                  bool alive)
{
	int fd = search->this_boot || search->root ? hw_perf_map_open(pid, alive, search->root) : -ENOENT;

	file->read = true;
	file->cause = HW_GAP_JIT;
	if (fd < 0)
		return;
	hw_perf_map_read(fd, &file->symtab);
	close(fd);
}

/* The debug information of a file: in itself, or in its debug file. */
static struct hw_lines *open_lines(const struct hw_search *search, const struct hw_process_event *map,
                                   uint32_t pid, bool alive)
{
	struct hw_elf_file program, debug;
	struct hw_lines *lines = NULL;
	bool symbols_only, found;

	if (hw_search_program(search, map, pid, alive, &program, &symbols_only))
		return NULL;
	if (hw_lines_are_in(&program))
		return hw_lines_open(&program);
	found = !symbols_only && !hw_search_debug(search, map, pid, alive, &program, &debug);
	hw_elf_file_close(&program);
	if (found)
		lines = hw_lines_open(&debug);
	return lines;
}

size_t hw_symbol_file_lines(struct hw_symbol_file *file, const struct hw_search *search,
                            const struct hw_process_event *map, uint32_t pid, bool alive, uint64_t address,
                            struct hw_strings *strings, struct hw_line *lines)
{
	if (file->kind != HW_FRAME_USER || !map || !file->read)
		return 0;
	if (!file->lines_tried)
		file->lines = open_lines(search, map, pid, alive);
	file->lines_tried = true;
	return file->lines ? hw_lines_at(file->lines, address, strings, lines) : 0;
}

static void read_bounds(struct hw_symbol_file *file, const struct hw_search *search,
                        const struct hw_process_event *map, uint32_t pid, bool alive)
{
	struct hw_elf_file program;
	bool symbols_only;

	if (hw_search_program(search, map, pid, alive, &program, &symbols_only))
		return;
	if (!symbols_only) /* a debug file has no unwind entries */
		hw_bounds_read(&file->bounds, program.fd);
	hw_elf_file_close(&program);
}

const struct hw_bound *hw_symbol_file_bound(struct hw_symbol_file *file, const struct hw_search *search,
                                            const struct hw_process_event *map, uint32_t pid, bool alive,
                                            uint64_t address)
{
	if (file->kind != HW_FRAME_USER || !map || !file->read)
		return NULL;
	if (!file->bounds_tried)
		read_bounds(file, search, map, pid, alive);
	file->bounds_tried = true;
	return hw_bounds_find(&file->bounds, address);
}

void hw_symbol_file_clear(struct hw_symbol_file *file)
{
	hw_lines_free(file->lines);
	hw_bounds_clear(&file->bounds);
	hw_symtab_clear(&file->symtab);
	free(file->loads);
	file->loads = NULL;
	file->load_count = 0;
}

int hw_symbol_file_address(const struct hw_symbol_file *file, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < file->load_count; i++)
		if (offset - file->loads[i].offset < file->loads[i].size) {
			*address = offset - file->loads[i].offset + file->loads[i].address;
			return 0;
		}
	return -ENOENT;
}
