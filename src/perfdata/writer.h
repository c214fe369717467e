/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Writing perf.data files.
 *
 * Records are appended whole, in the order in which they come; nothing is held back but a buffer. After
 * each flush the header says how far the records go, so a recorder may be killed at any moment: what was
 * flushed stays readable, here and in perf. Closing adds the header features, whose presence is the mark of
 * a clean end.
 *
 * One thread at a time. Errors are -errno and one line in struct hw_error; after a failed write (disk full)
 * the file ends after its last whole record, further records are refused with the same error, and
 * hw_writer_close still finishes the header.
 */
#ifndef HW_PERFDATA_WRITER_H
#define HW_PERFDATA_WRITER_H

#include <sys/types.h>

#include "base/error.h"
#include "perfdata/format.h"
#include "perfdata/machine.h"

struct hw_writer;

/*
 * One attribute of the file. attr.size says how many of its bytes go into the file, 64 to 144 (0: 128);
 * old readers refuse what they do not know, so it should not be larger than needed. All events of a file
 * need the same sample_type. Several events need PERF_SAMPLE_IDENTIFIER or _ID, and ids.
 */
struct hw_writer_event {
	const char *name; /* "cpu-clock" */
	struct perf_event_attr attr;
	const uint64_t *ids; /* of the kernel's events; may be NULL */
	size_t id_count;
};

struct hw_writer_options {
	const struct hw_writer_event *events;
	size_t event_count;
	const char *backend;        /* "bpf": kept in the VERSION feature; NULL: none */
	const char *const *command; /* the recorder's argv; may be NULL */
	size_t command_count;
	/* What the file says about its machine; NULL: this one's, as it is now. */
	const struct hw_machine *machine;
	mode_t mode; /* 0: 0600 */
	uid_t uid;   /* whom the file shall belong to (under sudo), or (uid_t)-1 and (gid_t)-1 */
	gid_t gid;
	size_t buffer_bytes;   /* 0: 1 MiB */
	int compression_level; /* of zstd, 1 to 22: records go into PERF_RECORD_COMPRESSED; 0: they do not */
	bool repeat_late;      /* repeat callchains after late samples, for perf: see perfdata/late.h */
};

/*
 * Create path. An older regular file there is kept as PATH.old (an older PATH.old goes). A symbolic link
 * is refused (-ELOOP), so is a directory or a FIFO (-EINVAL); character devices such as /dev/null are
 * written to. The new file is never opened through a link and has the owner and mode of the options before
 * anything stands in it.
 */
int hw_writer_open(const char *path, const struct hw_writer_options *options, struct hw_writer **writer,
                   struct hw_error *err);

/*
 * Append one record: a whole struct perf_event_header with header.size bytes, a multiple of 8, at most
 * HW_RECORD_SIZE_MAX; else -EINVAL. The record is copied. Its sample time is noted for the SAMPLE_TIME
 * feature and for rounds.
 */
int hw_writer_append(struct hw_writer *writer, const struct perf_event_header *record, struct hw_error *err);

/*
 * To be called whenever every source of records has been read once since the last call: writes
 * PERF_RECORD_FINISHED_ROUND, unless nothing came since. It promises readers that no record after it is
 * older than the youngest before the round before; they sort and let go by it. A record that breaks the
 * promise is counted (hw_writer_late): readers would put it in the wrong order.
 */
int hw_writer_round(struct hw_writer *writer, struct hw_error *err);

/* Write out what is buffered. */
int hw_writer_flush(struct hw_writer *writer, struct hw_error *err);

/*
 * Add an entry to the file's build-ID table: bytes may go after the call. misc is a PERF_RECORD_MISC_*
 * cpumode (_USER, _KERNEL), pid (pid_t)-1 for any. size is 1 to 20.
 */
int hw_writer_build_id(struct hw_writer *writer, uint16_t misc, pid_t pid, const uint8_t *build_id,
                       size_t size, const char *path, struct hw_error *err);

uint64_t hw_writer_bytes(const struct hw_writer *writer); /* of the file so far, buffered ones too */
uint64_t hw_writer_late(const struct hw_writer *writer);  /* records older than a round promised */

uint64_t hw_writer_repeated(const struct hw_writer *writer); /* callchains, after late samples */

/*
 * Flush, finish the header, append the features, close and free (always; NULL is allowed). 0 only if
 * everything that was appended stands in the file; else the first error, which an earlier call may have told
 * already.
 */
int hw_writer_close(struct hw_writer *writer, struct hw_error *err);

#endif
