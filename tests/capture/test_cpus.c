/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Lists of CPUs as the kernel writes them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/cpus.h"

static void check(const char *list, const char *expected)
{
	bool online[8];

	assert_true(hw_cpus_parse(list, online, 8));
	for (size_t cpu = 0; cpu < 8; cpu++)
		assert_int_equal(online[cpu], expected[cpu] == '1');
}

static void lists_name_single_cpus_and_ranges(void **state)
{
	(void)state;
	check("0-1\n", "11000000");
	check("0,2-3,7\n", "10110001");
	check("5", "00000100");
	check("", "00000000");
	check("6-4000000000\n", "00000011");
	check("9,4\n", "00001000");
}

static void what_is_no_list_is_refused(void **state)
{
	bool online[8];

	(void)state;
	assert_false(hw_cpus_parse("all\n", online, 8));
	assert_false(hw_cpus_parse("1-\n", online, 8));
	assert_false(hw_cpus_parse("1;2\n", online, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_name_single_cpus_and_ranges),
	    cmocka_unit_test(what_is_no_list_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
