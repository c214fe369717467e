/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which rule each form of unwind entry in functions.S becomes, and how a table lays its rules out. */
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "walk/table.h"
#include "walk/table_builder.h"

#define SYMBOL(name) extern const uint8_t name[]
SYMBOL(through_drap);
SYMBOL(in_drap);
SYMBOL(in_saved_rsp);
SYMBOL(in_rbx);
SYMBOL(in_moved_return_address);
SYMBOL(in_register);
SYMBOL(rule_lost);
SYMBOL(rule_undefined_rbx);
SYMBOL(rule_chance_undefined_rbx);
SYMBOL(rule_rbp_far);
SYMBOL(rule_end);
SYMBOL(rule_expression_unfit);
SYMBOL(rule_rsp_unfit);
SYMBOL(rule_large);
SYMBOL(rule_plt);
SYMBOL(rule_plain_expression);
SYMBOL(rule_gap);

#define RSP         HW_REG_RSP
#define UNFIT       HW_RULE(HW_RULE_UNFIT, 0, 0)
#define RBP(word)   ((uint64_t)(word) << 32)
#define RBX(word)   ((uint64_t)(word) << 39)
#define R12(word)   ((uint64_t)(word) << 44)
#define R13(word)   ((uint64_t)(word) << 49)
#define R14(word)   ((uint64_t)(word) << 54)
#define R15(word)   ((uint64_t)(word) << 59)
#define CFA(reg, n) HW_RULE(HW_RULE_CFA, reg, n)

static struct hw_table table;

static int compile_this_program(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int r = hw_table_compile(fd, NULL, &table, NULL);

	(void)state;
	close(fd);
	return r;
}

static int clear(void **state)
{
	(void)state;
	hw_table_clear(&table);
	return 0;
}

struct place {
	uint64_t address;
	uint32_t offset;
};

/* The first object is the program itself. */
static int locate(struct dl_phdr_info *info, size_t size, void *context)
{
	struct place *place = context;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && place->address - start < header->p_filesz)
			place->offset = (uint32_t)(place->address - start + header->p_offset);
	}
	return 1;
}

static uint64_t rule_at(const uint8_t *address)
{
	struct place place = {.address = (uint64_t)address};

	dl_iterate_phdr(locate, &place);
	assert_int_not_equal(place.offset, 0);
	return hw_table_rule(&table, place.offset);
}

static void a_drap_frame_keeps_registers_by_rbp(void **state)
{
	(void)state;
	assert_int_equal(rule_at(through_drap), CFA(RSP, 8));
	assert_int_equal(rule_at(in_drap),
	                 HW_RULE(HW_RULE_DEREF_BASE, HW_REG_RBP, -8 * 256) | RBP(1) | RBX(3));
}

static void a_saved_rsp_frame_keeps_registers_by_cfa(void **state)
{
	(void)state;
	assert_int_equal(rule_at(in_saved_rsp),
	                 HW_RULE(HW_RULE_DEREF, RSP, 64 * 256 + 8) | RBX(2) | RBP(3) | R15(4));
}

static void any_register_can_be_the_base(void **state)
{
	(void)state;
	assert_int_equal(rule_at(in_rbx), CFA(HW_REG_RBX, 16) | RBX(2));
}

static void the_return_address_can_be_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(rule_at(in_moved_return_address), HW_RULE(HW_RULE_RA_AT, RSP, 48 * 256 + 4));
	assert_int_equal(rule_at(in_register), HW_RULE(HW_RULE_RA_REG, RSP, HW_REG_RDI));
}

static void a_register_that_cannot_be_said_is_lost_not_unchanged(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_lost), CFA(RSP, 8) | RBP(HW_SAVED_RBP_LOST) | RBX(HW_SAVED_LOST) |
	                                         R12(HW_SAVED_LOST) | R13(30) | R14(HW_SAVED_LOST) |
	                                         R15(HW_SAVED_LOST));
	assert_int_equal(rule_at(rule_rbp_far), CFA(RSP, 8) | RBP(126));
	assert_int_equal(rule_at(rule_rbp_far + 1), CFA(RSP, 8) | RBP(HW_SAVED_RBP_LOST));
}

static void undefined_rbx_is_told_from_rbx_of_which_nothing_is_said(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_undefined_rbx), CFA(RSP, 8) | RBX(HW_SAVED_LOST));
	assert_int_equal(rule_at(rule_chance_undefined_rbx), CFA(RSP, 8) | RBX(7));
	assert_int_equal(rule_at(rule_rbp_far), CFA(RSP, 8) | RBP(126));
}

static void an_undefined_return_address_is_the_end(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_end), HW_RULE(HW_RULE_END, 0, 0));
}

static void plt_expressions_are_known_by_their_operands(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_plt), HW_RULE(HW_RULE_PLT, RSP, 10));
	assert_int_equal(rule_at(rule_plt + 1), HW_RULE(HW_RULE_PLT, RSP, 11));
	assert_int_equal(rule_at(rule_plt + 2), UNFIT);
}

static void an_expression_that_is_a_sum_is_a_plain_rule(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_plain_expression), CFA(RSP, 24) | RBX(2));
}

static void what_does_not_fit_is_unfit(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_expression_unfit), UNFIT);
	assert_int_equal(rule_at(rule_rsp_unfit), UNFIT);
	assert_int_equal(rule_at(rule_large), CFA(RSP, 8388600));
	assert_int_equal(rule_at(rule_large + 1), UNFIT);
}

static void code_without_an_entry_is_a_gap(void **state)
{
	(void)state;
	assert_int_equal(rule_at(rule_gap), 0);
}

static void rules_beyond_the_limit_become_unfit(void **state)
{
	struct hw_table_builder builder;
	struct hw_table big;

	(void)state;
	assert_int_equal(hw_table_builder_init(&builder, 1u << 20), 0);
	for (uint32_t i = 1; i < 70000; i++)
		assert_int_equal(hw_table_builder_add(&builder, i, CFA(RSP, 8 * i)), 0);
	assert_int_equal(hw_table_builder_finish(&builder, &big), 0);
	hw_table_builder_clear(&builder);
	assert_int_equal(big.rule_count, HW_RULES_MAX);
	assert_true(hw_table_is_sound(&big));
	assert_int_equal(hw_table_rule(&big, 65534), CFA(RSP, 8 * 65534));
	assert_int_equal(hw_table_rule(&big, 65535), UNFIT);
	assert_int_equal(hw_table_rule(&big, UINT32_MAX), UNFIT);
	hw_table_clear(&big);
}

/* Three rows in one block, three rules in another. */
static void build_small(struct hw_table *small)
{
	struct hw_table_builder builder;

	assert_int_equal(hw_table_builder_init(&builder, 3), 0);
	assert_int_equal(hw_table_builder_add(&builder, 100, CFA(RSP, 8)), 0);
	assert_int_equal(hw_table_builder_add(&builder, 110, CFA(RSP, 8)), 0); /* says the same */
	assert_int_equal(hw_table_builder_add(&builder, 120, CFA(RSP, 99)), 0);
	assert_int_equal(hw_table_builder_add(&builder, 120, CFA(RSP, 16)), 0); /* replaces it */
	assert_int_equal(hw_table_builder_add(&builder, 200, 0), 0);
	assert_int_equal(hw_table_builder_add(&builder, 201, CFA(RSP, 8)), -E2BIG);
	assert_int_equal(hw_table_builder_finish(&builder, small), 0);
	hw_table_builder_clear(&builder);
}

static void rows_are_found_by_where_they_begin(void **state)
{
	struct hw_table small;

	(void)state;
	build_small(&small);
	assert_int_equal(small.row_count, 3);
	assert_int_equal(small.row_blocks, 1);
	assert_int_equal(small.block_count, 2);
	assert_int_equal(small.words[3], HW_ROW_PAD);
	assert_int_equal(small.words[HW_BLOCK_WORDS], 0);
	assert_int_equal(hw_table_rule(&small, 0), 0);
	assert_int_equal(hw_table_rule(&small, 99), 0);
	assert_int_equal(hw_table_rule(&small, 100), CFA(RSP, 8));
	assert_int_equal(hw_table_rule(&small, 119), CFA(RSP, 8));
	assert_int_equal(hw_table_rule(&small, 120), CFA(RSP, 16));
	assert_int_equal(hw_table_rule(&small, 199), CFA(RSP, 16));
	assert_int_equal(hw_table_rule(&small, 200), 0);
	assert_int_equal(hw_table_rule(&small, UINT32_MAX), 0);
	hw_table_clear(&small);
}

static void an_unsound_table_is_told(void **state)
{
	struct hw_table small, copy;

	(void)state;
	build_small(&small);
	assert_true(hw_table_is_sound(&small));
#define UNSOUND(change, undo)                                                                                \
	copy = small;                                                                                        \
	change;                                                                                              \
	assert_false(hw_table_is_sound(&copy));                                                              \
	undo
	UNSOUND(copy.row_count = 4, );
	UNSOUND(copy.row_count = 0, );
	UNSOUND(copy.row_blocks = 2, );
	UNSOUND(copy.row_blocks = 0, );
	UNSOUND(copy.block_count = 3, );
	UNSOUND(copy.rule_count = 0, );
	UNSOUND(copy.rule_count = 2, );
	UNSOUND(copy.rule_count = HW_RULES_MAX + 1, );
	UNSOUND(copy.build_id_size = 21, );
	UNSOUND(small.words[0] = HW_ROW(121, 1), small.words[0] = HW_ROW(100, 1));
	UNSOUND(small.words[1] = HW_ROW(120, 4), small.words[1] = HW_ROW(120, 3));
	UNSOUND(small.words[4] = 0, small.words[4] = HW_ROW_PAD);
	UNSOUND(small.words[HW_BLOCK_WORDS] = 1, small.words[HW_BLOCK_WORDS] = 0);
	UNSOUND(small.words[HW_BLOCK_WORDS + 9] = 1, small.words[HW_BLOCK_WORDS + 9] = 0);
#undef UNSOUND
	assert_true(hw_table_is_sound(&small));
	hw_table_clear(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_drap_frame_keeps_registers_by_rbp),
	    cmocka_unit_test(a_saved_rsp_frame_keeps_registers_by_cfa),
	    cmocka_unit_test(any_register_can_be_the_base),
	    cmocka_unit_test(the_return_address_can_be_elsewhere),
	    cmocka_unit_test(a_register_that_cannot_be_said_is_lost_not_unchanged),
	    cmocka_unit_test(undefined_rbx_is_told_from_rbx_of_which_nothing_is_said),
	    cmocka_unit_test(an_undefined_return_address_is_the_end),
	    cmocka_unit_test(plt_expressions_are_known_by_their_operands),
	    cmocka_unit_test(an_expression_that_is_a_sum_is_a_plain_rule),
	    cmocka_unit_test(what_does_not_fit_is_unfit),
	    cmocka_unit_test(code_without_an_entry_is_a_gap),
	    cmocka_unit_test(rules_beyond_the_limit_become_unfit),
	    cmocka_unit_test(rows_are_found_by_where_they_begin),
	    cmocka_unit_test(an_unsound_table_is_told),
	};

	return cmocka_run_group_tests(tests, compile_this_program, clear);
}
