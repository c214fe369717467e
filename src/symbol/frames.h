/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Frames, numbered: equal (file, function, kind) have one id. Strings are kept by the one who interns. */
#ifndef HW_SYMBOL_FRAMES_H
#define HW_SYMBOL_FRAMES_H

#include "base/array.h"
#include "symbol/symbol.h"

struct hw_frame_entry; /* private */

struct hw_frames {
	array_of(struct hw_frame) items; /* by id */
	struct hw_frame_entry *by_content;
};

#define HW_NO_FRAME_ID UINT32_MAX

/* The id of the frame with these very strings (compared by address), or HW_NO_FRAME_ID. */
uint32_t hw_frames_find(const struct hw_frames *frames, const char *file, const char *raw_function,
                        uint8_t kind);
/* Add a frame that is not there yet: its id, or HW_NO_FRAME_ID: out of memory. */
uint32_t hw_frames_add(struct hw_frames *frames, const struct hw_frame *frame);
void hw_frames_clear(struct hw_frames *frames);

#endif
