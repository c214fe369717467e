/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the writer writes to: what is there already, what cannot be written, who else writes there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"

static void what_cannot_be_written_is_told_in_one_line(void **state)
{
	static const struct {
		const char *path;
		int code;
	} outputs[] = {{"missing/file", -ENOENT}, {"folder", -EINVAL}, {"link", -ELOOP}};
	struct hw_writer *writer;
	struct hw_error err;

	(void)state;
	mkdir("folder", 0700);
	assert_int_equal(symlink("target", "link"), 0);
	for (size_t i = 0; i < sizeof(outputs) / sizeof(*outputs); i++) {
		err.text[0] = 0;
		assert_int_equal(hw_writer_open(outputs[i].path, plain_options(), &writer, &err),
		                 outputs[i].code);
		assert_non_null(strstr(err.text, outputs[i].path));
		assert_null(strchr(err.text, '\n'));
	}
	assert_int_equal(access("target", F_OK), -1);
	unlink("link");
}

/* ---- somebody else is faster: what stands there when the writer's open() comes ---- */

static const char *planted_at, *planted_target;

int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);

int __wrap_open64(const char *path, int flags, mode_t mode)
{
	if (planted_at && !strcmp(path, planted_at)) {
		planted_at = NULL;
		if (planted_target)
			assert_int_equal(symlink(planted_target, path), 0);
		else
			write_file(path, "theirs", 6);
	}
	return __real_open64(path, flags, mode);
}

static void what_is_put_there_at_the_last_moment_is_left_alone(void **state)
{
	const char *const targets[] = {"victim.data", "missing.data", NULL};
	struct hw_writer *writer;
	struct hw_error err;
	uint8_t *bytes;
	size_t size;

	(void)state;
	write_file("victim.data", "theirs", 6);
	for (size_t i = 0; i < 3; i++) {
		planted_target = targets[i];
		planted_at = "raced.data";
		assert_int_equal(hw_writer_open("raced.data", plain_options(), &writer, &err), -EEXIST);
		assert_null(planted_at); /* else it was not this open() */
		assert_non_null(strstr(err.text, "raced.data"));
		if (!targets[i]) {
			bytes = read_file("raced.data", &size);
			assert_int_equal(size, 6);
			free(bytes);
		}
		unlink("raced.data");
	}
	bytes = read_file("victim.data", &size);
	assert_int_equal(size, 6);
	free(bytes);
	assert_int_equal(access("missing.data", F_OK), -1);
}

static void an_older_file_is_kept_and_the_new_one_is_private(void **state)
{
	struct stat st;
	uint8_t *bytes;
	size_t size;

	(void)state;
	write_file("kept.data", "old", 3);
	chmod("kept.data", 0644);
	assert_int_equal(hw_writer_close(open_writer("kept.data", plain_options()), NULL), 0);
	bytes = read_file("kept.data.old", &size);
	assert_int_equal(size, 3);
	assert_memory_equal(bytes, "old", 3);
	free(bytes);
	assert_int_equal(stat("kept.data", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void devices_are_written_to(void **state)
{
	struct hw_writer *writer = open_writer("/dev/null", plain_options());

	(void)state;
	append(writer, a_sample(1, 1, 1));
	assert_int_equal(hw_writer_close(writer, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_cannot_be_written_is_told_in_one_line),
	    cmocka_unit_test(what_is_put_there_at_the_last_moment_is_left_alone),
	    cmocka_unit_test(an_older_file_is_kept_and_the_new_one_is_private),
	    cmocka_unit_test(devices_are_written_to),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
