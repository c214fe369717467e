/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "merge/internal.h"

/*
 * Recordings are nearly in order: what comes from each CPU is, and no round is older than the one before the
 * last. So the runs that are in order already are merged with their neighbours, pair by pair, and of two
 * neighbours only what overlaps is touched. This is done in one window after the other: of each, what is not
 * later than anything behind it stays where it is then, so the memory for it is small and at hand.
 */
#define WINDOW 16384 /* items, if there is not more that overlaps */

struct place {
	uint64_t time_ns;
	size_t index; /* of the item */
};

static uint64_t time_of(const char *items, size_t size, size_t index)
{
	uint64_t time_ns;

	memcpy(&time_ns, items + index * size, sizeof(time_ns));
	return time_ns;
}

/* Merge the neighbours [left, middle) and [middle, right), each in order; equal times keep their order. */
static void merge(struct place *left, struct place *middle, const struct place *right, struct place *scratch)
{
	size_t low = 0, high = (size_t)(middle - left), count;
	struct place *from = scratch, *end;

	while (low < high) { /* what is not later than the right one's first stays where it is */
		size_t half = low + (high - low) / 2;

		if (left[half].time_ns <= middle->time_ns)
			low = half + 1;
		else
			high = half;
	}
	left += low;
	count = (size_t)(middle - left);
	memcpy(scratch, left, count * sizeof(*left));
	end = scratch + count;
	while (from < end) {
		if (middle < right && middle->time_ns < from->time_ns)
			*left++ = *middle++;
		else
			*left++ = *from++;
	}
}

struct sorter {
	char *items;
	size_t size;                 /* of one, bytes */
	array_of(size_t) begins;     /* of the runs, and the count of all items at the end */
	array_of(uint64_t) least_ns; /* of each run and all behind it */
	array_of(size_t) within;     /* begins in the window, and its end */
	array_of(struct place) places, scratch;
	char *held; /* one item */
};

static int find_runs(struct sorter *sorter, size_t count)
{
	uint64_t before = 0, now;

	for (size_t i = 0; i < count; i++, before = now) {
		now = time_of(sorter->items, sorter->size, i);
		if ((!i || now < before) && array_push(&sorter->begins, i))
			return -ENOMEM;
	}
	if (array_push(&sorter->begins, count) || array_reserve(&sorter->least_ns, sorter->begins.count))
		return -ENOMEM;
	before = UINT64_MAX;
	for (size_t run = sorter->begins.count; run-- > 0;) {
		if (sorter->begins.items[run] < count) {
			now = time_of(sorter->items, sorter->size, sorter->begins.items[run]);
			before = now < before ? now : before;
		}
		sorter->least_ns.items[run] = before;
	}
	return 0;
}

/* Merge the runs that begin within, until there is one. */
static void merge_runs(struct place *places, size_t count, size_t *begins, size_t runs, struct place *scratch)
{
	size_t kept;

	for (; runs > 1; runs = kept) {
		kept = 0;
		for (size_t i = 0; i < runs; i += 2) {
			if (i + 1 < runs)
				merge(places + begins[i], places + begins[i + 1], places + begins[i + 2],
				      scratch);
			begins[kept++] = begins[i];
		}
		begins[kept] = count;
	}
}

/* Put item from[i].index at place i, following each cycle once. */
static void permute(char *bytes, struct place *from, size_t count, size_t size, char *held)
{
	for (size_t start = 0; start < count; start++) {
		size_t at = start;

		if (from[start].index == start)
			continue;
		memcpy(held, bytes + start * size, size);
		while (from[at].index != start) {
			size_t next = from[at].index;

			memcpy(bytes + at * size, bytes + next * size, size);
			from[at].index = at;
			at = next;
		}
		memcpy(bytes + at * size, held, size);
		from[at].index = at;
	}
}

/* Put the items from first to end in order: the first run of them ends at rest, others begin at run and
 * behind. */
static int sort_window(struct sorter *sorter, size_t first, size_t rest, size_t run, size_t end)
{
	size_t count = end - first;
	struct place *places;

	sorter->within.count = 0;
	if (array_reserve(&sorter->places, count) || array_reserve(&sorter->scratch, count) ||
	    (rest > first && array_push(&sorter->within, 0)))
		return -ENOMEM;
	for (; sorter->begins.items[run] < end; run++)
		if (array_push(&sorter->within, sorter->begins.items[run] - first))
			return -ENOMEM;
	run = sorter->within.count;
	if (array_push(&sorter->within, count))
		return -ENOMEM;
	if (run < 2)
		return 0;
	places = sorter->places.items;
	for (size_t i = 0; i < count; i++)
		places[i] = (struct place){time_of(sorter->items, sorter->size, first + i), i};
	merge_runs(places, count, sorter->within.items, run, sorter->scratch.items);
	permute(sorter->items + first * sorter->size, places, count, sorter->size, sorter->held);
	return 0;
}

/* The first item from first to end, which are in order, that is later than time_ns. */
static size_t first_later(const struct sorter *sorter, size_t first, size_t end, uint64_t time_ns)
{
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (time_of(sorter->items, sorter->size, middle) <= time_ns)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

/* Window by window: what of the last one is not in its place yet, and as much again or more of what follows.
 */
static int sort(struct sorter *sorter, size_t count)
{
	size_t first = 0, end = 0, run = 0;
	int code = 0;

	while (!code && end < count) {
		size_t least = 2 * (end - first) > WINDOW ? 2 * (end - first) : WINDOW;
		size_t rest = end, from = run;

		while (end < count && end - first < least)
			end = sorter->begins.items[++run];
		code = sort_window(sorter, first, rest, from, end);
		if (!code)
			first = first_later(sorter, first, end, sorter->least_ns.items[run]);
	}
	return code;
}

int hw_order_by_time(void *items, size_t count, size_t size)
{
	struct sorter sorter = {.items = items, .size = size, .held = malloc(size)};
	int code = sorter.held ? find_runs(&sorter, count) : -ENOMEM;

	if (!code)
		code = sort(&sorter, count);
	array_free(&sorter.begins);
	array_free(&sorter.least_ns);
	array_free(&sorter.within);
	array_free(&sorter.places);
	array_free(&sorter.scratch);
	free(sorter.held);
	return code;
}
