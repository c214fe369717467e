/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A look through a call frame program, before libdw is asked about it.
 *
 * Does it say that a register is undefined? libdw cannot answer that for rbx: its list of registers that
 * x86-64 functions preserve (0.188) names rax where rbx is meant, so rbx is undefined to it wherever nothing
 * is said. Compilers do say so where they mean it, in functions that never return.
 *
 * And does it name registers that no machine has? libdw makes room for every register up to the highest one
 * named: a file of a kilobyte could cost gigabytes.
 */
#ifndef HW_WALK_INSTRUCTIONS_H
#define HW_WALK_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define HW_INSTRUCTIONS_REGISTERS 256 /* x86-64 has numbers up to 130: psABI, figure 3.36 */

enum hw_instructions {
	HW_INSTRUCTIONS_PLAIN,     /* all is well, and the register is not said to be undefined */
	HW_INSTRUCTIONS_UNDEFINED, /* the register is said to be undefined */
	HW_INSTRUCTIONS_BAD,       /* cannot be followed to the end, or names no register of any machine */
};

/* encoding: of addresses, for DW_CFA_set_loc. */
enum hw_instructions hw_instructions_look(const uint8_t *start, const uint8_t *end, uint8_t encoding,
                                          uint64_t reg);

#endif
