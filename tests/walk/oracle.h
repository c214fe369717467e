/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What libdw says of a frame, worked out with numbers: an interpreter for DWARF expressions over made-up
 * registers and memory. It shares nothing with the compiler of tables, which works on forms.
 */
#ifndef HW_TESTS_WALK_ORACLE_H
#define HW_TESTS_WALK_ORACLE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define ORACLE_REGISTERS 17 /* by DWARF number; 16 is rip */

struct oracle_frame {
	bool has_caller; /* false: the return address is undefined */
	bool known[ORACLE_REGISTERS];
	uint64_t reg[ORACLE_REGISTERS]; /* of the caller */
};

/* Memory everywhere: a word that depends on its address only, and looks like a high stack address. */
uint64_t oracle_memory(uint64_t address);

/* The caller of a frame. 0, or -1: libdw cannot say, or the interpreter does not know the operation. */
int oracle_step(Dwarf_Frame *frame, const uint64_t reg[ORACLE_REGISTERS], struct oracle_frame *caller);

#endif
