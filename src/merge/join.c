/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Samples and deferred callchains, by (tid, cookie). Neither the order of records nor time matters; of a
 * callchain that is there twice (the writer repeats some for perf's sake) the first counts.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "merge/internal.h"

struct hw_task_ends {
	struct hw_task_end *items;
	size_t count, capacity;
};

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int end_by_tid(const void *a, const void *b)
{
	const struct hw_task_end *x = a, *y = b;
	int r = order(x->tid, y->tid);

	return r ? r : order(x->time_ns, y->time_ns);
}

/* ---- finding callchains: a table of their places, by a hash that a recording cannot foresee ---- */

struct places {
	uint32_t *slots; /* index of the callchain plus one; 0: free */
	size_t mask;
	uint64_t seed;
};

static int places_init(struct places *places, size_t callchains)
{
	size_t count = 1024;

	if (callchains >= UINT32_MAX / 2)
		return -ENOMEM;
	while (count < callchains * 2)
		count *= 2;
	if (getrandom(&places->seed, sizeof(places->seed), GRND_NONBLOCK) != sizeof(places->seed))
		places->seed = 0x9e3779b97f4a7c15u; /* only the protection against crafted recordings goes */
	places->slots = calloc(count, sizeof(*places->slots));
	places->mask = count - 1;
	return places->slots ? 0 : -ENOMEM;
}

/* The slot of the callchain with this key, or the free one where it belongs. */
static uint32_t *place_of(const struct places *places, const struct hw_callchain *callchains, uint32_t tid,
                          uint64_t cookie)
{
	const uint64_t key[] = {tid, cookie};
	size_t at = (size_t)XXH3_64bits_withSeed(key, sizeof(key), places->seed);

	for (;; at++) {
		uint32_t *slot = &places->slots[at & places->mask];
		const struct hw_callchain *c = *slot ? &callchains[*slot - 1] : NULL;

		if (!c || (c->cookie == cookie && c->tid == tid))
			return slot;
	}
}

/* Find a place for every callchain; repeats go, of each the earliest stays. */
static void place_all(struct hw_recording *recording, struct places *places)
{
	struct hw_callchain *items = recording->callchains.items;
	size_t kept = 0;

	for (size_t i = 0; i < recording->callchains.count; i++) {
		uint32_t *slot = place_of(places, items, items[i].tid, items[i].cookie);

		if (*slot) {
			recording->account.repeated++;
			if (items[i].time_ns < items[*slot - 1].time_ns)
				items[*slot - 1] = items[i];
		} else {
			items[kept++] = items[i];
			*slot = (uint32_t)kept;
		}
	}
	recording->callchains.count = kept;
}

/* ---- why a sample has none ---- */

static int by_tid(const void *a, const void *b)
{
	return order(((const struct hw_task_end *)a)->tid, ((const struct hw_task_end *)b)->tid);
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

/* The tasks of unanswered samples, in the order of their tids, each once; time_ns is 0. */
static int waiting_tasks(const struct hw_recording *recording, struct hw_task_ends *tasks)
{
	size_t kept = 0;

	array_for_each (&recording->samples, sample) {
		struct hw_task_end task = {.tid = sample->tid};

		if (sample->state == HW_SAMPLE_UNANSWERED && array_push(tasks, task))
			return -ENOMEM;
	}
	if (!tasks->count)
		return 0;
	qsort(tasks->items, tasks->count, sizeof(*tasks->items), end_by_tid);
	for (size_t i = 1; i < tasks->count; i++)
		if (tasks->items[i].tid != tasks->items[kept].tid)
			tasks->items[++kept] = tasks->items[i];
	tasks->count = kept + 1;
	return 0;
}

/* When these tasks came home, by (tid, time). */
static int homecomings(const struct hw_recording *recording, const struct hw_task_ends *tasks,
                       struct hw_task_ends *home)
{
	array_for_each (&recording->callchains, c) {
		struct hw_task_end here = {.time_ns = c->time_ns, .tid = c->tid};

		if (bsearch(&here, tasks->items, tasks->count, sizeof(here), by_tid) &&
		    array_push(home, here))
			return -ENOMEM;
	}
	if (home->count)
		qsort(home->items, home->count, sizeof(*home->items), end_by_tid);
	return 0;
}

/* What the task did first after the sample. */
static uint8_t why_unanswered(const struct hw_recording *recording, const struct hw_sample *sample,
                              const struct hw_task_ends *home)
{
	const struct hw_task_end *came, *left;

	came = find_after(home->items, home->count, sample->tid, sample->time_ns + 1);
	left = find_after(recording->exits.items, recording->exits.count, sample->tid, sample->time_ns);
	if (came && (!left || came->time_ns <= left->time_ns))
		return HW_UNANSWERED_LOST;
	return left ? HW_UNANSWERED_EXITED : HW_UNANSWERED_IN_KERNEL;
}

static int tell_why(struct hw_recording *recording)
{
	struct hw_task_ends tasks = {0}, home = {0};
	int code = waiting_tasks(recording, &tasks);

	if (!code && tasks.count)
		code = homecomings(recording, &tasks, &home);
	if (!code && tasks.count && recording->exits.count)
		qsort(recording->exits.items, recording->exits.count, sizeof(struct hw_task_end), end_by_tid);
	for (size_t i = 0; !code && tasks.count && i < recording->samples.count; i++) {
		struct hw_sample *sample = &recording->samples.items[i];

		if (sample->state == HW_SAMPLE_UNANSWERED)
			sample->unanswered = why_unanswered(recording, sample, &home);
	}
	array_free(&tasks);
	array_free(&home);
	return code;
}

static uint32_t microseconds_before(uint64_t earlier_ns, uint64_t later_ns)
{
	uint64_t between = earlier_ns < later_ns ? (later_ns - earlier_ns) / 1000 : 0;

	return between < UINT32_MAX ? (uint32_t)between : UINT32_MAX;
}

int hw_recording_join(struct hw_recording *recording)
{
	struct places places;

	if (places_init(&places, recording->callchains.count))
		return -ENOMEM;
	place_all(recording, &places);
	array_for_each (&recording->samples, sample) {
		const struct hw_callchain *c;
		uint32_t slot;

		if (sample->state != HW_SAMPLE_UNANSWERED)
			continue;
		slot = *place_of(&places, recording->callchains.items, sample->tid, sample->cookie);
		if (!slot)
			continue;
		c = &recording->callchains.items[slot - 1];
		sample->state = HW_SAMPLE_ANSWERED;
		sample->user_stack = c->stack;
		sample->end = c->end;
		sample->walked_before_us = microseconds_before(c->time_ns, sample->time_ns);
	}
	free(places.slots);
	return tell_why(recording);
}
