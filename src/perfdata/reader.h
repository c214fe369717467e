/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading perf.data, ours and perf's: the header and its features, then one record after the other. Files and
 * pipes ("perf record -o -"), compressed records or not, little-endian.
 *
 * Every size and offset from the file is checked before use. A damaged file gives what is readable;
 * hw_reader_damage says in one line what is not, and how many bytes of it.
 */
#ifndef HW_PERFDATA_READER_H
#define HW_PERFDATA_READER_H

#include "base/error.h"
#include "perfdata/decode.h"
#include "perfdata/format.h"

struct hw_reader;

struct hw_reader_event {
	struct perf_event_attr attr; /* what our header knows of it */
	char name[64];
};

struct hw_reader_info {
	char *hostname, *os_release, *arch, *cpu_description, *version; /* NULL: not said */
	char **command;
	size_t command_count;
	uint32_t cpus_online, cpus_available;
	uint64_t memory_bytes;
	bool ended_cleanly; /* the recorder closed the file; a pipe: it ended after a whole record */
	bool pipe;          /* written to a pipe: all of this and the events come among the records */
};

/* Open path ("-": standard input). -EINVAL: no recording at all; -errno of open. */
int hw_reader_open(const char *path, struct hw_reader **reader, struct hw_error *err);
void hw_reader_close(struct hw_reader *reader);

/*
 * 1 with *record (8-byte aligned, valid until the next call), 0 at the end or at damage that nothing can be
 * read behind, -ENOMEM. Records that only carry others (PERF_RECORD_COMPRESSED) are not returned.
 */
int hw_reader_next(struct hw_reader *reader, const struct perf_event_header **record);
/* Decode what sample_type says; 0, or -EINVAL where the record is too short for it. */
int hw_reader_decode(struct hw_reader *reader, const struct perf_event_header *record,
                     struct hw_decoded *decoded);

/*
 * Where the record that was returned last stands: its offset in the file, or (uint64_t)-1 where it cannot be
 * read a second time (compressed, or from a pipe).
 */
uint64_t hw_reader_offset(const struct hw_reader *reader);
/* Read a record again into buffer (HW_RECORD_SIZE_MAX bytes, 8-byte aligned): 0 or -EINVAL. */
int hw_reader_again(const struct hw_reader *reader, uint64_t offset, void *buffer);

/* Of a pipe, these are as far as was read; pointers are valid until the next hw_reader_next. */
const struct hw_reader_event *hw_reader_events(struct hw_reader *reader, size_t *count);
const struct hw_reader_info *hw_reader_info(const struct hw_reader *reader);
/* What a recorder of ours says that sampling cost, in words; "": nothing. */
const char *hw_reader_cost(const struct hw_reader *reader);
/* The build ID that the recording's table has for a path: its size, 0 where it has none. */
uint8_t hw_reader_build_id(struct hw_reader *reader, const char *path, uint8_t id[20]);

uint64_t hw_reader_file_bytes(const struct hw_reader *reader); /* of a pipe: what came so far */
uint64_t hw_reader_position(const struct hw_reader *reader);
/* "" where all is well; *unread: bytes that could not be read. */
const char *hw_reader_damage(const struct hw_reader *reader, uint64_t *unread);

#endif
