/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Symbols of ELF files: arguments are directories that make_variants made, each with one library in several
 * states and with what binutils say about it.
 */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../walk/file_bytes.h"
#include "symbol/elf_symbols.h"
#include "symbol/vdso.h"

static char **directories;
static int directory_count;

static int open_in(const char *directory, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("cannot open %s", path);
	return fd;
}

static bool read_symbols(int fd, struct hw_symtab *symtab, bool plt)
{
	struct hw_collector collector = {0};
	struct hw_elf_file file;
	bool full;

	assert_int_equal(hw_elf_file_open(&file, fd), 0);
	assert_int_equal(hw_elf_symbols_collect(&file, &collector, &full), 0);
	if (plt)
		assert_int_equal(hw_elf_plt_collect(&file, &collector), 0);
	assert_int_equal(hw_collector_build(&collector, symtab), 0);
	hw_elf_file_close(&file);
	return full;
}

static const char *name_at(const struct hw_symtab *symtab, uint64_t address)
{
	uint32_t symbol = hw_symtab_find(symtab, address);

	return symbol == HW_NO_SYMBOL ? "" : hw_symtab_name(symtab, symbol);
}

static uint64_t address_of(const char *directory, const char *wanted)
{
	FILE *file = fdopen(open_in(directory, "expected"), "r");
	unsigned long long address;
	char name[256];

	while (fscanf(file, "%llx %255s", &address, name) == 2)
		if (!strcmp(name, wanted)) {
			fclose(file);
			return address;
		}
	fail_msg("no %s in %s", wanted, directory);
	return 0;
}

/* One of the names that binutils have for each address; returns how many were compared. */
static size_t compare_all(const char *directory, const struct hw_symtab *symtab, const char *only)
{
	FILE *file = fdopen(open_in(directory, "expected"), "r");
	unsigned long long address, last = 0;
	char name[256];
	size_t count = 0;
	bool matched = true;

	while (fscanf(file, "%llx %255s", &address, name) == 2) {
		if (only && !strstr(name, only))
			continue;
		if (address != last && !matched)
			fail_msg("%s: %#llx is %s here", directory, last, name_at(symtab, last));
		matched = (address == last && matched) || !strcmp(name_at(symtab, address), name);
		last = address;
		count++;
	}
	fclose(file);
	assert_true(matched);
	return count;
}

static void every_symbol_and_plt_stub_is_named_as_binutils_name_it(void **state)
{
	struct hw_symtab symtab;

	(void)state;
	for (int i = 0; i < directory_count; i++) {
		assert_true(read_symbols(open_in(directories[i], "whole.so"), &symtab, true));
		assert_true(compare_all(directories[i], &symtab, NULL) >= 12);
		assert_true(compare_all(directories[i], &symtab, "@plt") >= 3);
		hw_symtab_clear(&symtab);
	}
}

static void stripped_files_have_dynamic_symbols_and_plt_stubs(void **state)
{
	struct hw_symtab symtab;

	(void)state;
	for (int i = 0; i < directory_count; i++) {
		assert_false(read_symbols(open_in(directories[i], "bare.so"), &symtab, true));
		assert_true(compare_all(directories[i], &symtab, "@plt") >= 3);
		assert_true(compare_all(directories[i], &symtab, "sample_global") == 1);
		assert_string_equal(name_at(&symtab, address_of(directories[i], "sample_static")), "");
		hw_symtab_clear(&symtab);
	}
}

static void debugdata_names_what_was_stripped(void **state)
{
	struct hw_symtab symtab;

	(void)state;
	for (int i = 0; i < directory_count; i++) {
		assert_true(read_symbols(open_in(directories[i], "debugdata.so"), &symtab, true));
		assert_true(compare_all(directories[i], &symtab, NULL) >= 12);
		hw_symtab_clear(&symtab);
	}
}

static void debug_files_have_the_same_symbols_at_the_same_addresses(void **state)
{
	struct hw_symtab symtab;

	(void)state;
	for (int i = 0; i < directory_count; i++) {
		assert_true(read_symbols(open_in(directories[i], "sample.debug"), &symtab, false));
		assert_true(compare_all(directories[i], &symtab, "sample_") >= 8);
		hw_symtab_clear(&symtab);
	}
}

static void the_innermost_symbol_names_an_address(void **state)
{
	uint64_t outer = address_of(directories[0], "sample_outer");
	struct hw_symtab symtab;

	(void)state;
	read_symbols(open_in(directories[0], "whole.so"), &symtab, true);
	assert_string_equal(name_at(&symtab, outer), "sample_outer");
	assert_string_equal(name_at(&symtab, outer + 15), "sample_outer");
	assert_string_equal(name_at(&symtab, outer + 16), "sample_inner");
	assert_string_equal(name_at(&symtab, outer + 31), "sample_inner");
	assert_string_equal(name_at(&symtab, outer + 32), "sample_outer"); /* a label within is no function */
	assert_string_equal(name_at(&symtab, outer + 47), "sample_outer");
	assert_string_equal(name_at(&symtab, outer + 48), "");
	hw_symtab_clear(&symtab);
}

static void a_symbol_without_size_reaches_to_the_next(void **state)
{
	uint64_t sizeless = address_of(directories[0], "sample_sizeless");
	struct hw_symtab symtab;

	(void)state;
	read_symbols(open_in(directories[0], "whole.so"), &symtab, true);
	assert_string_equal(name_at(&symtab, sizeless + 31), "sample_sizeless");
	assert_string_equal(name_at(&symtab, sizeless + 32), "sample_outer");
	hw_symtab_clear(&symtab);
}

static void of_aliases_the_plainest_is_chosen(void **state)
{
	struct hw_symtab symtab;

	(void)state;
	read_symbols(open_in(directories[0], "whole.so"), &symtab, true);
	assert_string_equal(name_at(&symtab, address_of(directories[0], "__sample_hidden_alias")),
	                    "sample_global");
	hw_symtab_clear(&symtab);
}

static void a_debugdata_bomb_is_left_out(void **state)
{
	char path[2048], command[12000];
	struct hw_symtab symtab;

	(void)state;
	snprintf(path, sizeof(path), "%s/bomb.so", directories[0]);
	snprintf(command, sizeof(command),
	         "head -c 80M /dev/zero | xz -9 -T1 > '%s.xz' && objcopy --remove-section .gnu_debugdata "
	         "--add-section .gnu_debugdata='%s.xz' '%s/debugdata.so' '%s'",
	         path, path, directories[0], path);
	assert_int_equal(system(command), 0);
	assert_false(read_symbols(open_in(directories[0], "bomb.so"), &symtab, true));
	assert_true(compare_all(directories[0], &symtab, "sample_global") == 1);
	hw_symtab_clear(&symtab);
}

static void the_vdso_names_its_functions(void **state)
{
	struct hw_collector collector = {0};
	struct hw_symtab symtab;
	struct hw_elf_file file;
	bool full, found = false;

	(void)state;
	assert_int_equal(hw_vdso_open(&file), 0);
	assert_true(file.build_id_size > 0);
	assert_int_equal(hw_elf_symbols_collect(&file, &collector, &full), 0);
	assert_int_equal(hw_collector_build(&collector, &symtab), 0);
	for (uint32_t i = 0; i < symtab.count; i++)
		found |= strstr(hw_symtab_name(&symtab, i), "clock_gettime") != NULL;
	assert_true(found);
	hw_symtab_clear(&symtab);
	hw_elf_file_close(&file);
}

/* ---- hostile files ---- */

static void read_anything(const uint8_t *bytes, size_t size)
{
	struct hw_collector collector = {0};
	struct hw_symtab symtab = {0};
	struct hw_elf_file file;
	uint64_t address;
	bool full;

	if (hw_elf_file_open(&file, file_of_bytes(bytes, size)))
		return;
	hw_elf_symbols_collect(&file, &collector, &full);
	hw_elf_plt_collect(&file, &collector);
	hw_collector_build(&collector, &symtab);
	for (uint64_t at = 0; at < size; at += 8)
		if (!hw_elf_file_address(&file, at, &address))
			name_at(&symtab, address);
	hw_symtab_clear(&symtab);
	hw_elf_file_close(&file);
}

static struct file_bytes read_variant(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directories[0], name);
	return read_file(path);
}

static void a_file_cut_off_anywhere_does_no_harm(void **state)
{
	struct file_bytes file = read_variant("debugdata.so");

	(void)state;
	for (size_t size = 0; size <= file.size; size++)
		read_anything(file.bytes, size);
	free_file(&file);
}

/* Every byte of a range set to what breaks most. */
static void alter(struct file_bytes *file, uint64_t from, uint64_t size)
{
	static const uint8_t values[] = {0x00, 0x7f, 0xff};

	for (uint64_t at = from; at < from + size && at < file->size; at++) {
		uint8_t kept = file->bytes[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			file->bytes[at] = values[i];
			read_anything(file->bytes, file->size);
		}
		file->bytes[at] = kept;
	}
}

static void changed_headers_do_no_harm(void **state)
{
	struct file_bytes file = read_variant("debugdata.so");
	Elf64_Ehdr header;

	(void)state;
	memcpy(&header, file.bytes, sizeof(header));
	alter(&file, 0, sizeof(header));
	alter(&file, header.e_phoff, (uint64_t)header.e_phnum * header.e_phentsize);
	alter(&file, header.e_shoff, (uint64_t)header.e_shnum * header.e_shentsize);
	free_file(&file);
}

static void changed_symbols_and_relocations_do_no_harm(void **state)
{
	static const char *const sections[] = {".dynsym", ".dynstr",        ".rela.plt",
	                                       ".plt",    ".gnu_debugdata", ".note.gnu.build-id"};
	struct file_bytes file = read_variant("debugdata.so");

	(void)state;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const Elf64_Shdr *section = section_of(&file, sections[i]);

		alter(&file, section->sh_offset, section->sh_size);
	}
	free_file(&file);
}

static void a_file_that_claims_a_huge_table_takes_little_memory(void **state)
{
	struct file_bytes file = read_variant("whole.so");
	Elf64_Shdr *symbols = section_of(&file, ".symtab"), *names = section_of(&file, ".strtab");

	(void)state;
	symbols->sh_size = UINT64_MAX / 2;
	read_anything(file.bytes, file.size);
	names->sh_size = UINT64_MAX - 3;
	read_anything(file.bytes, file.size);
	names->sh_link = symbols->sh_link = UINT32_MAX;
	read_anything(file.bytes, file.size);
	free_file(&file);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_symbol_and_plt_stub_is_named_as_binutils_name_it),
	    cmocka_unit_test(stripped_files_have_dynamic_symbols_and_plt_stubs),
	    cmocka_unit_test(debugdata_names_what_was_stripped),
	    cmocka_unit_test(debug_files_have_the_same_symbols_at_the_same_addresses),
	    cmocka_unit_test(the_innermost_symbol_names_an_address),
	    cmocka_unit_test(a_symbol_without_size_reaches_to_the_next),
	    cmocka_unit_test(of_aliases_the_plainest_is_chosen),
	    cmocka_unit_test(a_debugdata_bomb_is_left_out),
	    cmocka_unit_test(the_vdso_names_its_functions),
	    cmocka_unit_test(a_file_cut_off_anywhere_does_no_harm),
	    cmocka_unit_test(changed_headers_do_no_harm),
	    cmocka_unit_test(changed_symbols_and_relocations_do_no_harm),
	    cmocka_unit_test(a_file_that_claims_a_huge_table_takes_little_memory),
	};

	directories = argv + 1;
	directory_count = argc - 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
