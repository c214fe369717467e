/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What perf writes and we have no use for is stepped over: hardware traces (PERF_RECORD_AUXTRACE, with data
 * behind it that its size does not count), records and header features newer than ours. Laid out as perf's
 * documentation says (tools/perf/Documentation/perf.data-file-format.txt).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"

#define SAMPLES     12
#define TRACE_BYTES 100000u
#define TYPE_NEWER  200u /* of records; perf's last is about 85 */

struct auxtrace {
	struct perf_event_header header;
	uint64_t size, offset, reference;
	uint32_t index, tid, cpu, reserved;
};

static uint8_t *bytes;
static size_t size;

static void insert(size_t at, const void *what, size_t count)
{
	bytes = realloc(bytes, size + count);
	assert_non_null(bytes);
	memmove(bytes + at + count, bytes + at, size - at);
	memcpy(bytes + at, what, count);
	size += count;
}

/* A recording as perf lays it out: without our early features. */
static struct hw_file_header make(void)
{
	struct hw_writer *writer = open_writer("plain.data", plain_options());
	struct hw_file_header header;

	for (uint64_t i = 1; i <= SAMPLES; i++)
		append(writer, a_sample(7, i, i * 10));
	assert_int_equal(hw_writer_close(writer, NULL), 0);
	free(bytes);
	bytes = read_file("plain.data", &size);
	memcpy(&header, bytes, sizeof(header));
	memset(bytes + header.attrs.offset + header.attrs.size, 0, sizeof(uint64_t)); /* HW_EARLY_MAGIC */
	return header;
}

static size_t feature_count(const struct hw_file_header *header)
{
	size_t count = 0;

	for (unsigned int i = 0; i < 256; i++)
		count += header->features[i / 64] >> i % 64 & 1;
	return count;
}

/* What stands behind from has moved on by so many bytes. */
static void move_features(const struct hw_file_header *header, uint64_t from, uint64_t by)
{
	for (size_t i = 0; i < feature_count(header); i++) {
		uint8_t *at =
		    bytes + header->data.offset + header->data.size + i * sizeof(struct hw_file_section);
		struct hw_file_section section;

		memcpy(&section, at, sizeof(section));
		section.offset += section.offset >= from ? by : 0;
		memcpy(at, &section, sizeof(section));
	}
}

/* Put it in front of the n-th record. */
static void insert_record(struct hw_file_header *header, size_t n, const void *record, size_t count)
{
	size_t at = header->data.offset;
	struct perf_event_header each;

	while (n--) {
		memcpy(&each, bytes + at, sizeof(each));
		at += each.size;
	}
	insert(at, record, count);
	header->data.size += count;
	move_features(header, at, count);
	memcpy(bytes, header, sizeof(*header));
}

static struct contents look(void)
{
	write_file("made.data", bytes, size);
	return look_into("made.data");
}

static void assert_whole(const struct contents *found)
{
	assert_string_equal(found->error, "");
	assert_string_equal(found->damage, "");
	assert_int_equal(found->samples, SAMPLES);
	assert_int_equal(found->unread, 0);
	assert_true(found->ended_cleanly);
}

/* A trace whose bytes look like anything but records. */
static uint8_t *a_trace(uint64_t says)
{
	struct auxtrace record = {
	    .header = {.type = PERF_RECORD_AUXTRACE, .size = sizeof(record)}, .size = says, .tid = 7};
	uint8_t *trace = malloc(sizeof(record) + TRACE_BYTES);

	assert_non_null(trace);
	for (size_t i = 0; i < TRACE_BYTES; i++)
		trace[sizeof(record) + i] = (uint8_t)(i * 7 + i / 255);
	memcpy(trace, &record, sizeof(record));
	return trace;
}

static void the_data_of_hardware_traces_is_stepped_over(void **state)
{
	uint8_t *trace = a_trace(TRACE_BYTES);

	(void)state;
	for (size_t n = 0; n <= SAMPLES; n += 4) {
		struct hw_file_header header = make();
		struct contents found;

		insert_record(&header, n, trace, sizeof(struct auxtrace) + TRACE_BYTES);
		insert_record(&header, n, trace, sizeof(struct auxtrace) + TRACE_BYTES);
		found = look();
		assert_whole(&found);
	}
	free(trace);
}

static void a_trace_that_is_longer_than_the_file_is_told(void **state)
{
	static const uint64_t sizes[] = {TRACE_BYTES * 2, UINT64_MAX, UINT64_MAX - 47, 1ull << 63};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct hw_file_header header = make();
		uint8_t *trace = a_trace(sizes[i]);
		struct contents found;

		insert_record(&header, 4, trace, sizeof(struct auxtrace) + TRACE_BYTES);
		found = look();
		assert_true(found.opened);
		assert_int_equal(found.samples, 4);
		assert_true(found.damage[0] && found.unread);
		free(trace);
	}
}

/* perf record -o - with a trace in it. */
static size_t make_pipe(const uint8_t *trace, size_t trace_size)
{
	struct perf_event_header attribute = {.type = PERF_RECORD_HEADER_ATTR};
	struct perf_event_attr attr = plain_options()->events->attr;
	const uint64_t start[2] = {HW_FILE_MAGIC, 16};

	attr.size = sizeof(attr);
	attribute.size = (uint16_t)(sizeof(attribute) + sizeof(attr));
	size = 0;
	insert(size, start, sizeof(start));
	insert(size, &attribute, sizeof(attribute));
	insert(size, &attr, sizeof(attr));
	for (uint64_t i = 1; i <= SAMPLES; i++) {
		const struct perf_event_header *sample = a_sample(7, i, i);

		if (i == 4)
			insert(size, trace, trace_size);
		insert(size, sample, sample->size);
	}
	return size;
}

static struct contents look_into_pipe(void)
{
	struct contents found;
	pid_t child;

	assert_int_equal(mkfifo("pipe", 0600), 0);
	child = fork();
	if (!child) {
		write_file("pipe", bytes, size);
		_exit(0);
	}
	found = look_into("pipe");
	waitpid(child, NULL, 0);
	unlink("pipe");
	return found;
}

static void the_data_of_hardware_traces_is_stepped_over_in_pipes(void **state)
{
	uint8_t *trace = a_trace(TRACE_BYTES);
	struct contents found;

	(void)state;
	make_pipe(trace, sizeof(struct auxtrace) + TRACE_BYTES);
	found = look_into_pipe();
	assert_whole(&found);
	free(trace);
	trace = a_trace(UINT64_MAX);
	make_pipe(trace, sizeof(struct auxtrace) + TRACE_BYTES);
	found = look_into_pipe();
	assert_int_equal(found.samples, 3);
	assert_true(found.damage[0]);
	free(trace);
}

static void records_of_newer_types_are_stepped_over(void **state)
{
	const struct perf_event_header newer[2] = {{.type = TYPE_NEWER, .size = sizeof(newer)}};
	struct hw_file_header header = make();
	struct contents found;

	(void)state;
	insert_record(&header, 3, newer, sizeof(newer));
	insert_record(&header, SAMPLES + 1, newer, sizeof(newer));
	found = look();
	assert_whole(&found);
}

/* perf 7.3 ends at about 35 */
static void newer_header_features_are_stepped_over(void **state)
{
	static const unsigned int features[] = {40, 63, 64, 200, 255};
	static const char content[] = "what nobody here can know of";
	struct hw_file_header header = make();
	struct contents found;

	(void)state;
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		uint64_t table = header.data.offset + header.data.size;
		size_t entry = table + feature_count(&header) * sizeof(struct hw_file_section);
		struct hw_file_section section = {.size = sizeof(content)};

		insert(entry, &section, sizeof(section));
		move_features(&header, entry, sizeof(section));
		section.offset = size;
		memcpy(bytes + entry, &section, sizeof(section));
		insert(size, content, sizeof(content));
		header.features[features[i] / 64] |= 1ull << features[i] % 64;
		memcpy(bytes, &header, sizeof(header));
		found = look();
		assert_whole(&found);
	}
}

static int end(void **state)
{
	free(bytes);
	return leave_directory(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_data_of_hardware_traces_is_stepped_over),
	    cmocka_unit_test(a_trace_that_is_longer_than_the_file_is_told),
	    cmocka_unit_test(the_data_of_hardware_traces_is_stepped_over_in_pipes),
	    cmocka_unit_test(records_of_newer_types_are_stepped_over),
	    cmocka_unit_test(newer_header_features_are_stepped_over),
	};

	return cmocka_run_group_tests(tests, enter_directory, end);
}
