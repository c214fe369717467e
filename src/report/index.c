/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 64

uint64_t hw_index_hash(const void *data, size_t size)
{
	static uint64_t seed;

	/* Without randomness only the protection against crafted recordings goes. */
	if (!seed && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = 0x9e3779b97f4a7c15u;
	return XXH3_64bits_withSeed(data, size, seed);
}

static void place(struct hw_index_slot *slots, size_t mask, struct hw_index_slot slot)
{
	size_t at = slot.tag & mask;

	while (slots[at].position)
		at = (at + 1) & mask;
	slots[at] = slot;
}

static int grow(struct hw_index *index)
{
	size_t count = index->slots ? (index->mask + 1) * 2 : FIRST_SLOTS;
	struct hw_index_slot *slots;

	slots = calloc(count, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; index->slots && i <= index->mask; i++)
		if (index->slots[i].position)
			place(slots, count - 1, index->slots[i]);
	free(index->slots);
	index->slots = slots;
	index->mask = count - 1;
	return 0;
}

int hw_index_add(struct hw_index *index, uint64_t hash, uint32_t position)
{
	struct hw_index_slot slot = {.tag = (uint32_t)hash, .position = position + 1};

	if (position >= HW_INDEX_NONE - 1)
		return -ENOMEM;
	/* At most two thirds full, so that probing ends soon. */
	if ((!index->slots || (index->count + 1) * 3 > (index->mask + 1) * 2) && grow(index))
		return -ENOMEM;
	place(index->slots, index->mask, slot);
	index->count++;
	return 0;
}

void hw_index_free(struct hw_index *index)
{
	free(index->slots);
	*index = (struct hw_index){0};
}
