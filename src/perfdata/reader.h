/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Reading perf.data files: the header and its features, then one record after the other.
 *
 * The file is read with pread into a buffer, never mapped: its owner may truncate it meanwhile. Every size
 * and offset from the file is checked before use. A damaged file gives what is readable; hw_reader_damage
 * says in one line what is not, and how many bytes of it.
 */
#ifndef HW_PERFDATA_READER_H
#define HW_PERFDATA_READER_H

#include "base/error.h"
#include "perfdata/format.h"

struct hw_reader;

struct hw_reader_event {
	struct perf_event_attr attr;
	char name[64];
};

struct hw_reader_info {
	char *hostname, *os_release, *arch, *cpu_description, *version; /* NULL: not said */
	char **command;
	size_t command_count;
	uint32_t cpus_online, cpus_available;
	uint64_t memory_bytes;
	bool ended_cleanly;
};

/* A record's fields that do not depend on its type, and a sample's. Pointers are into the record. */
struct hw_decoded {
	uint64_t time_ns, ip, period, cpu_known;
	uint32_t pid, tid, cpu;
	uint64_t nr;
	const uint64_t *callchain;
	size_t event;     /* index of its attribute */
	size_t body_size; /* bytes before the sample_id, header included */
};

/* Open path. -EINVAL: no recording at all; -errno of open. */
int hw_reader_open(const char *path, struct hw_reader **reader, struct hw_error *err);
void hw_reader_close(struct hw_reader *reader);

/* 1 with *record (valid until the next call), 0 at the end or at damage that nothing can be read behind. */
int hw_reader_next(struct hw_reader *reader, const struct perf_event_header **record);
/* Decode what sample_type says; 0, or -EINVAL where the record is too short for it. */
int hw_reader_decode(const struct hw_reader *reader, const struct perf_event_header *record,
                     struct hw_decoded *decoded);

const struct hw_reader_event *hw_reader_events(const struct hw_reader *reader, size_t *count);
const struct hw_reader_info *hw_reader_info(const struct hw_reader *reader);
uint64_t hw_reader_file_bytes(const struct hw_reader *reader);
uint64_t hw_reader_position(const struct hw_reader *reader);
/* "" where all is well; *unread: bytes that could not be read. */
const char *hw_reader_damage(const struct hw_reader *reader, uint64_t *unread);

#endif
