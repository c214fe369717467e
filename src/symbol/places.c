/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Exact places: offsets in functions, lines of source, inlined functions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/internal.h"

#define HW_INLINED_NAME_MAX 1024

/* Lines of an address that was looked up, from the file's debug information, once. */
static bool read_lines(struct hw_symbolizer *symbolizer, uint32_t pid, const struct hw_process_event *map,
                       const struct hw_found *found, const char *function, uint32_t *first, uint32_t *count)
{
	struct address_key key = {.file = found->file->number, .offset = found->offset};
	struct hw_line lines[HW_LINES_MAX];
	struct lines_entry *entry;

	HASH_FIND(hh, symbolizer->lines_by_address, &key, sizeof(key), entry);
	if (!entry) {
		bool alive = map && !found->file->lines_tried &&
		             hw_search_is_alive(&symbolizer->search, pid, symbolizer->now_ns);

		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return false;
		entry->key = key;
		entry->first = (uint32_t)symbolizer->lines.count;
		entry->count =
		    (uint32_t)hw_symbol_file_lines(found->file, &symbolizer->search, map, pid, alive,
		                                   found->address, &symbolizer->strings, lines);
		if (entry->count) /* symbols know better what the function itself is called */
			lines[entry->count - 1].function =
			    function ? function : lines[entry->count - 1].function;
		for (uint32_t i = 0; i < entry->count; i++)
			if (array_push(&symbolizer->lines, lines[i]))
				entry->count = i;
		HASH_ADD(hh, symbolizer->lines_by_address, key, sizeof(entry->key), entry);
		if (!hash_added(entry)) {
			free(entry);
			return false;
		}
	}
	*first = entry->first;
	*count = entry->count;
	return entry->count;
}

int hw_symbolizer_place(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                        bool want_line, struct hw_place *place)
{
	const struct hw_process_event *map;
	const struct hw_frame *frame;
	struct hw_found found;
	uint32_t first, count;

	memset(place, 0, sizeof(*place));
	hw_symbolizer_locate(symbolizer, pid, lookup, kernel, &found, &map);
	hw_symbolizer_look_up(symbolizer, pid, map, &found);
	frame = hw_symbolizer_frame_by_id(symbolizer, hw_symbolizer_frame_of(symbolizer, &found));
	place->file = frame->file;
	place->function = found.function ? frame->function : NULL;
	place->offset = found.function ? found.address - found.start : 0;
	place->file_offset = found.offset;
	if (want_line && read_lines(symbolizer, pid, map, &found, place->function, &first, &count)) {
		place->source = symbolizer->lines.items[first].source;
		place->line = symbolizer->lines.items[first].line;
	}
	return found.function ? 0 : -ENOENT;
}

size_t hw_symbolizer_lines(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                           struct hw_line *lines, size_t max)
{
	const struct hw_process_event *map;
	const struct hw_frame *frame;
	struct hw_found found;
	uint32_t first, count;

	if (!max)
		return 0;
	hw_symbolizer_locate(symbolizer, pid, lookup, kernel, &found, &map);
	hw_symbolizer_look_up(symbolizer, pid, map, &found);
	frame = hw_symbolizer_frame_by_id(symbolizer, hw_symbolizer_frame_of(symbolizer, &found));
	lines[0] = (struct hw_line){.function = found.function ? frame->function : NULL};
	if (!read_lines(symbolizer, pid, map, &found, lines[0].function, &first, &count))
		return 1;
	/* Where there is not room for all, the outermost ones are told: they are what callers see. */
	if (count > max) {
		first += count - (uint32_t)max;
		count = (uint32_t)max;
	}
	memcpy(lines, symbolizer->lines.items + first, count * sizeof(*lines));
	return count;
}

size_t hw_symbolizer_frames(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                            uint32_t *ids, size_t max)
{
	uint32_t id = hw_symbolizer_frame(symbolizer, pid, lookup, kernel);
	struct hw_frame frame = *hw_symbolizer_frame_by_id(symbolizer, id);
	struct hw_line lines[HW_LINES_MAX];
	size_t count = symbolizer->options.inlined && frame.kind == HW_FRAME_USER && max > 1
	                   ? hw_symbolizer_lines(symbolizer, pid, lookup, kernel, lines,
	                                         max < HW_LINES_MAX ? max : HW_LINES_MAX)
	                   : 1;
	size_t filled = 0;

	for (size_t i = 0; i + 1 < count; i++) {
		char text[HW_INLINED_NAME_MAX];
		int length;

		if (!lines[i].function)
			continue;
		length = snprintf(text, sizeof(text), "%.*s (inlined)", HW_INLINED_NAME_MAX - 16,
		                  lines[i].function);
		frame.unnamed = false;
		frame.function = frame.raw_function =
		    hw_strings_keep(&symbolizer->strings, text, (size_t)length);
		ids[filled] = hw_frames_find(&symbolizer->frames, frame.file, frame.raw_function, frame.kind);
		if (ids[filled] == HW_NO_FRAME_ID)
			ids[filled] = hw_frames_add(&symbolizer->frames, &frame);
		filled++;
	}
	ids[filled++] = id;
	return filled;
}
