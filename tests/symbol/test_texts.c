/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Symbols from text: perf maps, kallsyms; and demangled names. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbol/demangle.h"
#include "symbol/kernel.h"
#include "symbol/perf_map.h"
#include "symbol/symbol.h"

static int file_of(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static const char *name_at(const struct hw_symtab *symtab, uint64_t address)
{
	uint32_t symbol = hw_symtab_find(symtab, address);

	return symbol == HW_NO_SYMBOL ? "" : hw_symtab_name(symtab, symbol);
}

static struct hw_symtab perf_map_of(const char *text)
{
	struct hw_symtab symtab;
	int fd = file_of(text);

	assert_int_equal(hw_perf_map_read(fd, &symtab), 0);
	close(fd);
	return symtab;
}

static void a_perf_map_names_the_code_it_tells_of(void **state)
{
	struct hw_symtab map = perf_map_of("1000 100 LazyCompile:*hot loop /a b.js:3\n0x2000 10 second\n");

	(void)state;
	assert_string_equal(name_at(&map, 0x1000), "LazyCompile:*hot loop /a b.js:3");
	assert_string_equal(name_at(&map, 0x10ff), "LazyCompile:*hot loop /a b.js:3");
	assert_string_equal(name_at(&map, 0x1100), "");
	assert_string_equal(name_at(&map, 0x200f), "second");
	hw_symtab_clear(&map);
}

static void where_lines_overlap_the_latest_holds(void **state)
{
	struct hw_symtab map = perf_map_of("1000 100 old\n"
	                                   "1040 20 within\n"
	                                   "3000 100 covered\n"
	                                   "2f00 1000 covering\n"
	                                   "5000 100 first\n"
	                                   "5000 80 again\n"
	                                   "6000 100 left\n"
	                                   "6080 100 right\n");

	(void)state;
	assert_string_equal(name_at(&map, 0x103f), "old");
	assert_string_equal(name_at(&map, 0x1040), "within");
	assert_string_equal(name_at(&map, 0x1060), "old");
	assert_string_equal(name_at(&map, 0x3000), "covering");
	assert_string_equal(name_at(&map, 0x3eff), "covering");
	assert_string_equal(name_at(&map, 0x507f), "again");
	assert_string_equal(name_at(&map, 0x5080), "first");
	assert_string_equal(name_at(&map, 0x607f), "left");
	assert_string_equal(name_at(&map, 0x6080), "right");
	assert_string_equal(name_at(&map, 0x617f), "right");
	hw_symtab_clear(&map);
}

static void lines_that_are_none_are_left_out(void **state)
{
	struct hw_symtab map = perf_map_of("\n \nnothing\n10\n10 \n10 10\n10 10 \n-5 10 minus\n 20 10 space\n"
	                                   "ffffffffffffffff 10 wraps\n123456789012345678 1 too long\n"
	                                   "30 0 empty\n7000 10 good\n8000 10 without newline");

	(void)state;
	assert_int_equal(map.count, 2);
	assert_string_equal(name_at(&map, 0x7000), "good");
	assert_string_equal(name_at(&map, 0x8000), "without newline");
	hw_symtab_clear(&map);
}

static void many_overlapping_lines_take_no_ages(void **state)
{
	FILE *file = fopen("nested.map", "w");
	struct hw_symtab map;
	int fd;

	(void)state;
	for (unsigned i = 0; i < 300000; i++)
		fprintf(file, "%x %x f%u\n", 0x10000 + i, 0x1000000 - 2 * i, i);
	fclose(file);
	fd = open("nested.map", O_RDONLY | O_CLOEXEC);
	assert_int_equal(hw_perf_map_read(fd, &map), 0);
	close(fd);
	assert_string_equal(name_at(&map, 0x10000 + 300000), "f299999");
	assert_string_equal(name_at(&map, 0x10005), "f5");
	hw_symtab_clear(&map);
	unlink("nested.map");
}

static const char kallsyms[] = "0000000000000000 A fixed_percpu_data\n"
                               "ffffffff81000000 T startup_64\n"
                               "ffffffff81000000 T _stext\n"
                               "ffffffff81000000 T _text\n"
                               "ffffffff81000100 t helper\n"
                               "ffffffff81000100 T __helper_alias\n"
                               "ffffffff81000200 T last_function\n"
                               "ffffffff81001000 T _etext\n"
                               "ffffffff82000000 D data\n"
                               "ffffffffc0000000 t mod_init\t[one]\n"
                               "ffffffffc0000080 t mod_work\t[one]\n"
                               "ffffffffc0100000 t other_work\t[two]\n"
                               "ffffffffc0200000 t bpf_prog_6deef7357e7b4530_f\t[bpf]\n";

static struct hw_kernel kernel_of(const char *text, struct hw_strings *strings, int expected)
{
	struct hw_kernel kernel;
	FILE *file = fopen("kallsyms", "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(hw_kernel_read(&kernel, "kallsyms", strings), expected);
	unlink("kallsyms");
	return kernel;
}

static void kallsyms_names_functions_and_their_modules(void **state)
{
	struct hw_strings strings = {0};
	struct hw_kernel kernel = kernel_of(kallsyms, &strings, 0);

	(void)state;
	assert_true(kernel.text == 0xffffffff81000000 && kernel.text_end == 0xffffffff81001000);
	assert_string_equal(name_at(&kernel.symtab, 0xffffffff81000000), "startup_64");
	assert_string_equal(name_at(&kernel.symtab, 0xffffffff810001ff), "__helper_alias"); /* global */
	assert_string_equal(name_at(&kernel.symtab, 0xffffffff81000fff), "last_function");
	assert_string_equal(name_at(&kernel.symtab, 0xffffffff81001000), "");
	assert_string_equal(name_at(&kernel.symtab, 0xffffffff82000000), "");
	assert_string_equal(name_at(&kernel.symtab, 0xffffffffc0000081), "mod_work");
	assert_string_equal(name_at(&kernel.symtab, 0xffffffffc00f0000), ""); /* a gap between modules */
	assert_string_equal(hw_kernel_file(&kernel, 0xffffffff81000250), "[kernel.kallsyms]");
	assert_string_equal(hw_kernel_file(&kernel, 0xffffffffc0000081), "[one]");
	assert_string_equal(hw_kernel_file(&kernel, 0xffffffffc0100001), "[two]");
	assert_string_equal(hw_kernel_file(&kernel, 0xffffffffc0200001), "[bpf]");
	assert_string_equal(name_at(&kernel.symtab, 0xffffffffc0200001),
	                    ""); /* today's program, not that one */
	hw_kernel_clear(&kernel);
	hw_strings_clear(&strings);
}

static void kallsyms_are_read_ahead_and_in_pieces(void **state)
{
	FILE *file = fopen("kallsyms", "w");
	struct hw_kernel_ahead *ahead;
	struct hw_strings strings = {0};
	struct hw_kernel kernel;

	(void)state;
	assert_non_null(file);
	for (unsigned int i = 1; i <= 20000; i++) /* more than one read(2) gives; no line end at the end */
		fprintf(file, "%sffffffff%08x t function_%u\t[module]", i > 1 ? "\n" : "", i * 16, i);
	fclose(file);
	ahead = hw_kernel_ahead_new("kallsyms");
	assert_non_null(ahead);
	assert_int_equal(hw_kernel_ahead_take(ahead, &kernel, &strings), 0);
	assert_int_equal(kernel.symtab.count, 20000);
	for (uint64_t i = 1; i <= 20000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "function_%u", (unsigned int)i);
		assert_string_equal(name_at(&kernel.symtab, 0xffffffff00000000 + i * 16 + 5), name);
	}
	assert_string_equal(hw_kernel_file(&kernel, 0xffffffff00000015), "[module]");
	hw_kernel_clear(&kernel);
	hw_strings_clear(&strings);
	hw_kernel_ahead_drop(hw_kernel_ahead_new("kallsyms"));
	unlink("kallsyms");
	ahead = hw_kernel_ahead_new("kallsyms");
	assert_non_null(ahead);
	assert_int_equal(hw_kernel_ahead_take(ahead, &kernel, &strings), -ENOENT);
}

static void hidden_addresses_are_told_apart(void **state)
{
	struct hw_strings strings = {0};

	(void)state;
	kernel_of("0000000000000000 T _text\n0000000000000000 T startup_64\n", &strings, -ENODATA);
	kernel_of("", &strings, -ENODATA);
	kernel_of("nonsense\n\n123\nffff T\nffff Tx name\n", &strings, -ENODATA);
	hw_strings_clear(&strings);
}

static void this_kernels_build_id_is_known(void **state)
{
	uint8_t build_id[20];

	(void)state;
	assert_int_equal(hw_kernel_build_id(build_id), access("/sys/kernel/notes", R_OK) ? 0 : 20);
}

static void is_demangled(const char *name, const char *expected)
{
	char text[HW_DEMANGLED_MAX + 1] = "";

	hw_demangle(name, text);
	assert_string_equal(text, expected);
}

static void cpp_and_rust_names_are_demangled(void **state)
{
	(void)state;
	is_demangled("_ZN3foo3barEi", "foo::bar(int)");
	is_demangled("_ZNSt6vectorIiSaIiEE9push_backERKi",
	             "std::vector<int, std::allocator<int> >::push_back(int const&)");
	is_demangled("_ZN3foo3barEi.cold", "foo::bar(int) [clone .cold]");
	/* Rust, legacy (with its hash) and v0 (RFC 2603) */
	is_demangled("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
	is_demangled(
	    "_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE",
	    "<alloc::string::String as core::fmt::Display>::fmt");
	is_demangled("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example");
	is_demangled("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
}

static void other_names_are_left_alone(void **state)
{
	(void)state;
	is_demangled("main", "");
	is_demangled("_start", "");
	is_demangled("_Z", "");
	is_demangled("_ZZZZ", "");
	is_demangled("_Rxyz", "");
	is_demangled("__libc_start_main", "");
}

/* Each pair of arguments doubles what stands before: 60 of them would be 2^60 long. */
static void names_made_to_explode_are_left_alone(void **state)
{
	char name[8192] = "_Z1fI1A", text[HW_DEMANGLED_MAX + 1];
	size_t length = strlen(name);

	(void)state;
	length += (size_t)sprintf(name + length, "1BIS0_S0_E");
	for (int i = 1; i < 60; i++)
		length += (size_t)sprintf(name + length, "1BIS%c_S%c_E",
		                          "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 36],
		                          "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 36]);
	strcpy(name + length, "Evv");
	hw_demangle(name, text);
	memset(name, 'P', sizeof(name) - 1);
	memcpy(name, "_Z1f", 4);
	name[sizeof(name) - 1] = '\0';
	hw_demangle(name, text);
	assert_int_equal(hw_demangle("_RNvB_B_B_", text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_perf_map_names_the_code_it_tells_of),
	    cmocka_unit_test(where_lines_overlap_the_latest_holds),
	    cmocka_unit_test(lines_that_are_none_are_left_out),
	    cmocka_unit_test(many_overlapping_lines_take_no_ages),
	    cmocka_unit_test(kallsyms_names_functions_and_their_modules),
	    cmocka_unit_test(kallsyms_are_read_ahead_and_in_pieces),
	    cmocka_unit_test(hidden_addresses_are_told_apart),
	    cmocka_unit_test(this_kernels_build_id_is_known),
	    cmocka_unit_test(cpp_and_rust_names_are_demangled),
	    cmocka_unit_test(other_names_are_left_alone),
	    cmocka_unit_test(names_made_to_explode_are_left_alone),
	};
	char directory[] = "/tmp/homeward-texts-XXXXXX";
	int failed;

	if (!mkdtemp(directory) || chdir(directory))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return rmdir(directory) || failed;
}
