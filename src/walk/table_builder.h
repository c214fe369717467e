/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Rows and rules while they grow, and the table that they become. */
#ifndef HW_WALK_TABLE_BUILDER_H
#define HW_WALK_TABLE_BUILDER_H

#include "base/array.h"
#include "walk/table.h"

struct hw_table_builder {
	array_of(uint64_t) rows;
	array_of(uint64_t) rules;
	uint32_t *slots; /* open addressing: rule index + 1, or 0; interning is per row, so the hot path */
	uint64_t last_rule;
	uint32_t last_index;
	uint32_t row_count_max;
};

/* 0 or -ENOMEM; the caller clears *builder in either case. */
int hw_table_builder_init(struct hw_table_builder *builder, uint32_t row_count_max);
void hw_table_builder_clear(struct hw_table_builder *builder);

/*
 * From file offset start on, rule holds. Starts must not decrease; a row that turns out to be empty is
 * replaced, one that says what the one before says is left out. 0, -ENOMEM, -E2BIG.
 */
int hw_table_builder_add(struct hw_table_builder *builder, uint32_t start, uint64_t rule);

/* Lay out the table as row.h says. 0, -ENOENT (no rows), -ENOMEM. */
int hw_table_builder_finish(const struct hw_table_builder *builder, struct hw_table *table);

#endif
