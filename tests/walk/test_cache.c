/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The disk cache: used where it may be believed, and only there. */
#include <dirent.h>
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

#include "walk/compiler.h"
#include "walk/elf_input.h"
#include "walk/table_builder.h"
#include "walk/table_cache.h"

#define MARK HW_RULE(HW_RULE_CFA, 9, 12345) /* a rule that no compiler would make of the file */

static char directory[64];
static struct hw_table right; /* the table of /bin/sh */

static int make_directory(void **state)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	int r = hw_table_compile(fd, NULL, &right, NULL);

	(void)state;
	close(fd);
	strcpy(directory, "/tmp/hw-cache-test-XXXXXX");
	return r || !mkdtemp(directory) ? -1 : 0;
}

static void empty(const char *path)
{
	DIR *entries = opendir(path);
	struct dirent *entry;

	while (entries && (entry = readdir(entries))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(entries), entry->d_name, 0);
	}
	if (entries)
		closedir(entries);
}

static int remove_directory(void **state)
{
	(void)state;
	empty(directory);
	rmdir(directory);
	hw_table_clear(&right);
	return 0;
}

static int start_empty(void **state)
{
	(void)state;
	empty(directory);
	return chmod(directory, 0700);
}

static struct hw_compiler *new_compiler(const char *path)
{
	struct hw_compiler_options options = {.cache_directory = path};
	struct hw_compiler *compiler;

	assert_int_equal(hw_compiler_new(&options, &compiler, NULL), 0);
	return compiler;
}

/* The table of a file by a compiler with this cache. */
static void compile_fd(const char *path, int fd, struct hw_table *table)
{
	struct hw_compiler *compiler = new_compiler(path);
	struct hw_error err;

	if (hw_compiler_table(compiler, fd, table, &err))
		fail_msg("%s", err.text);
	hw_compiler_free(compiler);
}

static void compile_shell(struct hw_table *table)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	compile_fd(directory, fd, table);
	close(fd);
}

static bool is_right(const struct hw_table *table)
{
	return table->block_count == right.block_count && table->row_count == right.row_count &&
	       table->rule_count == right.rule_count && table->build_id_size == right.build_id_size &&
	       !memcmp(table->build_id, right.build_id, sizeof(right.build_id)) &&
	       !memcmp(table->words, right.words, (size_t)right.block_count * HW_BLOCK_WORDS * 8);
}

static void assert_compiles_right(void)
{
	struct hw_table table;

	compile_shell(&table);
	assert_true(is_right(&table));
	hw_table_clear(&table);
}

static void entry_path(char path[256])
{
	size_t at = (size_t)sprintf(path, "%s/", directory);

	for (int i = 0; i < right.build_id_size; i++)
		at += (size_t)sprintf(path + at, "%02x", right.build_id[i]);
}

/* Put a table that says MARK into the cache, as that of this file, with all that makes it credible. */
static void plant(int fd)
{
	struct hw_table_identity identity = {0};
	struct hw_table_builder builder;
	struct hw_table_cache cache;
	struct hw_elf_input input;
	struct hw_table table;

	assert_int_equal(hw_table_cache_open(&cache, directory, NULL), 0);
	assert_int_equal(hw_elf_input_read(&input, fd, NULL, 0, 1u << 30, NULL), 0);
	identity.file_size = input.file_size;
	identity.build_id_size = input.build_id_size;
	memcpy(identity.build_id, input.build_id, sizeof(identity.build_id));
	assert_int_equal(hw_elf_input_digest(&input, cache.key, sizeof(cache.key), identity.digest), 0);
	hw_elf_input_clear(&input);

	assert_int_equal(hw_table_builder_init(&builder, 10), 0);
	assert_int_equal(hw_table_builder_add(&builder, 64, MARK), 0);
	assert_int_equal(hw_table_builder_finish(&builder, &table), 0);
	hw_table_builder_clear(&builder);
	assert_int_equal(hw_table_cache_store(&cache, &identity, &table), 0);
	hw_table_clear(&table);
	hw_table_cache_close(&cache);
}

static void plant_shell(void)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	plant(fd);
	close(fd);
}

static bool shell_is_planted(void)
{
	struct hw_table table;
	bool is_planted;

	compile_shell(&table);
	is_planted = hw_table_rule(&table, 64) == MARK;
	hw_table_clear(&table);
	return is_planted;
}

static void a_table_is_stored_and_found_again(void **state)
{
	char path[256];
	struct stat st;

	(void)state;
	entry_path(path);
	assert_int_equal(access(path, F_OK), -1);
	assert_compiles_right();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_compiles_right();
	plant_shell(); /* what is found is believed, so it was looked for */
	assert_true(shell_is_planted());
}

static void a_missing_directory_is_made(void **state)
{
	struct hw_compiler *compiler;
	char path[128], parent[128];
	struct stat st;

	(void)state;
	snprintf(parent, sizeof(parent), "%s/a", directory);
	snprintf(path, sizeof(path), "%s/a/b", directory);
	compiler = new_compiler(path);
	assert_null(hw_compiler_cache_error(compiler));
	hw_compiler_free(compiler);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	empty(path);
	rmdir(path);
	rmdir(parent);
}

/* Flip one byte after the other of the entry, and cut it. */
static void a_corrupt_entry_is_not_believed(void **state)
{
	char path[256];
	struct stat st;
	uint8_t byte;
	int fd;

	(void)state;
	entry_path(path);
	plant_shell();
	assert_true(shell_is_planted());
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 128 ? 5 : 997) {
		plant_shell();
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		assert_compiles_right(); /* and mends it */
		assert_compiles_right();
	}
	for (off_t size = 0; size < st.st_size; size += 1500) {
		plant_shell();
		assert_int_equal(truncate(path, size), 0);
		assert_compiles_right();
	}
}

/* A file that differs in one byte of its unwind entries, its build ID and size the same, as an attacker's. */
static void another_file_with_the_build_id_is_not_believed(void **state)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC), copy = memfd_create("copy", MFD_CLOEXEC);
	struct hw_table table, direct;
	struct stat st;
	uint8_t *bytes;
	size_t at = 0;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	/* the second instruction of an entry, somewhere: DW_CFA_def_cfa_offset 16 → 24 */
	for (; at + 3 < (size_t)st.st_size; at++) {
		if ((bytes[at] & 0xc0) == 0x40 && bytes[at + 1] == 0x0e && bytes[at + 2] == 16) {
			bytes[at + 2] = 24;
			assert_int_equal(pwrite(copy, bytes, (size_t)st.st_size, 0), st.st_size);
			assert_int_equal(hw_table_compile(copy, NULL, &direct, NULL), 0);
			if (!is_right(&direct))
				break;
			hw_table_clear(&direct);
			bytes[at + 2] = 16;
		}
	}
	assert_true(at + 3 < (size_t)st.st_size);
	plant(copy);
	assert_compiles_right();
	plant_shell();
	compile_fd(directory, copy, &table);
	assert_int_equal(table.row_count, direct.row_count);
	assert_int_not_equal(hw_table_rule(&table, 64), MARK);
	hw_table_clear(&table);
	hw_table_clear(&direct);
	free(bytes);
	close(fd);
	close(copy);
}

static void an_entry_that_others_may_touch_is_not_believed(void **state)
{
	char path[256], moved[300];

	(void)state;
	entry_path(path);
	plant_shell();
	assert_int_equal(chmod(path, 0620), 0);
	assert_compiles_right();

	plant_shell();
	snprintf(moved, sizeof(moved), "%s.moved", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink(moved, path), 0);
	assert_compiles_right();

	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not hang either */
	assert_compiles_right();

	if (geteuid())
		return;
	plant_shell();
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_compiles_right();
}

static void a_directory_that_others_may_enter_is_not_used(void **state)
{
	struct hw_compiler *compiler;
	char path[256];

	(void)state;
	plant_shell();
	assert_int_equal(chmod(directory, 0750), 0);
	compiler = new_compiler(directory);
	assert_non_null(hw_compiler_cache_error(compiler));
	assert_int_equal(hw_compiler_cache_error(compiler)->code, -EPERM);
	hw_compiler_free(compiler);
	assert_compiles_right();
	assert_int_equal(chmod(directory, 0700), 0);
	assert_true(shell_is_planted());
	compiler = new_compiler("/proc/nowhere/cache");
	assert_int_equal(hw_compiler_cache_error(compiler)->code, -ENOENT);
	hw_compiler_free(compiler);
	snprintf(path, sizeof(path), "%s/link", directory);
	assert_int_equal(symlink(directory, path), 0);
	compiler = new_compiler(path);
	assert_non_null(hw_compiler_cache_error(compiler));
	hw_compiler_free(compiler);
}

static void another_key_makes_another_digest(void **state)
{
	char path[128];

	(void)state;
	plant_shell();
	assert_true(shell_is_planted());
	snprintf(path, sizeof(path), "%s/key", directory);
	assert_int_equal(unlink(path), 0);
	assert_compiles_right();
}

static void unfinished_entries_of_the_dead_are_removed(void **state)
{
	struct timespec old[2] = {{1, 0}, {1, 0}};
	char stale[128], fresh[128];
	int fd;

	(void)state;
	snprintf(stale, sizeof(stale), "%s/.tmp.99.1", directory);
	snprintf(fresh, sizeof(fresh), "%s/.tmp.99.2", directory);
	fd = open(stale, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(futimens(fd, old), 0);
	close(fd);
	close(open(fresh, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	hw_compiler_free(new_compiler(directory));
	assert_int_equal(access(stale, F_OK), -1);
	assert_int_equal(access(fresh, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_table_is_stored_and_found_again, start_empty),
	    cmocka_unit_test_setup(a_missing_directory_is_made, start_empty),
	    cmocka_unit_test_setup(a_corrupt_entry_is_not_believed, start_empty),
	    cmocka_unit_test_setup(another_file_with_the_build_id_is_not_believed, start_empty),
	    cmocka_unit_test_setup(an_entry_that_others_may_touch_is_not_believed, start_empty),
	    cmocka_unit_test_setup(a_directory_that_others_may_enter_is_not_used, start_empty),
	    cmocka_unit_test_setup(another_key_makes_another_digest, start_empty),
	    cmocka_unit_test_setup(unfinished_entries_of_the_dead_are_removed, start_empty),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
