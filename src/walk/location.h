/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a DWARF expression in call frame information comes to, where it is of a simple form: a register plus
 * a number, what stands there in memory plus a number, or a place relative to the CFA.
 */
#ifndef HW_WALK_LOCATION_H
#define HW_WALK_LOCATION_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hw_location_kind {
	HW_LOCATION_UNKNOWN,   /* none of the forms below */
	HW_LOCATION_SAME,      /* a register rule only: the register is as it was */
	HW_LOCATION_UNDEFINED, /* a register rule only: the value is gone */
	HW_LOCATION_CFA,       /* CFA + offset */
	HW_LOCATION_BASE,      /* register + offset */
	HW_LOCATION_DEREF,     /* *(register + offset) + added */
	HW_LOCATION_REGISTER,  /* a register rule only: in another register */
	HW_LOCATION_INDEXED,   /* a CFA only: *(register + offset + 8 × register `index`) + added */
	HW_LOCATION_PLT,       /* rsp + 8, and 8 more from byte `added` of a PLT entry on */
};

struct hw_location {
	enum hw_location_kind kind;
	bool is_value; /* this is the value itself, else where the value stands */
	uint32_t reg, index;
	int64_t offset, added;
};

/* What the expression of a CFA comes to. */
struct hw_location hw_location_of_cfa(Dwarf_Frame *frame);
/* Where the caller's value of a register is. */
struct hw_location hw_location_of_register(Dwarf_Frame *frame, int reg);

#endif
