/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Merging while recording: whatever the order of records, each sample comes out once, with its own stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "merge/live.h"
#include "merge/recording.h"
#include "perfdata/records.h"

static struct {
	struct hw_live *live;
	uint64_t buffer[512];
	size_t given;
	struct hw_live_sample last;
	uint64_t last_user, last_kernel; /* innermost addresses */
	uint64_t first_time;
	int result;
} test;

static int give(void *context, const struct hw_live_sample *sample)
{
	assert_ptr_equal(context, &test);
	if (!test.given++)
		test.first_time = sample->time_ns;
	test.last = *sample;
	test.last_user = sample->user_count ? sample->user_ips[0] : 0;
	test.last_kernel = sample->kernel_count ? sample->kernel_ips[0] : 0;
	return test.result;
}

static int begin(void **state)
{
	struct perf_event_attr attr = {
	    .size = sizeof(attr), .sample_type = HW_SAMPLE_TYPE, .sample_id_all = 1};

	(void)state;
	memset(&test, 0, sizeof(test));
	test.live = hw_live_new(&attr, give, &test);
	return test.live ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	hw_live_free(test.live);
	return 0;
}

static int sample(uint32_t tid, uint64_t cookie, uint64_t time_ns)
{
	const uint64_t kernel[] = {0xffffffff81000000 + time_ns, 0xffffffff81000001};
	struct hw_record_sample record = {.id = {.pid = tid, .tid = tid, .time_ns = time_ns},
	                                  .cpumode = PERF_RECORD_MISC_KERNEL,
	                                  .ip = kernel[0],
	                                  .period = 1,
	                                  .kernel_ips = kernel,
	                                  .kernel_count = 2,
	                                  .cookie = cookie};

	assert_true(hw_build_sample(test.buffer, sizeof(test.buffer), &record) > 0);
	return hw_live_add(test.live, (const struct perf_event_header *)test.buffer);
}

static int callchain(uint32_t tid, uint64_t cookie, uint64_t ip)
{
	struct hw_record_id id = {.pid = tid, .tid = tid, .time_ns = 1000};

	assert_true(
	    hw_build_deferred(test.buffer, sizeof(test.buffer), &id, cookie, &ip, 1, HW_END_COMPLETE) > 0);
	return hw_live_add(test.live, (const struct perf_event_header *)test.buffer);
}

static void samples_wait_for_the_callchain_of_their_task_and_cookie(void **state)
{
	(void)state;
	assert_int_equal(sample(7, 1, 10), 0);
	assert_int_equal(sample(7, 1, 11), 0);
	assert_int_equal(callchain(8, 1, 0x800), 0); /* another task's */
	assert_int_equal(callchain(7, 2, 0x702), 0); /* another stay's */
	assert_int_equal(test.given, 0);
	assert_int_equal(callchain(7, 1, 0x701), 0);
	assert_int_equal(test.given, 2);
	assert_int_equal(test.first_time, 10);
	assert_int_equal(test.last.time_ns, 11);
	assert_int_equal(test.last.state, HW_SAMPLE_ANSWERED);
	assert_int_equal(test.last.end, HW_END_COMPLETE);
	assert_int_equal(test.last_user, 0x701);
	assert_int_equal(test.last_kernel, 0xffffffff81000000 + 11);
}

static void a_sample_after_its_callchain_is_given_at_once_and_a_repeat_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(callchain(7, 1, 0x701), 0);
	assert_int_equal(callchain(7, 1, 0x999), 0);
	assert_int_equal(sample(7, 1, 10), 0);
	assert_int_equal(test.given, 1);
	assert_int_equal(test.last_user, 0x701);
}

static void what_still_waits_at_the_end_is_given_without_a_stack(void **state)
{
	(void)state;
	assert_int_equal(sample(7, 1, 10), 0);
	assert_int_equal(sample(9, 0, 11), 0); /* did not ask: at once */
	assert_int_equal(test.given, 1);
	assert_int_equal(test.last.state, HW_SAMPLE_KERNEL_ONLY);
	assert_int_equal(hw_live_finish(test.live), 0);
	assert_int_equal(test.given, 2);
	assert_int_equal(test.last.state, HW_SAMPLE_UNANSWERED);
	assert_int_equal(test.last.user_count, 0);
	assert_int_equal(test.last.kernel_count, 2);
}

static void no_more_than_the_limit_wait_and_are_remembered_and_none_is_lost(void **state)
{
	const uint64_t more = 1000;

	(void)state;
	for (uint64_t i = 1; i <= HW_LIVE_WAITING_MOST + more; i++)
		assert_int_equal(sample(7, i, i), 0);
	assert_int_equal(test.given, more);
	assert_int_equal(test.first_time, 1); /* the one that waited longest */
	assert_int_equal(test.last.state, HW_SAMPLE_UNANSWERED);
	assert_int_equal(hw_live_finish(test.live), 0);
	assert_int_equal(test.given, HW_LIVE_WAITING_MOST + more);
	for (uint64_t i = 1; i <= HW_LIVE_REMEMBERED_MOST + 1; i++)
		assert_int_equal(callchain(8, i, i), 0);
	assert_int_equal(sample(8, 1, 1), 0); /* forgotten: waits */
	assert_int_equal(test.given, HW_LIVE_WAITING_MOST + more);
	assert_int_equal(sample(8, 2, 2), 0);
	assert_int_equal(test.given, HW_LIVE_WAITING_MOST + more + 1);
}

static void the_callback_ends_it_and_records_that_make_no_sense_are_refused(void **state)
{
	struct perf_event_header *header = (struct perf_event_header *)test.buffer;

	(void)state;
	test.result = -EINTR;
	assert_int_equal(sample(7, 0, 10), -EINTR);
	assert_int_equal(sample(7, 1, 11), 0);
	assert_int_equal(callchain(7, 1, 0x701), -EINTR);
	test.result = 0;
	callchain(7, 3, 0x703);
	test.buffer[2] = 1u << 30; /* so many addresses cannot be in it */
	assert_int_equal(hw_live_add(test.live, header), -EINVAL);
	sample(7, 4, 12);
	header->size = 16;
	assert_int_equal(hw_live_add(test.live, header), -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TEST(samples_wait_for_the_callchain_of_their_task_and_cookie),
	    TEST(a_sample_after_its_callchain_is_given_at_once_and_a_repeat_changes_nothing),
	    TEST(what_still_waits_at_the_end_is_given_without_a_stack),
	    TEST(no_more_than_the_limit_wait_and_are_remembered_and_none_is_lost),
	    TEST(the_callback_ends_it_and_records_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
