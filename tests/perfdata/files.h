/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Recordings made up for tests, in a directory that goes with the test. */
#ifndef HW_TESTS_PERFDATA_FILES_H
#define HW_TESTS_PERFDATA_FILES_H

#include "perfdata/reader.h"
#include "perfdata/records.h"
#include "perfdata/writer.h"

/* Group set-up and tear-down: a directory to work in. */
int enter_directory(void **state);
int leave_directory(void **state);

/* The options of a recording like ours, one event; change what the test needs. */
struct hw_writer_options *plain_options(void);

/* One sample and its callchain; both end in a cookie that says their number. */
const struct perf_event_header *a_sample(uint32_t tid, uint64_t cookie, uint64_t time_ns);
const struct perf_event_header *a_callchain(uint32_t tid, uint64_t cookie, uint64_t time_ns, size_t depth);

struct hw_writer *open_writer(const char *path, const struct hw_writer_options *options);
void append(struct hw_writer *writer, const struct perf_event_header *record);

/* All of a file's bytes; the caller frees. */
uint8_t *read_file(const char *path, size_t *size);
void write_file(const char *path, const void *bytes, size_t size);

/* Records of types below 64 in the file, and how reading ended. */
struct contents {
	size_t samples, callchains, others;
	uint64_t unread;
	bool opened, ended_cleanly;
	char damage[200], error[500];
};
struct contents look_into(const char *path);

#endif
