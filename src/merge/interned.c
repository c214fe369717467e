/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "merge/interned.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

int hw_intern_init(struct hw_interned *stacks)
{
	memset(stacks, 0, sizeof(*stacks));
	stacks->slot_count = 1024;
	stacks->slots = calloc(stacks->slot_count, sizeof(*stacks->slots));
	if (!stacks->slots || array_push(&stacks->starts, (size_t)0) ||
	    array_push(&stacks->starts, (size_t)0))
		return -ENOMEM;
	return 0;
}

void hw_intern_free(struct hw_interned *stacks)
{
	array_free(&stacks->ips);
	array_free(&stacks->starts);
	free(stacks->slots);
}

static size_t hash(const uint64_t *ips, size_t count)
{
	return (size_t)XXH3_64bits(ips, count * sizeof(*ips));
}

static int grow(struct hw_interned *stacks)
{
	size_t count = stacks->slot_count * 2;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t id = 1; id + 1 < stacks->starts.count; id++) {
		size_t start = stacks->starts.items[id];
		size_t at = hash(stacks->ips.items + start, stacks->starts.items[id + 1] - start);

		for (at &= count - 1; slots[at]; at = (at + 1) & (count - 1))
			;
		slots[at] = id;
	}
	free(stacks->slots);
	stacks->slots = slots;
	stacks->slot_count = count;
	return 0;
}

int hw_intern_add(struct hw_interned *stacks, const uint64_t *ips, size_t count, uint32_t *id)
{
	size_t at, start;

	*id = 0;
	if (!count)
		return 0;
	if (stacks->starts.count * 2 > stacks->slot_count && grow(stacks))
		return -ENOMEM;
	for (at = hash(ips, count) & (stacks->slot_count - 1); stacks->slots[at];
	     at = (at + 1) & (stacks->slot_count - 1)) {
		start = stacks->starts.items[stacks->slots[at]];
		if (stacks->starts.items[stacks->slots[at] + 1] - start == count &&
		    !memcmp(stacks->ips.items + start, ips, count * sizeof(*ips))) {
			*id = stacks->slots[at];
			return 0;
		}
	}
	if (array_reserve(&stacks->ips, stacks->ips.count + count) ||
	    array_push(&stacks->starts, stacks->ips.count + count))
		return -ENOMEM;
	memcpy(stacks->ips.items + stacks->ips.count, ips, count * sizeof(*ips));
	stacks->ips.count += count;
	*id = stacks->slots[at] = (uint32_t)(stacks->starts.count - 2);
	return 0;
}
