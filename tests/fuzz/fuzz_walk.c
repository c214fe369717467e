/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Any registers, mappings, tables and stack: the walk reads nothing but what it was given (each piece of
 * memory has exactly its size, the sanitizer watches its ends), always ends, and says one reason.
 *
 * Plain random words would hardly ever meet. So the bytes choose: a word is near the stack, near the code,
 * or anything; rows are sorted, rules have small arguments. Sometimes a table is raw words instead, and is
 * used if hw_table_is_sound finds it so.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "walk/walker.h"

#define MAPPINGS_MAX 6
#define TABLES_MAX   3
#define STACK_AT     0x7ffe00000000ull
#define CODE_AT(i)   (0x400000ull + (uint64_t)(i)*0x100000)
#define READS_MAX    (HW_FRAMES_MAX * 64)

struct scene {
	struct fuzz_bytes bytes;
	struct hw_table tables[TABLES_MAX];
	struct hw_walker_mapping mappings[MAPPINGS_MAX];
	struct hw_walker_input input;
	struct hw_walk walk;
	unsigned int reads;
};

static uint64_t take_word(struct fuzz_bytes *bytes)
{
	uint64_t kind = fuzz_take(bytes, 1);

	if (kind < 96)
		return CODE_AT(kind % MAPPINGS_MAX) + fuzz_take(bytes, 2);
	if (kind < 224)
		return STACK_AT + fuzz_take(bytes, 2);
	return kind < 240 ? fuzz_take(bytes, 1) : fuzz_take(bytes, 8);
}

static uint64_t take_rule(struct fuzz_bytes *bytes)
{
	uint64_t rule = fuzz_take(bytes, 1), saved = 0;
	uint64_t flags = fuzz_take(bytes, 1);

	rule |= (flags & 1 ? fuzz_take(bytes, 3) : fuzz_take(bytes, 1) * 8) << 8;
	if (flags & 2)
		saved = fuzz_take(bytes, 4) << 32;
	if (flags & 4)
		rule = HW_RULE(HW_RULE_CFA, HW_REG_RSP, 0) | (rule & 0xff00);
	return rule | saved;
}

static void make_table(struct fuzz_bytes *bytes, struct hw_table *table)
{
	uint32_t start = 0, rules;

	table->row_count = 1 + (uint32_t)fuzz_take(bytes, 1) % 40;
	table->rule_count = 1 + (uint32_t)fuzz_take(bytes, 1) % 20;
	table->row_blocks = 1;
	table->block_count = 2;
	table->words = fuzz_memory(2 * HW_BLOCK_WORDS * sizeof(uint64_t));
	for (uint32_t i = 0; i < table->row_count; i++) {
		start += 1 + (uint32_t)fuzz_take(bytes, 1) * 8;
		rules = (uint32_t)fuzz_take(bytes, 1) % table->rule_count;
		table->words[i] = HW_ROW(start, rules);
	}
	for (uint32_t i = table->row_count; i < HW_BLOCK_WORDS; i++)
		table->words[i] = HW_ROW_PAD;
	for (uint32_t i = 1; i < table->rule_count; i++)
		table->words[HW_BLOCK_WORDS + i] = take_rule(bytes);
	if (!hw_table_is_sound(table))
		abort();
}

/* Counts and words as they come. */
static void make_raw_table(struct fuzz_bytes *bytes, struct hw_table *table)
{
	table->row_count = (uint32_t)fuzz_take(bytes, 2);
	table->rule_count = (uint32_t)fuzz_take(bytes, 2);
	table->row_blocks = (uint32_t)fuzz_take(bytes, 1);
	table->block_count = (uint32_t)fuzz_take(bytes, 1);
	table->words = fuzz_memory((size_t)table->block_count * HW_BLOCK_WORDS * sizeof(uint64_t));
	for (size_t i = 0; i < (size_t)table->block_count * HW_BLOCK_WORDS; i++)
		table->words[i] = bytes->at < bytes->end ? fuzz_take(bytes, 8)
		                  : i < table->row_count ? 0
		                                         : HW_ROW_PAD;
	if (!hw_table_is_sound(table))
		hw_table_clear(table);
}

static void make_mappings(struct scene *scene)
{
	struct fuzz_bytes *bytes = &scene->bytes;
	size_t count = 1 + fuzz_take(bytes, 1) % MAPPINGS_MAX;

	for (int i = 0; i < TABLES_MAX; i++) {
		if (fuzz_take(bytes, 1) == 255)
			make_raw_table(bytes, &scene->tables[i]);
		else
			make_table(bytes, &scene->tables[i]);
	}
	for (size_t i = 0; i < count; i++) {
		struct hw_walker_mapping *m = &scene->mappings[i];
		uint64_t kind = fuzz_take(bytes, 1);

		m->start = CODE_AT(i);
		m->end = m->start + 1 + fuzz_take(bytes, 2);
		m->offset = kind & 128 ? fuzz_take(bytes, 8) : 0;
		m->anonymous = (kind & 7) == 7;
		if (scene->tables[kind % TABLES_MAX].words)
			m->table = &scene->tables[kind % TABLES_MAX];
	}
	scene->input.mappings = scene->mappings;
	scene->input.mapping_count = count;
}

static int read_word(void *context, uint64_t address, uint64_t *word)
{
	struct scene *scene = context;

	if (++scene->reads > READS_MAX)
		abort(); /* a bounded walk reads a bounded number of words */
	*word = take_word(&scene->bytes);
	return (address ^ *word) & 15 ? 0 : -1;
}

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	static const uint64_t often[] = {0xe800000000000000ull >> 32 << 8, 0x050f000000000000ull,
	                                 0x0f0000000fc0c748ull, 0xd0ff000000000000ull};
	struct scene *scene = context;

	if (++scene->reads > READS_MAX)
		abort();
	*eight_bytes = often[address & 3];
	if ((address & 12) == 12)
		*eight_bytes = fuzz_take(&scene->bytes, 8);
	return (address & 0xf0) == 0xf0 ? -1 : 0;
}

static void make_registers(struct scene *scene)
{
	struct fuzz_bytes *bytes = &scene->bytes;
	uint64_t flags = fuzz_take(bytes, 1);

	scene->walk.pc = take_word(bytes);
	for (int i = 0; i < 16; i++)
		scene->walk.reg[i] = take_word(bytes);
	scene->walk.known = flags & 1 ? 0xffff : (uint32_t)fuzz_take(bytes, 2);
	scene->walk.saved = flags & 2 ? 0 : (uint32_t)fuzz_take(bytes, 2);
	scene->walk.flags = flags & 4 ? HW_WALK_EXACT : (uint32_t)fuzz_take(bytes, 1);
	scene->walk.guess_reason = HW_END_GAP;
	scene->walk.depth_max = flags & 8 ? HW_FRAMES_MAX : (uint32_t)fuzz_take(bytes, 1);
	scene->walk.depth = flags & 16 ? 0 : (uint32_t)fuzz_take(bytes, 1) % (scene->walk.depth_max + 1);
	scene->input.stack_address = STACK_AT + (flags & 32 ? 0 : fuzz_take(bytes, 2));
	scene->input.stack_limit = flags & 64 ? 0 : STACK_AT + fuzz_take(bytes, 3);
	if (!(flags & 128))
		scene->input.read_stack = read_word;
	flags = fuzz_take(bytes, 1);
	if (flags & 1)
		scene->input.read_code = read_code;
	if (flags & 2)
		scene->walk.fs_base = take_word(bytes);
	scene->input.context = scene;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = {.bytes = {data, data + size}};
	uint64_t *ips, word;
	uint8_t *stack;
	size_t words;
	int reason;

	make_registers(&scene);
	make_mappings(&scene);
	words = fuzz_take(&scene.bytes, 1) * 8;
	scene.input.stack_size = words * 8 + (words ? fuzz_take(&scene.bytes, 1) & 7 : 0);
	stack = fuzz_memory(scene.input.stack_size);
	for (size_t i = 0; i < words; i++) {
		word = take_word(&scene.bytes);
		memcpy(stack + i * 8, &word, 8);
	}
	scene.input.stack = stack;
	ips = fuzz_memory(scene.walk.depth_max * sizeof(*ips));
	reason = (int)hw_walker_walk(&scene.walk, &scene.input, ips);
	if (reason <= HW_END_UNSAID || reason >= HW_END_REASON_COUNT ||
	    scene.walk.depth > scene.walk.depth_max)
		abort();
	free(ips);
	free(stack);
	for (int i = 0; i < TABLES_MAX; i++)
		hw_table_clear(&scene.tables[i]);
	return 0;
}
