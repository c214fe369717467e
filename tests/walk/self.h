/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The test program as the process to be walked: its mappings and tables, its registers, its stack. */
#ifndef HW_TESTS_WALK_SELF_H
#define HW_TESTS_WALK_SELF_H

#include <stdint.h>
#include <ucontext.h>

#include "walk/walker.h"

/* As functions.S fills it: registers by DWARF number, 16 is the pc. */
struct saved_registers {
	uint64_t reg[17];
};

void save_registers(struct saved_registers *registers);
void registers_of_context(const ucontext_t *context, struct saved_registers *registers);

/* Compile the tables of everything executable that is mapped now. */
void self_load(void);
void self_unload(void);
/* How many of the mappings have a table. */
size_t self_table_count(void);

struct self_walk {
	enum hw_end_reason reason;
	uint32_t depth;
	uint64_t ips[HW_FRAMES_MAX];
};

/* Walk from the registers up, over a copy of the calling thread's stack made now, and what is below it, live.
 */
void self_walk(const struct saved_registers *registers, struct self_walk *walk);
/* The same over a copy of at most copy_bytes, and nothing else. */
void self_walk_copy(const struct saved_registers *registers, size_t copy_bytes, struct self_walk *walk);

#endif
