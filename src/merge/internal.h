/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the parts of merge/ share: a recording while it is being read. */
#ifndef HW_MERGE_INTERNAL_H
#define HW_MERGE_INTERNAL_H

#include "base/array.h"
#include "merge/interned.h"
#include "merge/recording.h"
#include "perfdata/reader.h"

struct hw_callchain {
	uint64_t cookie;
	uint64_t time_ns;
	uint32_t tid;
	uint32_t stack;
	uint8_t end;
};

struct hw_task_end {
	uint64_t time_ns;
	uint32_t tid;
};

/* A sample with a stack copy, to be walked when all process events are known. */
struct hw_stack_copy {
	uint64_t time_ns;
	uint64_t offset; /* of its record, in the recording or in the spool */
	size_t sample;   /* index, before samples are put in order */
	bool spooled;
};

#define HW_NEARBY 1024 /* a power of two */

/* A sample whose callchain is the next one of its key in the file, or comes some other way (join.c). */
struct hw_nearby {
	uint64_t cookie;
	uint32_t tid, sample; /* its place among the samples, plus one; 0: none waits */
};

struct hw_recording {
	array_of(struct hw_sample) samples;
	array_of(struct hw_process_event) process_events;
	array_of(struct hw_recording_event) events;
	array_of(struct hw_callchain) callchains;
	array_of(struct hw_task_end) exits;
	array_of(struct hw_stack_copy) stack_copies;
	array_of(char *) names;
	array_of(struct hw_lost_on_cpu) lost_on;
	struct hw_missing_file missing[HW_MISSING_FILES_MAX];
	struct hw_interned stacks;
	struct hw_nearby nearby[HW_NEARBY];
	uint64_t joined_nearby; /* callchains that are not among the others any more */
	struct hw_recording_info info;
	struct hw_account account;
	struct hw_reader *reader; /* owns the strings of info */
	char backend[32];
	bool unmerged; /* see hw_load_options */
	int spool;     /* records with stack copies that cannot be read twice; -1: none */
	uint64_t spool_bytes;
};

/* records.c: a copy of text, kept until the recording goes. 0 or -ENOMEM. */
int hw_recording_keep_name(struct hw_recording *recording, const char *text, size_t max, const char **name);
/* records.c: take one record in. 0, -ENOMEM, or -EINVAL: it makes no sense. */
int hw_recording_add(struct hw_recording *recording, const struct perf_event_header *record);

/* join.c */
/* The sample that was added last waits for a callchain. */
void hw_recording_await(struct hw_recording *recording);
/* Whether the callchain was waited for and went to its sample: then no other one will ask for it. */
bool hw_recording_join_nearby(struct hw_recording *recording, const struct hw_callchain *callchain);
/* Every other sample that asked gets its callchain, or the reason why it has none. 0 or -ENOMEM. */
int hw_recording_join(struct hw_recording *recording);

/* stacks.c */
/* Keep the record of the sample that was added last, which has a stack copy. 0 or -ENOMEM. */
int hw_recording_keep_stack(struct hw_recording *recording, const struct perf_event_header *record);
/* Walk all stack copies. Process events are in order of time, samples in that of the file. 0 or -ENOMEM. */
int hw_recording_walk_stacks(struct hw_recording *recording, const struct hw_load_options *options);

/* order.c: sort items of size bytes that begin with their time (uint64_t); equal times keep their order. */
int hw_order_by_time(void *items, size_t count, size_t size);

/* Say what was wrong with the recording; the first counts. */
void hw_recording_damage(struct hw_recording *recording, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
