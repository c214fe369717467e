/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Samples and deferred callchains, by (tid, cookie). Neither the order of records nor time matters; of a
 * callchain that is there twice (the writer repeats some for perf's sake) the first counts.
 */
#include <stdlib.h>
#include <string.h>

#include "merge/internal.h"

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_tid_cookie(const void *a, const void *b)
{
	const struct hw_callchain *x = a, *y = b;
	int r = order(x->tid, y->tid);

	if (!r)
		r = order(x->cookie, y->cookie);
	return r ? r : order(x->time_ns, y->time_ns);
}

static int end_by_tid(const void *a, const void *b)
{
	const struct hw_task_end *x = a, *y = b;
	int r = order(x->tid, y->tid);

	return r ? r : order(x->time_ns, y->time_ns);
}

static void drop_repeats(struct hw_recording *recording)
{
	size_t kept = 0;

	for (size_t i = 0; i < recording->callchains.count; i++) {
		const struct hw_callchain *c = &recording->callchains.items[i], *before;

		before = kept ? &recording->callchains.items[kept - 1] : NULL;
		if (before && before->tid == c->tid && before->cookie == c->cookie)
			recording->account.repeated++;
		else
			recording->callchains.items[kept++] = *c;
	}
	recording->callchains.count = kept;
}

static uint32_t microseconds_before(uint64_t earlier_ns, uint64_t later_ns)
{
	uint64_t between = earlier_ns < later_ns ? (later_ns - earlier_ns) / 1000 : 0;

	return between < UINT32_MAX ? (uint32_t)between : UINT32_MAX;
}

static const struct hw_callchain *find_callchain(const struct hw_recording *recording, uint32_t tid,
                                                 uint64_t cookie)
{
	size_t low = 0, high = recording->callchains.count;
	const struct hw_callchain *c;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		c = &recording->callchains.items[middle];
		if (c->tid < tid || (c->tid == tid && c->cookie < cookie))
			low = middle + 1;
		else
			high = middle;
	}
	if (low >= recording->callchains.count)
		return NULL;
	c = &recording->callchains.items[low];
	return c->tid == tid && c->cookie == cookie ? c : NULL;
}

/* The entry of a list sorted by (tid, time) that is of tid and not older than time_ns; NULL: none. */
static const struct hw_task_end *find_after(const struct hw_task_end *list, size_t count, uint32_t tid,
                                            uint64_t time_ns)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list[middle].tid < tid || (list[middle].tid == tid && list[middle].time_ns < time_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && list[low].tid == tid ? &list[low] : NULL;
}

/* When each task came home, by (tid, time). */
static int homecomings(const struct hw_recording *recording, struct hw_task_end **result)
{
	size_t count = recording->callchains.count;
	struct hw_task_end *home = reallocarray(NULL, count ? count : 1, sizeof(*home));

	if (!home)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		home[i] = (struct hw_task_end){.time_ns = recording->callchains.items[i].time_ns,
		                               .tid = recording->callchains.items[i].tid};
	if (count)
		qsort(home, count, sizeof(*home), end_by_tid);
	*result = home;
	return 0;
}

/* What the task did first after the sample. */
static uint8_t why_unanswered(const struct hw_recording *recording, const struct hw_sample *sample,
                              const struct hw_task_end *home)
{
	const struct hw_task_end *came, *left;

	came = find_after(home, recording->callchains.count, sample->tid, sample->time_ns + 1);
	left = find_after(recording->exits.items, recording->exits.count, sample->tid, sample->time_ns);
	if (came && (!left || came->time_ns <= left->time_ns))
		return HW_UNANSWERED_LOST;
	return left ? HW_UNANSWERED_EXITED : HW_UNANSWERED_IN_KERNEL;
}

int hw_recording_join(struct hw_recording *recording)
{
	struct hw_task_end *home;

	if (recording->callchains.count)
		qsort(recording->callchains.items, recording->callchains.count, sizeof(struct hw_callchain),
		      by_tid_cookie);
	drop_repeats(recording);
	if (recording->exits.count)
		qsort(recording->exits.items, recording->exits.count, sizeof(struct hw_task_end), end_by_tid);
	if (homecomings(recording, &home))
		return -ENOMEM;
	array_for_each (&recording->samples, sample) {
		const struct hw_callchain *c;

		if (sample->state != HW_SAMPLE_UNANSWERED)
			continue;
		c = find_callchain(recording, sample->tid, sample->cookie);
		if (c) {
			sample->state = HW_SAMPLE_ANSWERED;
			sample->user_stack = c->stack;
			sample->end = c->end;
			sample->walked_before_us = microseconds_before(c->time_ns, sample->time_ns);
		} else {
			sample->unanswered = why_unanswered(recording, sample, home);
		}
	}
	free(home);
	return 0;
}
