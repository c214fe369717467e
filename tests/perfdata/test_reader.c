/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A small recording, cut at every byte and changed at every byte of its header: either it is refused in one
 * line, or what is wrong is said, or what is read is what was written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#include "files.h"

#define SAMPLES 12

static void make(const char *path, int level)
{
	struct hw_writer_options *options = plain_options();
	struct hw_machine machine = {.hostname = "host", .os_release = "6.18", .arch = "x86_64"};
	struct hw_writer *writer;

	options->machine = &machine;
	options->compression_level = level;
	writer = open_writer(path, options);
	for (uint64_t i = 1; i <= SAMPLES; i++) {
		append(writer, a_sample(7, i, i * 10));
		append(writer, a_callchain(7, i, i * 10 + 5, 4));
	}
	assert_int_equal(hw_writer_close(writer, NULL), 0);
}

struct reading {
	bool opened, told; /* told: that something is wrong, or that the file was not closed */
	size_t samples;
	uint64_t sum; /* over all that was read */
	char text[500];
};

static void add(XXH3_state_t *sum, const void *bytes, size_t size)
{
	XXH3_64bits_update(sum, bytes, size);
}

static void add_decoded(XXH3_state_t *sum, struct hw_reader *reader, const struct perf_event_header *record,
                        const struct hw_decoded *d)
{
	size_t count;
	const struct hw_reader_event *events = hw_reader_events(reader, &count);

	add(sum, record, record->size);
	add(sum, &d->time_ns, sizeof(d->time_ns));
	add(sum, &d->ip, sizeof(d->ip));
	add(sum, &d->tid, sizeof(d->tid));
	add(sum, &d->period, sizeof(d->period));
	add(sum, &d->nr, sizeof(d->nr));
	add(sum, &d->body_size, sizeof(d->body_size));
	add(sum, events[d->event].name, strlen(events[d->event].name));
}

static struct reading read_all(const char *path)
{
	const struct perf_event_header *record;
	XXH3_state_t *sum = XXH3_createState();
	const struct hw_reader_info *info;
	struct reading reading = {0};
	struct hw_reader *reader;
	struct hw_error err = {0};
	struct hw_decoded d;
	uint64_t unread;

	assert_non_null(sum);
	XXH3_64bits_reset(sum);
	if (hw_reader_open(path, &reader, &err)) {
		assert_true(err.text[0] && !strchr(err.text, '\n') && strstr(err.text, path));
		snprintf(reading.text, sizeof(reading.text), "%s", err.text);
		XXH3_freeState(sum);
		return reading;
	}
	reading.opened = true;
	while (hw_reader_next(reader, &record) > 0) {
		if (hw_reader_decode(reader, record, &d)) {
			reading.told = true; /* merge/ says so */
			continue;
		}
		reading.samples += record->type == PERF_RECORD_SAMPLE;
		if (record->type < PERF_RECORD_USER_TYPE_START)
			add_decoded(sum, reader, record, &d);
	}
	info = hw_reader_info(reader);
	if (info->hostname)
		add(sum, info->hostname, strlen(info->hostname));
	if (info->os_release)
		add(sum, info->os_release, strlen(info->os_release));
	snprintf(reading.text, sizeof(reading.text), "%s", hw_reader_damage(reader, &unread));
	reading.told |= reading.text[0] || !info->ended_cleanly;
	reading.sum = XXH3_64bits_digest(sum);
	hw_reader_close(reader);
	XXH3_freeState(sum);
	return reading;
}

static void every_truncation_is_refused_or_told(void **state)
{
	(void)state;
	for (int level = 0; level < 2; level++) {
		struct reading whole;
		uint8_t *bytes;
		size_t size;

		make("whole.data", level);
		whole = read_all("whole.data");
		assert_true(whole.opened && !whole.told && whole.samples == SAMPLES);
		bytes = read_file("whole.data", &size);
		write_file("cut.data", bytes, size);
		for (size_t cut = size; cut--;) {
			struct reading reading;

			assert_int_equal(truncate("cut.data", (off_t)cut), 0);
			reading = read_all("cut.data");
			assert_true(!reading.opened || reading.told);
			assert_true(reading.samples <= SAMPLES);
		}
		free(bytes);
	}
}

/* What the bytes must be for, or the file is refused: not in the middle of what anybody may write there. */
static void try_byte(const uint8_t *bytes, size_t size, size_t at, uint8_t value, const struct reading *whole)
{
	struct reading reading;
	FILE *file;

	if (bytes[at] == value)
		return;
	file = fopen("changed.data", "r+e");
	assert_non_null(file);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	fputc(value, file);
	assert_int_equal(fflush(file), 0);
	reading = read_all("changed.data");
	if (reading.opened && !reading.told && reading.sum != whole->sum)
		fail_msg("byte %zu = %#x is not noticed: %zu samples", at, value, reading.samples);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	fputc(bytes[at], file);
	fclose(file);
	(void)size;
}

static void every_change_of_the_header_is_refused_or_told_or_harmless(void **state)
{
	struct hw_file_header header;
	struct reading whole;
	uint8_t *bytes;
	size_t size, end;

	(void)state;
	make("whole.data", 0);
	whole = read_all("whole.data");
	bytes = read_file("whole.data", &size);
	write_file("changed.data", bytes, size);
	memcpy(&header, bytes, sizeof(header));
	end = header.attrs.offset + header.attrs.size;
	for (size_t at = 0; at < end; at++)
		for (unsigned int value = 0; value < 256; value++)
			try_byte(bytes, size, at, (uint8_t)value, &whole);
	free(bytes);
}

/* Of these changes some cannot be noticed (a letter of a name), but none does harm. */
static void every_other_byte_may_change_without_harm(void **state)
{
	static const uint8_t masks[] = {0x01, 0x80, 0xff};

	(void)state;
	for (int level = 0; level < 2; level++) {
		uint8_t *bytes;
		size_t size;

		make("changed.data", level);
		bytes = read_file("changed.data", &size);
		for (size_t at = 0; at < size; at++) {
			for (size_t i = 0; i < sizeof(masks); i++) {
				bytes[at] ^= masks[i];
				write_file("changed.data", bytes, size);
				assert_true(read_all("changed.data").samples < 10000);
				bytes[at] ^= masks[i];
			}
		}
		free(bytes);
	}
}

static void a_file_that_is_being_written_is_read_as_far_as_it_is(void **state)
{
	struct hw_writer *writer = open_writer("growing.data", plain_options());

	(void)state;
	for (uint64_t i = 1; i <= 20; i++) {
		struct reading reading;

		append(writer, a_sample(7, i, i));
		hw_writer_flush(writer, NULL);
		reading = read_all("growing.data");
		assert_true(reading.opened && reading.told);
		assert_int_equal(reading.samples, i);
		assert_string_equal(reading.text, "");
	}
	hw_writer_close(writer, NULL);
}

/* ---- pipes ---- */

/* What perf writes to a pipe: magic, 16, an attribute with an id, samples. */
static size_t make_pipe(uint8_t *bytes)
{
	const struct hw_writer_event *event = plain_options()->events;
	struct perf_event_header header = {.type = PERF_RECORD_HEADER_ATTR};
	const uint64_t start[2] = {HW_FILE_MAGIC, 16}, id = 42;
	struct perf_event_attr attr = event->attr;
	size_t at = sizeof(start);

	attr.size = sizeof(attr);
	header.size = (uint16_t)(sizeof(header) + sizeof(attr) + sizeof(id));
	memcpy(bytes, start, sizeof(start));
	memcpy(bytes + at, &header, sizeof(header));
	memcpy(bytes + at + sizeof(header), &attr, sizeof(attr));
	memcpy(bytes + at + sizeof(header) + sizeof(attr), &id, sizeof(id));
	at += header.size;
	for (uint64_t i = 1; i <= SAMPLES; i++) {
		const struct perf_event_header *sample = a_sample(7, i, i);

		memcpy(bytes + at, sample, sample->size);
		at += sample->size;
	}
	return at;
}

/* Reads what is written to it slowly, in pieces of this size. */
static struct reading read_piped(const uint8_t *bytes, size_t size, size_t piece)
{
	struct reading reading;
	pid_t child;

	unlink("pipe");
	assert_int_equal(mkfifo("pipe", 0600), 0);
	child = fork();
	if (!child) {
		FILE *out = fopen("pipe", "we");

		for (size_t at = 0; out && at < size; at += piece) {
			fwrite(bytes + at, 1, size - at < piece ? size - at : piece, out);
			fflush(out);
		}
		_exit(0);
	}
	reading = read_all("pipe");
	waitpid(child, NULL, 0);
	return reading;
}

static void a_pipe_is_read_whatever_its_pieces(void **state)
{
	static const size_t pieces[] = {1, 7, 4096, 1 << 20};
	uint8_t bytes[8192];
	size_t size = make_pipe(bytes);

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct reading reading = read_piped(bytes, size, pieces[i]);

		assert_true(reading.opened && !reading.told);
		assert_int_equal(reading.samples, SAMPLES);
	}
}

static void a_pipe_that_ends_early_is_told(void **state)
{
	uint8_t bytes[8192];
	size_t size = make_pipe(bytes), record = a_sample(7, 1, 1)->size;

	(void)state;
	for (size_t cut = 0; cut < size; cut += 5) {
		struct reading reading = read_piped(bytes, cut, 4096);
		bool between = cut >= size - SAMPLES * record && (size - cut) % record == 0;

		assert_true(!reading.opened || reading.told || between || cut == 16);
	}
}

/* ---- fields ---- */

static void every_field_of_a_sample_is_stepped_over(void **state)
{
	const struct perf_event_attr attr = {
	    .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
	                   PERF_SAMPLE_ADDR | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |
	                   PERF_SAMPLE_PERIOD | PERF_SAMPLE_READ | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW |
	                   PERF_SAMPLE_BRANCH_STACK | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER |
	                   PERF_SAMPLE_WEIGHT | PERF_SAMPLE_DATA_SRC,
	    .read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_TOTAL_TIME_ENABLED | 1u << 4,
	    .branch_sample_type = 1u << 17 | 1u << 19,
	    .sample_regs_user = 0x1c0};
	const uint64_t words[] = {
	    0, /* the header comes here */
	    42,
	    0x1234,
	    7ull << 32 | 6,
	    99, /* identifier, ip, pid 6 and tid 7, time */
	    0xadd,
	    42,
	    43,
	    5,
	    1000, /* addr, id, stream, cpu, period */
	    2,
	    111,
	    1,
	    2,
	    3,
	    4,
	    5,
	    6, /* read: two of value, id, lost */
	    2,
	    0xc1,
	    0xc2, /* callchain */
	    12,
	    0xaaaaaaaaaaaaaaaa, /* raw: 12 bytes, four of them beside their size */
	    1,
	    77,
	    10,
	    20,
	    30,
	    88, /* branches: nr, hw_idx, one of three, counters */
	    PERF_SAMPLE_REGS_ABI_64,
	    0xb,
	    0x5,
	    8, /* bp, sp, ip */
	    16,
	    0x5151,
	    0x5252,
	    8, /* stack: 16 bytes, 8 of them copied */
	    3,
	    4, /* weight, data source */
	};
	uint64_t record[sizeof(words) / 8];
	struct perf_event_header header = {.type = PERF_RECORD_SAMPLE, .size = sizeof(words)};
	struct hw_decoded d = {0};

	(void)state;
	memcpy(record, words, sizeof(words));
	memcpy(record, &header, sizeof(header));
	assert_int_equal(hw_decode_sample(&attr, (const struct perf_event_header *)record, &d), 0);
	assert_int_equal(d.event_id, 42);
	assert_int_equal(d.ip, 0x1234);
	assert_int_equal(d.tid, 7);
	assert_int_equal(d.time_ns, 99);
	assert_int_equal(d.cpu, 5);
	assert_int_equal(d.period, 1000);
	assert_int_equal(d.nr, 2);
	assert_int_equal(d.callchain[1], 0xc2);
	assert_int_equal(d.regs[1], 0x5);
	assert_int_equal(d.stack_size, 8);
	assert_int_equal(*(const uint64_t *)d.stack, 0x5151);
	for (size_t size = 8; size < sizeof(words) - 16; size += 8) { /* cut anywhere before the last two */
		header.size = (uint16_t)size;
		memcpy(record, &header, sizeof(header));
		assert_int_equal(hw_decode_sample(&attr, (const struct perf_event_header *)record, &d), -22);
	}
}

/* As Linux 6.18 writes it for the third event that it tells: two more sample_ids, of stale memory */
static void what_the_kernel_adds_to_a_ksymbol_record_is_not_read(void **state)
{
	const struct perf_event_attr attr = {.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID |
	                                                    PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
	                                     .sample_id_all = 1};
	uint64_t record[] = {0, 0xffffffffc0000000, 64, 0, 0, 7ull << 32 | 6, 99, 1, 77, 1000, 78, 7, 8, 9};
	struct perf_event_header header = {.type = PERF_RECORD_KSYMBOL, .size = sizeof(record)};
	uint64_t buffer[sizeof(record) / 8];
	const struct perf_event_header *trimmed;
	struct hw_decoded d;

	(void)state;
	memcpy(record, &header, sizeof(header));
	memcpy(&record[3], "bpf_prog_x", 11);
	for (int trim = 0; trim < 2; trim++) {
		memset(&d, 0, sizeof(d));
		trimmed = (const struct perf_event_header *)record;
		if (trim)
			trimmed = hw_decode_trim(trimmed, 24, buffer);
		assert_int_equal(trimmed->size, trim ? 64 : sizeof(record));
		assert_int_equal(hw_decode_other(&attr, trimmed, &d), 0);
		assert_int_equal(d.body_size, 40);
		assert_int_equal(d.tid, 7);
		assert_int_equal(d.time_ns, 99);
		assert_int_equal(d.cpu, 1);
		assert_int_equal(hw_decode_time_at(&attr, trimmed), 48);
	}
	assert_ptr_equal(hw_decode_trim((const void *)buffer, 24, record), buffer); /* nothing to take away */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_truncation_is_refused_or_told),
	    cmocka_unit_test(every_change_of_the_header_is_refused_or_told_or_harmless),
	    cmocka_unit_test(every_other_byte_may_change_without_harm),
	    cmocka_unit_test(a_file_that_is_being_written_is_read_as_far_as_it_is),
	    cmocka_unit_test(a_pipe_is_read_whatever_its_pieces),
	    cmocka_unit_test(a_pipe_that_ends_early_is_told),
	    cmocka_unit_test(every_field_of_a_sample_is_stepped_over),
	    cmocka_unit_test(what_the_kernel_adds_to_a_ksymbol_record_is_not_read),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
