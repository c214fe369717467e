/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The symbolizer: processes in time, one symbol table a file (path and build ID), frames interned.
 *
 * A file is used only if it has the build ID of the recording; else the debug file of that build ID is
 * looked for; else the frame has a file and no function.
 */
#include "symbol/symbol.h"

#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <uthash.h>

#include "base/array.h"
#include "symbol/processes.h"
#include "symbol/symtab.h"

#define MANGLED_MAX 8192 /* longer names are shown as they are */

struct file {
	char *key; /* build ID in hex and path */
	const char *path;
	struct hw_symtab table;
	bool readable;
	UT_hash_handle hh;
};

struct frame_key {
	const void *file, *symbol;
	uint64_t kind;
};

struct frame_entry {
	struct frame_key key;
	uint32_t id;
	UT_hash_handle hh;
};

struct address_key {
	const void *mapping; /* the process event; NULL: kernel */
	uint64_t address;
	uint64_t pid; /* for JIT code only */
};

struct address_entry {
	struct address_key key;
	uint32_t id;
	UT_hash_handle hh;
};

struct marker {
	char *text;
	uint32_t id;
	UT_hash_handle hh;
};

struct hw_symbolizer {
	const struct hw_recording *recording;
	struct hw_symbolizer_options options;
	struct hw_processes *processes;
	size_t next_event;
	struct file *files;
	struct file kernel;
	bool kernel_tried;
	array_of(struct hw_frame) frames;
	array_of(char *) strings;
	struct frame_entry *frame_ids;
	struct address_entry *addresses;
	struct marker *markers;
	char unknown_name[32];
};

int hw_symbolizer_new(const struct hw_recording *recording, const struct hw_symbolizer_options *options,
                      struct hw_symbolizer **result, struct hw_error *err)
{
	struct hw_symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (symbolizer)
		symbolizer->processes = hw_processes_new();
	if (!symbolizer || !symbolizer->processes) {
		free(symbolizer);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	symbolizer->recording = recording;
	if (options)
		symbolizer->options = *options;
	*result = symbolizer;
	return 0;
}

void hw_symbolizer_free(struct hw_symbolizer *symbolizer)
{
	struct address_entry *address, *next_address;
	struct frame_entry *frame, *next_frame;
	struct marker *marker, *next_marker;
	struct file *file, *next_file;

	if (!symbolizer)
		return;
	HASH_ITER (hh, symbolizer->files, file, next_file) {
		HASH_DEL(symbolizer->files, file);
		hw_symtab_clear(&file->table);
		free(file->key);
		free(file);
	}
	HASH_ITER (hh, symbolizer->frame_ids, frame, next_frame) {
		HASH_DEL(symbolizer->frame_ids, frame);
		free(frame);
	}
	HASH_ITER (hh, symbolizer->addresses, address, next_address) {
		HASH_DEL(symbolizer->addresses, address);
		free(address);
	}
	HASH_ITER (hh, symbolizer->markers, marker, next_marker) {
		HASH_DEL(symbolizer->markers, marker);
		free(marker->text);
		free(marker);
	}
	array_for_each (&symbolizer->strings, text)
		free(*text);
	array_free(&symbolizer->strings);
	array_free(&symbolizer->frames);
	hw_symtab_clear(&symbolizer->kernel.table);
	hw_processes_free(symbolizer->processes);
	free(symbolizer);
}

void hw_symbolizer_advance(struct hw_symbolizer *symbolizer, uint64_t time_ns)
{
	size_t count;
	const struct hw_process_event *events = hw_recording_process_events(symbolizer->recording, &count);

	while (symbolizer->next_event < count && events[symbolizer->next_event].time_ns <= time_ns)
		hw_processes_apply(symbolizer->processes, &events[symbolizer->next_event++]);
}

const char *hw_symbolizer_thread_name(struct hw_symbolizer *symbolizer, uint32_t pid, uint32_t tid)
{
	const char *name = hw_processes_name(symbolizer->processes, pid, tid);

	if (!name)
		name = hw_processes_name(symbolizer->processes, pid, pid);
	if (!name && !pid)
		name = "swapper";
	if (name)
		return name;
	snprintf(symbolizer->unknown_name, sizeof(symbolizer->unknown_name), ":%u", tid);
	return symbolizer->unknown_name;
}

const char *hw_symbolizer_process_name(struct hw_symbolizer *symbolizer, uint32_t pid)
{
	return hw_symbolizer_thread_name(symbolizer, pid, pid);
}

/* ---- files ---- */

static int read_by_build_id(struct hw_symbolizer *symbolizer, struct file *file,
                            const struct hw_process_event *map)
{
	const char *directory =
	    symbolizer->options.debug_directory ? symbolizer->options.debug_directory : "/usr/lib/debug";
	char path[4096], hex[41] = "";

	if (map->build_id_size < 2)
		return -ENOENT;
	for (size_t i = 0; i < map->build_id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", map->build_id[i]);
	snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", directory, hex, hex + 2);
	return hw_symtab_read_elf(&file->table, path, map->build_id, map->build_id_size, directory);
}

static void read_file(struct hw_symbolizer *symbolizer, struct file *file, const struct hw_process_event *map)
{
	const char *root = symbolizer->options.root;
	char path[8192];
	int r;

	snprintf(path, sizeof(path), "%s%s", root ? root : "", map->name);
	r = hw_symtab_read_elf(&file->table, path, map->build_id, map->build_id_size,
	                       symbolizer->options.debug_directory);
	if (r && !root) { /* in a container, or deleted: through the process, if it still lives */
		snprintf(path, sizeof(path), "/proc/%u/root%s", map->pid, map->name);
		r = hw_symtab_read_elf(&file->table, path, map->build_id, map->build_id_size,
		                       symbolizer->options.debug_directory);
	}
	if (r && !root) {
		snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", map->pid,
		         (unsigned long long)map->start, (unsigned long long)(map->start + map->length));
		r = map->build_id_size
		        ? hw_symtab_read_elf(&file->table, path, map->build_id, map->build_id_size,
		                             symbolizer->options.debug_directory)
		        : r;
	}
	if (r)
		r = read_by_build_id(symbolizer, file, map);
	file->readable = !r;
}

static struct file *get_file(struct hw_symbolizer *symbolizer, const struct hw_process_event *map)
{
	char key[8192], hex[41] = "";
	struct file *file;

	for (size_t i = 0; i < map->build_id_size && i < 20; i++)
		snprintf(hex + 2 * i, 3, "%02x", map->build_id[i]);
	snprintf(key, sizeof(key), "%s %s", hex, map->name);
	HASH_FIND_STR(symbolizer->files, key, file);
	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file || !(file->key = strdup(key))) {
		free(file);
		return NULL;
	}
	file->path = map->name;
	HASH_ADD_KEYPTR(hh, symbolizer->files, file->key, strlen(file->key), file);
	if (map->name[0] == '/' && map->name[1] != '/')
		read_file(symbolizer, file, map);
	return file;
}

static bool is_jit(const struct hw_process_event *map)
{
	return !strncmp(map->name, "//anon", 6) || !strncmp(map->name, "[anon", 5) || map->name[0] != '/';
}

/* The perf map of a process, as a file of its own. */
static struct file *get_perf_map(struct hw_symbolizer *symbolizer, uint32_t pid)
{
	char path[64];
	struct file *file;

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", pid);
	HASH_FIND_STR(symbolizer->files, path, file);
	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file || !(file->key = strdup(path))) {
		free(file);
		return NULL;
	}
	file->path = "[jit]";
	HASH_ADD_KEYPTR(hh, symbolizer->files, file->key, strlen(file->key), file);
	file->readable = !hw_symtab_read_perf_map(&file->table, path);
	return file;
}

/* The kernel's symbols, if the recording is of this kernel as it runs now. */
static struct file *get_kernel(struct hw_symbolizer *symbolizer)
{
	const char *path = symbolizer->options.kallsyms;
	const struct hw_recording_info *info = hw_recording_info(symbolizer->recording);
	struct file *kernel = &symbolizer->kernel;
	const struct hw_symbol *text;
	const struct hw_process_event *map;
	struct utsname here;
	size_t count;

	if (symbolizer->kernel_tried)
		return kernel;
	symbolizer->kernel_tried = true;
	kernel->path = "[kernel.kallsyms]";
	if (!path && (uname(&here) || !info->os_release || strcmp(here.release, info->os_release) != 0))
		return kernel;
	if (hw_symtab_read_kallsyms(&kernel->table, path ? path : "/proc/kallsyms"))
		return kernel;
	map = hw_recording_process_events(symbolizer->recording, &count);
	for (size_t i = 0; i < count; i++) {
		if (!map[i].kernel || strncmp(map[i].name, "[kernel.kallsyms]_text", 22) != 0)
			continue;
		text = hw_symtab_find(&kernel->table, map[i].start);
		kernel->readable = text && text->start == map[i].start;
		return kernel;
	}
	kernel->readable = true;
	return kernel;
}

/* ---- frames ---- */

static const char *keep(struct hw_symbolizer *symbolizer, char *text)
{
	if (!text || array_push(&symbolizer->strings, text)) {
		free(text);
		return NULL;
	}
	return text;
}

static const char *readable_name(struct hw_symbolizer *symbolizer, const char *raw)
{
	const char *name;

	if (symbolizer->options.no_demangle || strlen(raw) > MANGLED_MAX || raw[0] != '_')
		return raw;
	name = keep(symbolizer, cplus_demangle(raw, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO));
	return name ? name : raw;
}

static uint32_t new_frame(struct hw_symbolizer *symbolizer, struct hw_frame frame)
{
	if (array_push(&symbolizer->frames, frame))
		return 0;
	return (uint32_t)(symbolizer->frames.count - 1);
}

static uint32_t intern(struct hw_symbolizer *symbolizer, const struct file *file, const char *path,
                       const struct hw_symbol *symbol, uint8_t kind)
{
	struct frame_key key;
	struct frame_entry *entry;
	struct hw_frame frame = {.file = path, .kind = kind};

	memset(&key, 0, sizeof(key));
	key.file = path;
	key.symbol = symbol;
	key.kind = kind;
	HASH_FIND(hh, symbolizer->frame_ids, &key, sizeof(key), entry);
	if (entry)
		return entry->id;
	if (symbol) {
		frame.raw_function = hw_symtab_name(&file->table, symbol);
		frame.function = readable_name(symbolizer, frame.raw_function);
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return 0;
	entry->key = key;
	entry->id = new_frame(symbolizer, frame);
	HASH_ADD(hh, symbolizer->frame_ids, key, sizeof(entry->key), entry);
	return entry->id;
}

struct found {
	const struct file *file;
	const char *path;
	const struct hw_symbol *symbol;
	uint64_t address; /* as the symbol table counts */
	uint8_t kind;
};

static void look_up(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                    const struct hw_process_event *map, struct found *found)
{
	struct file *file;

	memset(found, 0, sizeof(*found));
	found->address = lookup;
	if (kernel) {
		file = get_kernel(symbolizer);
		found->path = file->path;
		found->kind = HW_FRAME_KERNEL;
	} else if (!map) {
		found->path = "[unknown]";
		found->kind = HW_FRAME_UNKNOWN;
		return;
	} else if (!strcmp(map->name, "[vdso]")) {
		found->path = "[vdso]";
		found->kind = HW_FRAME_VDSO;
		return;
	} else if (is_jit(map)) {
		file = get_perf_map(symbolizer, pid);
		found->path = "[jit]";
		found->kind = HW_FRAME_JIT;
	} else {
		file = get_file(symbolizer, map);
		found->path = file ? file->path : map->name;
		found->kind = HW_FRAME_USER;
		if (!file ||
		    hw_symtab_address(&file->table, lookup - map->start + map->offset, &found->address))
			return;
	}
	found->file = file;
	if (file && file->readable)
		found->symbol = hw_symtab_find(&file->table, found->address);
}

uint32_t hw_symbolizer_frame(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel)
{
	const struct hw_process_event *map =
	    kernel ? NULL : hw_processes_find(symbolizer->processes, pid, lookup);
	struct address_entry *entry;
	struct address_key key;
	struct found found;
	uint32_t id;

	memset(&key, 0, sizeof(key));
	key.mapping = map;
	key.address = lookup;
	key.pid = map && !kernel && is_jit(map) ? pid : kernel ? UINT64_MAX : 0;
	if (kernel || map) {
		HASH_FIND(hh, symbolizer->addresses, &key, sizeof(key), entry);
		if (entry)
			return entry->id;
	}
	look_up(symbolizer, pid, lookup, kernel, map, &found);
	id = intern(symbolizer, found.file, found.path, found.symbol, found.kind);
	entry = kernel || map ? calloc(1, sizeof(*entry)) : NULL;
	if (entry) {
		entry->key = key;
		entry->id = id;
		HASH_ADD(hh, symbolizer->addresses, key, sizeof(entry->key), entry);
	}
	return id;
}

uint32_t hw_symbolizer_marker(struct hw_symbolizer *symbolizer, const char *text)
{
	struct hw_frame frame = {.file = "[unknown]", .kind = HW_FRAME_UNKNOWN};
	struct marker *marker;

	HASH_FIND_STR(symbolizer->markers, text, marker);
	if (marker)
		return marker->id;
	marker = calloc(1, sizeof(*marker));
	if (!marker || !(marker->text = strdup(text))) {
		free(marker);
		return 0;
	}
	frame.function = frame.raw_function = marker->text;
	marker->id = new_frame(symbolizer, frame);
	HASH_ADD_KEYPTR(hh, symbolizer->markers, marker->text, strlen(marker->text), marker);
	return marker->id;
}

const struct hw_frame *hw_symbolizer_frame_by_id(const struct hw_symbolizer *symbolizer, uint32_t id)
{
	static const struct hw_frame unknown = {.file = "[unknown]", .kind = HW_FRAME_UNKNOWN};

	return id < symbolizer->frames.count ? &symbolizer->frames.items[id] : &unknown;
}

uint32_t hw_symbolizer_frame_count(const struct hw_symbolizer *symbolizer)
{
	return (uint32_t)symbolizer->frames.count;
}

int hw_symbolizer_place(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                        bool want_line, struct hw_place *place)
{
	const struct hw_process_event *map =
	    kernel ? NULL : hw_processes_find(symbolizer->processes, pid, lookup);
	const struct hw_frame *frame;
	struct found found;

	(void)want_line; /* lines are not read yet */
	memset(place, 0, sizeof(*place));
	look_up(symbolizer, pid, lookup, kernel, map, &found);
	frame = hw_symbolizer_frame_by_id(
	    symbolizer, intern(symbolizer, found.file, found.path, found.symbol, found.kind));
	place->file = frame->file;
	place->function = frame->function;
	place->offset = found.symbol ? found.address - found.symbol->start : 0;
	place->file_offset = map ? lookup - map->start + map->offset : lookup;
	return found.symbol ? 0 : -ENOENT;
}

size_t hw_symbolizer_lines(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                           struct hw_line *lines, size_t max)
{
	struct hw_place place;

	if (!max)
		return 0;
	hw_symbolizer_place(symbolizer, pid, lookup, kernel, true, &place);
	lines[0] = (struct hw_line){.function = place.function, .source = place.source, .line = place.line};
	return 1;
}
