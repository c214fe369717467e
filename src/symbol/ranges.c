/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/ranges.h"

#define RANGES_MAX (4u << 20)
#define BACK_MAX   64 /* how many ranges a search looks through where they overlap */

int hw_ranges_add(struct hw_ranges *ranges, Dwarf_Die *die)
{
	struct hw_range range = {.die = dwarf_dieoffset(die)};
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while (ranges->items.count < RANGES_MAX && (at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		range.start = start;
		range.end = end;
		if (start < end && array_push(&ranges->items, range))
			return -ENOMEM;
	}
	ranges->sorted = false;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct hw_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

const struct hw_range *hw_ranges_find(struct hw_ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->items.count;

	if (!ranges->sorted && high)
		qsort(ranges->items.items, high, sizeof(struct hw_range), by_start);
	ranges->sorted = true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items.items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (int i = 0; low && i < BACK_MAX; i++, low--)
		if (address < ranges->items.items[low - 1].end)
			return &ranges->items.items[low - 1];
	return NULL;
}

void hw_ranges_clear(struct hw_ranges *ranges)
{
	array_free(&ranges->items);
}
