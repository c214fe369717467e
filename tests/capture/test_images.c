/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Process events of those who may not see everything: held back until a sample of that very image came. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/images.h"
#include "perfdata/records.h"

#define ME    1ull
#define OTHER 2ull

struct world {
	struct hw_images *images;
	char given[2][4096]; /* to each session: "name " of COMM and MMAP2, "+pid " and "-pid " */
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	*state = world;
	return hw_images_new(&world->images);
}

static int tear_down(void **state)
{
	struct world *world = *state;

	hw_images_free(world->images);
	free(world);
	return 0;
}

static void note(void *context, uint64_t sessions, const struct perf_event_header *record)
{
	const char *body = (const char *)(record + 1);
	struct world *world = context;
	char text[128];
	uint32_t pid;

	memcpy(&pid, body, sizeof(pid));
	if (record->type == PERF_RECORD_COMM)
		snprintf(text, sizeof(text), "%u:%s ", pid, body + 8);
	else if (record->type == PERF_RECORD_MMAP2)
		snprintf(text, sizeof(text), "%u:%s ", pid, body + 64);
	else
		snprintf(text, sizeof(text), "%c%u ", record->type == PERF_RECORD_FORK ? '+' : '-', pid);
	for (int i = 0; i < 2; i++)
		if (sessions >> i & 1)
			strcat(world->given[i], text);
}

static void take(struct world *world, const void *record, int size)
{
	assert_true(size > 0);
	hw_images_take(world->images, record, note, world);
}

static void comm(struct world *world, uint32_t pid, uint32_t tid, const char *name, bool exec,
                 uint64_t time_ns)
{
	struct hw_record_id id = {.pid = pid, .tid = tid, .time_ns = time_ns};
	uint64_t buffer[64];

	take(world, buffer, hw_build_comm(buffer, sizeof(buffer), &id, pid, tid, name, exec));
}

static void map(struct world *world, uint32_t pid, const char *name, uint64_t time_ns)
{
	struct hw_record_mmap record = {
	    .id = {.pid = pid, .tid = pid, .time_ns = time_ns}, .pid = pid, .tid = pid, .name = name};
	uint64_t buffer[64];

	take(world, buffer, hw_build_mmap(buffer, sizeof(buffer), &record));
}

static void task(struct world *world, uint32_t type, uint32_t pid, uint32_t tid, uint32_t ppid,
                 uint64_t time_ns)
{
	struct hw_record_id id = {.pid = ppid, .tid = ppid, .time_ns = time_ns};
	uint64_t buffer[64];

	take(world, buffer, hw_build_task(buffer, sizeof(buffer), &id, type, pid, tid, ppid, ppid));
}

static void sample(struct world *world, uint32_t pid, uint64_t time_ns, uint64_t sessions)
{
	hw_images_reveal(world->images, pid, time_ns, sessions, note, world);
}

static void nothing_is_told_before_a_sample_and_all_with_it_once(void **state)
{
	struct world *world = *state;

	comm(world, 5, 5, "secret", true, 10);
	map(world, 5, "/secret", 11);
	assert_string_equal(world->given[0], "");
	sample(world, 5, 20, ME);
	assert_string_equal(world->given[0], "5:secret 5:/secret ");
	sample(world, 5, 21, ME);
	assert_string_equal(world->given[0], "5:secret 5:/secret ");
	map(world, 5, "/late", 22);
	assert_string_equal(world->given[0], "5:secret 5:/secret 5:/late ");
	assert_string_equal(world->given[1], "");
}

static void an_exec_hides_the_process_again(void **state)
{
	struct world *world = *state;

	comm(world, 5, 5, "mine", true, 10);
	sample(world, 5, 20, ME);
	comm(world, 5, 5, "theirs", true, 30);
	map(world, 5, "/theirs", 31);
	assert_string_equal(world->given[0], "5:mine ");
	sample(world, 5, 25, ME); /* of before, late */
	assert_string_equal(world->given[0], "5:mine ");
	sample(world, 5, 40, ME);
	assert_string_equal(world->given[0], "5:mine 5:theirs 5:/theirs ");
}

static void a_late_sample_of_the_image_before_gets_that_one(void **state)
{
	struct world *world = *state;

	comm(world, 5, 5, "old", true, 10);
	comm(world, 5, 5, "new", true, 30);
	sample(world, 5, 20, ME);
	assert_string_equal(world->given[0], "5:old ");
}

static void late_samples_of_a_chain_of_execs_get_each_its_own(void **state)
{
	struct world *world = *state;

	comm(world, 5, 5, "one", true, 10);
	comm(world, 5, 5, "two", true, 20);
	comm(world, 5, 5, "three", true, 30);
	comm(world, 5, 5, "four", true, 40);
	sample(world, 5, 15, ME);
	assert_string_equal(world->given[0], "5:one ");
	sample(world, 5, 25, ME);
	sample(world, 5, 45, ME);
	sample(world, 5, 16, ME);
	assert_string_equal(world->given[0], "5:one 5:two 5:four ");
	comm(world, 5, 5, "five", true, 50);
	comm(world, 5, 5, "six", true, 60);
	sample(world, 5, 35, 2); /* still kept */
	sample(world, 5, 25, 2); /* not any more */
	assert_string_equal(world->given[1], "5:three ");
}

static void a_reused_pid_does_not_answer_for_the_one_before(void **state)
{
	struct world *world = *state;

	comm(world, 7, 7, "parent", true, 1);
	task(world, PERF_RECORD_FORK, 5, 5, 7, 5);
	task(world, PERF_RECORD_EXIT, 5, 5, 7, 20);
	task(world, PERF_RECORD_FORK, 5, 5, 9, 30); /* another's child */
	map(world, 5, "/theirs", 31);
	sample(world, 5, 10, ME);
	assert_string_equal(world->given[0], "5:parent ");
	map(world, 5, "/more", 32);
	assert_string_equal(world->given[0], "5:parent ");
}

static void a_child_has_its_parents_image_as_its_own(void **state)
{
	struct world *world = *state;

	comm(world, 5, 5, "sh", true, 10);
	map(world, 5, "/sh", 11);
	comm(world, 5, 6, "a-thread", false, 12);
	task(world, PERF_RECORD_FORK, 8, 8, 5, 20);
	sample(world, 8, 21, ME);
	assert_string_equal(world->given[0], "8:sh 8:/sh ");
}

static void the_newest_name_of_a_thread_is_kept(void **state)
{
	struct world *world = *state;
	char name[16];

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		comm(world, 5, 5, name, false, (uint64_t)i);
	}
	assert_int_equal(hw_images_dropped(world->images), 0);
	assert_true(hw_images_bytes(world->images) < 200);
	sample(world, 5, 30000, ME);
	assert_string_equal(world->given[0], "5:name19999 ");
}

static void what_finds_no_room_is_counted(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 20000; i++)
		map(world, 5, "/some/file/of/a/process/that/maps/and/maps", 10);
	assert_true(hw_images_dropped(world->images) > 1000);
	assert_true(hw_images_bytes(world->images) <= 512 << 10);
}

static void a_bit_that_becomes_anothers_knows_nothing(void **state)
{
	struct world *world = *state;

	comm(world, 5, 5, "first", true, 10);
	sample(world, 5, 20, ME | OTHER);
	hw_images_forget(world->images, ME);
	map(world, 5, "/next", 21);
	assert_string_equal(world->given[0], "5:first ");
	assert_string_equal(world->given[1], "5:first 5:/next ");
}

static void processes_that_are_gone_are_forgotten_later(void **state)
{
	struct world *world = *state;
	uint64_t second = 1000000000;

	comm(world, 5, 5, "short", true, second);
	task(world, PERF_RECORD_EXIT, 5, 5, 1, 2 * second);
	hw_images_sweep(world->images, 3 * second);
	sample(world, 5, second + 1, ME);
	assert_string_equal(world->given[0], "5:short ");
	hw_images_sweep(world->images, 9 * second);
	assert_int_equal(hw_images_bytes(world->images), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nothing_is_told_before_a_sample_and_all_with_it_once),
	    TEST(an_exec_hides_the_process_again),
	    TEST(a_late_sample_of_the_image_before_gets_that_one),
	    TEST(late_samples_of_a_chain_of_execs_get_each_its_own),
	    TEST(a_reused_pid_does_not_answer_for_the_one_before),
	    TEST(a_child_has_its_parents_image_as_its_own),
	    TEST(the_newest_name_of_a_thread_is_kept),
	    TEST(what_finds_no_room_is_counted),
	    TEST(a_bit_that_becomes_anothers_knows_nothing),
	    TEST(processes_that_are_gone_are_forgotten_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
