/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "merge/internal.h"

struct items {
	const char *bytes;
	size_t size;
};

static uint64_t time_of(const struct items *items, size_t index)
{
	uint64_t time_ns;

	memcpy(&time_ns, items->bytes + index * items->size, sizeof(time_ns));
	return time_ns;
}

static int by_time_then_place(const void *a, const void *b, void *context)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	uint64_t time_x = time_of(context, x), time_y = time_of(context, y);

	if (time_x != time_y)
		return time_x < time_y ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Put item from[i] at place i, following each cycle once. */
static void permute(char *bytes, size_t *from, size_t count, size_t size, char *held)
{
	for (size_t start = 0; start < count; start++) {
		size_t at = start;

		if (from[start] == start)
			continue;
		memcpy(held, bytes + start * size, size);
		while (from[at] != start) {
			size_t next = from[at];

			memcpy(bytes + at * size, bytes + next * size, size);
			from[at] = at;
			at = next;
		}
		memcpy(bytes + at * size, held, size);
		from[at] = at;
	}
}

int hw_order_by_time(void *items, size_t count, size_t size)
{
	struct items all = {.bytes = items, .size = size};
	size_t sorted = 1, *from;
	char *held;

	while (sorted < count && time_of(&all, sorted - 1) <= time_of(&all, sorted))
		sorted++;
	if (sorted >= count)
		return 0;
	from = reallocarray(NULL, count, sizeof(*from));
	held = malloc(size);
	if (from && held) {
		for (size_t i = 0; i < count; i++)
			from[i] = i;
		qsort_r(from, count, sizeof(*from), by_time_then_place, &all);
		permute(items, from, count, size, held);
	}
	count = from && held;
	free(from);
	free(held);
	return count ? 0 : -ENOMEM;
}
