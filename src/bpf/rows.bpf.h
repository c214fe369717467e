/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From (table, offset) to a rule: a cache first, which return addresses hit nearly always, then a search:
 * over the first rows of the table's blocks, then inside one block.
 *
 * A table's memory is a map of its own and is never written again once it is published, so a walk that
 * holds a stale slot can read the wrong table only between two loads; the serial, read after the map was
 * fetched, tells.
 */
#ifndef HW_BPF_ROWS_H
#define HW_BPF_ROWS_H

#include "bpf/maps.bpf.h"

static __always_inline hw_u32 row_hash(hw_u64 key)
{
	return (hw_u32)((key * 0x9e3779b97f4a7c15ull) >> 46) & (HW_ROW_CACHE_SIZE - 1);
}

/* The rule for offset in a table; 0 and *rule, or -1 if the table is not there any more. */
__noinline int search_rule(hw_u32 slot, hw_u32 serial, hw_u32 offset, hw_u64 *rule)
{
	hw_u32 low = 0, high, index, row_blocks, at;
	struct hw_table_info *info;
	struct hw_block *block;
	hw_u64 row;
	void *table;

	if (!rule)
		return -1;
	table = bpf_map_lookup_elem(&tables, &slot);
	info = bpf_map_lookup_elem(&table_infos, &slot);
	if (!table || !info)
		return -1;
	row_blocks = *(volatile hw_u32 *)&info->row_blocks;
	if (*(volatile hw_u32 *)&info->serial != serial)
		return -1;
	high = row_blocks;
	for (int i = 0; i < 20 && low + 1 < high; i++) {
		index = low + (high - low) / 2;
		block = bpf_map_lookup_elem(table, &index);
		if (!block)
			return -1;
		if (HW_ROW_START(block->words[0]) <= offset)
			low = index;
		else
			high = index;
	}
	block = bpf_map_lookup_elem(table, &low);
	if (!block)
		return -1;
	at = 0;
	for (hw_u32 step = HW_BLOCK_WORDS / 2; step; step /= 2) {
		row = block->words[(at + step) & (HW_BLOCK_WORDS - 1)];
		if (row != HW_ROW_PAD && HW_ROW_START(row) <= offset)
			at += step;
	}
	row = block->words[at & (HW_BLOCK_WORDS - 1)];
	if (HW_ROW_START(row) > offset || row == HW_ROW_PAD) {
		*rule = 0;
		return 0;
	}
	index = row_blocks + HW_ROW_RULE(row) / HW_BLOCK_WORDS;
	block = bpf_map_lookup_elem(table, &index);
	if (!block)
		return -1;
	*rule = block->words[HW_ROW_RULE(row) & (HW_BLOCK_WORDS - 1)];
	return 0;
}

static __always_inline int find_rule_cached(hw_u32 slot, hw_u32 serial, hw_u32 offset, hw_u64 *rule)
{
	hw_u64 key = (hw_u64)serial << 32 | offset;
	hw_u32 index = row_hash(key);
	struct hw_row_entry *entry = bpf_map_lookup_elem(&row_cache, &index);
	hw_u64 found;

	if (!entry)
		return -1;
	found = *(volatile hw_u64 *)&entry->rule;
	if ((*(volatile hw_u64 *)&entry->check ^ found) == key) {
		*rule = found;
		return 0;
	}
	found = 0;
	if (search_rule(slot, serial, offset, &found))
		return -1;
	*(volatile hw_u64 *)&entry->rule = found;
	*(volatile hw_u64 *)&entry->check = key ^ found;
	*rule = found;
	return 0;
}

#endif
