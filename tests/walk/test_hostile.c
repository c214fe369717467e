/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Files cut short and altered at random (the same at each run): no crash, no table that is not sound, and no
 * more time than a limit, compiled directly and by the compiler process. Arguments: two ELF files to alter,
 * and the library made of by_turns.S.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "file_bytes.h"
#include "walk/compiler.h"

#define DIRECT      1500 /* mutants of each file and region */
#define BY_PROCESS  100
#define MS_PER_FILE 1000
#define MS_PROCESS  20000 /* of wall time, on a busy machine; without its limit it would be for ever */
#define PROCESS_MS  500
#define ROWS_MAX    100000

static struct file_bytes originals[2];
static uint64_t seed = 0x9e3779b97f4a7c15ull;
static struct hw_compile_limits limits = {.row_count = ROWS_MAX};

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int64_t now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How often a mutant still made a table, and how often not: both must happen, or nothing was tested. */
struct tally {
	unsigned int tables, refusals;
	int64_t worst_ms;
};

static void compile_directly(const uint8_t *bytes, size_t size, struct tally *tally)
{
	uint8_t *exact = malloc(size ? size : 1); /* so that a read past the end is seen */
	/* of our own CPU time: others may keep the machine busy */
	int64_t start = now_ms(CLOCK_THREAD_CPUTIME_ID), ms;
	struct hw_table table;
	struct hw_error err = {0};
	int r;

	memcpy(exact, bytes, size);
	r = hw_table_compile_image(exact, size, &limits, &table, &err);
	ms = now_ms(CLOCK_THREAD_CPUTIME_ID) - start;
	if (ms > tally->worst_ms)
		tally->worst_ms = ms;
	if (r) {
		assert_int_equal(err.code, r);
		assert_true(err.text[0]);
		assert_null(table.words);
		tally->refusals++;
	} else {
		assert_true(hw_table_is_sound(&table));
		assert_true(table.row_count <= ROWS_MAX);
		tally->tables++;
	}
	hw_table_clear(&table);
	free(exact);
}

static void compile_by_process(struct hw_compiler *compiler, const uint8_t *bytes, size_t size,
                               struct tally *tally)
{
	int64_t start = now_ms(CLOCK_MONOTONIC), ms;
	struct hw_table table;
	int fd = file_of_bytes(bytes, size);

	if (hw_compiler_table(compiler, fd, &table, NULL))
		tally->refusals++;
	else
		tally->tables++;
	ms = now_ms(CLOCK_MONOTONIC) - start;
	if (ms > tally->worst_ms)
		tally->worst_ms = ms;
	hw_table_clear(&table);
	close(fd);
}

/* One to eight bytes somewhere in a region: random ones, or the extremes. */
static void alter(uint8_t *bytes, size_t start, size_t size)
{
	static const uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xff};
	uint64_t count = 1 + next_random() % 8;

	while (count--) {
		uint64_t random = next_random();

		bytes[start + random % size] =
		    random >> 63 ? (uint8_t)next_random() : extremes[next_random() % sizeof(extremes)];
	}
}

struct region {
	const char *name;
	size_t start, size;
};

static void regions_of(const struct file_bytes *file, struct region regions[4])
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)file->bytes;
	const Elf64_Shdr *frames = section_of(file, ".eh_frame");

	regions[0] = (struct region){"everywhere", 0, file->size};
	regions[1] = (struct region){"the headers", 0, header->e_phoff + 56u * header->e_phnum};
	regions[2] = (struct region){".eh_frame", frames->sh_offset, frames->sh_size};
	regions[3] = (struct region){"the section headers", header->e_shoff, 64u * header->e_shnum};
}

static void mutate(const struct file_bytes *file, struct hw_compiler *compiler, int count)
{
	uint8_t *mutant = malloc(file->size);
	struct region regions[4];

	regions_of(file, regions);
	for (int i = 0; i < 4; i++) {
		struct tally tally = {0};

		for (int n = 0; n < count; n++) {
			memcpy(mutant, file->bytes, file->size);
			alter(mutant, regions[i].start, regions[i].size);
			if (compiler)
				compile_by_process(compiler, mutant, file->size, &tally);
			else
				compile_directly(mutant, file->size, &tally);
		}
		print_message("%s: %u tables, %u refusals, at most %d ms\n", regions[i].name, tally.tables,
		              tally.refusals, (int)tally.worst_ms);
		assert_true(tally.tables > 0);
		assert_true(tally.worst_ms < (compiler ? MS_PROCESS : MS_PER_FILE));
	}
	free(mutant);
}

static void mutants_are_compiled_or_refused(void **state)
{
	(void)state;
	mutate(&originals[0], NULL, DIRECT);
	mutate(&originals[1], NULL, DIRECT / 10);
}

static void mutants_do_no_harm_to_the_compiler_process(void **state)
{
	struct hw_compiler_options options = {.time_ms = PROCESS_MS, .limits = limits};
	struct hw_compiler *compiler;
	struct tally tally = {0};

	(void)state;
	assert_int_equal(hw_compiler_new(&options, &compiler, NULL), 0);
	mutate(&originals[0], compiler, BY_PROCESS);
	compile_by_process(compiler, originals[0].bytes, originals[0].size, &tally);
	assert_int_equal(tally.tables, 1);
	hw_compiler_free(compiler);
}

static void truncated_files_are_refused_or_compiled(void **state)
{
	const struct file_bytes *file = &originals[0];
	struct tally tally = {0};

	(void)state;
	for (size_t size = 0; size < file->size; size += size < 1024 ? 1 : file->size / 500 + 1)
		compile_directly(file->bytes, size, &tally);
	assert_true(tally.refusals > 1000);
	assert_true(tally.worst_ms < MS_PER_FILE);
}

static char **paths;

static void entries_of_two_large_common_entries_by_turns_take_no_time(void **state)
{
	struct file_bytes file = read_file(paths[2]);
	struct tally tally = {0};

	(void)state;
	compile_directly(file.bytes, file.size, &tally);
	assert_int_equal(tally.refusals, 1);
	assert_true(tally.worst_ms < MS_PER_FILE);
	free_file(&file);
}

static int read_originals(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		originals[i] = read_file(paths[i]);
	return 0;
}

static int free_originals(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		free_file(&originals[i]);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mutants_are_compiled_or_refused),
	    cmocka_unit_test(mutants_do_no_harm_to_the_compiler_process),
	    cmocka_unit_test(truncated_files_are_refused_or_compiled),
	    cmocka_unit_test(entries_of_two_large_common_entries_by_turns_take_no_time),
	};

	if (argc != 4) {
		fprintf(stderr, "usage: %s ELF ELF BY-TURNS\n", argv[0]);
		return 2;
	}
	paths = argv + 1;
	return cmocka_run_group_tests(tests, read_originals, free_originals);
}
