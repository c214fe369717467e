/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Where call frame information is found: .eh_frame with and without section headers, .debug_frame plain and
 * compressed in both ways, .gnu_debugdata; and that what is compressed cannot be a bomb. Arguments: the
 * libraries made of debug_frame.S.
 */
#include <fcntl.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "file_bytes.h"
#include "walk/table.h"
#include "walk/xz.h"

static const char *plain, *compressed, *gnu_compressed, *debugdata;

/* The rows that debug_frame.S says. */
static void check_debug_frame(const char *path)
{
	struct file_bytes file = read_file(path);
	uint32_t text = (uint32_t)section_of(&file, ".text")->sh_offset;
	int fd = file_of_bytes(file.bytes, file.size);
	struct hw_table table;
	struct hw_error err;

	if (hw_table_compile(fd, NULL, &table, &err))
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(hw_table_rule(&table, text - 1), 0);
	assert_int_equal(hw_table_rule(&table, text), HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8));
	assert_int_equal(hw_table_rule(&table, text + 1), HW_RULE(HW_RULE_CFA, HW_REG_RSP, 16) | 2ull << 32);
	assert_int_equal(hw_table_rule(&table, text + 2), HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8));
	assert_int_equal(hw_table_rule(&table, text + 3), 0);
	assert_int_equal(hw_table_rule(&table, text + 32), HW_RULE(HW_RULE_END, 0, 0));
	assert_int_equal(hw_table_rule(&table, text + 33), HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8));
	assert_int_equal(hw_table_rule(&table, text + 233), 0);
	hw_table_clear(&table);
	close(fd);
	free_file(&file);
}

static void debug_frame_is_read(void **state)
{
	(void)state;
	check_debug_frame(plain);
	check_debug_frame(compressed);
	check_debug_frame(gnu_compressed);
}

static void gnu_debugdata_is_read(void **state)
{
	(void)state;
	check_debug_frame(debugdata);
}

static void section_headers_may_be_missing(void **state)
{
	struct file_bytes file = read_file("/proc/self/exe");
	Elf64_Ehdr *header = (Elf64_Ehdr *)file.bytes;
	struct hw_table with, without;
	int fd;

	(void)state;
	fd = file_of_bytes(file.bytes, file.size);
	assert_int_equal(hw_table_compile(fd, NULL, &with, NULL), 0);
	close(fd);
	header->e_shoff = header->e_shnum = header->e_shstrndx = 0;
	fd = file_of_bytes(file.bytes, file.size);
	assert_int_equal(hw_table_compile(fd, NULL, &without, NULL), 0);
	close(fd);
	assert_int_equal(with.block_count, without.block_count);
	assert_memory_equal(with.words, without.words, (size_t)with.block_count * HW_BLOCK_WORDS * 8);
	assert_int_equal(without.build_id_size, with.build_id_size);
	hw_table_clear(&with);
	hw_table_clear(&without);
	free_file(&file);
}

static int compile_result(const struct file_bytes *file, const struct hw_compile_limits *limits)
{
	struct hw_table table;
	int fd = file_of_bytes(file->bytes, file->size);
	int r = hw_table_compile(fd, limits, &table, NULL);

	hw_table_clear(&table);
	close(fd);
	return r;
}

static void a_file_without_unwind_information_says_so(void **state)
{
	struct file_bytes file = read_file(plain);

	(void)state;
	assert_int_equal(compile_result(&file, NULL), 0);
	section_of(&file, ".debug_frame")->sh_type = SHT_NOBITS;
	assert_int_equal(compile_result(&file, NULL), -ENOENT);
	free_file(&file);
}

static void another_machines_file_is_refused(void **state)
{
	struct file_bytes file = read_file(plain);
	Elf64_Ehdr *header = (Elf64_Ehdr *)file.bytes;

	(void)state;
	header->e_machine = EM_AARCH64;
	assert_int_equal(compile_result(&file, NULL), -ENOEXEC);
	header->e_machine = EM_X86_64;
	header->e_type = ET_REL;
	assert_int_equal(compile_result(&file, NULL), -ENOEXEC);
	header->e_type = ET_DYN;
	assert_int_equal(compile_result(&file, NULL), 0);
	free_file(&file);
}

/* What is compressed says how large it will be; the limit is that of the file. */
static void a_section_that_claims_to_grow_beyond_the_limit_is_refused(void **state)
{
	struct hw_compile_limits limits = {.file_bytes = 1u << 20};
	struct file_bytes file = read_file(compressed), old = read_file(gnu_compressed);
	Elf64_Chdr *header;
	uint8_t *size;

	(void)state;
	assert_int_equal(compile_result(&file, &limits), 0);
	header = (Elf64_Chdr *)(file.bytes + section_of(&file, ".debug_frame")->sh_offset);
	header->ch_size = (1u << 20) + 1;
	assert_int_equal(compile_result(&file, &limits), -E2BIG);
	header->ch_size = 1u << 19; /* a lie within the limit */
	assert_int_equal(compile_result(&file, &limits), -EINVAL);

	assert_int_equal(compile_result(&old, &limits), 0);
	size = old.bytes + section_of(&old, ".zdebug_frame")->sh_offset + 4;
	size[0] = 1;
	assert_int_equal(compile_result(&old, &limits), -E2BIG);
	free_file(&file);
	free_file(&old);
}

static void an_xz_bomb_is_not_unpacked(void **state)
{
	const size_t size = 32u << 20;
	uint8_t *zeros = calloc(1, size), *packed = malloc(1u << 20), *out = NULL;
	size_t packed_size = 0, out_size = 0;

	(void)state;
	assert_int_equal(
	    lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, zeros, size, packed, &packed_size, 1u << 20),
	    LZMA_OK);
	assert_true(packed_size < size / 1000);
	assert_int_equal(hw_xz_unpack(packed, packed_size, size - 1, &out, &out_size), -E2BIG);
	assert_null(out);
	assert_int_equal(hw_xz_unpack(packed, packed_size / 2, size, &out, &out_size), -EINVAL);
	assert_int_equal(hw_xz_unpack(packed, 0, size, &out, &out_size), -EINVAL);
	packed[packed_size / 2] ^= 1;
	assert_int_equal(hw_xz_unpack(packed, packed_size, size, &out, &out_size), -EINVAL);
	packed[packed_size / 2] ^= 1;
	assert_int_equal(hw_xz_unpack(packed, packed_size, size, &out, &out_size), 0);
	assert_int_equal(out_size, size);
	assert_memory_equal(out, zeros, size);
	free(out);
	free(packed);
	free(zeros);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(debug_frame_is_read),
	    cmocka_unit_test(gnu_debugdata_is_read),
	    cmocka_unit_test(section_headers_may_be_missing),
	    cmocka_unit_test(a_file_without_unwind_information_says_so),
	    cmocka_unit_test(another_machines_file_is_refused),
	    cmocka_unit_test(a_section_that_claims_to_grow_beyond_the_limit_is_refused),
	    cmocka_unit_test(an_xz_bomb_is_not_unpacked),
	};

	if (argc != 5) {
		fprintf(stderr, "usage: %s PLAIN COMPRESSED GNU-COMPRESSED DEBUGDATA\n", argv[0]);
		return 2;
	}
	plain = argv[1];
	compressed = argv[2];
	gnu_compressed = argv[3];
	debugdata = argv[4];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
