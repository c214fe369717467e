/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The registry's contract, one guarantee at a time. Allocations are made to fail by wrapping the allocator.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "world.h"

static long allocations_left = -1; /* before one fails; negative: none fails */
void *__real_calloc(size_t count, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);

static bool allocation_fails(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_calloc(count, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
	return allocation_fails() ? ENOMEM : __real_posix_memalign(memory, alignment, size);
}

static void cpu_ids_are_the_highest_plus_one_not_a_count(void **state)
{
	(void)state;
	assert_int_equal(hw_cpu_ids_of("0"), 1);
	assert_int_equal(hw_cpu_ids_of("0-3\n"), 4);
	assert_int_equal(hw_cpu_ids_of("0,2-3,64\n"), 65);
	assert_int_equal(hw_cpu_ids_of("8-15,0-3"), 16);
	assert_int_equal(hw_cpu_ids_of(""), -EINVAL);
	assert_int_equal(hw_cpu_ids_of("3-1"), -EINVAL);
	assert_int_equal(hw_cpu_ids_of("0,"), -EINVAL);
	assert_int_equal(hw_cpu_ids_of("0-"), -EINVAL);
	assert_int_equal(hw_cpu_ids_of("-1"), -EINVAL);
	assert_int_equal(hw_cpu_ids_of("0 1"), -EINVAL);
	assert_int_equal(hw_cpu_ids_of("99999999999999999999"), -EINVAL);
	assert_true(hw_cpu_ids() >= (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static void an_event_on_a_sparse_cpu_id_receives(void **state)
{
	struct world *world = *state;
	unsigned int low = 0, high = 0;
	struct hw_session_event *a = add(world, &alice, 0, &low);
	struct hw_session_event *b = add(world, &alice, CPU_IDS - 1, &high);

	assert_int_equal(hw_session_occupied_cpus(world->registry, a), 2);
	arrive(world, CPU_IDS - 1, hw_session_number(b));
	assert_int_equal(low, 0);
	assert_int_equal(high, 1);
	drop(world, b);
	assert_int_equal(hw_session_occupied_cpus(world->registry, a), 1);
	drop(world, a);
}

static void a_cpu_that_cannot_be_is_refused_and_changes_nothing(void **state)
{
	static const int wrong[] = {-1, INT32_MIN, CPU_IDS, INT32_MAX};
	struct world *world = *state;
	struct hw_session_event *event = NULL;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(
		    hw_registry_add(world->registry, &alice, wrong[i], NULL, count_it, NULL, &event, NULL),
		    -EINVAL);
		assert_null(event);
	}
	assert_int_equal(counts_of(world).sessions, 0);
	assert_int_equal(world->source.begun, 0);
}

static void a_record_for_a_cpu_that_cannot_be_is_counted(void **state)
{
	struct world *world = *state;
	unsigned int got = 0;
	struct hw_session_event *event = add(world, &alice, 0, &got);

	arrive(world, -1, hw_session_number(event));
	arrive(world, CPU_IDS, hw_session_number(event));
	assert_int_equal(got, 0);
	assert_int_equal(counts_of(world).lost_no_session, 2);
	drop(world, event);
}

static void only_the_first_event_of_a_cpu_receives_and_once(void **state)
{
	struct world *world = *state;
	unsigned int first = 0, second = 0, other_cpu = 0;
	struct hw_session_event *a = add(world, &alice, 2, &first);
	struct hw_session_event *b = add(world, &alice, 2, &second);
	struct hw_session_event *c = add(world, &alice, 3, &other_cpu);

	arrive(world, 2, hw_session_number(a));
	assert_int_equal(first, 1);
	assert_int_equal(second, 0);
	assert_int_equal(other_cpu, 0);
	drop(world, a);
	arrive(world, 2, hw_session_number(b));
	assert_int_equal(first, 1);
	assert_int_equal(second, 1);
	drop(world, b);
	arrive(world, 2, hw_session_number(c));
	assert_int_equal(other_cpu, 0);
	assert_int_equal(counts_of(world).lost_no_event, 1);
	assert_int_equal(hw_session_lost(c), 1);
	drop(world, c);
}

static void every_session_in_the_mask_receives_and_no_other(void **state)
{
	struct hw_owner owners[3] = {{.pid = 1}, {.pid = 2}, {.pid = 3}};
	struct hw_session_event *events[3];
	unsigned int got[3] = {0};
	struct world *world = *state;

	for (int i = 0; i < 3; i++)
		events[i] = add(world, &owners[i], 0, &got[i]);
	hw_registry_dispatch(world->registry, 0,
	                     1ull << hw_session_number(events[0]) | 1ull << hw_session_number(events[2]), "r",
	                     1);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], 0);
	assert_int_equal(got[2], 1);
	for (int i = 0; i < 3; i++)
		drop(world, events[i]);
}

static void a_reused_pid_is_another_session(void **state)
{
	struct hw_owner later = alice;
	struct world *world = *state;
	unsigned int old = 0, new = 0;
	struct hw_session_event *a, *b;

	later.start_time++;
	a = add(world, &alice, 0, &old);
	b = add(world, &later, 0, &new);
	assert_int_not_equal(hw_session_number(a), hw_session_number(b));
	arrive(world, 0, hw_session_number(b));
	assert_int_equal(old, 0);
	assert_int_equal(new, 1);
	drop(world, a);
	drop(world, b);
}

static void other_credentials_are_another_session(void **state)
{
	struct hw_owner user = alice, group = alice;
	struct world *world = *state;
	unsigned int got[3] = {0};
	struct hw_session_event *a, *b, *c;

	user.uid++;
	group.gid++;
	a = add(world, &alice, 0, &got[0]);
	b = add(world, &user, 0, &got[1]);
	c = add(world, &group, 0, &got[2]);
	assert_int_equal(counts_of(world).sessions, 3);
	arrive(world, 0, hw_session_number(b));
	assert_int_equal(got[0] + got[2], 0);
	drop(world, a);
	drop(world, b);
	drop(world, c);
}

static void another_recording_of_the_same_program_is_another_session(void **state)
{
	struct hw_owner second = alice;
	struct world *world = *state;
	unsigned int got[2] = {0};
	struct hw_session_event *a, *b;

	second.recording++;
	a = add(world, &alice, 0, &got[0]);
	b = add(world, &second, 0, &got[1]);
	assert_int_equal(counts_of(world).sessions, 2);
	arrive(world, 0, hw_session_number(b));
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 1);
	drop(world, b);
	arrive(world, 0, hw_session_number(a));
	assert_int_equal(got[0], 1);
	drop(world, a);
}

static void the_same_program_can_add_again_after_its_last_removal(void **state)
{
	struct world *world = *state;

	for (unsigned int round = 0; round < 3; round++) {
		unsigned int got = 0;
		struct hw_session_event *event = add(world, &alice, 64, &got);

		assert_int_equal(world->source.begun, round + 1);
		assert_int_equal(hw_session_occupied_cpus(world->registry, event), 1);
		arrive(world, 64, hw_session_number(event));
		assert_int_equal(got, 1);
		drop(world, event);
		assert_int_equal(world->source.ended, round + 1);
		assert_int_equal(world->source.numbers, 0);
	}
}

static void a_record_on_its_way_at_the_last_removal_is_counted_not_given(void **state)
{
	struct world *world = *state;
	unsigned int got = 0;
	struct hw_session_event *event = add(world, &alice, 0, &got);
	int number = hw_session_number(event);

	drop(world, event);
	arrive(world, 0, number);
	assert_int_equal(got, 0);
	assert_int_equal(counts_of(world).lost_no_session, 1);
}

static void every_failed_allocation_leaves_the_registry_as_it_was(void **state)
{
	struct world *world = *state;
	struct hw_session_event *event = NULL;
	struct hw_error err;
	long failures = 0;
	int r;

	for (;; failures++) {
		allocations_left = failures;
		r = hw_registry_add(world->registry, &alice, 1, NULL, count_it, NULL, &event, &err);
		if (!r)
			break;
		allocations_left = -1;
		assert_int_equal(r, -ENOMEM);
		assert_null(event);
		assert_int_equal(counts_of(world).sessions, 0);
		assert_int_equal(counts_of(world).events, 0);
		assert_int_equal(world->source.numbers, 0);
		assert_int_equal(world->source.begun, 0);
	}
	allocations_left = -1;
	assert_int_equal(failures, 2); /* the event and the session */
	drop(world, event);
}

static void a_failure_adding_to_a_live_session_leaves_it_alive(void **state)
{
	struct world *world = *state;
	unsigned int got = 0;
	struct hw_session_event *event = add(world, &alice, 0, &got), *second = NULL;

	allocations_left = 0;
	assert_int_equal(hw_registry_add(world->registry, &alice, 1, NULL, count_it, NULL, &second, NULL),
	                 -ENOMEM);
	allocations_left = -1;
	assert_int_equal(counts_of(world).sessions, 1);
	assert_int_equal(hw_session_occupied_cpus(world->registry, event), 1);
	arrive(world, 0, hw_session_number(event));
	assert_int_equal(got, 1);
	drop(world, event);
}

static void a_source_that_refuses_leaves_the_registry_as_it_was(void **state)
{
	struct world *world = *state;
	struct hw_session_event *event = NULL;
	unsigned int got = 0;

	world->source.refuse = -EBUSY;
	assert_int_equal(hw_registry_add(world->registry, &alice, 0, NULL, count_it, &got, &event, NULL),
	                 -EBUSY);
	assert_int_equal(counts_of(world).sessions, 0);
	world->source.refuse = 0;
	event = add(world, &alice, 0, &got);
	arrive(world, 0, hw_session_number(event));
	assert_int_equal(got, 1);
	drop(world, event);
}

static void adding_on_many_cpus_is_all_or_nothing(void **state)
{
	static const int good[] = {0, 2, 3, 64}, bad[] = {0, 2, 3, 65};
	struct hw_session_event *events[4];
	struct world *world = *state;
	unsigned int got = 0;

	assert_int_equal(
	    hw_registry_add_all(world->registry, &alice, bad, 4, NULL, count_it, &got, events, NULL),
	    -EINVAL);
	assert_int_equal(counts_of(world).events, 0);
	for (long fail = 0; fail < 5; fail++) {
		allocations_left = fail;
		assert_int_equal(
		    hw_registry_add_all(world->registry, &alice, good, 4, NULL, count_it, &got, events, NULL),
		    -ENOMEM);
		allocations_left = -1;
		assert_int_equal(counts_of(world).events, 0);
		assert_int_equal(counts_of(world).sessions, 0);
		assert_int_equal(world->source.numbers, 0);
	}
	assert_int_equal(
	    hw_registry_add_all(world->registry, &alice, good, 4, NULL, count_it, &got, events, NULL), 0);
	assert_int_equal(hw_session_occupied_cpus(world->registry, events[0]), 4);
	for (int i = 0; i < 4; i++)
		arrive(world, good[i], hw_session_number(events[0]));
	assert_int_equal(got, 4);
	for (int i = 0; i < 4; i++)
		drop(world, events[i]);
}

static void the_65th_session_is_refused(void **state)
{
	struct hw_session_event *events[HW_REGISTRY_SESSIONS_MAX], *one_more;
	struct hw_owner owner = alice;
	struct world *world = *state;
	unsigned int got = 0;

	for (int i = 0; i < HW_REGISTRY_SESSIONS_MAX; i++, owner.pid++)
		events[i] = add(world, &owner, 0, &got);
	assert_int_equal(hw_registry_add(world->registry, &owner, 0, NULL, count_it, &got, &one_more, NULL),
	                 -EBUSY);
	hw_registry_dispatch(world->registry, 0, UINT64_MAX, "r", 1);
	assert_int_equal(got, HW_REGISTRY_SESSIONS_MAX);
	for (int i = 0; i < HW_REGISTRY_SESSIONS_MAX; i++)
		drop(world, events[i]);
}

static void the_wish_reaches_the_source(void **state)
{
	struct world *world = *state;
	struct hw_session_event *event;

	assert_int_equal(hw_registry_add(world->registry, &alice, 0, "999 Hz", count_it, NULL, &event, NULL),
	                 0);
	assert_string_equal(world->source.last_wish, "999 Hz");
	drop(world, event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cpu_ids_are_the_highest_plus_one_not_a_count),
	    TEST(an_event_on_a_sparse_cpu_id_receives),
	    TEST(a_cpu_that_cannot_be_is_refused_and_changes_nothing),
	    TEST(a_record_for_a_cpu_that_cannot_be_is_counted),
	    TEST(only_the_first_event_of_a_cpu_receives_and_once),
	    TEST(every_session_in_the_mask_receives_and_no_other),
	    TEST(a_reused_pid_is_another_session),
	    TEST(other_credentials_are_another_session),
	    TEST(another_recording_of_the_same_program_is_another_session),
	    TEST(the_same_program_can_add_again_after_its_last_removal),
	    TEST(a_record_on_its_way_at_the_last_removal_is_counted_not_given),
	    TEST(every_failed_allocation_leaves_the_registry_as_it_was),
	    TEST(a_failure_adding_to_a_live_session_leaves_it_alive),
	    TEST(a_source_that_refuses_leaves_the_registry_as_it_was),
	    TEST(adding_on_many_cpus_is_all_or_nothing),
	    TEST(the_65th_session_is_refused),
	    TEST(the_wish_reaches_the_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
