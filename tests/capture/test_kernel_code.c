/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Which code of the kernel counts as changing user registers, from the lines of /proc/kallsyms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "capture/kernel_code.h"

static struct hw_session_masks masks;

static void publish(const char *const *lines)
{
	struct hw_kernel_code code = {0};

	memset(&masks, 0, sizeof(masks));
	for (; *lines; lines++)
		hw_kernel_code_take(&code, *lines);
	hw_kernel_code_publish(&code, &masks);
}

#define PUBLISH(...) publish((const char *const[]){__VA_ARGS__, NULL})

static bool covers(uint64_t address)
{
	bool found = false;

	for (int i = 0; i < HW_SIGNAL_CODE_MAX; i++)
		found |= address - masks.signal_code[i].start < masks.signal_code[i].size;
	return found;
}

static void functions_that_change_registers_are_covered_to_their_end(void **state)
{
	(void)state;
	PUBLISH("ffffffff81000000 T before\n", "ffffffff81000100 T arch_do_signal_or_restart\n",
	        "ffffffff81000100 T an_alias\n", "ffffffff81000400 t behind\n",
	        "ffffffff81000500 t restore_sigcontext.isra.0\n", "ffffffff81000600 t restore_sigcontexts\n",
	        "ffffffff81000700 t handle_signal_more\n", "ffffffff81000800 T __x64_sys_rt_sigreturn\n",
	        "ffffffff81000900 T emulate_vsyscall\n", "ffffffff81000a00 T uprobe_notify_resume\n",
	        "ffffffff81000b00 T last\n");
	assert_false(covers(0xffffffff810000ff));
	assert_true(covers(0xffffffff81000100));
	assert_true(covers(0xffffffff810003ff)); /* the alias ends nothing */
	assert_false(covers(0xffffffff81000400));
	assert_true(covers(0xffffffff81000500)); /* whatever the compiler appended */
	assert_true(covers(0xffffffff810005ff));
	assert_false(covers(0xffffffff81000600)); /* another name */
	assert_false(covers(0xffffffff81000700));
	assert_true(covers(0xffffffff81000800));
	assert_true(covers(0xffffffff81000900));
	assert_true(covers(0xffffffff81000aff));
	assert_false(covers(0xffffffff81000b00));
}

/* The kernel side defers all hits in kernel mode where the first range is empty. */
static void nothing_is_told_that_is_not_known_whole(void **state)
{
	(void)state;
	PUBLISH("0000000000000000 T handle_signal\n",
	        "0000000000000000 T behind\n"); /* addresses are hidden */
	assert_int_equal(masks.signal_code[0].size, 0);
	PUBLISH("ffffffff81000000 T other\n", "ffffffff81000100 T handle_signal\n"); /* no end */
	assert_int_equal(masks.signal_code[0].size, 0);
}

/* The functions of this kernel, where its symbols can be read: a name that it has not is no protection. */
static void this_kernel_has_the_functions(void **state)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	struct hw_kernel_code code = {0};
	char line[1024];

	(void)state;
	while (file && fgets(line, sizeof(line), file))
		hw_kernel_code_take(&code, line);
	if (file)
		fclose(file);
	if (!code.count)
		skip(); /* not root: the addresses are hidden */
	/* delivery, return from it, uprobes, and what the compiler has not inlined of them */
	assert_in_range(code.count, 4, HW_SIGNAL_CODE_MAX);
	memset(&masks, 0, sizeof(masks));
	hw_kernel_code_publish(&code, &masks);
	assert_true(masks.signal_code[0].size > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(functions_that_change_registers_are_covered_to_their_end),
	    cmocka_unit_test(nothing_is_told_that_is_not_known_whole),
	    cmocka_unit_test(this_kernel_has_the_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
