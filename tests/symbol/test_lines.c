/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Source lines and inlined functions. Arguments: libraries made from inlining.c; addr2line is the judge. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../walk/file_bytes.h"
#include "symbol/elf_symbols.h"
#include "symbol/lines.h"

static char **libraries;
static int library_count;

static struct hw_lines *open_lines(int fd)
{
	struct hw_elf_file file;

	if (hw_elf_file_open(&file, fd))
		return NULL;
	if (hw_lines_are_in(&file))
		return hw_lines_open(&file);
	hw_elf_file_close(&file);
	return NULL;
}

static void find_function(const char *library, const char *name, uint64_t *start, uint64_t *end)
{
	struct hw_collector collector = {0};
	struct hw_symtab symtab;
	struct hw_elf_file file;
	bool full;

	assert_int_equal(hw_elf_file_open(&file, open(library, O_RDONLY | O_CLOEXEC)), 0);
	hw_elf_symbols_collect(&file, &collector, &full);
	hw_collector_build(&collector, &symtab);
	hw_elf_file_close(&file);
	*start = *end = 0;
	for (uint32_t i = 0; i < symtab.count; i++)
		if (!strcmp(hw_symtab_name(&symtab, i), name)) {
			*start = symtab.symbols[i].start;
			*end = *start + symtab.symbols[i].size;
		}
	hw_symtab_clear(&symtab);
	assert_true(*end > *start);
}

/* As addr2line prints it: a line with the function, and one with file:line. */
static size_t print_lines(const struct hw_line *lines, size_t count, char *text)
{
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += (size_t)sprintf(text + length, "%s\n%s:%d\n", lines[i].function,
		                          lines[i].source ? strrchr(lines[i].source, '/') + 1 : "??",
		                          lines[i].line);
	return length;
}

static size_t compare_function(const char *library, struct hw_lines *lines, const char *name)
{
	struct hw_line found[HW_LINES_MAX];
	struct hw_strings strings = {0};
	char command[12000], ours[8192], theirs[8192];
	uint64_t start, end;
	size_t most = 0;

	find_function(library, name, &start, &end);
	for (uint64_t at = start; at < end; at++) {
		size_t count = hw_lines_at(lines, at, &strings, found);
		FILE *judge;

		assert_true(count > 0);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(found[i].inlined, i + 1 < count);
		most = count > most ? count : most;
		print_lines(found, count, ours);
		snprintf(command, sizeof(command),
		         "addr2line -s -i -f -e '%s' %#llx | sed 's/ (discriminator.*//'", library,
		         (unsigned long long)at);
		judge = popen(command, "r");
		theirs[fread(theirs, 1, sizeof(theirs) - 1, judge)] = '\0';
		pclose(judge);
		assert_string_equal(ours, theirs);
	}
	hw_strings_clear(&strings);
	return most;
}

static void every_address_has_the_lines_that_addr2line_says(void **state)
{
	(void)state;
	for (int i = 0; i < library_count; i++) {
		struct hw_lines *lines = open_lines(open(libraries[i], O_RDONLY | O_CLOEXEC));

		assert_non_null(lines);
		assert_int_equal(compare_function(libraries[i], lines, "inlining_outer"), 3);
		assert_int_equal(compare_function(libraries[i], lines, "inlining_twice"), 3);
		hw_lines_free(lines);
	}
}

static void where_nothing_is_known_nothing_is_said(void **state)
{
	struct hw_lines *lines = open_lines(open(libraries[0], O_RDONLY | O_CLOEXEC));
	struct hw_line found[HW_LINES_MAX];
	struct hw_strings strings = {0};

	(void)state;
	assert_int_equal(hw_lines_at(lines, 0, &strings, found), 0);
	assert_int_equal(hw_lines_at(lines, UINT64_MAX, &strings, found), 0);
	hw_lines_free(lines);
}

static void read_anything(const struct file_bytes *file, uint64_t start, uint64_t end)
{
	struct hw_lines *lines = open_lines(file_of_bytes(file->bytes, file->size));
	struct hw_line found[HW_LINES_MAX];
	struct hw_strings strings = {0};

	for (uint64_t at = start; lines && at < end; at += 7)
		hw_lines_at(lines, at, &strings, found);
	hw_lines_free(lines);
	hw_strings_clear(&strings);
}

static void changed_debug_information_does_no_harm(void **state)
{
	static const char *const sections[] = {".debug_info", ".debug_abbrev", ".debug_line",
	                                       ".debug_rnglists"};
	static const uint8_t values[] = {0x00, 0x7f, 0xff};
	struct file_bytes file = read_file(libraries[0]);
	uint64_t start, end;

	(void)state;
	find_function(libraries[0], "inlining_outer", &start, &end);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const Elf64_Shdr *section = section_of(&file, sections[i]);

		for (uint64_t at = 0; at < section->sh_size && at < 1500; at++) {
			uint8_t *byte = &file.bytes[section->sh_offset + at], kept = *byte;

			for (size_t value = 0; value < sizeof(values); value++) {
				*byte = values[value];
				read_anything(&file, start, end);
			}
			*byte = kept;
		}
	}
	free_file(&file);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_address_has_the_lines_that_addr2line_says),
	    cmocka_unit_test(where_nothing_is_known_nothing_is_said),
	    cmocka_unit_test(changed_debug_information_does_no_harm),
	};

	libraries = argv + 1;
	library_count = argc - 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
