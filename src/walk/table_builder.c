/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/table_builder.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SLOT_COUNT (2 * HW_RULES_MAX)

/* Index of a rule, adding it if it is new. The last index is kept for UNFIT. */
static int intern(struct hw_table_builder *builder, uint64_t rule, uint32_t *index)
{
	uint32_t slot;

	if (rule == builder->last_rule && builder->rules.count) {
		*index = builder->last_index;
		return 0;
	}
again:
	slot = (uint32_t)XXH3_64bits(&rule, sizeof(rule)) % SLOT_COUNT;
	while (builder->slots[slot] && builder->rules.items[builder->slots[slot] - 1] != rule)
		slot = (slot + 1) % SLOT_COUNT;
	if (!builder->slots[slot]) {
		if (builder->rules.count >= HW_RULES_MAX - 1 && rule != HW_RULE(HW_RULE_UNFIT, 0, 0)) {
			rule = HW_RULE(HW_RULE_UNFIT, 0, 0);
			goto again;
		}
		if (array_push(&builder->rules, rule))
			return -ENOMEM;
		builder->slots[slot] = (uint32_t)builder->rules.count;
	}
	builder->last_rule = rule;
	builder->last_index = builder->slots[slot] - 1;
	*index = builder->last_index;
	return 0;
}

int hw_table_builder_init(struct hw_table_builder *builder, uint32_t row_count_max)
{
	uint32_t index;

	memset(builder, 0, sizeof(*builder));
	builder->row_count_max = row_count_max;
	builder->slots = calloc(SLOT_COUNT, sizeof(*builder->slots));
	if (!builder->slots)
		return -ENOMEM;
	return intern(builder, HW_RULE(HW_RULE_GAP, 0, 0), &index); /* so index 0 is the gap */
}

void hw_table_builder_clear(struct hw_table_builder *builder)
{
	array_free(&builder->rows);
	array_free(&builder->rules);
	free(builder->slots);
	memset(builder, 0, sizeof(*builder));
}

int hw_table_builder_add(struct hw_table_builder *builder, uint32_t start, uint64_t rule)
{
	uint32_t index;

	if (intern(builder, rule, &index))
		return -ENOMEM;
	if (builder->rows.count && HW_ROW_START(builder->rows.items[builder->rows.count - 1]) == start)
		builder->rows.count--;
	if (builder->rows.count && HW_ROW_RULE(builder->rows.items[builder->rows.count - 1]) == index)
		return 0;
	if (builder->rows.count >= builder->row_count_max)
		return -E2BIG;
	return array_push(&builder->rows, HW_ROW(start, index));
}

int hw_table_builder_finish(const struct hw_table_builder *builder, struct hw_table *table)
{
	size_t row_blocks = (builder->rows.count + HW_BLOCK_WORDS - 1) / HW_BLOCK_WORDS;
	size_t rule_blocks = (builder->rules.count + HW_BLOCK_WORDS - 1) / HW_BLOCK_WORDS;
	uint64_t *words;

	memset(table, 0, sizeof(*table));
	if (!builder->rows.count)
		return -ENOENT;
	words = calloc((row_blocks + rule_blocks) * HW_BLOCK_WORDS, sizeof(*words));
	if (!words)
		return -ENOMEM;
	memcpy(words, builder->rows.items, builder->rows.count * sizeof(*words));
	for (size_t i = builder->rows.count; i < row_blocks * HW_BLOCK_WORDS; i++)
		words[i] = HW_ROW_PAD;
	memcpy(words + row_blocks * HW_BLOCK_WORDS, builder->rules.items,
	       builder->rules.count * sizeof(*words));
	table->words = words;
	table->block_count = (uint32_t)(row_blocks + rule_blocks);
	table->row_blocks = (uint32_t)row_blocks;
	table->row_count = (uint32_t)builder->rows.count;
	table->rule_count = (uint32_t)builder->rules.count;
	return 0;
}
