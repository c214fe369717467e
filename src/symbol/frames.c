/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/frames.h"

#include <string.h>

#include "symbol/hash.h"

struct content {
	const char *file, *function;
	uint64_t kind;
};

struct hw_frame_entry {
	struct content content;
	uint32_t id;
	UT_hash_handle hh;
};

uint32_t hw_frames_find(const struct hw_frames *frames, const char *file, const char *raw_function,
                        uint8_t kind)
{
	struct content content = {.file = file, .function = raw_function, .kind = kind};
	struct hw_frame_entry *entry;

	HASH_FIND(hh, frames->by_content, &content, sizeof(content), entry);
	return entry ? entry->id : HW_NO_FRAME_ID;
}

uint32_t hw_frames_add(struct hw_frames *frames, const struct hw_frame *frame)
{
	struct hw_frame_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return HW_NO_FRAME_ID;
	entry->content =
	    (struct content){.file = frame->file, .function = frame->raw_function, .kind = frame->kind};
	entry->id = (uint32_t)frames->items.count;
	if (array_push(&frames->items, *frame)) {
		free(entry);
		return HW_NO_FRAME_ID;
	}
	HASH_ADD(hh, frames->by_content, content, sizeof(entry->content), entry);
	if (!hash_added(entry)) {
		frames->items.count--;
		free(entry);
		return HW_NO_FRAME_ID;
	}
	return entry->id;
}

void hw_frames_clear(struct hw_frames *frames)
{
	struct hw_frame_entry *entry, *next;

	HASH_ITER (hh, frames->by_content, entry, next) {
		HASH_DEL(frames->by_content, entry);
		free(entry);
	}
	array_free(&frames->items);
}
