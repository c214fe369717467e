/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Sorting by time: in order whatever the order was before, and of equal times the earlier stays first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "merge/internal.h"

struct item {
	uint64_t time_ns, place, more;
};

static void check(struct item *items, size_t count)
{
	bool *seen = calloc(count + 1, sizeof(*seen));

	for (size_t i = 0; i < count; i++)
		items[i].place = i;
	assert_int_equal(hw_order_by_time(items, count, sizeof(*items)), 0);
	for (size_t i = 0; i < count; i++) {
		assert_false(seen[items[i].place]);
		seen[items[i].place] = true;
		if (!i)
			continue;
		assert_true(items[i - 1].time_ns <= items[i].time_ns);
		if (items[i - 1].time_ns == items[i].time_ns)
			assert_true(items[i - 1].place < items[i].place);
	}
	free(seen);
}

static void any_order_becomes_that_of_time_and_equal_times_keep_theirs(void **state)
{
	static struct item items[3000];
	const size_t most = sizeof(items) / sizeof(items[0]);

	(void)state;
	srandom(7);
	for (size_t count = 0; count < 40; count++) {
		for (int round = 0; round < 50; round++) {
			for (size_t i = 0; i < count; i++)
				items[i].time_ns = (uint64_t)random() % (count / 2 + 1);
			check(items, count);
		}
	}
	for (size_t i = 0; i < most; i++)
		items[i].time_ns = (uint64_t)random();
	check(items, most);
	for (size_t i = 0; i < most; i++) /* every item before the one before it */
		items[i].time_ns = most - i;
	check(items, most);
	for (size_t i = 0; i < most; i++) /* rounds of two CPUs, each in order */
		items[i].time_ns = i / 100 * 100 + (i % 100 < 50 ? i % 50 * 2 : i % 50 * 2 + 1);
	check(items, most);
}

/* More than is put in order at a time. */
static void many_are_put_in_order_however_far_apart_they_belong(void **state)
{
	const size_t most = 100000;
	struct item *items = calloc(most, sizeof(*items));

	(void)state;
	assert_non_null(items);
	for (size_t i = 0; i < most; i++) /* rounds of four CPUs, each reaching into the next one */
		items[i].time_ns = i / 4000 * 4000 + i % 1000 * 6;
	check(items, most);
	for (size_t i = 0; i < most; i++) /* the last one is the first one */
		items[i].time_ns = most - i == 1 ? 0 : i;
	check(items, most);
	for (size_t i = 0; i < most; i++)
		items[i].time_ns = most - i;
	check(items, most);
	for (size_t i = 0; i < most; i++)
		items[i].time_ns = (uint64_t)random() % 5000;
	check(items, most);
	for (size_t i = 0; i < most; i++) /* in order but for two places */
		items[i].time_ns = i == 40000 ? 20000 : i == 80000 ? 79000 : i;
	check(items, most);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_order_becomes_that_of_time_and_equal_times_keep_theirs),
	    cmocka_unit_test(many_are_put_in_order_however_far_apart_they_belong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
