/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Growable arrays of any type: struct { T *items; size_t count, capacity; }.
 *
 *	struct { uint64_t *items; size_t count, capacity; } ips = {0};
 *	if (array_push(&ips, ip)) return -ENOMEM;
 *	array_free(&ips);
 *
 * array_push and array_reserve are 0 or -ENOMEM; on failure the array is as it was.
 */
#ifndef HW_BASE_ARRAY_H
#define HW_BASE_ARRAY_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define array_of(type)                                                                                       \
	struct {                                                                                             \
		type *items;                                                                                 \
		size_t count, capacity;                                                                      \
	}

#define HW_HUGE_FROM ((size_t)4 << 20) /* bytes */

/*
 * Ask for huge pages for what is large enough to fill some: without them a recording of a million samples
 * costs 40,000 page faults. All of it, in whole pages: mremap(2), by which large arrays grow, takes nothing
 * that is advised in part. Nothing changes where it is refused.
 */
static inline void *hw_huge(void *memory, size_t size)
{
	uintptr_t start = (uintptr_t)memory & ~(uintptr_t)4095,
	          end = ((uintptr_t)memory + size + 4095) & ~(uintptr_t)4095;

	if (memory && size >= HW_HUGE_FROM)
		madvise((void *)start, end - start, MADV_HUGEPAGE);
	return memory;
}

static inline int hw_array_grow(void **items, size_t *capacity, size_t want, size_t item_size)
{
	size_t size = *capacity ? *capacity : 16;
	void *grown;

	if (want <= *capacity)
		return 0;
	while (size < want) {
		if (size > SIZE_MAX / 2)
			return -ENOMEM;
		size *= 2;
	}
	grown = reallocarray(*items, size, item_size);
	if (!grown)
		return -ENOMEM;
	*items = hw_huge(grown, size * item_size);
	*capacity = size;
	return 0;
}

#define array_reserve(array, want)                                                                           \
	hw_array_grow((void **)&(array)->items, &(array)->capacity, (want), sizeof(*(array)->items))

#define array_push(array, item)                                                                              \
	(array_reserve(array, (array)->count + 1) ? -ENOMEM : ((array)->items[(array)->count++] = (item), 0))

#define array_free(array)                                                                                    \
	do {                                                                                                 \
		free((array)->items);                                                                        \
		(array)->items = NULL;                                                                       \
		(array)->count = (array)->capacity = 0;                                                      \
	} while (0)

#define array_for_each(array, it)                                                                            \
	for (__typeof__((array)->items + 0) it = (array)->items;                                             \
	     (array)->count && it < (array)->items + (array)->count; it++)

#endif
