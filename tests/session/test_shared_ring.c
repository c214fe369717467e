/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The ring between daemon and client: records come out as they went in, and neither side trusts the other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "session/shared_ring.h"

#define SIZE HW_SHARED_RING_MIN

struct both {
	struct hw_shared_ring writer, reader;
	uint64_t expected, got;
};

static int set_up(void **state)
{
	struct both *both = calloc(1, sizeof(*both));

	*state = both;
	return hw_shared_ring_create(SIZE, &both->writer) ||
	       hw_shared_ring_open(dup(both->writer.fd), SIZE, &both->reader);
}

static int tear_down(void **state)
{
	struct both *both = *state;

	hw_shared_ring_close(&both->writer);
	hw_shared_ring_close(&both->reader);
	free(both);
	return 0;
}

/* Record number n: its size and its content follow from n. */
static const struct perf_event_header *record(uint64_t n)
{
	static uint64_t buffer[400];
	struct perf_event_header *header = (struct perf_event_header *)buffer;

	header->type = PERF_RECORD_SAMPLE;
	header->misc = 0;
	header->size = (uint16_t)(8 + 8 * (1 + n * 37 % 390));
	for (size_t i = 1; i < header->size / 8; i++)
		buffer[i] = n;
	return header;
}

static int check(void *context, const struct perf_event_header *got, struct hw_error *err)
{
	struct both *both = context;

	(void)err;
	assert_int_equal(got->size, record(both->got)->size);
	assert_memory_equal(got, record(both->got), got->size);
	both->got++;
	return 0;
}

static void records_come_out_as_they_went_in_around_the_end_too(void **state)
{
	struct both *both = *state;

	while (both->expected < 20000) {
		if (hw_shared_ring_put(&both->writer, record(both->expected)))
			both->expected++;
		else
			assert_int_equal(hw_shared_ring_read(&both->reader, check, both, NULL), 0);
	}
	assert_int_equal(hw_shared_ring_read(&both->reader, check, both, NULL), 0);
	assert_int_equal(both->got, both->expected);
}

static void a_full_ring_takes_nothing_and_keeps_what_it_has(void **state)
{
	struct both *both = *state;

	while (hw_shared_ring_put(&both->writer, record(both->expected)))
		both->expected++;
	assert_true(hw_shared_ring_room(&both->writer) < record(both->expected)->size);
	assert_int_equal(hw_shared_ring_read(&both->reader, check, both, NULL), 0);
	assert_int_equal(both->got, both->expected);
	assert_int_equal(hw_shared_ring_room(&both->writer), SIZE);
}

static void a_tail_that_makes_no_sense_is_a_full_ring(void **state)
{
	static const uint64_t tails[] = {1, 4096, UINT64_MAX / 2, (uint64_t)1 << 40};
	struct both *both = *state;

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		both->reader.page->tail = tails[i];
		assert_int_equal(hw_shared_ring_room(&both->writer), 0);
		assert_false(hw_shared_ring_put(&both->writer, record(0)));
	}
	both->reader.page->tail = 0;
	assert_true(hw_shared_ring_put(&both->writer, record(0)));
}

static void the_writer_does_not_believe_the_head_in_the_page(void **state)
{
	struct both *both = *state;

	both->reader.page->head = UINT64_MAX - 3;
	assert_true(hw_shared_ring_put(&both->writer, record(both->expected++)));
	assert_int_equal(hw_shared_ring_read(&both->reader, check, both, NULL), 0);
	assert_int_equal(both->got, 1);
}

static void the_reader_stops_at_what_is_no_record(void **state)
{
	static const uint16_t sizes[] = {0, 4, 7, 9, 12, 65535};
	struct both *both = *state;
	struct hw_error err;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct perf_event_header header = {.type = 9, .size = sizes[i]};

		memcpy(both->writer.data, &header, sizeof(header));
		both->writer.page->head = 64;
		both->writer.page->tail = 0;
		assert_int_equal(hw_shared_ring_read(&both->reader, check, both, &err), -EPROTO);
	}
	both->writer.page->head = SIZE + 8;
	assert_int_equal(hw_shared_ring_read(&both->reader, check, both, &err), -EPROTO);
}

static void the_memory_can_neither_shrink_nor_grow(void **state)
{
	struct both *both = *state;

	assert_int_not_equal(ftruncate(both->reader.fd, 0), 0);
	assert_int_not_equal(ftruncate(both->reader.fd, 1 << 30), 0);
}

static void sizes_that_are_not_possible_are_refused(void **state)
{
	static const uint64_t sizes[] = {0,         1, SIZE - 1, SIZE + 8, SIZE / 2, HW_SHARED_RING_MAX * 2,
	                                 UINT64_MAX};
	struct both *both = *state;
	struct hw_shared_ring ring = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(hw_shared_ring_create(sizes[i], &ring), -EINVAL);
		assert_int_equal(hw_shared_ring_open(both->writer.fd, sizes[i], &ring), -EPROTO);
	}
	assert_int_equal(hw_shared_ring_open(both->writer.fd, SIZE * 2, &ring), -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(records_come_out_as_they_went_in_around_the_end_too),
	    TEST(a_full_ring_takes_nothing_and_keeps_what_it_has),
	    TEST(a_tail_that_makes_no_sense_is_a_full_ring),
	    TEST(the_writer_does_not_believe_the_head_in_the_page),
	    TEST(the_reader_stops_at_what_is_no_record),
	    TEST(the_memory_can_neither_shrink_nor_grow),
	    TEST(sizes_that_are_not_possible_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
