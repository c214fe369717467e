/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Merging while recording: records go in as a capture delivers them, merged samples come out one by one.
 *
 * A sample that asked waits for the deferred callchain of its (tid, cookie). Callchains are remembered for a
 * while, for samples that come after them. Both are bounded: a sample that waits while many others come is
 * given out without its stack, and the callchain remembered longest is forgotten first.
 */
#ifndef HW_MERGE_LIVE_H
#define HW_MERGE_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "perfdata/format.h"

#define HW_LIVE_WAITING_MOST    65536 /* samples */
#define HW_LIVE_REMEMBERED_MOST 4096  /* callchains */

struct hw_live;

/* Pointers are valid until the callback returns. */
struct hw_live_sample {
	uint64_t time_ns, ip, period, cookie;
	uint32_t pid, tid, cpu;
	const uint64_t *kernel_ips, *user_ips; /* leaf first */
	size_t kernel_count, user_count;
	uint8_t state;      /* enum hw_sample_state */
	uint8_t refusal;    /* enum hw_refusal, for REFUSED */
	uint8_t end;        /* enum hw_end_reason, for ANSWERED */
	uint8_t unanswered; /* enum hw_unanswered, for UNANSWERED */
};

/* A negative result is passed on by hw_live_add and hw_live_finish. */
typedef int hw_live_function(void *context, const struct hw_live_sample *sample);

/* attr: of the records' samples. NULL: out of memory. */
struct hw_live *hw_live_new(const struct perf_event_attr *attr, hw_live_function *function, void *context);
void hw_live_free(struct hw_live *live); /* may be NULL; what waits is dropped */

/* Take one record; others than samples and callchains are not looked at. 0, -EINVAL: it makes no sense,
 * -ENOMEM. */
int hw_live_add(struct hw_live *live, const struct perf_event_header *record);

/* No more records will come: give out all samples that still wait. */
int hw_live_finish(struct hw_live *live);

#endif
