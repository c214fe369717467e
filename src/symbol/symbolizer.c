/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The symbolizer: processes in time, one set of symbols a file (path and build ID), answers kept by file and
 * offset, so that an address is looked up once however many processes have the file at however many places.
 */
#include "symbol/symbol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/array.h"
#include "symbol/demangle.h"
#include "symbol/frames.h"
#include "symbol/hash.h"
#include "symbol/kernel.h"
#include "symbol/processes.h"
#include "symbol/symbol_file.h"

#define TRIES_MAX       8     /* of processes in which a file is looked for */
#define FRESH_ADDRESSES 16384 /* a power of two */

struct file_entry {
	struct hw_symbol_file file;
	const char *key;
	UT_hash_handle hh;
};

struct address_key {
	uint64_t file; /* its number */
	uint64_t offset;
};

struct address_entry {
	struct address_key key;
	uint32_t id;
	UT_hash_handle hh;
};

/* The last answer for one of many addresses: most questions come again soon. */
struct fresh_address {
	uint64_t offset;
	uint32_t file; /* its number plus one; 0: free */
	uint32_t id;
};

struct hw_symbolizer {
	const struct hw_recording *recording;
	struct hw_symbolizer_options options;
	struct hw_search search;
	struct hw_processes *processes;
	const struct hw_process_event *events;
	size_t event_count, next_event;
	uint64_t now_ns;
	struct hw_strings strings;
	struct file_entry *files;
	struct hw_symbol_file **file_of_event; /* of mappings, once asked */
	uint32_t file_count;
	struct hw_symbol_file kernel_file; /* its symtab stays empty: kernel has them */
	struct hw_kernel kernel;
	enum hw_kernel_match kernel_match;
	uint64_t kernel_moved_by;
	struct hw_symbol_file nowhere;
	struct hw_frames frames;
	struct address_entry *addresses;
	struct fresh_address fresh[FRESH_ADDRESSES];
	char *demangled; /* HW_DEMANGLED_MAX + 1 bytes */
	char unknown_name[32];
};

/* ---- making one ---- */

/* Whether the recording was made on this machine since it booted. */
static bool is_this_boot(const struct hw_symbolizer *symbolizer)
{
	const struct hw_recording_info *info = hw_recording_info(symbolizer->recording);
	size_t count;
	const struct hw_sample *samples = hw_recording_samples(symbolizer->recording, &count);
	struct timespec now;
	struct utsname here;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (uname(&here) || (info->hostname && strcmp(info->hostname, here.nodename) != 0) ||
	    (info->os_release && strcmp(info->os_release, here.release) != 0))
		return false;
	if (count && samples[count - 1].time_ns / 1000000000 > (uint64_t)now.tv_sec + 1)
		return false;
	return symbolizer->kernel_match == HW_KERNEL_SAME || symbolizer->kernel_match == HW_KERNEL_UNKNOWN;
}

static void read_kernel(struct hw_symbolizer *symbolizer)
{
	const char *path = symbolizer->options.kallsyms;
	int r = hw_kernel_read(&symbolizer->kernel, path ? path : "/proc/kallsyms", &symbolizer->strings);

	symbolizer->kernel_file.path = "[kernel.kallsyms]";
	symbolizer->kernel_file.kind = HW_FRAME_KERNEL;
	symbolizer->kernel_file.read = true;
	symbolizer->kernel_match = HW_KERNEL_UNKNOWN;
	symbolizer->kernel_file.cause = r == -ENODATA ? HW_GAP_KERNEL_HIDDEN : HW_GAP_KERNEL_OTHER;
	if (r)
		return;
	symbolizer->kernel_match =
	    hw_kernel_match(&symbolizer->kernel, symbolizer->recording, &symbolizer->kernel_moved_by);
	if (path) /* what the user says */
		symbolizer->kernel_match = HW_KERNEL_SAME;
	if (symbolizer->kernel_match == HW_KERNEL_SAME || symbolizer->kernel_match == HW_KERNEL_MOVED)
		symbolizer->kernel_file.cause = HW_GAP_KERNEL_UNKNOWN;
}

static int start(struct hw_symbolizer *symbolizer)
{
	size_t count;
	const struct hw_sample *samples = hw_recording_samples(symbolizer->recording, &count);

	symbolizer->processes = hw_processes_new();
	symbolizer->events = hw_recording_process_events(symbolizer->recording, &symbolizer->event_count);
	symbolizer->file_of_event = calloc(symbolizer->event_count + 1, sizeof(void *));
	symbolizer->demangled = malloc(HW_DEMANGLED_MAX + 1);
	if (!symbolizer->processes || !symbolizer->file_of_event || !symbolizer->demangled)
		return -ENOMEM;
	read_kernel(symbolizer);
	symbolizer->kernel_file.number = symbolizer->file_count++;
	symbolizer->nowhere = (struct hw_symbol_file){
	    .path = "[unknown]", .kind = HW_FRAME_UNKNOWN, .read = true, .cause = HW_GAP_UNMAPPED};
	symbolizer->nowhere.number = symbolizer->file_count++;
	symbolizer->search = (struct hw_search){.root = symbolizer->options.root,
	                                        .debug_directories = symbolizer->options.debug_directory,
	                                        .this_boot = is_this_boot(symbolizer),
	                                        .begin_ns = count ? samples[0].time_ns : 0};
	return 0;
}

int hw_symbolizer_new(const struct hw_recording *recording, const struct hw_symbolizer_options *options,
                      struct hw_symbolizer **result, struct hw_error *err)
{
	struct hw_symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (symbolizer) {
		symbolizer->recording = recording;
		if (options)
			symbolizer->options = *options;
	}
	if (!symbolizer || start(symbolizer)) {
		hw_symbolizer_free(symbolizer);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	*result = symbolizer;
	return 0;
}

void hw_symbolizer_free(struct hw_symbolizer *symbolizer)
{
	struct address_entry *address, *next_address;
	struct file_entry *file, *next_file;

	if (!symbolizer)
		return;
	HASH_ITER (hh, symbolizer->files, file, next_file) {
		HASH_DEL(symbolizer->files, file);
		hw_symbol_file_clear(&file->file);
		free(file);
	}
	HASH_ITER (hh, symbolizer->addresses, address, next_address) {
		HASH_DEL(symbolizer->addresses, address);
		free(address);
	}
	hw_frames_clear(&symbolizer->frames);
	hw_kernel_clear(&symbolizer->kernel);
	hw_strings_clear(&symbolizer->strings);
	hw_processes_free(symbolizer->processes);
	free(symbolizer->file_of_event);
	free(symbolizer->demangled);
	free(symbolizer);
}

/* ---- time ---- */

void hw_symbolizer_advance(struct hw_symbolizer *symbolizer, uint64_t time_ns)
{
	symbolizer->now_ns = time_ns;
	while (symbolizer->next_event < symbolizer->event_count &&
	       symbolizer->events[symbolizer->next_event].time_ns <= time_ns)
		hw_processes_apply(symbolizer->processes, &symbolizer->events[symbolizer->next_event++]);
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

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

/* Memory of a process's own, where a JIT compiler may put code. */
static bool is_anonymous(const char *name)
{
	return name[0] != '/' || begins(name, "//anon") || begins(name, "/dev/zero") ||
	       begins(name, "/anon_hugepage") || begins(name, "/SYSV");
}

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

struct found {
	struct hw_symbol_file *file;
	const char *path;     /* kept: of the file, or of the kernel's module */
	const char *function; /* raw, not kept; NULL: no symbol */
	uint64_t start;       /* of the function, as address */
	uint64_t address;     /* as the symbols count */
	uint64_t offset;      /* in the file */
};

static void look_up_kernel(struct hw_symbolizer *symbolizer, struct found *found)
{
	const struct hw_kernel *kernel = &symbolizer->kernel;
	uint32_t symbol = HW_NO_SYMBOL;

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
static void locate(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                   struct found *found, const struct hw_process_event **map)
{
	*found = (struct found){.file = &symbolizer->nowhere, .offset = lookup, .address = lookup};
	*map = kernel ? NULL : hw_processes_find(symbolizer->processes, pid, lookup);
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
	} else if (*map && is_anonymous((*map)->name) && strcmp((*map)->name, "[vdso]") != 0) {
		found->file = get_perf_map(symbolizer, pid);
	} else if (*map) {
		found->file = begins((*map)->name, "/memfd:") ? get_memory_file(symbolizer, *map, pid)
		                                              : get_file(symbolizer, *map);
		if (found->file && found->file->kind == HW_FRAME_JIT)
			return;
		found->offset = lookup - (*map)->start + (*map)->offset;
	}
	if (!found->file)
		found->file = &symbolizer->nowhere;
}

static void look_up(struct hw_symbolizer *symbolizer, uint32_t pid, const struct hw_process_event *map,
                    struct found *found)
{
	struct hw_symbol_file *file = found->file;
	uint32_t symbol;

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
	if (symbol == HW_NO_SYMBOL)
		return;
	found->function = hw_symtab_name(&file->symtab, symbol);
	found->start = file->symtab.symbols[symbol].start;
}

static const char *demangle(struct hw_symbolizer *symbolizer, const char *raw)
{
	size_t length = symbolizer->options.no_demangle ? 0 : hw_demangle(raw, symbolizer->demangled);
	const char *kept =
	    length ? hw_strings_keep(&symbolizer->strings, symbolizer->demangled, length) : NULL;

	return kept ? kept : raw;
}

static uint32_t frame_of(struct hw_symbolizer *symbolizer, const struct found *found)
{
	struct hw_frame frame = {.file = found->path, .kind = found->file->kind};
	uint32_t id;

	if (found->function)
		frame.raw_function =
		    hw_strings_keep(&symbolizer->strings, found->function, strlen(found->function));
	id = hw_frames_find(&symbolizer->frames, frame.file, frame.raw_function, frame.kind);
	if (id != HW_NO_FRAME_ID)
		return id;
	if (frame.raw_function)
		frame.function = demangle(symbolizer, frame.raw_function);
	return hw_frames_add(&symbolizer->frames, &frame);
}

/* The frame of what was found, from the kept answers or looked up. */
static uint32_t frame_of_address(struct hw_symbolizer *symbolizer, uint32_t pid,
                                 const struct hw_process_event *map, struct found *found,
                                 struct address_key key)
{
	struct address_entry *entry;
	uint32_t id;

	HASH_FIND(hh, symbolizer->addresses, &key, sizeof(key), entry);
	if (entry && (found->file->read || found->file->last_pid == pid))
		return entry->id;
	look_up(symbolizer, pid, map, found);
	id = frame_of(symbolizer, found);
	if (entry) {
		entry->id = id;
		return id;
	}
	if (!found->function)
		found->file->unnamed++;
	entry = calloc(1, sizeof(*entry));
	if (entry) {
		entry->key = key;
		entry->id = id;
		HASH_ADD(hh, symbolizer->addresses, key, sizeof(entry->key), entry);
		if (!hash_added(entry))
			free(entry);
	}
	return id;
}

uint32_t hw_symbolizer_frame(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel)
{
	const struct hw_process_event *map;
	struct fresh_address *fresh;
	struct address_key key;
	struct found found;

	locate(symbolizer, pid, lookup, kernel, &found, &map);
	key = (struct address_key){found.file->number, found.offset};
	fresh = &symbolizer->fresh[(key.offset * 0x9e3779b97f4a7c15u >> 40 ^ key.file) % FRESH_ADDRESSES];
	if (fresh->file == key.file + 1 && fresh->offset == key.offset)
		return fresh->id;
	fresh->id = frame_of_address(symbolizer, pid, map, &found, key);
	fresh->offset = key.offset;
	fresh->file = found.file->read ? (uint32_t)key.file + 1 : 0;
	return fresh->id;
}

uint32_t hw_symbolizer_marker(struct hw_symbolizer *symbolizer, const char *text)
{
	struct hw_frame frame = {.file = symbolizer->nowhere.path, .kind = HW_FRAME_UNKNOWN};
	uint32_t id;

	frame.function = frame.raw_function = hw_strings_keep(&symbolizer->strings, text, strlen(text));
	id = hw_frames_find(&symbolizer->frames, frame.file, frame.raw_function, frame.kind);
	return id == HW_NO_FRAME_ID ? hw_frames_add(&symbolizer->frames, &frame) : id;
}

const struct hw_process_event *hw_symbolizer_mapping(const struct hw_symbolizer *symbolizer, uint32_t pid,
                                                     uint64_t address, bool kernel)
{
	return hw_processes_find(symbolizer->processes, kernel ? (uint32_t)-1 : pid, address);
}

const struct hw_frame *hw_symbolizer_frame_by_id(const struct hw_symbolizer *symbolizer, uint32_t id)
{
	static const struct hw_frame unknown = {.file = "[unknown]", .kind = HW_FRAME_UNKNOWN};

	return id < symbolizer->frames.items.count ? &symbolizer->frames.items.items[id] : &unknown;
}

uint32_t hw_symbolizer_frame_count(const struct hw_symbolizer *symbolizer)
{
	return (uint32_t)symbolizer->frames.items.count;
}

int hw_symbolizer_place(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                        bool want_line, struct hw_place *place)
{
	const struct hw_process_event *map;
	const struct hw_frame *frame;
	struct found found;

	(void)want_line; /* lines are not read yet */
	memset(place, 0, sizeof(*place));
	locate(symbolizer, pid, lookup, kernel, &found, &map);
	look_up(symbolizer, pid, map, &found);
	frame = hw_symbolizer_frame_by_id(symbolizer, frame_of(symbolizer, &found));
	place->file = frame->file;
	place->function = frame->function;
	place->offset = found.function ? found.address - found.start : 0;
	place->file_offset = found.offset;
	return found.function ? 0 : -ENOENT;
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

/* ---- what has no name ---- */

static void add_gap(struct hw_gap *gaps, const struct hw_symbol_file *file, bool is_file)
{
	struct hw_gap *gap = &gaps[file->cause];

	if (!file->unnamed)
		return;
	gap->addresses += file->unnamed;
	if (is_file && gap->files < HW_GAP_EXAMPLES)
		gap->examples[gap->files] = file->path;
	gap->files += is_file;
}

static int by_addresses(const void *a, const void *b)
{
	const struct hw_gap *x = a, *y = b;

	return x->addresses > y->addresses ? -1 : x->addresses < y->addresses;
}

size_t hw_symbolizer_gaps(const struct hw_symbolizer *symbolizer, struct hw_gap gaps[HW_GAP_COUNT])
{
#define X(constant, text) [constant] = text,
	static const char *const words[] = {HW_GAPS(X)};
#undef X
	const struct file_entry *entry;
	size_t count = 0;

	memset(gaps, 0, HW_GAP_COUNT * sizeof(*gaps));
	for (size_t i = 0; i < HW_GAP_COUNT; i++)
		gaps[i].words = words[i];
	add_gap(gaps, &symbolizer->kernel_file, false);
	add_gap(gaps, &symbolizer->nowhere, false);
	for (entry = symbolizer->files; entry; entry = entry->hh.next)
		add_gap(gaps, &entry->file, entry->file.kind == HW_FRAME_USER);
	qsort(gaps, HW_GAP_COUNT, sizeof(*gaps), by_addresses);
	while (count < HW_GAP_COUNT && gaps[count].addresses)
		count++;
	return count;
}
