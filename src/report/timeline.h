/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Going through a recording in time: the symbolizer is brought to each sample's moment, and the changes of
 * every process's mappings are counted on the way. An address means something else after an mmap, fork or
 * exec; as long as the generation of its process is the same, an answer given before still holds.
 */
#ifndef HW_REPORT_TIMELINE_H
#define HW_REPORT_TIMELINE_H

#include "base/array.h"
#include "report/index.h"
#include "symbol/symbol.h"

struct hw_generation {
	uint32_t pid, value;
};

struct hw_timeline {
	const struct hw_recording *recording; /* borrowed */
	struct hw_symbolizer *symbolizer;     /* borrowed */
	size_t next_event;
	uint32_t kernel_generation;
	array_of(struct hw_generation) generations;
	uint32_t last; /* the position that was asked about last; positions stay */
	struct hw_index by_pid;
};

void hw_timeline_init(struct hw_timeline *timeline, const struct hw_recording *recording,
                      struct hw_symbolizer *symbolizer);
void hw_timeline_free(struct hw_timeline *timeline);

/* Times must not go down. 0 or -ENOMEM. */
int hw_timeline_advance(struct hw_timeline *timeline, uint64_t time_ns);

/* How often the mappings of pid (kernel: of the kernel) have changed so far. */
uint32_t hw_timeline_generation(struct hw_timeline *timeline, uint32_t pid, bool kernel);

#endif
