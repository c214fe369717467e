/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Functions of Go's runtime that change stacks (go_switch.S): found, and walked over to the right one. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "file_bytes.h"
#include "walk/go_code.h"
#include "walk/table_builder.h"
#include "walk/walker.h"

#define CFA(base, n) HW_RULE(HW_RULE_CFA, base, n)
#define GOROUTINE    HW_RULE(HW_RULE_GOROUTINE, 0, 0x38 / 8 << 16 | 0xc0 / 8 << 8 | 0x30 / 8)

static const char *path;

static void stack_changes_are_found_in_go_programs_only(void **state)
{
	static const struct {
		uint32_t offset;
		uint64_t rule;
	} expected[] = {
	    {3, CFA(HW_REG_RSP, 8)},
	    {7, GOROUTINE},
	    {14, GOROUTINE},
	    {44, GOROUTINE},
	    {48, CFA(HW_REG_RSP, 8)}, /* back on its own */
	    {256 + 0, CFA(HW_REG_RSP, 8)},
	    {256 + 4, HW_RULE_SCHEDULER},
	    {256 + 11, HW_RULE_SCHEDULER},
	    {256 + 12, CFA(HW_REG_RSP, 8)},
	    {512 + 12, CFA(HW_REG_RSP, 8)},
	    {512 + 13, HW_RULE_SCHEDULER},
	    {512 + 22, HW_RULE_SCHEDULER},
	    {768 + 7, CFA(HW_REG_RSP, 32)},
	    {768 + 14, CFA(HW_REG_R12, 32)},
	    {768 + 26, CFA(HW_REG_R12, 32)},
	    {768 + 27, CFA(HW_REG_RSP, 32)},
	    {1024 + 4, CFA(HW_REG_RSP, 8)},
	    {1024 + 20, CFA(HW_REG_RSP, 8)},
	};
	struct file_bytes file = read_file(path);
	struct hw_table table;
	Elf64_Shdr *note;
	uint32_t text;

	(void)state;
	text = (uint32_t)section_of(&file, ".text")->sh_offset;
	assert_int_equal(hw_table_compile_image(file.bytes, file.size, NULL, &table, NULL), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(hw_table_rule(&table, text + expected[i].offset), expected[i].rule);
	hw_table_clear(&table);

	note = section_of(&file, ".note.go.buildid");
	note->sh_name++; /* another name */
	assert_int_equal(hw_table_compile_image(file.bytes, file.size, NULL, &table, NULL), 0);
	assert_int_equal(hw_table_rule(&table, text + 7), CFA(HW_REG_RSP, 8));
	assert_int_equal(hw_table_rule(&table, text + 256 + 5), CFA(HW_REG_RSP, 16));
	hw_table_clear(&table);
	free_file(&file);
}

#define AREA (300u << 10)
static uint8_t area[AREA];

static size_t read_area(const void *context, uint64_t address, uint8_t *bytes, size_t size)
{
	const uint64_t start = *(const uint64_t *)context, left = start + AREA - address;

	if (size > left)
		size = left;
	memcpy(bytes, area + (address - start), size);
	return size;
}

/* Code is read in pieces: wherever a function stands, it is found, once. */
static void a_function_is_found_across_pieces_and_at_the_ends(void **state)
{
	struct file_bytes file = read_file(path);
	const uint8_t *function = file.bytes + section_of(&file, ".text")->sh_offset + 7;
	const size_t size = 48 - 7, from[] = {0, (128 << 10) - 600, AREA - size},
	             until[] = {2, (128 << 10) + 10, AREA - size + 1};
	uint64_t start = 0x400000;

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (size_t at = from[i]; at < until[i]; at++) {
			struct hw_go_code code = {0};

			memset(area, 0xcc, sizeof(area));
			memcpy(area + at, function, size);
			hw_go_code_find(&code, start, AREA, read_area, &start);
			assert_int_equal(code.count, 1);
			assert_int_equal(code.ranges[0].address, start + at);
			assert_int_equal(code.ranges[0].size, size);
			assert_int_equal(code.ranges[0].rule, GOROUTINE);
		}
	}
	free_file(&file);
}

#define CODE   0x20000
#define STACK  0x7000000 /* g0's */
#define THREAD 0x8000000 /* what fs points to, g, m, the goroutine and its stack, each 0x1000 further */

static uint64_t stack[16], words[5][64], ips[8];

static int read_words(void *context, uint64_t address, uint64_t *word)
{
	uint64_t at = address - (THREAD - 8);

	(void)context;
	if (at / 0x1000 >= 5 || at % 0x1000 >= sizeof(words[0]))
		return -1;
	*word = words[at / 0x1000][at % 0x1000 / 8];
	return 0;
}

static enum hw_end_reason walk_from_g0(struct hw_walk *walk, bool with_words)
{
	struct hw_walker_mapping mapping = {.start = CODE, .end = CODE + 0x1000};
	struct hw_walker_input input = {
	    .mappings = &mapping,
	    .mapping_count = 1,
	    .stack_address = STACK,
	    .stack = (const uint8_t *)stack,
	    .stack_size = sizeof(stack),
	    .stack_limit = STACK + sizeof(stack),
	    .read_stack = with_words ? read_words : NULL,
	};
	struct hw_table_builder builder;
	enum hw_end_reason reason;
	struct hw_table table;

	assert_int_equal(hw_table_builder_init(&builder, 8), 0);
	assert_int_equal(hw_table_builder_add(&builder, 0, CFA(HW_REG_RSP, 8)), 0);
	assert_int_equal(hw_table_builder_add(&builder, 0x100, GOROUTINE), 0);
	assert_int_equal(hw_table_builder_add(&builder, 0x200, CFA(HW_REG_RSP, 16)), 0);
	assert_int_equal(hw_table_builder_finish(&builder, &table), 0);
	hw_table_builder_clear(&builder);
	mapping.table = &table;
	reason = hw_walker_walk(walk, &input, ips);
	hw_table_clear(&table);
	return reason;
}

/* main.work > systemstack | on g0: a function that it runs */
static void begin(struct hw_walk *walk)
{
	const uint64_t at = THREAD - 8;

	memset(walk, 0, sizeof(*walk));
	memset(words, 0, sizeof(words));
	memset(stack, 0xee, sizeof(stack)); /* old memory */
	walk->pc = CODE + 0x10;
	walk->known = 0xffff;
	walk->flags = HW_WALK_EXACT;
	walk->depth_max = 8;
	walk->reg[HW_REG_RSP] = STACK + 16;
	walk->fs_base = THREAD;
	stack[2] = CODE + 0x110;               /* in systemstack */
	words[0][0] = at + 0x1000;             /* g */
	words[1][0x30 / 8] = at + 0x2000;      /* g.m */
	words[2][0xc0 / 8] = at + 0x3000;      /* m.curg */
	words[3][0x38 / 8] = at + 0x4000 + 16; /* curg.sched.sp */
	words[4][2] = CODE + 0x210;            /* the caller of systemstack; what called it is zero */
}

static void the_goroutine_that_called_systemstack_is_found(void **state)
{
	struct hw_walk walk;

	(void)state;
	begin(&walk);
	assert_int_equal(walk_from_g0(&walk, true), HW_END_COMPLETE);
	assert_int_equal(walk.depth, 3);
	assert_int_equal(ips[1], CODE + 0x110);
	assert_int_equal(ips[2], CODE + 0x210);
}

static void where_its_stack_cannot_be_found_the_walk_ends_at_systemstack(void **state)
{
	struct hw_walk walk;

	(void)state;
	begin(&walk);
	assert_int_equal(walk_from_g0(&walk, false), HW_END_SHORT_COPY);
	assert_int_equal(walk.depth, 2);
	begin(&walk);
	walk.fs_base = 0;
	assert_int_equal(walk_from_g0(&walk, true), HW_END_UNFIT);
	assert_int_equal(walk.depth, 2);
	begin(&walk);
	words[2][0xc0 / 8] = 0; /* no goroutine: nothing readable at 0x38 */
	assert_int_equal(walk_from_g0(&walk, true), HW_END_UNREADABLE);
	assert_int_equal(walk.depth, 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stack_changes_are_found_in_go_programs_only),
	    cmocka_unit_test(a_function_is_found_across_pieces_and_at_the_ends),
	    cmocka_unit_test(the_goroutine_that_called_systemstack_is_found),
	    cmocka_unit_test(where_its_stack_cannot_be_found_the_walk_ends_at_systemstack),
	};

	if (argc < 2)
		return 2;
	path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
