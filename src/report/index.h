/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A hash index: from a 64-bit hash to the position of an item in an array that the caller owns.
 *
 * The items here (tree nodes, stacks, names) live in growable arrays and are found a few times per sample,
 * so neither pointers into the items nor an allocation each will do: the index keeps 8 bytes an item and
 * asks the caller whether a candidate is the one meant. Hashes are seeded per process, so that a recording
 * cannot be made whose items all fall into one place.
 *
 *	hw_index_for_each_candidate(&index, hash, probe, position)
 *		if (items[position] is the one)
 *			return position;
 *	return hw_index_add(&index, hash, new_position);
 */
#ifndef HW_REPORT_INDEX_H
#define HW_REPORT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define HW_INDEX_NONE UINT32_MAX

struct hw_index_slot {
	uint32_t tag;      /* the low half of the hash: says where to look, and what to compare first */
	uint32_t position; /* plus one; 0: free */
};

struct hw_index {
	struct hw_index_slot *slots;
	size_t mask;  /* slots - 1; slots are a power of two */
	size_t count; /* used */
};

/* Hash of size bytes with this process's seed. */
uint64_t hw_index_hash(const void *data, size_t size);

/* 0 or -ENOMEM; the index is unchanged on failure. position must not be HW_INDEX_NONE. */
int hw_index_add(struct hw_index *index, uint64_t hash, uint32_t position);
void hw_index_free(struct hw_index *index);

/* The next used position with this hash's tag, or HW_INDEX_NONE; *probe begins at 0. */
static inline uint32_t hw_index_next(const struct hw_index *index, uint64_t hash, size_t *probe)
{
	const struct hw_index_slot *slot;

	if (!index->slots)
		return HW_INDEX_NONE;
	while (1) {
		slot = &index->slots[((uint32_t)hash + (*probe)++) & index->mask];
		if (!slot->position)
			return HW_INDEX_NONE;
		if (slot->tag == (uint32_t)hash)
			return slot->position - 1;
	}
}

#define hw_index_for_each_candidate(index, hash, probe, position)                                            \
	for (size_t probe = 0, position = hw_index_next(index, hash, &probe); position != HW_INDEX_NONE;     \
	     position = hw_index_next(index, hash, &probe))

#endif
