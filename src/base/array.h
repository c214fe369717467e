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

#define array_of(type)                                                                                       \
	struct {                                                                                             \
		type *items;                                                                                 \
		size_t count, capacity;                                                                      \
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
	*items = grown;
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
