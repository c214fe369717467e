/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/bounds.h"

#include <stdlib.h>

#include "walk/cfi.h"

#define BOUNDS_MAX     (4u << 20)
#define FILE_BYTES_MAX (4ull << 30)

static int by_start(const void *a, const void *b)
{
	const struct hw_bound *x = a, *y = b;

	return x->start > y->start ? 1 : x->start < y->start ? -1 : 0;
}

static int take(struct hw_bounds *bounds, const hw_fde_array *fdes)
{
	size_t kept = 0;

	if (array_reserve(&bounds->items, fdes->count))
		return -ENOMEM;
	for (size_t i = 0; i < fdes->count; i++)
		bounds->items.items[i] = (struct hw_bound){.start = fdes->items[i].address,
		                                           .size = fdes->items[i].end - fdes->items[i].start};
	qsort(bounds->items.items, fdes->count, sizeof(struct hw_bound), by_start);
	for (size_t i = 0; i < fdes->count; i++) {
		const struct hw_bound *last = kept ? &bounds->items.items[kept - 1] : NULL;

		if (!last || bounds->items.items[i].start - last->start >= last->size)
			bounds->items.items[kept++] = bounds->items.items[i];
	}
	bounds->items.count = kept;
	return 0;
}

int hw_bounds_read(struct hw_bounds *bounds, int fd)
{
	struct hw_elf_input input;
	hw_fde_array fdes = {0};
	struct hw_error err;
	int r = hw_elf_input_read(&input, fd, NULL, 0, FILE_BYTES_MAX, &err);

	for (uint16_t source = 0; source < HW_FRAME_IMAGES && !r; source++)
		r = hw_cfi_list(&input, source, BOUNDS_MAX, &fdes);
	if (!r && fdes.count)
		r = take(bounds, &fdes);
	array_free(&fdes);
	hw_elf_input_clear(&input);
	return r;
}

const struct hw_bound *hw_bounds_find(const struct hw_bounds *bounds, uint64_t address)
{
	const struct hw_bound *items = bounds->items.items;
	size_t low = 0, high = bounds->items.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address - items[low - 1].start < items[low - 1].size ? &items[low - 1] : NULL;
}

void hw_bounds_clear(struct hw_bounds *bounds)
{
	array_free(&bounds->items);
}
