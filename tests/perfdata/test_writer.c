/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"

/* ---- what stands in the file ---- */

static void every_record_is_read_back_as_it_was(void **state)
{
	(void)state;
	for (int level = 0; level < 2; level++) {
		struct hw_writer_options *options = plain_options();
		const struct perf_event_header *record;
		struct hw_reader *reader;
		struct hw_writer *writer;

		options->compression_level = level;
		writer = open_writer("same.data", options);
		for (uint64_t i = 1; i <= 5000; i++) {
			append(writer, a_sample(7, i, i * 10));
			append(writer, a_callchain(7, i, i * 10 + 5, i % 500));
		}
		assert_int_equal(hw_writer_close(writer, NULL), 0);
		assert_int_equal(hw_reader_open("same.data", &reader, NULL), 0);
		for (uint64_t i = 1; i <= 5000; i++) {
			const struct perf_event_header *want = a_sample(7, i, i * 10);

			assert_int_equal(hw_reader_next(reader, &record), 1);
			assert_int_equal(record->size, want->size);
			assert_memory_equal(record, want, want->size);
			want = a_callchain(7, i, i * 10 + 5, i % 500);
			assert_int_equal(hw_reader_next(reader, &record), 1);
			assert_int_equal(record->size, want->size);
			assert_memory_equal(record, want, want->size);
		}
		assert_int_equal(hw_reader_next(reader, &record), 0);
		hw_reader_close(reader);
	}
}

static void compression_makes_it_smaller_and_takes_records_of_any_size(void **state)
{
	struct hw_writer_options *options = plain_options();
	struct contents found;
	size_t sizes[2];

	(void)state;
	for (int level = 0; level < 2; level++) {
		struct hw_writer *writer;

		options->compression_level = level;
		writer = open_writer("small.data", options);
		for (uint64_t i = 1; i <= 300; i++)
			append(writer, a_callchain(7, i, i, i == 100 ? 8000 : 400)); /* one of 64 kB */
		assert_int_equal(hw_writer_close(writer, NULL), 0);
		free(read_file("small.data", &sizes[level]));
		found = look_into("small.data");
		assert_int_equal(found.callchains, 300);
		assert_string_equal(found.damage, "");
	}
	assert_true(sizes[1] < sizes[0] / 3);
}

static void the_header_says_where_it_comes_from(void **state)
{
	struct hw_writer_options *options = plain_options();
	struct hw_machine machine = {.hostname = "there",
	                             .os_release = "6.18.0-test",
	                             .arch = "x86_64",
	                             .cpu_description = "A CPU",
	                             .cpus_online = 3,
	                             .cpus_available = 4,
	                             .memory_bytes = 4096000};
	const struct hw_reader_event *events;
	const struct hw_reader_info *info;
	const uint8_t build_id[20] = {1, 2, 3, 20};
	struct hw_reader *reader;
	struct hw_writer *writer;
	uint8_t found[20];
	size_t count;

	(void)state;
	options->machine = &machine;
	for (int closed = 0; closed < 2; closed++) {
		writer = open_writer("head.data", options);
		append(writer, a_sample(1, 1, 1));
		assert_int_equal(
		    hw_writer_build_id(writer, PERF_RECORD_MISC_USER, -1, build_id, 20, "/usr/bin/x", NULL),
		    0);
		if (closed)
			assert_int_equal(hw_writer_close(writer, NULL), 0);
		else
			assert_int_equal(hw_writer_flush(writer, NULL), 0);
		assert_int_equal(hw_reader_open("head.data", &reader, NULL), 0);
		info = hw_reader_info(reader);
		assert_int_equal(info->ended_cleanly, closed);
		assert_string_equal(info->hostname, "there");
		assert_string_equal(info->os_release, "6.18.0-test");
		assert_string_equal(info->arch, "x86_64");
		assert_string_equal(info->cpu_description, "A CPU");
		assert_string_equal(info->version, "homeward " HW_VERSION " (test)");
		assert_int_equal(info->cpus_online, 3);
		assert_int_equal(info->cpus_available, 4);
		assert_int_equal(info->memory_bytes, 4096000);
		assert_int_equal(info->command_count, 3);
		assert_string_equal(info->command[2], "-a");
		events = hw_reader_events(reader, &count);
		assert_int_equal(count, 1);
		assert_string_equal(events[0].name, "cpu-clock");
		assert_int_equal(events[0].attr.sample_freq, 999);
		assert_int_equal(hw_reader_build_id(reader, "/usr/bin/x", found), closed ? 20 : 0);
		if (closed)
			assert_memory_equal(found, build_id, 20);
		hw_reader_close(reader);
		if (!closed)
			hw_writer_close(writer, NULL);
	}
}

static void several_events_are_told_apart_by_id(void **state)
{
	const uint64_t ids[2][2] = {{10, 11}, {20, 21}};
	const uint64_t type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
	struct hw_writer_event events[2] = {
	    {.name = "one", .attr = {.sample_type = type, .sample_id_all = 1}, .ids = ids[0], .id_count = 2},
	    {.name = "two", .attr = {.sample_type = type, .sample_id_all = 1}, .ids = ids[1], .id_count = 2}};
	struct hw_writer_options options = {
	    .events = events, .event_count = 2, .uid = (uid_t)-1, .gid = (gid_t)-1};
	uint64_t sample[5] = {0, 0, 0x1234, 5ull << 32 | 5, 77};
	struct perf_event_header header = {.type = PERF_RECORD_SAMPLE, .size = sizeof(sample)};
	const struct perf_event_header *record;
	const struct hw_reader_event *found;
	struct hw_writer *writer;
	struct hw_reader *reader;
	struct hw_decoded d;
	size_t count;

	(void)state;
	memcpy(sample, &header, sizeof(header));
	writer = open_writer("events.data", &options);
	for (int i = 0; i < 4; i++) {
		sample[1] = ids[i % 2][i / 2];
		append(writer, (const struct perf_event_header *)sample);
	}
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	assert_int_equal(hw_reader_open("events.data", &reader, NULL), 0);
	found = hw_reader_events(reader, &count);
	assert_int_equal(count, 2);
	assert_string_equal(found[1].name, "two");
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(hw_reader_next(reader, &record), 1);
		assert_int_equal(hw_reader_decode(reader, record, &d), 0);
		assert_int_equal(d.event, i % 2);
		assert_int_equal(d.time_ns, 77);
	}
	hw_reader_close(reader);
}

/* ---- a recorder may be killed at any moment ---- */

static void after_every_flush_the_file_can_be_read(void **state)
{
	(void)state;
	for (int level = 0; level < 2; level++) {
		struct hw_writer_options *options = plain_options();
		struct hw_writer *writer;

		options->compression_level = level;
		writer = open_writer("flush.data", options);
		for (uint64_t i = 1; i <= 50; i++) {
			struct contents found;

			append(writer, a_sample(7, i, i));
			append(writer, a_callchain(7, i, i, 20));
			assert_int_equal(hw_writer_flush(writer, NULL), 0);
			found = look_into("flush.data");
			assert_int_equal(found.samples, i);
			assert_int_equal(found.callchains, i);
			assert_string_equal(found.damage, "");
			assert_false(found.ended_cleanly);
		}
		assert_int_equal(hw_writer_close(writer, NULL), 0);
		assert_true(look_into("flush.data").ended_cleanly);
	}
}

/* Where the header says that the records end, at least. */
static void the_header_never_promises_what_is_not_there(void **state)
{
	struct hw_writer *writer = open_writer("torn.data", plain_options());
	struct hw_file_header header;
	size_t size, whole;
	uint8_t *bytes;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++) {
		append(writer, a_sample(7, i, i));
		if (i % 100 == 0)
			hw_writer_flush(writer, NULL);
	}
	bytes = read_file("torn.data", &size);
	memcpy(&header, bytes, sizeof(header));
	assert_int_equal(header.data.offset + header.data.size, size);
	/* killed in the middle of the next write: what is behind data.size counts as far as it is whole */
	for (whole = 1; whole < a_sample(7, 1, 1)->size; whole++) {
		struct contents found;
		size_t longer = size + 200;
		uint8_t *torn = calloc(1, longer);

		assert_non_null(torn);
		memcpy(torn, bytes, size);
		memcpy(torn + size, a_sample(7, 1001, 1001), whole);
		write_file("torn.copy", torn, size + whole);
		found = look_into("torn.copy");
		assert_int_equal(found.samples, 1000);
		assert_string_not_equal(found.damage, "");
		assert_int_equal(found.unread, whole);
		free(torn);
	}
	free(bytes);
	hw_writer_close(writer, NULL);
}

/* Write until killed. */
static void write_on(int level)
{
	struct hw_writer_options *options = plain_options();
	struct hw_writer *writer;

	options->compression_level = level;
	options->repeat_late = true;
	writer = open_writer("killed.data", options);
	for (uint64_t i = 1;; i++) {
		append(writer, a_sample(7, i, i));
		append(writer, a_callchain(7, i, i, i % 100));
		if (i % 50 == 0)
			hw_writer_round(writer, NULL);
		if (i % 70 == 0)
			hw_writer_flush(writer, NULL);
	}
}

static void killed_at_any_moment_it_leaves_whole_records(void **state)
{
	size_t with_records = 0;

	(void)state;
	srandom((unsigned int)getpid());
	for (int i = 0; i < 100; i++) {
		struct contents found;
		pid_t child;

		unlink("killed.data");
		child = fork();
		if (!child)
			write_on(i % 2);
		assert_true(child > 0);
		usleep((useconds_t)random() % 30000);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
		if (access("killed.data", F_OK))
			continue;
		found = look_into("killed.data");
		if (!found.opened) { /* before the header was there */
			assert_non_null(strstr(found.error, "killed.data"));
			continue;
		}
		assert_false(found.ended_cleanly);
		/* at most the write that was under way is torn, behind what the header promises */
		assert_true(!found.damage[0] || strstr(found.damage, "was not closed"));
		assert_true(found.unread < 65536);
		assert_true(found.samples == found.callchains || found.samples == found.callchains + 1);
		with_records += found.samples > 0;
	}
	assert_true(with_records > 30);
}

/* ---- a full disk ---- */

static void a_full_disk_leaves_whole_records_and_is_told_once_and_again(void **state)
{
	struct rlimit before, limit;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (int level = 0; level < 2; level++) {
		for (rlim_t size = 20000; size < 20400; size += 8) {
			struct hw_writer_options *options = plain_options();
			struct hw_error err = {0};
			struct hw_writer *writer;
			struct contents found;
			size_t appended = 0;
			int r = 0;

			options->compression_level = level;
			writer = open_writer("full.data", options);
			limit = before;
			limit.rlim_cur = size;
			assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
			while (!r && appended < 10000) {
				appended++;
				r = hw_writer_append(writer, a_callchain(7, appended * 7919, appended, 9),
				                     &err);
				if (!r && appended % 16 == 0)
					r = hw_writer_flush(writer, &err);
			}
			assert_int_equal(r, -EFBIG);
			assert_non_null(strstr(err.text, "full.data"));
			assert_int_equal(hw_writer_append(writer, a_sample(7, 1, 1), &err), -EFBIG);
			assert_int_equal(hw_writer_close(writer, &err), -EFBIG);
			assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
			found = look_into("full.data");
			assert_true(found.callchains > 100 && found.callchains < appended);
			assert_string_equal(found.damage, "");
		}
	}
}

static void a_file_without_records_was_closed_all_the_same(void **state)
{
	(void)state;
	for (int level = 0; level < 2; level++) {
		struct hw_writer_options *options = plain_options();
		struct contents found;

		options->compression_level = level;
		assert_int_equal(hw_writer_close(open_writer("empty.data", options), NULL), 0);
		found = look_into("empty.data");
		assert_true(found.opened && found.ended_cleanly);
		assert_string_equal(found.damage, "");
		assert_int_equal(found.unread, 0);
		assert_int_equal(found.samples, 0);
	}
}

static void records_that_are_none_are_refused(void **state)
{
	struct hw_writer *writer = open_writer("none.data", plain_options());
	struct perf_event_header record = {.type = PERF_RECORD_SAMPLE};
	struct hw_error err;

	(void)state;
	for (uint16_t size = 0; size < 16; size++) {
		record.size = size;
		if (size == 8)
			continue;
		assert_int_equal(hw_writer_append(writer, &record, &err), -EINVAL);
	}
	assert_int_equal(hw_writer_close(writer, NULL), 0);
}

/* ---- rounds and late samples ---- */

static void rounds_come_only_after_something_and_broken_promises_are_counted(void **state)
{
	struct hw_writer *writer = open_writer("rounds.data", plain_options());
	const struct perf_event_header *record;
	struct hw_reader *reader;
	size_t rounds = 0;

	(void)state;
	hw_writer_round(writer, NULL);
	append(writer, a_sample(1, 1, 100));
	hw_writer_round(writer, NULL);
	hw_writer_round(writer, NULL);
	append(writer, a_sample(1, 2, 50)); /* allowed: the first round promised nothing yet */
	assert_int_equal(hw_writer_late(writer), 0);
	hw_writer_round(writer, NULL);
	append(writer, a_sample(1, 3, 99));
	assert_int_equal(hw_writer_late(writer), 1);
	append(writer, a_sample(1, 4, 100));
	assert_int_equal(hw_writer_late(writer), 1);
	hw_writer_close(writer, NULL);
	assert_int_equal(hw_reader_open("rounds.data", &reader, NULL), 0);
	while (hw_reader_next(reader, &record) > 0)
		rounds += record->type == PERF_RECORD_FINISHED_ROUND;
	hw_reader_close(reader);
	assert_int_equal(rounds, 2);
}

/* What was written, as "s17 c15 …": samples and callchains with their times. */
static void sequence(const char *path, char *text, size_t size)
{
	const struct perf_event_header *record;
	struct hw_reader *reader;
	struct hw_decoded d;
	size_t at = 0;

	assert_int_equal(hw_reader_open(path, &reader, NULL), 0);
	while (hw_reader_next(reader, &record) > 0 && at < size) {
		assert_int_equal(hw_reader_decode(reader, record, &d), 0);
		at += (size_t)snprintf(text + at, size - at, "%s%c%llu", at ? " " : "",
		                       record->type == PERF_RECORD_SAMPLE ? 's' : 'c',
		                       (unsigned long long)d.time_ns);
	}
	hw_reader_close(reader);
}

static void callchains_are_repeated_after_late_samples(void **state)
{
	struct hw_writer_options *options = plain_options();
	struct hw_writer *writer;
	char text[300];

	(void)state;
	options->repeat_late = true;
	writer = open_writer("late.data", options);
	append(writer, a_sample(7, 1, 10));
	append(writer, a_callchain(7, 1, 20, 5));
	append(writer, a_sample(7, 1, 30)); /* late */
	append(writer, a_sample(7, 1, 25)); /* before the repeat */
	append(writer, a_sample(8, 1, 40)); /* another task's */
	append(writer, a_sample(7, 2, 50));
	append(writer, a_callchain(7, 3, 60, 5)); /* came into the file before its samples, */
	append(writer, a_sample(7, 3, 55));       /* but not in time */
	append(writer, a_sample(7, 4, 75));       /* late in time, though not in the file */
	append(writer, a_callchain(7, 4, 70, 5));
	assert_int_equal(hw_writer_repeated(writer), 2);
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	sequence("late.data", text, sizeof(text));
	assert_string_equal(text, "s10 c20 s30 c30 s25 s40 s50 c60 s55 s75 c70 c75");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_record_is_read_back_as_it_was),
	    cmocka_unit_test(compression_makes_it_smaller_and_takes_records_of_any_size),
	    cmocka_unit_test(the_header_says_where_it_comes_from),
	    cmocka_unit_test(several_events_are_told_apart_by_id),
	    cmocka_unit_test(after_every_flush_the_file_can_be_read),
	    cmocka_unit_test(the_header_never_promises_what_is_not_there),
	    cmocka_unit_test(killed_at_any_moment_it_leaves_whole_records),
	    cmocka_unit_test(a_full_disk_leaves_whole_records_and_is_told_once_and_again),
	    cmocka_unit_test(a_file_without_records_was_closed_all_the_same),
	    cmocka_unit_test(records_that_are_none_are_refused),
	    cmocka_unit_test(rounds_come_only_after_something_and_broken_promises_are_counted),
	    cmocka_unit_test(callchains_are_repeated_after_late_samples),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
