/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Many sessions on one kernel side: each gets exactly its own, and each stack is walked once. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "one_side.h"

static unsigned add_for_process(unsigned rate, pid_t pid)
{
	struct hw_session_options options = {
	    .event = "cpu-clock", .frequency = true, .rate = rate, .filter = HW_SESSION_PROCESSES};

	return gathered_add(&g, &options, pid);
}

static uint64_t walks_so_far(void)
{
	struct hw_sessions_status status;

	hw_sessions_status(g.sessions, &status);
	return status.counters.walks + status.counters.at_once;
}

/* Samples of a clock do not carry their period: it never changes. */
static void assert_says_period(unsigned bit, uint64_t period)
{
	struct perf_event_attr attr;

	assert_non_null(hw_sessions_event(g.sessions, bit, &attr));
	assert_false(attr.sample_type & PERF_SAMPLE_PERIOD);
	assert_false(attr.freq);
	assert_int_equal(attr.sample_period, period);
}

static void sessions_with_other_rates_and_processes_get_exactly_their_own(void **state)
{
	struct child first = child_new(burn), second = child_new(system_calls);
	unsigned one = add_for_process(999, first.pid), two = add_for_process(2500, second.pid);
	struct share a, b;

	(void)state;
	assert_int_not_equal(one, two);
	child_go(&first);
	child_go(&second);
	gather_samples(&g, one, 200);
	gather_samples(&g, two, 200);
	gather_rest(&g, 1ull << one | 1ull << two);
	a = share_of(&g, one, first.pid);
	b = share_of(&g, two, second.pid);
	assert_exact(&a);
	assert_exact(&b);
	assert_says_period(one, 1001001);
	assert_says_period(two, 400000);
	remove_and_wait(&g, one);
	remove_and_wait(&g, two);
	child_end(&first);
	child_end(&second);
}

static void equal_sessions_share_the_event_the_sample_and_the_walk(void **state)
{
	struct child child = child_new(system_calls);
	struct hw_sessions_status status;
	unsigned bits[8];
	uint64_t all = 0, walks = walks_so_far();
	struct share share;

	(void)state;
	for (int i = 0; i < 8; i++) {
		bits[i] = add_for_process(999, child.pid);
		all |= 1ull << bits[i];
	}
	hw_sessions_status(g.sessions, &status);
	assert_int_equal(status.sessions, 8);
	assert_int_equal(status.kernel_events, 1);
	child_go(&child);
	gather_samples(&g, bits[0], 300);
	gather_rest(&g, all);
	walks = walks_so_far() - walks;
	for (int i = 0; i < 8; i++) {
		share = share_of(&g, bits[i], child.pid);
		assert_exact(&share);
		assert_true(walks <= share.callchains);
	}
	array_for_each (&g.got, it)
		if (it->sessions != all) /* only at its end, when one stops after the other */
			assert_true(it->time_ns > g.got.items[g.got.count / 2].time_ns);
	for (int i = 0; i < 8; i++)
		remove_and_wait(&g, bits[i]);
	child_end(&child);
}

static void one_walk_answers_sessions_of_different_rates(void **state)
{
	struct child child = child_new(long_reads);
	unsigned one = add_for_process(1999, child.pid), two = add_for_process(4999, child.pid);
	uint64_t walks = walks_so_far(), both = 1ull << one | 1ull << two, shared = 0;
	struct share a, b;

	(void)state;
	child_go(&child);
	gather_samples(&g, two, 600);
	gather_rest(&g, both);
	walks = walks_so_far() - walks;
	a = share_of(&g, one, child.pid);
	b = share_of(&g, two, child.pid);
	assert_exact(&a);
	assert_exact(&b);
	array_for_each (&g.got, it)
		shared += it->callchain && it->sessions == both;
	assert_true(shared > 0);
	assert_true(walks < a.callchains + b.callchains);
	assert_true(b.samples > 2 * b.callchains); /* long stays: many samples a walk */
	remove_and_wait(&g, one);
	remove_and_wait(&g, two);
	child_end(&child);
}

static void storms_leave_nothing_unanswered(void **state)
{
	static void (*const what[])(void) = {come_and_go, system_calls};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct child child = child_new(what[i]);
		unsigned bits[3];
		struct share share;

		g.got.count = 0;
		for (unsigned n = 0; n < 3; n++)
			bits[n] = add_for_process(2999 + 3000 * n, child.pid);
		child_go(&child);
		gather_samples(&g, bits[2], 3000);
		gather_rest(&g, 1ull << bits[0] | 1ull << bits[1] | 1ull << bits[2]);
		for (int n = 0; n < 3; n++) {
			share = share_of(&g, bits[n], 0);
			assert_exact(&share);
			remove_and_wait(&g, bits[n]);
		}
		child_end(&child);
	}
}

/* ---- bits ---- */

static int pipe_to_fill;

/* Copies for a while, then sleeps in the same call. */
static void fill_pipe(void)
{
	static char bytes[8 << 20];

	if (write(pipe_to_fill, bytes, sizeof(bytes)) < 0)
		_exit(1);
}

static void a_sleeping_task_neither_pins_a_bit_nor_answers_to_its_next_owner(void **state)
{
	struct child child, other;
	unsigned bit, again;
	size_t before;
	char sink[65536];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
	pipe_to_fill = ends[1];
	child = child_new(fill_pipe);
	other = child_new(burn);
	for (int tries = 0;; tries++) {
		bit = add_for_process(20000, child.pid);
		if (!tries)
			child_go(&child);
		else /* it slept before it was sampled: let it copy more */
			for (int i = 0; i < 12; i++)
				assert_true(read(ends[0], sink, sizeof(sink)) > 0);
		gather_for(&g, 300);
		if (hw_sessions_owed(g.sessions, bit) == 1)
			break;
		assert_true(tries < 200);
		remove_and_wait(&g, bit);
	}
	remove_and_wait(&g, bit);
	before = g.got.count;
	again = add_for_process(4999, other.pid);
	assert_int_equal(again, bit);
	child_go(&other);
	for (int i = 0; i < 200; i++) /* the sleeper comes home meanwhile, and goes to sleep again */
		assert_true(read(ends[0], sink, sizeof(sink)) > 0);
	gather_samples(&g, again, 200);
	for (size_t i = before; i < g.got.count; i++)
		assert_int_equal(g.got.items[i].pid, other.pid);
	remove_and_wait(&g, again);
	child_end(&child);
	child_end(&other);
	close(ends[0]);
	close(ends[1]);
}

static void no_record_comes_after_remove(void **state)
{
	struct child child = child_new(system_calls);
	size_t count;
	unsigned bit;

	(void)state;
	child_go(&child);
	for (int i = 0; i < 5; i++) {
		bit = add_for_process(20000, child.pid);
		gather_samples(&g, bit, 100);
		usleep(20000); /* something is in the rings */
		count = g.got.count;
		hw_sessions_remove(g.sessions, bit);
		gather_for(&g, 100);
		assert_int_equal(g.got.count, count);
		remove_and_wait(&g, bit);
	}
	child_end(&child);
}

static void there_are_64_bits_and_one_line_about_the_65th(void **state)
{
	struct hw_session_options options = {
	    .event = "cpu-clock", .frequency = true, .rate = 99, .filter = HW_SESSION_PROCESSES};
	struct hw_sessions_status status;
	struct hw_error err = {0};
	unsigned bit;

	(void)state;
	for (unsigned i = 0; i < HW_SESSIONS_MAX; i++)
		assert_int_equal(hw_sessions_add(g.sessions, &options, &bit, &err), 0);
	assert_int_equal(hw_sessions_add(g.sessions, &options, &bit, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "64"));
	for (unsigned i = 0; i < HW_SESSIONS_MAX; i++)
		hw_sessions_remove(g.sessions, i);
	do {
		gather_for(&g, 10);
		hw_sessions_status(g.sessions, &status);
	} while (status.ending); /* for ever, if a bit does not come free */
	assert_int_equal(status.sessions, 0);
	assert_int_equal(status.kernel_events, 0);
	options.event = "nonsense";
	assert_int_equal(hw_sessions_add(g.sessions, &options, &bit, &err), -ENOENT);
	assert_non_null(strstr(err.text, "nonsense"));
	options.event = "cpu-clock";
	assert_int_equal(hw_sessions_add(g.sessions, &options, &bit, &err), 0);
	assert_int_equal(bit, 0);
	remove_and_wait(&g, bit);
}

/* The two last bits stand in a word of their own. */
static void sixty_four_sessions_at_once_each_get_exactly_their_own(void **state)
{
	static void (*const what[])(void) = {come_and_go, burn, system_calls};
	struct hw_session_options options = {
	    .event = "cpu-clock", .frequency = true, .rate = 997, .filter = HW_SESSION_PROCESSES};
	struct child children[HW_SESSIONS_MAX];
	struct hw_sessions_status status;
	struct share share;
	unsigned bit;

	(void)state;
	for (unsigned i = 0; i < HW_SESSIONS_MAX; i++) {
		children[i] = child_new(what[i % 3]);
		assert_int_equal(hw_sessions_add(g.sessions, &options, &bit, NULL), 0);
		assert_int_equal(bit, i);
		assert_int_equal(hw_sessions_add_process(g.sessions, bit, children[i].pid, NULL), 0);
		assert_int_equal(hw_sessions_start(g.sessions, bit, NULL), 0);
	}
	hw_sessions_status(g.sessions, &status);
	assert_int_equal(status.sessions, 64);
	for (unsigned first = 0; first < HW_SESSIONS_MAX; first += 4) { /* all record, a few at a time run */
		for (unsigned i = first; i < first + 4; i++)
			child_go(&children[i]);
		for (unsigned i = first; i < first + 4; i++)
			gather_samples(&g, i, 10);
		for (unsigned i = first; i < first + 4; i++)
			child_end(&children[i]);
	}
	gather_rest(&g, UINT64_MAX);
	for (unsigned i = 0; i < HW_SESSIONS_MAX; i++) {
		share = share_of(&g, i, i % 3 ? children[i].pid : 0);
		assert_exact(&share);
		hw_sessions_remove(g.sessions, i);
	}
	array_for_each (&g.got, it)
		assert_int_equal(it->sessions & (it->sessions - 1), 0); /* nobody shares a process */
}

/* ---- losses ---- */

static void what_does_not_fit_a_ring_is_told_to_the_session_that_lost_it(void **state)
{
	struct hw_session_options options = {
	    .event = "cpu-clock", .frequency = true, .rate = 20000, .filter = HW_SESSION_PROCESSES};
	struct child child = child_new(system_calls), other = child_new(burn);
	struct hw_sessions_status status;
	struct gathered small;
	unsigned bit, idle;

	(void)state;
	gathered_open(&small, 16384);
	assert_int_equal(hw_sessions_add(small.sessions, &options, &bit, NULL), 0);
	assert_int_equal(hw_sessions_add(small.sessions, &options, &idle, NULL), 0);
	assert_int_equal(hw_sessions_add_process(small.sessions, bit, child.pid, NULL), 0);
	assert_int_equal(hw_sessions_add_process(small.sessions, idle, other.pid, NULL), 0);
	assert_int_equal(hw_sessions_start(small.sessions, bit, NULL), 0);
	assert_int_equal(hw_sessions_start(small.sessions, idle, NULL), 0);
	child_go(&child);
	do { /* nobody reads the rings */
		usleep(20000);
		hw_sessions_status(small.sessions, &status);
	} while (status.counters.lost_samples < 100);
	assert_int_equal(hw_sessions_stop(small.sessions, bit, NULL), 0);
	gather_for(&small, 100);
	hw_sessions_status(small.sessions, &status);
	assert_int_equal(small.lost, status.counters.lost_samples);
	assert_int_equal(small.lost_callchains, status.counters.lost_callchains);
	assert_int_equal(share_of(&small, bit, 0).samples, status.counters.samples);
	assert_int_equal(share_of(&small, idle, 0).samples, 0);
	gathered_close(&small);
	child_end(&child);
	child_end(&other);
}

/* ---- NMI ---- */

#define WATCHED ((char *)0x5afe00000000)

static void write_watched(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (int i = 0; i < 100; i++)
		if (pwrite(fd, WATCHED, 8, 0) != 8)
			_exit(1);
}

static void requests_from_nmi_context_are_answered(void **state)
{
	struct hw_session_options options = {.rate = 1, .filter = HW_SESSION_PROCESSES};
	struct hw_sessions_status before, after;
	struct child child;
	struct share share;
	char event[64];
	unsigned bit;

	(void)state;
	assert_ptr_equal(mmap(WATCHED, 4096, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
	                 WATCHED);
	memset(WATCHED, 'x', 8);
	/* The kernel's read of it in write(2) raises #DB, which is NMI context. */
	snprintf(event, sizeof(event), "breakpoint:%llx:8", (unsigned long long)(uintptr_t)WATCHED);
	options.event = event;
	child = child_new(write_watched);
	hw_sessions_status(g.sessions, &before);
	bit = gathered_add(&g, &options, child.pid);
	child_go(&child);
	gather_samples(&g, bit, 10000); /* several for each write */
	gather_rest(&g, 1ull << bit);
	hw_sessions_status(g.sessions, &after);
	share = share_of(&g, bit, child.pid);
	assert_exact(&share);
	assert_true(share.asked > 500);
	assert_int_equal(share.complete, share.callchains);
	assert_int_equal(after.counters.refused_slot, before.counters.refused_slot);
	assert_int_equal(after.counters.refused_schedule, before.counters.refused_schedule);
	assert_true(after.counters.requests - before.counters.requests > 500);
	assert_int_equal(g.lost, 0);
	remove_and_wait(&g, bit);
	child_end(&child);
	munmap(WATCHED, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sessions_with_other_rates_and_processes_get_exactly_their_own),
	    TEST(equal_sessions_share_the_event_the_sample_and_the_walk),
	    TEST(one_walk_answers_sessions_of_different_rates),
	    TEST(storms_leave_nothing_unanswered),
	    TEST(a_sleeping_task_neither_pins_a_bit_nor_answers_to_its_next_owner),
	    TEST(no_record_comes_after_remove),
	    TEST(there_are_64_bits_and_one_line_about_the_65th),
	    TEST(sixty_four_sessions_at_once_each_get_exactly_their_own),
	    TEST(what_does_not_fit_a_ring_is_told_to_the_session_that_lost_it),
	    TEST(requests_from_nmi_context_are_answered),
	};

	need_recording();
	return cmocka_run_group_tests(tests, open_once, close_once);
}
