/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files.h"
#include "perfdata/late.h"

static const struct perf_event_header *look(struct hw_late *late, const struct perf_event_header *record)
{
	const struct perf_event_header *repeat;

	assert_int_equal(hw_late_look(late, record, &repeat), 0);
	return repeat;
}

static void a_repeat_differs_in_its_time_only(void **state)
{
	struct hw_late *late = hw_late_new(&plain_options()->events[0].attr, 1 << 20);
	const struct perf_event_header *repeat, *want = a_callchain(7, 1, 30, 5);

	(void)state;
	look(late, a_callchain(7, 1, 20, 5));
	repeat = look(late, a_sample(7, 1, 30));
	assert_non_null(repeat);
	want = a_callchain(7, 1, 30, 5);
	assert_int_equal(repeat->size, want->size);
	assert_memory_equal(repeat, want, want->size);
	hw_late_free(late);
}

static void memory_is_bounded_and_the_oldest_go_first(void **state)
{
	struct hw_late *late = hw_late_new(&plain_options()->events[0].attr, 100000);

	(void)state;
	for (uint64_t i = 1; i <= 10000; i++) {
		look(late, a_callchain(7, i, i * 10, 50));
		assert_true(hw_late_bytes(late) <= 100000);
	}
	assert_true(hw_late_forgotten(late) > 9000);
	assert_null(look(late, a_sample(7, 1, 200000)));
	assert_non_null(look(late, a_sample(7, 10000, 200000)));
	hw_late_free(late);
}

static void what_is_used_stays(void **state)
{
	struct hw_late *late = hw_late_new(&plain_options()->events[0].attr, 100000);

	(void)state;
	look(late, a_callchain(7, 1, 10, 50));
	for (uint64_t i = 2; i <= 1000; i++) {
		look(late, a_callchain(7, i, i * 10, 50));
		assert_non_null(look(late, a_sample(7, 1, i * 10 + 5)));
	}
	hw_late_free(late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_repeat_differs_in_its_time_only),
	    cmocka_unit_test(memory_is_bounded_and_the_oldest_go_first),
	    cmocka_unit_test(what_is_used_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
