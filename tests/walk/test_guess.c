/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Where no table helps: which return addresses a guess by frame pointer believes, and what it knows then. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "walk/table_builder.h"
#include "walk/walker.h"

#define CODE       0x10000
#define CODE_BYTES 0x1000
#define FILE_CODE  0x20000 /* of a file whose table says what the test wants */
#define STACK      0x7000000

static uint8_t code[CODE_BYTES];
static uint64_t stack[64], ips[8];
static struct hw_walk walk;

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	(void)context;
	if (address >= FILE_CODE) /* the same bytes */
		address -= FILE_CODE - CODE;
	if (address - CODE > CODE_BYTES - 8)
		return -1;
	memcpy(eight_bytes, code + (address - CODE), 8);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memset(code, 0x90, sizeof(code));
	memset(stack, 0, sizeof(stack));
	memset(&walk, 0, sizeof(walk));
	walk.known = 0xffff;
	walk.flags = HW_WALK_EXACT;
	walk.depth_max = 8;
	walk.pc = CODE + 0x100;
	walk.reg[HW_REG_RSP] = STACK;
	walk.reg[HW_REG_RBP] = STACK + 16;
	stack[2] = STACK + 48;
	stack[3] = CODE + 0x200; /* the caller, by rbp */
	return 0;
}

static void put(uint64_t address, const void *bytes, size_t size)
{
	memcpy(code + (address - CODE), bytes, size);
}

static enum hw_end_reason run(const struct hw_table *table)
{
	struct hw_walker_mapping mappings[] = {
	    {.start = CODE, .end = CODE + CODE_BYTES, .anonymous = 1},
	    {.start = FILE_CODE, .end = FILE_CODE + 0x1000, .table = table},
	};
	struct hw_walker_input input = {
	    .mappings = mappings,
	    .mapping_count = table ? 2 : 1,
	    .stack_address = STACK,
	    .stack = (const uint8_t *)stack,
	    .stack_size = sizeof(stack),
	    .stack_limit = STACK + sizeof(stack),
	    .read_code = read_code,
	};

	return hw_walker_walk(&walk, &input, ips);
}

static void an_address_that_follows_no_call_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(run(NULL), HW_END_ANONYMOUS);
	assert_int_equal(walk.depth, 1);
}

static void an_address_after_a_call_is_believed(void **state)
{
	(void)state;
	put(CODE + 0x200 - 5, "\xe8", 1);
	assert_int_equal(run(NULL), HW_END_ANONYMOUS); /* what follows is zero */
	assert_int_equal(walk.depth, 2);
	assert_int_equal(ips[1], CODE + 0x200);
}

static void where_methods_return_to_the_interpreter_is_believed(void **state)
{
	static const uint8_t returns[] = {0x48, 0x8b, 0x65, 0xf0, 0x48, 0xc7, 0x45, 0xf0, 0, 0, 0, 0};

	(void)state;
	put(CODE + 0x200, returns, sizeof(returns));
	assert_int_equal(run(NULL), HW_END_ANONYMOUS);
	assert_int_equal(walk.depth, 2);
	assert_int_equal(ips[1], CODE + 0x200);
}

/* cmp 0x348(%r15),%rsp; ja …; ret: rbp is the caller's again, and its return address stands at rsp. */
static void before_a_compiled_method_returns_its_caller_is_not_skipped(void **state)
{
	static const uint8_t poll[] = {0x49, 0x3b, 0xa7, 0x48, 3, 0, 0, 0x0f, 0x87, 1, 2, 3, 4, 0xc3};

	for (int at = 0; at < 14; at += at ? 6 : 7) {
		begin(state);
		put(CODE + 0x100, poll, sizeof(poll));
		put(CODE + 0x300 - 5, "\xe8", 1);
		walk.pc = CODE + 0x100 + (unsigned)at;
		stack[0] = CODE + 0x300;
		run(NULL);
		assert_int_equal(ips[1], CODE + 0x300);
	}
}

/* The guessed callee may have saved rbx anywhere: what is in it now is not the caller's. */
static void a_register_that_nobody_saw_saved_is_not_used(void **state)
{
	struct hw_table_builder builder;
	struct hw_table table = {0};

	(void)state;
	assert_int_equal(hw_table_builder_init(&builder, 8), 0);
	assert_int_equal(hw_table_builder_add(&builder, 0, HW_RULE(HW_RULE_CFA, HW_REG_RBX, 8)), 0);
	assert_int_equal(hw_table_builder_finish(&builder, &table), 0);
	hw_table_builder_clear(&builder);
	walk.reg[HW_REG_RBX] = STACK + 64;
	stack[3] = FILE_CODE + 0x200;
	put(CODE + 0x200 - 5, "\xe8", 1);
	assert_int_equal(run(&table), HW_END_LOST_REGISTER);
	assert_int_equal(walk.depth, 2);
	assert_int_equal(ips[1], FILE_CODE + 0x200);
	hw_table_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(an_address_that_follows_no_call_is_not_believed, begin),
	    cmocka_unit_test_setup(an_address_after_a_call_is_believed, begin),
	    cmocka_unit_test_setup(where_methods_return_to_the_interpreter_is_believed, begin),
	    cmocka_unit_test_setup(before_a_compiled_method_returns_its_caller_is_not_skipped, begin),
	    cmocka_unit_test_setup(a_register_that_nobody_saw_saved_is_not_used, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
