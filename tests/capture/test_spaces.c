/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What is known of address spaces follows the process events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/spaces.h"
#include "perfdata/records.h"

#define PID 4000000u /* above any pid_max in use: /proc has no such process */

static struct hw_store store;
static struct hw_spaces spaces;

static int open_spaces(void **state)
{
	(void)state;
	if (hw_store_open(&store, 0, NULL, NULL))
		return -1;
	hw_spaces_init(&spaces, &store);
	return 0;
}

static int close_spaces(void **state)
{
	(void)state;
	hw_spaces_free(&spaces);
	hw_store_close(&store);
	return 0;
}

static void map(uint32_t pid, uint64_t start, uint64_t end, uint64_t offset, const char *name)
{
	const struct hw_record_mmap event = {.pid = pid,
	                                     .tid = pid,
	                                     .cpumode = PERF_RECORD_MISC_USER,
	                                     .start = start,
	                                     .length = end - start,
	                                     .offset = offset,
	                                     .protection = PROT_READ | PROT_EXEC,
	                                     .name = name};
	uint64_t buffer[64];

	assert_true(hw_build_mmap(buffer, sizeof(buffer), &event) > 0);
	hw_spaces_event(&spaces, (struct perf_event_header *)buffer);
}

static void task(uint32_t type, uint32_t pid, uint32_t tid, uint32_t ppid)
{
	const struct hw_record_id id = {.pid = pid, .tid = tid};
	uint64_t buffer[16];

	assert_true(hw_build_task(buffer, sizeof(buffer), &id, type, pid, tid, ppid, ppid) > 0);
	hw_spaces_event(&spaces, (struct perf_event_header *)buffer);
}

static void check(const struct hw_space *space, size_t at, uint64_t start, uint64_t end, uint64_t offset,
                  const char *name)
{
	assert_true(at < space->count);
	assert_int_equal(space->mappings[at].start, start);
	assert_int_equal(space->mappings[at].end, end);
	assert_int_equal(space->mappings[at].offset, offset);
	assert_string_equal(space->files[at].name, name);
}

static void a_new_mapping_takes_the_place_of_what_was_there(void **state)
{
	struct hw_space *space;

	(void)state;
	map(PID, 0x1000, 0x9000, 0x100, "/a");
	map(PID, 0x3000, 0x5000, 0, "/b"); /* in its middle */
	space = hw_spaces_find(&spaces, PID);
	assert_non_null(space);
	assert_int_equal(space->count, 3);
	check(space, 0, 0x1000, 0x3000, 0x100, "/a");
	check(space, 1, 0x3000, 0x5000, 0, "/b");
	check(space, 2, 0x5000, 0x9000, 0x4100, "/a");
	map(PID, 0x2000, 0x6000, 0, "/c"); /* over an end, all of one, and a beginning */
	assert_int_equal(space->count, 3);
	check(space, 0, 0x1000, 0x2000, 0x100, "/a");
	check(space, 1, 0x2000, 0x6000, 0, "/c");
	check(space, 2, 0x6000, 0x9000, 0x5100, "/a");
	map(PID, 0, 0x10000, 0, "/d"); /* over everything */
	assert_int_equal(space->count, 1);
	check(space, 0, 0, 0x10000, 0, "/d");
}

static void an_address_is_found_in_its_mapping_only(void **state)
{
	const struct hw_space *space;

	(void)state;
	map(PID, 0x1000, 0x2000, 0, "/a");
	map(PID, 0x3000, 0x4000, 0, "/b");
	space = hw_spaces_find(&spaces, PID);
	assert_int_equal(hw_space_mapping(space, 0xfff), -1);
	assert_int_equal(hw_space_mapping(space, 0x1000), 0);
	assert_int_equal(hw_space_mapping(space, 0x1fff), 0);
	assert_int_equal(hw_space_mapping(space, 0x2000), -1);
	assert_int_equal(hw_space_mapping(space, 0x3000), 1);
	assert_int_equal(hw_space_mapping(space, 0x4000), -1);
}

static void a_child_has_its_parents_mappings_and_goes_its_own_way(void **state)
{
	const struct hw_space *parent, *child;

	(void)state;
	map(PID, 0x1000, 0x2000, 0, "/a");
	task(PERF_RECORD_FORK, PID + 1, PID + 1, PID);
	map(PID + 1, 0x5000, 0x6000, 0, "/b");
	parent = hw_spaces_find(&spaces, PID);
	child = hw_spaces_find(&spaces, PID + 1);
	assert_int_equal(parent->count, 1);
	assert_int_equal(child->count, 2);
	check(child, 0, 0x1000, 0x2000, 0, "/a");
	task(PERF_RECORD_FORK, PID, PID + 2, PID); /* a thread changes nothing */
	assert_int_equal(hw_spaces_find(&spaces, PID)->count, 1);
}

static void exec_leaves_nothing_of_the_old_program(void **state)
{
	const struct hw_record_id id = {.pid = PID, .tid = PID};
	uint64_t buffer[16];
	struct hw_space *space;

	(void)state;
	map(PID, 0x1000, 0x2000, 0, "/old");
	assert_true(hw_build_comm(buffer, sizeof(buffer), &id, PID, PID, "new", true) > 0);
	hw_spaces_event(&spaces, (struct perf_event_header *)buffer);
	map(PID, 0x8000, 0x9000, 0, "/new");
	space = hw_spaces_find(&spaces, PID);
	assert_int_equal(space->count, 1);
	check(space, 0, 0x8000, 0x9000, 0, "/new");
	assert_true(space->in_exec);
}

static void a_reused_number_is_another_process(void **state)
{
	(void)state;
	map(PID, 0x1000, 0x2000, 0, "/a");
	task(PERF_RECORD_EXIT, PID, PID, PID);
	assert_int_equal(hw_spaces_find(&spaces, PID)->count, 1); /* last samples may follow */
	map(PID + 1, 0x7000, 0x8000, 0, "/b");
	task(PERF_RECORD_FORK, PID, PID, PID + 1);
	assert_int_equal(hw_spaces_find(&spaces, PID)->count, 1);
	check(hw_spaces_find(&spaces, PID), 0, 0x7000, 0x8000, 0, "/b");
}

static void what_runs_already_is_read_and_gets_its_tables(void **state)
{
	struct hw_space *space = hw_spaces_find(&spaces, (uint32_t)getpid());
	ssize_t here;

	(void)state;
	assert_non_null(space);
	here = hw_space_mapping(space, (uintptr_t)what_runs_already_is_read_and_gets_its_tables);
	assert_true(here >= 0);
	hw_space_load(&spaces, space, (size_t)here);
	assert_int_equal(space->files[here].state, HW_SPACE_TRIED);
	assert_non_null(space->mappings[here].table);
}

static void another_file_in_its_place_is_not_believed(void **state)
{
	/* The kernel saw a build ID; the file that has the name now has another one. */
	static const uint8_t other[20] = {1, 2, 3};
	const struct hw_record_mmap event = {.pid = PID,
	                                     .tid = PID,
	                                     .cpumode = PERF_RECORD_MISC_USER,
	                                     .start = 0x1000,
	                                     .length = 0x1000,
	                                     .build_id = other,
	                                     .build_id_size = 20,
	                                     .protection = PROT_EXEC,
	                                     .name = "/proc/self/exe"};
	uint64_t buffer[64];
	struct hw_space *space;

	(void)state;
	assert_true(hw_build_mmap(buffer, sizeof(buffer), &event) > 0);
	hw_spaces_event(&spaces, (struct perf_event_header *)buffer);
	space = hw_spaces_find(&spaces, PID);
	hw_space_load(&spaces, space, 0);
	assert_null(space->mappings[0].table);
	assert_int_equal(space->files[0].state, HW_SPACE_NO_FILE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_spaces, close_spaces)
	const struct CMUnitTest tests[] = {
	    TEST(a_new_mapping_takes_the_place_of_what_was_there),
	    TEST(an_address_is_found_in_its_mapping_only),
	    TEST(a_child_has_its_parents_mappings_and_goes_its_own_way),
	    TEST(exec_leaves_nothing_of_the_old_program),
	    TEST(a_reused_number_is_another_process),
	    TEST(what_runs_already_is_read_and_gets_its_tables),
	    TEST(another_file_in_its_place_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
