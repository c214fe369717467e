/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A signal handler takes registers and stack of this program as perf would; the finisher must find the
 * callers that libgcc finds.
 */
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "finish/finish.h"
#include "finish/spaces.h"

#define DEPTH      40
#define PID        4711u
#define COPY_BYTES 65536
/* AX to IP, then R8 to R15, as perf asks for them on x86-64 */
#define REGS_MASK (0x1ffull | 0xffull << 16)

static uint8_t stack_copy[COPY_BYTES];
static size_t stack_size;
static uint64_t registers[17];
static void *expected[128];
static int expected_count;

/* Not memcpy: a sanitizer forbids that to read a stack as a whole. */
__attribute__((no_sanitize("address"))) static void copy_stack(uint64_t from, size_t size)
{
	const volatile uint8_t *bytes = (const volatile uint8_t *)from;

	for (size_t i = 0; i < size; i++)
		stack_copy[i] = bytes[i];
}

static void take(int signal, siginfo_t *info, void *raw)
{
	static const int order[17] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
	                              REG_RBP, REG_RSP, REG_RIP, REG_R8,  REG_R9,  REG_R10,
	                              REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	const ucontext_t *context = raw;
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start = 0, end = 0;
	char line[512];

	(void)signal;
	(void)info;
	for (int i = 0; i < 17; i++)
		registers[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && registers[7] >= start && registers[7] < end)
			break;
	if (maps)
		fclose(maps);
	stack_size = end - registers[7] < COPY_BYTES ? end - registers[7] : COPY_BYTES;
	copy_stack(registers[7], stack_size);
	expected_count = backtrace(expected, 128);
}

__attribute__((noinline)) static int down(int depth)
{
	int result = depth;

	if (depth)
		result += down(depth - 1);
	else
		raise(SIGUSR1);
	__asm__ volatile("" : "+r"(result));
	return result;
}

static void take_sample(void)
{
	struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};

	backtrace(expected, 2); /* loads libgcc_s, which must not happen in the handler */
	sigaction(SIGUSR1, &action, NULL);
	down(DEPTH);
}

struct quirk {
	bool wrong_build_id, wrong_inode;
};

static void map_self(struct hw_finish *finisher, uint32_t pid, struct quirk quirk)
{
	static const uint8_t wrong[20] = {1};
	char line[1024], mode[8], path[512];
	unsigned long start, end, offset, inode;
	FILE *maps = fopen("/proc/self/maps", "re");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		struct hw_finish_map map = {.pid = pid, .path = path};

		path[0] = 0;
		assert_true(sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %511[^\n]", &start, &end, mode, &offset,
		                   &map.major, &map.minor, &inode, path) >= 7);
		map.start = start;
		map.length = end - start;
		map.offset = offset;
		map.inode = quirk.wrong_inode ? inode + 1 : inode;
		map.executable = mode[2] == 'x';
		if (quirk.wrong_build_id) {
			map.build_id = wrong;
			map.build_id_size = 20;
		}
		assert_int_equal(hw_finish_map(finisher, &map), 0);
	}
	fclose(maps);
}

static struct hw_finish *new_finisher(void)
{
	struct hw_finish_options options = {.this_boot = true};
	struct hw_finish *finisher;

	assert_int_equal(hw_finish_new(&options, &finisher, NULL), 0);
	return finisher;
}

static enum hw_end_reason walk(struct hw_finish *finisher, uint32_t pid, size_t size, uint64_t *ips,
                               size_t *count)
{
	struct hw_finish_sample sample = {
	    .pid = pid, .regs_mask = REGS_MASK, .regs = registers, .stack = stack_copy, .stack_size = size};

	return hw_finish_walk(finisher, &sample, ips, count);
}

static int index_of_sample(void)
{
	for (int i = 0; i < expected_count; i++)
		if ((uint64_t)expected[i] == registers[8])
			return i;
	fail_msg("libgcc did not find the interrupted frame");
	return 0;
}

static void a_sample_has_the_callers_that_libgcc_finds(void **state)
{
	struct hw_finish *finisher = new_finisher();
	uint64_t ips[HW_FRAMES_MAX];
	size_t count;
	int skip;

	(void)state;
	take_sample();
	map_self(finisher, PID, (struct quirk){0});
	assert_int_equal(walk(finisher, PID, stack_size, ips, &count), HW_END_COMPLETE);
	skip = index_of_sample();
	assert_true(count > DEPTH);
	assert_int_equal(count, expected_count - skip);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(ips[i], (uint64_t)expected[(size_t)skip + i]);
	hw_finish_free(finisher);
}

static void a_fork_has_its_parents_mappings_until_it_execs(void **state)
{
	struct hw_finish *finisher = new_finisher();
	uint64_t ips[HW_FRAMES_MAX];
	size_t count;

	(void)state;
	take_sample();
	map_self(finisher, PID, (struct quirk){0});
	assert_int_equal(hw_finish_fork(finisher, PID + 1, PID), 0);
	hw_finish_exit(finisher, PID);
	assert_int_equal(walk(finisher, PID, stack_size, ips, &count), HW_END_NO_MAPPING);
	assert_int_equal(walk(finisher, PID + 1, stack_size, ips, &count), HW_END_COMPLETE);
	hw_finish_exec(finisher, PID + 1);
	assert_int_equal(walk(finisher, PID + 1, stack_size, ips, &count), HW_END_NO_MAPPING);
	assert_int_equal(count, 1);
	hw_finish_free(finisher);
}

static void a_copy_that_ends_early_says_so(void **state)
{
	struct hw_finish *finisher = new_finisher();
	uint64_t ips[HW_FRAMES_MAX];
	size_t count, whole;

	(void)state;
	take_sample();
	map_self(finisher, PID, (struct quirk){0});
	walk(finisher, PID, stack_size, ips, &whole);
	assert_int_equal(walk(finisher, PID, 600, ips, &count), HW_END_SHORT_COPY);
	assert_true(count >= 1 && count < whole);
	hw_finish_free(finisher);
}

static void the_wrong_file_is_never_used(void **state)
{
	uint64_t ips[HW_FRAMES_MAX];
	size_t count;

	(void)state;
	take_sample();
	for (int wrong = 0; wrong < 2; wrong++) {
		struct hw_finish *finisher = new_finisher();
		struct hw_finish_missing missing;
		struct hw_finish_status status;

		map_self(finisher, PID, (struct quirk){.wrong_build_id = wrong, .wrong_inode = !wrong});
		assert_int_equal(walk(finisher, PID, stack_size, ips, &count), HW_END_NO_TABLE);
		assert_int_equal(count, 1);
		hw_finish_status(finisher, &status);
		assert_int_equal(status.tables, 0);
		assert_int_equal(status.files_missing, 1);
		assert_int_equal(hw_finish_missing(finisher, &missing, 1), 1);
		assert_non_null(strstr(missing.path, "/"));
		assert_string_equal(missing.why, "the file that was recorded has been replaced");
		assert_int_equal(missing.walks, 1);
		assert_int_equal(status.walks_missing, 1);
		hw_finish_free(finisher);
	}
}

static void tables_beyond_the_cap_go_and_come_again(void **state)
{
	struct hw_finish_options options = {.this_boot = true, .table_bytes = 1};
	uint64_t ips[HW_FRAMES_MAX], kept[17];
	struct hw_finish_status status;
	struct hw_finish *finisher;
	size_t count;

	(void)state;
	take_sample();
	memcpy(kept, registers, sizeof(kept));
	assert_int_equal(hw_finish_new(&options, &finisher, NULL), 0);
	map_self(finisher, PID, (struct quirk){0});
	for (int i = 0; i < 3; i++) {
		assert_int_equal(walk(finisher, PID, stack_size, ips, &count), HW_END_COMPLETE);
		hw_finish_status(finisher, &status);
		assert_int_equal(status.tables, 3); /* this program's, cmocka's, libc's: all in use at once */
		registers[8] = getauxval(AT_SYSINFO_EHDR) + 0x400; /* a walk that needs the vDSO's only */
		walk(finisher, PID, 0, ips, &count);
		hw_finish_status(finisher, &status);
		assert_int_equal(status.tables, 1);
		memcpy(registers, kept, sizeof(kept));
	}
	hw_finish_free(finisher);
}

/* ---- spaces ---- */

static struct hw_walker_mapping mapping(uint64_t start, uint64_t end)
{
	return (struct hw_walker_mapping){.start = start, .end = end, .offset = start * 16};
}

static void put(struct hw_finish_spaces *spaces, uint64_t start, uint64_t end, bool executable)
{
	struct hw_walker_mapping m = mapping(start, end);

	assert_int_equal(hw_finish_spaces_map(spaces, 1, &m, NULL, executable), 0);
}

static void check(const struct hw_finish_spaces *spaces, const uint64_t *bounds, size_t count)
{
	const struct hw_finish_space *space = hw_finish_spaces_find(spaces, 1);

	assert_int_equal(space->mappings.count, count);
	assert_int_equal(space->files.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(space->mappings.items[i].start, bounds[2 * i]);
		assert_int_equal(space->mappings.items[i].end, bounds[2 * i + 1]);
	}
}

#define CHECK(...)                                                                                           \
	do {                                                                                                 \
		const uint64_t bounds[] = {__VA_ARGS__};                                                     \
		check(&spaces, bounds, sizeof(bounds) / 16);                                                 \
	} while (0)

static void a_new_mapping_takes_the_place_of_what_it_covers(void **state)
{
	struct hw_finish_spaces spaces = {0};

	(void)state;
	put(&spaces, 100, 200, true);
	put(&spaces, 300, 400, true);
	CHECK(100, 200, 300, 400);
	put(&spaces, 120, 140, true); /* in the middle */
	CHECK(100, 120, 120, 140, 140, 200, 300, 400);
	assert_int_equal(hw_finish_spaces_find(&spaces, 1)->mappings.items[2].offset,
	                 1640);       /* 100 * 16 + 40 */
	put(&spaces, 110, 350, true); /* over several */
	CHECK(100, 110, 110, 350, 350, 400);
	put(&spaces, 100, 110, true); /* exactly one */
	CHECK(100, 110, 110, 350, 350, 400);
	put(&spaces, 340, 500, false); /* data takes code away */
	CHECK(100, 110, 110, 340);
	put(&spaces, 0, 50, true);
	CHECK(0, 50, 100, 110, 110, 340);
	assert_int_equal(hw_finish_space_at(hw_finish_spaces_find(&spaces, 1), 50), (size_t)-1);
	assert_int_equal(hw_finish_space_at(hw_finish_spaces_find(&spaces, 1), 109), 1);
	hw_finish_spaces_free(&spaces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sample_has_the_callers_that_libgcc_finds),
	    cmocka_unit_test(a_fork_has_its_parents_mappings_until_it_execs),
	    cmocka_unit_test(a_copy_that_ends_early_says_so),
	    cmocka_unit_test(the_wrong_file_is_never_used),
	    cmocka_unit_test(tables_beyond_the_cap_go_and_come_again),
	    cmocka_unit_test(a_new_mapping_takes_the_place_of_what_it_covers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
