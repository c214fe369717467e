/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/table.h"

#include <stdlib.h>
#include <string.h>

void hw_table_clear(struct hw_table *table)
{
	free(table->words);
	memset(table, 0, sizeof(*table));
}

uint64_t hw_table_rule(const struct hw_table *table, uint32_t offset)
{
	uint32_t low = 0, high = table->row_count, middle, index;

	/* the last row that begins at or before offset is row low - 1 */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (HW_ROW_START(table->words[middle]) <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	index = HW_ROW_RULE(table->words[low - 1]);
	if (index >= table->rule_count)
		return 0;
	return table->words[(size_t)table->row_blocks * HW_BLOCK_WORDS + index];
}

static uint32_t blocks_of(uint32_t words)
{
	return words / HW_BLOCK_WORDS + (words % HW_BLOCK_WORDS != 0);
}

bool hw_table_is_sound(const struct hw_table *table)
{
	size_t row_words = (size_t)table->row_blocks * HW_BLOCK_WORDS;
	size_t words = (size_t)table->block_count * HW_BLOCK_WORDS;

	if (!table->row_count || !table->rule_count || table->rule_count > HW_RULES_MAX ||
	    table->row_blocks != blocks_of(table->row_count) || table->block_count < table->row_blocks ||
	    table->block_count - table->row_blocks != blocks_of(table->rule_count) ||
	    table->build_id_size > sizeof(table->build_id))
		return false;
	for (size_t i = 0; i < table->row_count; i++) {
		if (HW_ROW_RULE(table->words[i]) >= table->rule_count)
			return false;
		if (i && HW_ROW_START(table->words[i]) <= HW_ROW_START(table->words[i - 1]))
			return false;
	}
	for (size_t i = table->row_count; i < row_words; i++) {
		if (table->words[i] != HW_ROW_PAD)
			return false;
	}
	for (size_t i = row_words + table->rule_count; i < words; i++) {
		if (table->words[i])
			return false;
	}
	return !table->words[row_words];
}
