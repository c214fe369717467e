/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Where the functions of a file begin and end by its unwind entries: for those that no symbol names. */
#ifndef HW_SYMBOL_BOUNDS_H
#define HW_SYMBOL_BOUNDS_H

#include <stdint.h>

#include "base/array.h"

struct hw_bound {
	uint64_t start; /* address, as the file has it */
	uint32_t size;  /* bytes */
};

struct hw_bounds {
	array_of(struct hw_bound) items; /* by start; those that overlap are left out */
};

/*
 * Read them from the ELF file open at fd, which stays the caller's. 0, or -errno as hw_elf_input_read, and
 * then there are none.
 */
int hw_bounds_read(struct hw_bounds *bounds, int fd);
/* The function that covers address, or NULL. */
const struct hw_bound *hw_bounds_find(const struct hw_bounds *bounds, uint64_t address);
void hw_bounds_clear(struct hw_bounds *bounds);

#endif
