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

#include "symbol/demangle.h"
#include "symbol/internal.h"

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
	struct hw_kernel_ahead *ahead = symbolizer->options.kernel;
	int r = ahead ? hw_kernel_ahead_take(ahead, &symbolizer->kernel, &symbolizer->strings)
	              : hw_kernel_read(&symbolizer->kernel, path ? path : HW_KALLSYMS, &symbolizer->strings);

	symbolizer->options.kernel = NULL;
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
		if (!symbolizer && options)
			hw_kernel_ahead_drop(options->kernel);
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
	struct lines_entry *lines, *next_lines;

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
	HASH_ITER (hh, symbolizer->lines_by_address, lines, next_lines) {
		HASH_DEL(symbolizer->lines_by_address, lines);
		free(lines);
	}
	array_free(&symbolizer->lines);
	hw_frames_clear(&symbolizer->frames);
	hw_kernel_ahead_drop(symbolizer->options.kernel);
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
	symbolizer->now_ns = symbolizer->walked_ns = time_ns;
	while (symbolizer->next_event < symbolizer->event_count &&
	       symbolizer->events[symbolizer->next_event].time_ns <= time_ns)
		hw_processes_apply(symbolizer->processes, &symbolizer->events[symbolizer->next_event++]);
}

size_t hw_symbolizer_moment(const struct hw_symbolizer *symbolizer)
{
	return symbolizer->next_event;
}

void hw_symbolizer_walked(struct hw_symbolizer *symbolizer, uint64_t time_ns)
{
	symbolizer->walked_ns = time_ns;
}

uint64_t hw_symbolizer_layout(struct hw_symbolizer *symbolizer, uint32_t pid, bool kernel)
{
	return kernel ? hw_processes_layout(symbolizer->processes, (uint32_t)-1, UINT64_MAX)
	              : hw_processes_layout(symbolizer->processes, pid, symbolizer->walked_ns);
}

bool hw_symbolizer_was_unsure(struct hw_symbolizer *symbolizer)
{
	bool unsure = symbolizer->unsure;

	symbolizer->unsure = false;
	return unsure;
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

static const char *demangle(struct hw_symbolizer *symbolizer, const char *raw)
{
	size_t length = symbolizer->options.no_demangle ? 0 : hw_demangle(raw, symbolizer->demangled);
	const char *kept =
	    length ? hw_strings_keep(&symbolizer->strings, symbolizer->demangled, length) : NULL;

	return kept ? kept : raw;
}

/* What a function without a symbol is called: what is at its beginning, as disassemblers count. */
static const char *name_by_bounds(struct hw_symbolizer *symbolizer, const struct hw_found *found)
{
	const char *base = strrchr(found->path, '/');
	char text[256];
	int length = snprintf(text, sizeof(text), "[%.200s+0x%llx]", base ? base + 1 : found->path,
	                      (unsigned long long)found->start);

	return hw_strings_keep(&symbolizer->strings, text, (size_t)length);
}

uint32_t hw_symbolizer_frame_of(struct hw_symbolizer *symbolizer, const struct hw_found *found)
{
	struct hw_frame frame = {.file = found->path, .kind = found->file->kind};
	uint32_t id;

	if (found->function)
		frame.raw_function =
		    hw_strings_keep(&symbolizer->strings, found->function, strlen(found->function));
	else if (found->bounded)
		frame.raw_function = name_by_bounds(symbolizer, found);
	frame.unnamed = !found->function;
	id = hw_frames_find(&symbolizer->frames, frame.file, frame.raw_function, frame.kind);
	if (id != HW_NO_FRAME_ID)
		return id;
	if (frame.raw_function)
		frame.function =
		    frame.unnamed ? frame.raw_function : demangle(symbolizer, frame.raw_function);
	return hw_frames_add(&symbolizer->frames, &frame);
}

/* The frame of what was found, from the kept answers or looked up. */
static uint32_t frame_of_address(struct hw_symbolizer *symbolizer, uint32_t pid,
                                 const struct hw_process_event *map, struct hw_found *found,
                                 struct address_key key)
{
	struct address_entry *entry;
	uint32_t id;

	HASH_FIND(hh, symbolizer->addresses, &key, sizeof(key), entry);
	if (entry && (found->file->read || found->file->last_pid == pid))
		return entry->id;
	hw_symbolizer_look_up(symbolizer, pid, map, found);
	id = hw_symbolizer_frame_of(symbolizer, found);
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
	struct hw_found found;

	hw_symbolizer_locate(symbolizer, pid, lookup, kernel, &found, &map);
	if (found.code) { /* other code may stand there later */
		hw_symbolizer_look_up(symbolizer, pid, map, &found);
		return hw_symbolizer_frame_of(symbolizer, &found);
	}
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
	return hw_processes_find_then(symbolizer->processes, kernel ? (uint32_t)-1 : pid, address,
	                              symbolizer->walked_ns);
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
