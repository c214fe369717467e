/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The work of the finisher's thread: walking copies, and judging callchains that the kernel walked. */
#ifndef HW_CAPTURE_FINISH_WALK_H
#define HW_CAPTURE_FINISH_WALK_H

#include "capture/finisher.h"
#include "capture/spaces.h"

struct hw_finish_walk {
	struct hw_spaces *spaces;
	uint64_t cookie; /* the last one given out */
	uint64_t samples, walks, frames;
};

/*
 * Walk a copy (followed by its kernel ips and its stacks) and build its records: a sample, and a deferred
 * callchain where it was asked for, else the first word of callchain is 0. Sizes in bytes.
 */
void hw_finish_copy(struct hw_finish_walk *walk, const struct hw_stack_copy *copy, uint64_t *sample,
                    size_t sample_size, uint64_t *callchain, size_t callchain_size);

/* Take note of a sample of the kernel's own deferral, whose callchain comes later. */
void hw_finish_note_sample(struct hw_finish_walk *walk, const struct perf_event_header *record);
/* Say in a callchain of the kernel's own deferral how it ended, as far as tables tell. */
void hw_finish_judge(struct hw_finish_walk *walk, struct perf_event_header *record);

/* Build an MMAP2 record anew with the build ID of its file. Its size, or 0: none is known. */
int hw_finish_name_build(struct hw_finish_walk *walk, const struct perf_event_header *record, void *buffer,
                         size_t size);

#endif
