/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From the addresses of a sample to the frames of a stack.
 *
 * A stack is put together from two paths, each leaf first: the kernel's and the user's. Paths are interned
 * by content, and a stack is only a pair of them, so a deep user stack under a thousand kernel stacks is
 * kept once. What has no frames of its own is told by a marker at the outermost end of the stack:
 * "[user stack: in-kernel]", "[refused: exiting]", "[incomplete: gap]".
 *
 * A return address belongs to the instruction before it, so callers are looked up at ip - 1; the innermost
 * frame, and the one that a signal interrupted, stopped exactly at ip.
 *
 * Paths that were found lately are kept by (recorded stack, what addresses mean): see hw_symbolizer_layout.
 *
 * Reports count functions, so a path is made of frame ids. For formats that keep addresses it can be made of
 * location ids instead (with_locations): which address of which mapping a frame stands for. Two stacks then
 * differ if an address does.
 */
#ifndef HW_REPORT_STACK_H
#define HW_REPORT_STACK_H

#include "base/array.h"
#include "report/index.h"
#include "merge/recording.h"
#include "symbol/symbol.h"

#define HW_NO_FRAME UINT32_MAX

enum hw_stack_part {
	HW_STACK_ALL,
	HW_STACK_USER,   /* leave the kernel's frames out */
	HW_STACK_KERNEL, /* leave the user's frames out */
};

#define HW_LOCATION_LINES_MOST 64 /* functions inlined into one another at one address */

/* One function at a location, innermost first; the last one is the function itself, the others are inlined.
 */
struct hw_location_line {
	const char *function, *source; /* NULL: not known; owned by the symbolizer */
	int line;                      /* 0: not known */
};

struct hw_location {
	const struct hw_process_event *mapping; /* NULL: not known; of the recording */
	uint64_t address;                       /* that was looked up: one less than a return address */
	uint32_t frame;
	uint32_t first_line, line_count; /* into hw_stacks.lines; 0 lines: no function is known */
};

struct hw_path {
	size_t start;   /* into hw_stacks.frames */
	uint32_t count; /* frame ids, or location ids, leaf first */
};

struct hw_stack {
	uint32_t kernel, user; /* path ids; 0 is the empty path */
	uint32_t marker;       /* frame id of the outermost frame, or HW_NO_FRAME */
};

#define HW_RESOLVED_SLOTS (1u << 15) /* a power of two, as below */
#define HW_ANSWERS        (1u << 14)
#define HW_WAYS           4 /* slots where an answer may stand, side by side: the latest first */

/* A recorded stack that was resolved before: what was asked, and the path that came out. stack 0: free. */
struct hw_resolved {
	uint64_t layout;
	uint32_t stack, pid; /* pid 0: of whatever process has this layout */
	uint32_t kernel, path;
};

/* The same for a whole sample: most are like one just before. A question without stacks: free. */
struct hw_answer {
	uint64_t kernel_layout, user_layout;
	uint32_t kernel_stack, user_stack, pid, marker;
	uint32_t stack; /* the answer */
};

struct hw_stacks {
	const struct hw_recording *recording; /* borrowed */
	struct hw_symbolizer *symbolizer;     /* borrowed; brought to the time of each sample */
	enum hw_stack_part part;
	bool with_locations; /* to be set between hw_stacks_init and the first stack */

	array_of(uint32_t) frames; /* of all paths */
	array_of(struct hw_location) locations;
	array_of(struct hw_location_line) lines;
	struct hw_index by_location;
	array_of(const struct hw_process_event *) mappings; /* one of all that say the same */
	struct hw_index by_mapping;
	array_of(struct hw_path) paths;
	array_of(struct hw_stack) stacks;
	struct hw_index by_content, by_pair;

	struct hw_resolved *resolved; /* HW_RESOLVED_SLOTS: the last answers to paths */
	struct hw_answer *answers;    /* HW_ANSWERS: and to samples */

	array_of(uint32_t) scratch;
	uint32_t markers[3][32]; /* frame ids by kind and reason, HW_NO_FRAME until needed */
};

/* 0 or -ENOMEM. Everything borrowed must outlive stacks. */
int hw_stacks_init(struct hw_stacks *stacks, const struct hw_recording *recording,
                   struct hw_symbolizer *symbolizer, enum hw_stack_part part);
void hw_stacks_free(struct hw_stacks *stacks);

/*
 * The stack id of a sample; samples must come in time order, and the symbolizer is advanced to each.
 * 0, -ENOMEM, or -ENODATA when the part that was asked for has nothing of this sample.
 */
int hw_stacks_resolve(struct hw_stacks *stacks, const struct hw_sample *sample, uint32_t *stack);

/* The frame ids of a path (with_locations: its location ids), leaf first. */
static inline const uint32_t *hw_stacks_path(const struct hw_stacks *stacks, uint32_t path, uint32_t *count)
{
	*count = stacks->paths.items[path].count;
	return stacks->frames.items + stacks->paths.items[path].start;
}

/* All frames of a stack in *frames (grown as needed), leaf first, the marker last. 0 or -ENOMEM. */
struct hw_frame_list {
	uint32_t *items;
	size_t count, capacity;
};
int hw_stacks_frames(const struct hw_stacks *stacks, uint32_t stack, struct hw_frame_list *frames);

/* The same without the marker, and with_locations as location ids; there is room for one more. */
int hw_stacks_path_ids(const struct hw_stacks *stacks, uint32_t stack, struct hw_frame_list *frames);

#define HW_FRAME_NAME_BYTES 512

/*
 * What a frame is called where its file is not shown beside it: its function, or its file in brackets,
 * "[libfoo.so]". The result is the frame's own or in buffer.
 */
const char *hw_frame_name(const struct hw_frame *frame, char buffer[HW_FRAME_NAME_BYTES]);

#endif
