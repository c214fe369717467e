/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "merge/internal.h"

/*
 * Recordings are nearly in order: what comes from each CPU is, and no round is older than the one before the
 * last. So the runs that are in order already are merged with their neighbours, pair by pair, and of two
 * neighbours only what overlaps is touched.
 */
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

/* Where the runs begin, and count at the end. NULL: out of memory. */
static size_t *find_runs(const struct place *places, size_t count, size_t *runs)
{
	array_of(size_t) begins = {0};

	for (size_t i = 0; i < count; i++)
		if ((!i || places[i].time_ns < places[i - 1].time_ns) && array_push(&begins, i))
			goto out_of_memory;
	*runs = begins.count;
	if (!array_push(&begins, count))
		return begins.items;
out_of_memory:
	array_free(&begins);
	return NULL;
}

static int sort(struct place *places, size_t count, struct place *scratch)
{
	size_t runs, kept, *begins = find_runs(places, count, &runs);

	if (!begins)
		return -ENOMEM;
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
	free(begins);
	return 0;
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

int hw_order_by_time(void *items, size_t count, size_t size)
{
	size_t sorted = 1;
	struct place *places, *scratch;
	char *held;
	int code = -ENOMEM;

	while (sorted < count && time_of(items, size, sorted - 1) <= time_of(items, size, sorted))
		sorted++;
	if (sorted >= count)
		return 0;
	places = reallocarray(NULL, count, sizeof(*places));
	scratch = reallocarray(NULL, count, sizeof(*scratch));
	held = malloc(size);
	if (places && scratch && held) {
		for (size_t i = 0; i < count; i++)
			places[i] = (struct place){time_of(items, size, i), i};
		code = sort(places, count, scratch);
		if (!code)
			permute(items, places, count, size, held);
	}
	free(places);
	free(scratch);
	free(held);
	return code;
}
