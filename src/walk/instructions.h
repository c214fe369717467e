/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Does a call frame program say that a register is undefined?
 *
 * libdw is asked for everything else, but this it cannot answer for rbx: its list of registers that x86-64
 * functions preserve (0.188) names rax where rbx is meant, so rbx is undefined to it wherever nothing is
 * said. Compilers do say so where they mean it, in functions that never return.
 */
#ifndef HW_WALK_INSTRUCTIONS_H
#define HW_WALK_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Also true where the program cannot be followed to its end. encoding: of addresses, for DW_CFA_set_loc. */
bool hw_instructions_undefine(const uint8_t *start, const uint8_t *end, uint8_t encoding, uint64_t reg);

#endif
