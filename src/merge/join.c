/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Samples and deferred callchains, by (tid, cookie). Neither the order of records nor time matters; of a
 * callchain that is there twice (the writer repeats some for perf's sake) the first counts.
 *
 * Most samples hit user mode and were walked at once: their cookie is theirs alone, and the callchain is the
 * next record of the CPU. These meet while the file is being read, by a small table of the last samples; so
 * the large one of all callchains holds only what is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "merge/internal.h"
#include "walk/cookie.h"

#define AHEAD 16 /* look-ups whose memory is asked for before it is needed */

static uint32_t microseconds_before(uint64_t earlier_ns, uint64_t later_ns)
{
	uint64_t between = earlier_ns < later_ns ? (later_ns - earlier_ns) / 1000 : 0;

	return between < UINT32_MAX ? (uint32_t)between : UINT32_MAX;
}

static void answer(struct hw_sample *sample, const struct hw_callchain *callchain)
{
	sample->state = HW_SAMPLE_ANSWERED;
	sample->user_stack = callchain->stack;
	sample->end = callchain->end;
	sample->walked_before_us = microseconds_before(callchain->time_ns, sample->time_ns);
}

/* ---- what stands close together in the file ---- */

static struct hw_nearby *nearby_of(struct hw_recording *recording, uint32_t tid, uint64_t cookie)
{
	return &recording->nearby[(cookie * 31 + (cookie >> 33) + tid * 7) % HW_NEARBY];
}

void hw_recording_await(struct hw_recording *recording)
{
	size_t place = recording->samples.count;
	const struct hw_sample *sample = &recording->samples.items[place - 1];

	if (!HW_COOKIE_IS_SHARED(sample->cookie) && place < UINT32_MAX)
		*nearby_of(recording, sample->tid, sample->cookie) =
		    (struct hw_nearby){sample->cookie, sample->tid, (uint32_t)place};
}

bool hw_recording_join_nearby(struct hw_recording *recording, const struct hw_callchain *callchain)
{
	struct hw_nearby *nearby = nearby_of(recording, callchain->tid, callchain->cookie);

	if (!nearby->sample || nearby->cookie != callchain->cookie || nearby->tid != callchain->tid)
		return false;
	answer(&recording->samples.items[nearby->sample - 1], callchain);
	nearby->sample = 0;
	recording->joined_nearby++;
	return true;
}

/* ---- finding callchains: a table of their places, by a hash that a recording cannot foresee ---- */

struct places {
	uint64_t
	    *slots; /* the upper half of the hash; below it, the index of the callchain plus one; 0: free */
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
	places->slots = hw_huge(calloc(count, sizeof(*places->slots)), count * sizeof(*places->slots));
	places->mask = count - 1;
	return places->slots ? 0 : -ENOMEM;
}

static uint64_t hash_of(const struct places *places, uint32_t tid, uint64_t cookie)
{
	const uint64_t key[] = {tid, cookie};

	return XXH3_64bits_withSeed(key, sizeof(key), places->seed);
}

/* Say that this key will be looked up soon: the table is larger than the caches, and keys come in no order.
 */
static void announce(const struct places *places, uint32_t tid, uint64_t cookie)
{
	__builtin_prefetch(&places->slots[hash_of(places, tid, cookie) & places->mask]);
}

/* The slot of the callchain with this key, or the free one where it belongs. */
static uint64_t *place_of(const struct places *places, const struct hw_callchain *callchains, uint64_t hash,
                          uint32_t tid, uint64_t cookie)
{
	for (size_t at = (size_t)hash;; at++) {
		uint64_t *slot = &places->slots[at & places->mask];
		const struct hw_callchain *c;

		if (!*slot)
			return slot;
		if ((*slot ^ hash) >> 32)
			continue;
		c = &callchains[(uint32_t)*slot - 1];
		if (c->cookie == cookie && c->tid == tid)
			return slot;
	}
}

/* Find a place for every callchain; repeats go, of each the earliest stays. */
static void place_all(struct hw_recording *recording, struct places *places)
{
	struct hw_callchain *items = recording->callchains.items;
	size_t count = recording->callchains.count, kept = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t hash = hash_of(places, items[i].tid, items[i].cookie);
		uint64_t *slot = place_of(places, items, hash, items[i].tid, items[i].cookie);

		if (i + AHEAD < count)
			announce(places, items[i + AHEAD].tid, items[i + AHEAD].cookie);
		if (*slot) {
			struct hw_callchain *first = &items[(uint32_t)*slot - 1];

			recording->account.repeated++;
			if (items[i].time_ns < first->time_ns)
				*first = items[i];
		} else {
			items[kept++] = items[i];
			*slot = hash >> 32 << 32 | kept;
		}
	}
	recording->callchains.count = kept;
}

/* ---- why a sample has none: what did its task do first, come home or exit? ---- */

struct waiting {
	struct hw_sample *sample;
	uint64_t came_ns, left_ns; /* the first time after the sample; UINT64_MAX: never */
};

struct waiting_list {
	struct waiting *items;
	size_t count, capacity;
};

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_tid_and_time(const void *a, const void *b)
{
	const struct hw_sample *x = ((const struct waiting *)a)->sample,
	                       *y = ((const struct waiting *)b)->sample;
	int r = order(x->tid, y->tid);

	return r ? r : order(x->time_ns, y->time_ns);
}

/* The unanswered samples, in the order of (tid, time). */
static int list_waiting(struct hw_recording *recording, struct waiting_list *list)
{
	array_for_each (&recording->samples, sample) {
		struct waiting waiting = {sample, UINT64_MAX, UINT64_MAX};

		if (sample->state == HW_SAMPLE_UNANSWERED && array_push(list, waiting))
			return -ENOMEM;
	}
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), by_tid_and_time);
	return 0;
}

/* The last sample of tid that is not later than time_ns; NULL: none. */
static struct waiting *last_until(const struct waiting_list *list, uint32_t tid, uint64_t time_ns)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct hw_sample *sample = list->items[middle].sample;

		if (sample->tid < tid || (sample->tid == tid && sample->time_ns <= time_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low && list->items[low - 1].sample->tid == tid ? &list->items[low - 1] : NULL;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Each of them may have come or left because of what is said of a later sample of its task. */
static void pass_on(const struct waiting_list *list)
{
	for (size_t i = list->count; i-- > 1;) {
		struct waiting *earlier = &list->items[i - 1], *later = &list->items[i];

		if (earlier->sample->tid != later->sample->tid)
			continue;
		earlier->came_ns = least(earlier->came_ns, later->came_ns);
		earlier->left_ns = least(earlier->left_ns, later->left_ns);
	}
}

static void note_coming(const struct waiting_list *list, uint32_t tid, uint64_t time_ns)
{
	struct waiting *last = time_ns ? last_until(list, tid, time_ns - 1) : NULL;

	if (last)
		last->came_ns = least(last->came_ns, time_ns);
}

static int tell_why(struct hw_recording *recording)
{
	struct waiting_list list = {0};
	struct waiting *last;

	if (list_waiting(recording, &list)) {
		array_free(&list);
		return -ENOMEM;
	}
	if (!list.count)
		return 0;
	array_for_each (&recording->callchains, c)
		note_coming(&list, c->tid, c->time_ns);
	array_for_each (&recording->samples, sample) /* who was walked at once was at home */
		if (sample->state == HW_SAMPLE_ANSWERED && !HW_COOKIE_IS_SHARED(sample->cookie))
			note_coming(&list, sample->tid, sample->time_ns);
	array_for_each (&recording->exits, exit) {
		last = last_until(&list, exit->tid, exit->time_ns);
		if (last)
			last->left_ns = least(last->left_ns, exit->time_ns);
	}
	pass_on(&list);
	array_for_each (&list, waiting) {
		bool never = waiting->came_ns == UINT64_MAX && waiting->left_ns == UINT64_MAX;

		waiting->sample->unanswered = never                                  ? HW_UNANSWERED_IN_KERNEL
		                              : waiting->came_ns <= waiting->left_ns ? HW_UNANSWERED_LOST
		                                                                     : HW_UNANSWERED_EXITED;
	}
	array_free(&list);
	return 0;
}

int hw_recording_join(struct hw_recording *recording)
{
	struct places places;

	if (places_init(&places, recording->callchains.count))
		return -ENOMEM;
	place_all(recording, &places);
	for (size_t i = 0; i < recording->samples.count; i++) {
		struct hw_sample *sample = &recording->samples.items[i];
		uint64_t place;

		if (i + AHEAD < recording->samples.count && sample[AHEAD].state == HW_SAMPLE_UNANSWERED)
			announce(&places, sample[AHEAD].tid, sample[AHEAD].cookie);
		if (sample->state != HW_SAMPLE_UNANSWERED)
			continue;
		place = *place_of(&places, recording->callchains.items,
		                  hash_of(&places, sample->tid, sample->cookie), sample->tid, sample->cookie);
		if (place)
			answer(sample, &recording->callchains.items[(uint32_t)place - 1]);
	}
	free(places.slots);
	return tell_why(recording);
}
