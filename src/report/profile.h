/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A recording, boiled down to what reports count: how often was each stack seen in each context, where a
 * context is a thread under one name. Everything else (trees, flat lists, folded stacks, the flame graph)
 * is made from this, so they all agree.
 *
 * What counts as weight: samples, unless their periods differ; then a sample stands for as many events as
 * its period says (hw_profile_weight).
 */
#ifndef HW_REPORT_PROFILE_H
#define HW_REPORT_PROFILE_H

#include "report/filter.h"
#include "report/names.h"
#include "report/stack.h"

struct hw_weight {
	uint64_t samples, period; /* saturating */
};

struct hw_context {
	uint32_t pid, tid;
	uint32_t process, thread; /* name ids, as of the sample */
};

struct hw_entry {
	uint32_t context, stack;
	struct hw_weight weight;
};

/* One sample. */
struct hw_point {
	uint64_t time_ns, period;
	uint32_t entry;
};

/* What is kept beyond the counts. */
enum hw_profile_detail {
	HW_PROFILE_LOCATIONS = 1, /* stacks are of locations: addresses, lines, inlined functions */
	HW_PROFILE_POINTS = 2,    /* when each entry was seen */
};

struct hw_profile {
	const struct hw_recording *recording; /* borrowed */
	struct hw_symbolizer *symbolizer;     /* borrowed */
	struct hw_stacks stacks;
	struct hw_names names;
	array_of(struct hw_context) contexts;
	array_of(struct hw_entry) entries; /* each (context, stack) once, in order of appearance */
	array_of(struct hw_point) points;  /* in order of time; only if asked for */
	struct hw_index by_context, by_entry;
	struct hw_weight total; /* of the entries */
	struct hw_weight idle;  /* samples of the idle task that the filter left out */
	uint64_t filtered;      /* samples that the filter left out otherwise */
	uint64_t period;        /* that all entries' samples have */
	bool periods_differ;
};

/*
 * filter is changed only in its caches. 0 or -errno; the caller calls hw_profile_free in either case.
 * recording and symbolizer must outlive the profile.
 */
int hw_profile_build(struct hw_profile *profile, const struct hw_recording *recording,
                     struct hw_symbolizer *symbolizer, struct hw_filter *filter, struct hw_error *err);
/* The same with details, a set of enum hw_profile_detail. */
int hw_profile_build_with(struct hw_profile *profile, const struct hw_recording *recording,
                          struct hw_symbolizer *symbolizer, struct hw_filter *filter, unsigned details,
                          struct hw_error *err);
void hw_profile_free(struct hw_profile *profile);

static inline void hw_weight_add(struct hw_weight *to, struct hw_weight more)
{
	if (__builtin_add_overflow(to->samples, more.samples, &to->samples))
		to->samples = UINT64_MAX;
	if (__builtin_add_overflow(to->period, more.period, &to->period))
		to->period = UINT64_MAX;
}

/* The number that shares are computed from. */
static inline uint64_t hw_profile_weight(const struct hw_profile *profile, struct hw_weight weight)
{
	return profile->periods_differ ? weight.period : weight.samples;
}

/* Whether the event's period is CPU time in nanoseconds. */
bool hw_event_is_clock(const struct hw_recording_event *event);

#endif
