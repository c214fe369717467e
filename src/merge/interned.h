/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Stacks kept once: equal ips have one id. Id 0 is the empty stack. */
#ifndef HW_MERGE_INTERNED_H
#define HW_MERGE_INTERNED_H

#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

struct hw_interned {
	array_of(uint64_t) ips;
	array_of(size_t) starts; /* of stack n in ips; one more than there are stacks */
	uint32_t *slots;         /* open addressing: ids, 0 is free */
	size_t slot_count;       /* a power of two */
};

int hw_intern_init(struct hw_interned *stacks);
void hw_intern_free(struct hw_interned *stacks);
/* 0 with *id, or -ENOMEM. */
int hw_intern_add(struct hw_interned *stacks, const uint64_t *ips, size_t count, uint32_t *id);

#endif
