/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The second half of hw_table_compile, for those who have read the file already. */
#ifndef HW_WALK_TABLE_COMPILE_H
#define HW_WALK_TABLE_COMPILE_H

#include "walk/elf_input.h"
#include "walk/table.h"

/* As hw_table_compile. */
int hw_table_compile_input(const struct hw_elf_input *input, uint32_t row_count_max, struct hw_table *table,
                           struct hw_error *err);

/* The limits to go by: given ones, and defaults for zeros and NULL. */
struct hw_compile_limits hw_compile_limits_or_default(const struct hw_compile_limits *limits);

#endif
