/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Samples and callchains in every order. A test writes records as a recorder would, and looks at what comes
 * out of the merge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../perfdata/files.h"
#include "merge/recording.h"

/* One record of a scenario. */
struct step {
	char what; /* 's'ample, 'c'allchain, e'x'it, 'e'xec's comm, 'f'ork, 'u'ser stack of its own */
	uint32_t tid;
	uint64_t cookie, time_ns;
	uint8_t reason; /* end of a callchain, refusal of a sample */
};

static const struct perf_event_header *build(const struct step *step)
{
	static uint64_t buffer[512];
	static const uint64_t ips[2] = {0x401000, 0x402000};
	struct hw_record_id id = {.pid = step->tid, .tid = step->tid, .time_ns = step->time_ns};
	struct hw_record_sample sample = {
	    .id = id, .cpumode = PERF_RECORD_MISC_USER, .ip = ips[0], .period = 1, .refusal = step->reason};
	uint64_t stack[2] = {0x500000 + step->cookie, 0x600000 + step->tid};
	int r;

	switch (step->what) {
	case 's':
		sample.cookie = step->cookie;
		r = hw_build_sample(buffer, sizeof(buffer), &sample);
		break;
	case 'u':
		sample.user_ips = ips;
		sample.user_count = 2;
		r = hw_build_sample(buffer, sizeof(buffer), &sample);
		break;
	case 'c':
		r = hw_build_deferred(buffer, sizeof(buffer), &id, step->cookie, stack, 2, step->reason);
		break;
	case 'e':
		r = hw_build_comm(buffer, sizeof(buffer), &id, step->tid, step->tid, "new", true);
		break;
	default:
		r = hw_build_task(buffer, sizeof(buffer), &id,
		                  step->what == 'x' ? PERF_RECORD_EXIT : PERF_RECORD_FORK, step->tid,
		                  step->tid, 1, 1);
		break;
	}
	assert_true(r > 0);
	return (const struct perf_event_header *)buffer;
}

static struct hw_recording *merge(const struct step *steps, const size_t *order, size_t count)
{
	struct hw_writer *writer = open_writer("merge.data", plain_options());
	struct hw_recording *recording;
	struct hw_error err = {0};

	for (size_t i = 0; i < count; i++)
		append(writer, build(&steps[order ? order[i] : i]));
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	if (hw_recording_load("merge.data", NULL, &recording, &err))
		fail_msg("%s", err.text);
	assert_string_equal(hw_recording_account(recording)->damage, "");
	unlink("merge.data.old");
	return recording;
}

/* Every sample as "tid@time:state", with the cookie that its user stack was made of. */
static void describe(const struct hw_recording *recording, char *text, size_t size)
{
	static const char states[] = {'k', 'r', '?', 'a', 'd'};
	size_t count, frames, at = 0;
	const struct hw_sample *samples = hw_recording_samples(recording, &count);

	for (size_t i = 0; i < count && at < size; i++) {
		const uint64_t *ips = hw_recording_stack(recording, samples[i].user_stack, &frames);

		at += (size_t)snprintf(text + at, size - at, "%s%u@%llu:%c", i ? " " : "", samples[i].tid,
		                       (unsigned long long)samples[i].time_ns, states[samples[i].state]);
		if (samples[i].state == HW_SAMPLE_ANSWERED && at < size) {
			assert_int_equal(frames, 2);
			assert_int_equal(ips[1], 0x600000 + samples[i].tid);
			at += (size_t)snprintf(text + at, size - at, "%llu",
			                       (unsigned long long)(ips[0] - 0x500000));
		} else if (samples[i].state == HW_SAMPLE_UNANSWERED && at < size) {
			at += (size_t)snprintf(text + at, size - at, "%u", samples[i].unanswered);
		}
	}
}

static uint64_t sum(const uint64_t *counts, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += counts[i];
	return total;
}

static void add_up(const struct hw_recording *recording)
{
	const struct hw_account *a = hw_recording_account(recording);

	assert_int_equal(a->user_samples, a->asked + a->direct + sum(a->refused, HW_REFUSAL_COUNT));
	assert_int_equal(a->answered, sum(a->ended, HW_END_REASON_COUNT));
	assert_int_equal(a->asked - a->answered, sum(a->unanswered, HW_UNANSWERED_COUNT));
	assert_int_equal(a->complete, a->ended[HW_END_COMPLETE]);
}

static void expect(const struct step *steps, const size_t *order, size_t count, const char *want)
{
	struct hw_recording *recording = merge(steps, order, count);
	char text[600] = "";

	describe(recording, text, sizeof(text));
	assert_string_equal(text, want);
	add_up(recording);
	hw_recording_free(recording);
}

/* Call try with every order of count things. */
static void permute(size_t *order, size_t at, size_t count, const struct step *steps, const char *want)
{
	if (at == count) {
		expect(steps, order, count, want);
		return;
	}
	for (size_t i = at; i < count; i++) {
		size_t kept = order[at];

		order[at] = order[i];
		order[i] = kept;
		permute(order, at + 1, count, steps, want);
		order[i] = order[at];
		order[at] = kept;
	}
}

static void the_order_of_records_does_not_matter(void **state)
{
	static const struct step steps[] = {
	    {'s', 7, 1, 10, 0}, {'c', 7, 1, 20, HW_END_COMPLETE}, {'s', 7, 1, 30, 0}, /* late */
	    {'s', 8, 1, 15, 0}, {'c', 8, 1, 25, HW_END_COMPLETE}, /* another task, the same cookie */
	    {'s', 7, 2, 40, 0},                                   /* nobody answers */
	};
	size_t order[] = {0, 1, 2, 3, 4, 5};

	(void)state;
	permute(order, 0, 6, steps, "7@10:a1 8@15:a1 7@30:a1 7@40:?0");
}

#define AT_ONCE(counter)                                                                                     \
	((uint64_t)(counter) << 32 | 1) /* the cookie of a walk at once: see walk/cookie.h                   \
	                                 */

static void who_was_walked_at_once_finds_its_callchain_in_any_order(void **state)
{
	static const struct step steps[] = {
	    {'s', 7, AT_ONCE(2), 10, 0}, {'c', 7, AT_ONCE(2), 11, HW_END_COMPLETE},
	    {'s', 7, AT_ONCE(4), 20, 0}, {'c', 7, AT_ONCE(4), 21, HW_END_COMPLETE},
	    {'s', 7, AT_ONCE(6), 5, 0},  /* its callchain was lost: the task was at home later */
	    {'s', 7, AT_ONCE(8), 30, 0}, /* and later no more */
	};
	size_t order[] = {0, 1, 2, 3, 4, 5};
	char want[200];

	(void)state;
	snprintf(want, sizeof(want), "7@5:?2 7@10:a%llu 7@20:a%llu 7@30:?0", (unsigned long long)AT_ONCE(2),
	         (unsigned long long)AT_ONCE(4));
	permute(order, 0, 6, steps, want);
}

/* More than are looked for close by, and two whose keys fall into one place there. */
static void callchains_far_from_their_samples_find_them(void **state)
{
	enum { COUNT = 5000 };
	struct hw_writer *writer = open_writer("far.data", plain_options());
	struct hw_recording *recording;
	const struct hw_sample *samples;
	size_t count, frames;

	(void)state;
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= COUNT; i++) {
			struct step step = {round ? 'c' : 's', 7, AT_ONCE(2ull * i), i * 10ull + round, 0};

			append(writer, build(&step));
		}
	}
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	assert_int_equal(hw_recording_load("far.data", NULL, &recording, NULL), 0);
	assert_int_equal(hw_recording_account(recording)->answered, COUNT);
	assert_int_equal(hw_recording_account(recording)->callchains, COUNT);
	samples = hw_recording_samples(recording, &count);
	assert_int_equal(count, COUNT);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(hw_recording_stack(recording, samples[i].user_stack, &frames)[0],
		                 0x500000 + AT_ONCE(2 * (i + 1)));
	hw_recording_free(recording);
}

static void a_callchain_that_comes_twice_counts_once(void **state)
{
	static const struct step steps[] = {{'s', 7, 1, 10, 0},
	                                    {'c', 7, 1, 20, HW_END_COMPLETE},
	                                    {'s', 7, 1, 30, 0},
	                                    {'c', 7, 1, 30, HW_END_COMPLETE}};
	struct hw_recording *recording = merge(steps, NULL, 4);

	(void)state;
	assert_int_equal(hw_recording_account(recording)->callchains, 1);
	assert_int_equal(hw_recording_account(recording)->repeated, 1);
	assert_int_equal(hw_recording_account(recording)->answered, 2);
	add_up(recording);
	hw_recording_free(recording);
}

static void a_tid_that_is_used_again_is_another_task(void **state)
{
	static const struct step steps[] = {
	    {'s', 7, 1, 10, 0}, {'x', 7, 0, 20, 0}, /* asked, and exited first */
	    {'f', 7, 0, 30, 0}, {'s', 7, 3, 40, 0}, {'c', 7, 3, 50, HW_END_COMPLETE},
	    {'s', 7, 5, 60, 0}, {'x', 8, 0, 70, 0},
	};

	(void)state;
	/* the first came home neither before its exit nor, as the next task does, after it: the key is the
	 * cookie */
	expect(steps, NULL, 7, "7@10:?1 7@40:a3 7@60:?0");
}

static void why_nobody_answered_is_told(void **state)
{
	static const struct step exited[] = {{'s', 7, 1, 10, 0}, {'x', 7, 0, 20, 0}};
	static const struct step gone_before[] = {{'x', 7, 0, 5, 0}, {'s', 7, 1, 10, 0}};
	static const struct step lost[] = {
	    {'s', 7, 1, 10, 0}, {'s', 7, 3, 20, 0}, {'c', 7, 3, 30, HW_END_COMPLETE}};
	static const struct step of_another[] = {{'s', 7, 1, 10, 0}, {'c', 8, 1, 20, HW_END_COMPLETE}};

	(void)state;
	expect(of_another, NULL, 2, "7@10:?0");
	expect(exited, NULL, 2, "7@10:?1");
	expect(gone_before, NULL, 2, "7@10:?0"); /* that was an earlier task's exit */
	expect(lost, NULL, 3, "7@10:?2 7@20:a3");
}

static void reasons_are_carried_and_add_up(void **state)
{
	static const struct step steps[] = {
	    {'s', 7, 1, 10, 0},
	    {'c', 7, 1, 11, HW_END_EXEC},
	    {'e', 7, 0, 12, 0},
	    {'s', 7, 3, 20, 0},
	    {'c', 7, 3, 21, HW_END_TRUNCATED},
	    {'s', 7, 5, 30, 0},
	    {'c', 7, 5, 31, HW_END_COMPLETE},
	    {'s', 8, 0, 40, HW_REFUSE_EXITING},
	    {'s', 8, 0, 50, HW_REFUSE_COMPAT},
	    {'s', 9, 0, 60, 0}, /* user mode, nothing asked: its ip is all there is */
	    {'u', 9, 0, 70, 0},
	};
	struct hw_recording *recording = merge(steps, NULL, sizeof(steps) / sizeof(*steps));
	const struct hw_account *a = hw_recording_account(recording);

	(void)state;
	add_up(recording);
	assert_int_equal(a->samples, 7);
	assert_int_equal(a->ended[HW_END_EXEC], 1);
	assert_int_equal(a->ended[HW_END_TRUNCATED], 1);
	assert_int_equal(a->complete, 1);
	assert_int_equal(a->refused[HW_REFUSE_EXITING], 1);
	assert_int_equal(a->refused[HW_REFUSE_COMPAT], 1);
	assert_int_equal(a->direct, 2);
	assert_int_equal(a->duration_ns, 60);
	hw_recording_free(recording);
}

static void losses_are_counted_by_kind(void **state)
{
	struct hw_writer *writer = open_writer("lost.data", plain_options());
	struct hw_record_id id = {.time_ns = 5};
	struct hw_recording *recording;
	const struct hw_account *a;
	uint64_t buffer[32];

	(void)state;
	hw_build_lost_samples(buffer, sizeof(buffer), &id, 11);
	append(writer, (const struct perf_event_header *)buffer);
	hw_build_lost(buffer, sizeof(buffer), &id, 22, HW_LOST_CALLCHAINS);
	append(writer, (const struct perf_event_header *)buffer);
	hw_build_lost(buffer, sizeof(buffer), &id, 33, HW_LOST_OTHER);
	append(writer, (const struct perf_event_header *)buffer);
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	assert_int_equal(hw_recording_load("lost.data", NULL, &recording, NULL), 0);
	a = hw_recording_account(recording);
	assert_int_equal(a->lost_samples, 11);
	assert_int_equal(a->lost_callchains, 22);
	assert_int_equal(a->lost_other, 33);
	hw_recording_free(recording);
}

static void events_of_equal_time_keep_their_order(void **state)
{
	struct hw_writer *writer = open_writer("equal.data", plain_options());
	struct hw_recording *recording;
	const struct hw_process_event *events;
	uint64_t buffer[64];
	size_t count;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct hw_record_id id = {.pid = 7, .tid = 7, .time_ns = 1000 - i / 100};
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		hw_build_comm(buffer, sizeof(buffer), &id, 7, 7, name, false);
		append(writer, (const struct perf_event_header *)buffer);
	}
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	assert_int_equal(hw_recording_load("equal.data", NULL, &recording, NULL), 0);
	events = hw_recording_process_events(recording, &count);
	assert_int_equal(count, 1000);
	for (size_t i = 1; i < count; i++) {
		assert_true(events[i - 1].time_ns <= events[i].time_ns);
		if (events[i - 1].time_ns == events[i].time_ns)
			assert_int_equal(atoi(events[i - 1].name) + 1, atoi(events[i].name));
	}
	hw_recording_free(recording);
}

static void equal_stacks_are_kept_once(void **state)
{
	struct hw_writer *writer = open_writer("stacks.data", plain_options());
	struct hw_recording *recording;

	(void)state;
	for (uint64_t i = 1; i <= 5000; i++) {
		struct step sample = {'s', 7, i, i * 10, 0};
		struct step callchain = {'c', 7, i, i * 10 + 1, HW_END_COMPLETE};
		uint64_t buffer[16];
		struct hw_record_id id = {.pid = 7, .tid = 7, .time_ns = callchain.time_ns};
		const uint64_t ips[2] = {0x1000 + i % 10, 0x2000};

		append(writer, build(&sample));
		hw_build_deferred(buffer, sizeof(buffer), &id, i, ips, 2, HW_END_COMPLETE);
		append(writer, (const struct perf_event_header *)buffer);
	}
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	assert_int_equal(hw_recording_load("stacks.data", NULL, &recording, NULL), 0);
	assert_int_equal(hw_recording_account(recording)->answered, 5000);
	assert_true(hw_recording_stack_count(recording) <= 12);
	hw_recording_free(recording);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_order_of_records_does_not_matter),
	    cmocka_unit_test(who_was_walked_at_once_finds_its_callchain_in_any_order),
	    cmocka_unit_test(callchains_far_from_their_samples_find_them),
	    cmocka_unit_test(a_callchain_that_comes_twice_counts_once),
	    cmocka_unit_test(a_tid_that_is_used_again_is_another_task),
	    cmocka_unit_test(why_nobody_answered_is_told),
	    cmocka_unit_test(reasons_are_carried_and_add_up),
	    cmocka_unit_test(losses_are_counted_by_kind),
	    cmocka_unit_test(events_of_equal_time_keep_their_order),
	    cmocka_unit_test(equal_stacks_are_kept_once),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
