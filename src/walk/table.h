/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Unwind tables in user space: compiling one from an ELF file, keeping it on disk, looking up a row.
 * The layout of a table is described in walk/row.h.
 */
#ifndef HW_WALK_TABLE_H
#define HW_WALK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "walk/row.h"

struct hw_table {
	uint64_t *words;      /* blocks of HW_BLOCK_WORDS: rows, padding, rules; owned */
	uint32_t block_count; /* of rows and rules together */
	uint32_t row_blocks;  /* rules begin at block row_blocks */
	uint32_t row_count;
	uint32_t rule_count;
	uint8_t build_id[20];
	uint8_t build_id_size; /* 0: none */
};

struct hw_compile_limits {
	uint64_t file_bytes; /* a larger ELF file is refused; 0: 2 GiB */
	uint32_t row_count;  /* a table with more is refused; 0: 16 Mi */
};

/*
 * Compile the table of the ELF file open at fd (read with pread, never mapped: its owner may truncate it
 * at any time). From .eh_frame, found by PT_GNU_EH_FRAME where section headers are stripped, else
 * .debug_frame, else .gnu_debugdata's. -ENOENT: the file has no unwind information; -ENOEXEC: not an
 * x86-64 ELF file; -E2BIG: over a limit; -EINVAL: corrupt. Every byte is treated as hostile, but time is
 * bounded only by the process around it (walk/compiler.h). The caller owns *table and clears it with
 * hw_table_clear. limits may be NULL.
 */
int hw_table_compile(int fd, const struct hw_compile_limits *limits, struct hw_table *table,
                     struct hw_error *err);
/* The same for an image in memory, such as the vDSO. */
int hw_table_compile_image(const void *image, size_t size, const struct hw_compile_limits *limits,
                           struct hw_table *table, struct hw_error *err);
/* The same for this machine's vDSO; -ENOENT: there is none. */
int hw_table_compile_vdso(struct hw_table *table);
void hw_table_clear(struct hw_table *table);

/* Memory that a table takes. */
static inline uint64_t hw_table_bytes(const struct hw_table *table)
{
	return (uint64_t)table->block_count * HW_BLOCK_WORDS * sizeof(uint64_t);
}

/* The rule that holds at a file offset; 0 (a gap) before the first row and past the last. */
uint64_t hw_table_rule(const struct hw_table *table, uint32_t offset);

/*
 * Is a table that came from elsewhere (its words as long as its counts say) laid out as row.h says: rows
 * sorted, rule indexes within bounds, padding in place? What the rules say is not judged; any is safe to use.
 */
bool hw_table_is_sound(const struct hw_table *table);

#endif
