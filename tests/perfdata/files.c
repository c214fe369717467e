/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/homeward-test-XXXXXX";

int enter_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) && !chdir(directory) ? 0 : -1;
}

int leave_directory(void **state)
{
	struct dirent *entry;
	DIR *here = opendir(directory);

	(void)state;
	while (here && (entry = readdir(here)))
		unlinkat(dirfd(here), entry->d_name, strcmp(entry->d_name, "folder") ? 0 : AT_REMOVEDIR);
	if (here)
		closedir(here);
	return chdir("/") || rmdir(directory);
}

struct hw_writer_options *plain_options(void)
{
	static struct hw_writer_event event;
	static struct hw_writer_options options;
	static const char *const command[] = {"homeward", "record", "-a"};
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
	                               .config = PERF_COUNT_SW_CPU_CLOCK,
	                               .sample_type = HW_SAMPLE_TYPE,
	                               .sample_id_all = 1,
	                               .freq = 1,
	                               .sample_freq = 999,
	                               .use_clockid = 1,
	                               .clockid = CLOCK_MONOTONIC};

	hw_attr_set_deferred(&attr);
	event = (struct hw_writer_event){.name = "cpu-clock", .attr = attr};
	options = (struct hw_writer_options){.events = &event,
	                                     .event_count = 1,
	                                     .backend = "test",
	                                     .command = command,
	                                     .command_count = 3,
	                                     .uid = (uid_t)-1,
	                                     .gid = (gid_t)-1};
	return &options;
}

const struct perf_event_header *a_sample(uint32_t tid, uint64_t cookie, uint64_t time_ns)
{
	static uint64_t buffer[64];
	static const uint64_t kernel[] = {0xffffffff81000010, 0xffffffff81000020};
	struct hw_record_sample sample = {.id = {.pid = tid, .tid = tid, .time_ns = time_ns, .cpu = 1},
	                                  .cpumode = PERF_RECORD_MISC_KERNEL,
	                                  .ip = kernel[0],
	                                  .period = 1001001,
	                                  .kernel_ips = kernel,
	                                  .kernel_count = 2,
	                                  .cookie = cookie};

	assert_true(hw_build_sample(buffer, sizeof(buffer), &sample) > 0);
	return (const struct perf_event_header *)buffer;
}

const struct perf_event_header *a_callchain(uint32_t tid, uint64_t cookie, uint64_t time_ns, size_t depth)
{
	static uint64_t buffer[8192];
	struct hw_record_id id = {.pid = tid, .tid = tid, .time_ns = time_ns, .cpu = 1};
	uint64_t ips[8000];

	for (size_t i = 0; i < depth; i++)
		ips[i] = 0x400000 + cookie * 16 + i;
	assert_true(hw_build_deferred(buffer, sizeof(buffer), &id, cookie, ips, depth, HW_END_COMPLETE) > 0);
	return (const struct perf_event_header *)buffer;
}

struct hw_writer *open_writer(const char *path, const struct hw_writer_options *options)
{
	struct hw_error err = {0};
	struct hw_writer *writer = NULL;

	if (hw_writer_open(path, options, &writer, &err))
		fail_msg("%s", err.text);
	return writer;
}

void append(struct hw_writer *writer, const struct perf_event_header *record)
{
	struct hw_error err = {0};

	if (hw_writer_append(writer, record, &err))
		fail_msg("%s", err.text);
}

uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	uint8_t *bytes = NULL;
	long end;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	end = ftell(file);
	assert_true(end >= 0);
	rewind(file);
	bytes = malloc((size_t)end + 1);
	assert_non_null(bytes);
	*size = fread(bytes, 1, (size_t)end, file);
	assert_int_equal(*size, end);
	fclose(file);
	return bytes;
}

void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

struct contents look_into(const char *path)
{
	const struct perf_event_header *record;
	struct contents found = {0};
	struct hw_error err = {0};
	struct hw_reader *reader;
	struct hw_decoded d;

	if (hw_reader_open(path, &reader, &err)) {
		snprintf(found.error, sizeof(found.error), "%s", err.text);
		return found;
	}
	found.opened = true;
	while (hw_reader_next(reader, &record) > 0) {
		if (hw_reader_decode(reader, record, &d))
			continue;
		found.samples += record->type == PERF_RECORD_SAMPLE;
		found.callchains += record->type == PERF_RECORD_CALLCHAIN_DEFERRED;
		found.others += record->type != PERF_RECORD_SAMPLE &&
		                record->type != PERF_RECORD_CALLCHAIN_DEFERRED &&
		                record->type < PERF_RECORD_USER_TYPE_START;
	}
	snprintf(found.damage, sizeof(found.damage), "%s", hw_reader_damage(reader, &found.unread));
	found.ended_cleanly = hw_reader_info(reader)->ended_cleanly;
	hw_reader_close(reader);
	return found;
}
