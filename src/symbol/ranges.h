/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which DIE covers an address: ranges, sorted once, found by binary search. */
#ifndef HW_SYMBOL_RANGES_H
#define HW_SYMBOL_RANGES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"

struct hw_range {
	uint64_t start, end;
	Dwarf_Off die; /* its offset in .debug_info */
};

struct hw_ranges {
	array_of(struct hw_range) items;
	bool sorted;
};

/* Add the address ranges of a DIE; those beyond a reasonable number are left out. 0 or -ENOMEM. */
int hw_ranges_add(struct hw_ranges *ranges, Dwarf_Die *die);
/* The range that begins last of those that cover address, or NULL. */
const struct hw_range *hw_ranges_find(struct hw_ranges *ranges, uint64_t address);
void hw_ranges_clear(struct hw_ranges *ranges);

#endif
