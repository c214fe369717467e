/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What orders what: records go into a buffer, the buffer to the end of the file, and only then the header's
 * data.size grows. So data.size never promises what is not there, and always ends after a whole record (perf
 * stops at a torn one). The feature bits come last of all; a file that has none was not closed.
 */
#include "perfdata/writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "perfdata/beginning.h"
#include "perfdata/compression.h"
#include "perfdata/create.h"
#include "perfdata/decode.h"
#include "perfdata/encode.h"
#include "perfdata/late.h"

#define BUFFER_BYTES_DEFAULT (1u << 20)
#define LATE_BYTES           (4u << 20)

struct hw_writer {
	int fd;
	char *path;
	struct hw_error failure; /* the first failed write; code 0: none */
	struct hw_file_header header;
	struct hw_file_section sections[HW_SECTIONS_MAX]; /* of the features; size 0: not there */

	uint8_t *buffer; /* whole records, not yet in the file */
	size_t buffered, buffer_size;
	uint64_t position; /* where the buffer goes, bytes from the start of the file */

	struct perf_event_attr attr; /* of the first event; all lay their records out alike */
	struct hw_compressor *compressor;
	struct hw_bytes packed; /* compressed records, not yet in the file */
	uint64_t in, out;       /* bytes before and after compression */
	struct hw_late *late_samples;
	uint64_t repeated;
	uint64_t first_sample_ns, last_sample_ns;   /* 0: no sample yet */
	uint64_t youngest_ns;                       /* of all records */
	uint64_t youngest_at_round_ns, promised_ns; /* see hw_writer_round */
	uint64_t late;
	bool unrounded; /* something came since the last round */

	struct hw_bytes build_ids;
};

/* ---- writing ---- */

/* Write all of it; *done says how much is in the file, even on failure. */
static int write_at(int fd, const void *data, size_t size, uint64_t position, size_t *done)
{
	*done = 0;
	while (*done < size) {
		ssize_t n = pwrite(fd, (const char *)data + *done, size - *done, (off_t)(position + *done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		*done += (size_t)n;
	}
	return 0;
}

static int fail_write(struct hw_writer *w, int code, struct hw_error *err)
{
	if (!w->failure.code)
		hw_fail(&w->failure, code, "cannot write to %s: %s; what was recorded before is kept",
		        w->path, strerror(-code));
	if (err)
		*err = w->failure;
	return w->failure.code;
}

static int write_header(struct hw_writer *w)
{
	size_t done;

	w->header.data.size = w->position - w->header.data.offset;
	return write_at(w->fd, &w->header, sizeof(w->header), 0, &done);
}

/* How many of the first size bytes are whole records. */
static size_t whole_records(const uint8_t *bytes, size_t size)
{
	size_t end = 0;

	for (;;) {
		struct perf_event_header header;

		if (size - end < sizeof(header))
			return end;
		memcpy(&header, bytes + end, sizeof(header));
		if (header.size > size - end)
			return end;
		end += header.size;
	}
}

static int pack_piece(struct hw_writer *w, const uint8_t *bytes, size_t size)
{
	int r;

	if (array_reserve(&w->packed, w->packed.count + HW_RECORD_SIZE_MAX))
		return -ENOMEM;
	r = hw_compressor_record(w->compressor, bytes, size, w->packed.items + w->packed.count);
	if (r < 0)
		return r;
	w->packed.count += (size_t)r;
	return 0;
}

/* The buffer as compressed records, each of as many whole ones as it holds; longer ones are cut in two. */
static int pack(struct hw_writer *w)
{
	int r = 0;

	w->packed.count = 0;
	for (size_t at = 0; at < w->buffered && !r;) {
		size_t left = w->buffered - at;
		size_t size =
		    whole_records(w->buffer + at, left < HW_COMPRESS_CHUNK ? left : HW_COMPRESS_CHUNK);

		if (!size) {
			struct perf_event_header header;

			memcpy(&header, w->buffer + at, sizeof(header));
			r = pack_piece(w, w->buffer + at, HW_COMPRESS_CHUNK);
			at += HW_COMPRESS_CHUNK;
			size = header.size - HW_COMPRESS_CHUNK;
		}
		if (!r)
			r = pack_piece(w, w->buffer + at, size);
		at += size;
	}
	w->in += w->buffered;
	w->out += w->packed.count;
	return r;
}

int hw_writer_flush(struct hw_writer *w, struct hw_error *err)
{
	const uint8_t *bytes = w->buffer;
	size_t size = w->buffered, done = 0;
	int r = 0;

	if (w->failure.code)
		return fail_write(w, w->failure.code, err);
	if (!size)
		return 0;
	if (w->compressor) {
		r = pack(w);
		bytes = w->packed.items;
		size = r ? 0 : w->packed.count;
	}
	if (!r)
		r = write_at(w->fd, bytes, size, w->position, &done);
	if (r)
		done = whole_records(bytes, done);
	w->position += done;
	w->buffered = 0;
	/* Nothing more to be done where cutting fails: data.size says where the records end. */
	if (r && ftruncate(w->fd, (off_t)w->position))
		done = 0;
	if (!r)
		r = write_header(w);
	else
		write_header(w);
	return r ? fail_write(w, r, err) : 0;
}

/* ---- appending ---- */

/* The time of a record, 0 if it has none. */
static uint64_t record_time(const struct hw_writer *w, const struct perf_event_header *record)
{
	size_t at = hw_decode_time_at(&w->attr, record);
	uint64_t time = 0;

	if (at)
		memcpy(&time, (const char *)record + at, sizeof(time));
	return time;
}

static void note_time(struct hw_writer *w, const struct perf_event_header *record)
{
	uint64_t time = record_time(w, record);

	if (!time)
		return; /* readers do not sort these */
	w->unrounded = true;
	if (time < w->promised_ns)
		w->late++;
	if (time > w->youngest_ns)
		w->youngest_ns = time;
	if (record->type != PERF_RECORD_SAMPLE)
		return;
	if (!w->first_sample_ns || time < w->first_sample_ns)
		w->first_sample_ns = time;
	if (time > w->last_sample_ns)
		w->last_sample_ns = time;
}

static int append(struct hw_writer *w, const struct perf_event_header *record, struct hw_error *err)
{
	int r = 0;

	if (record->size > w->buffer_size - w->buffered)
		r = hw_writer_flush(w, err);
	if (r)
		return r;
	memcpy(w->buffer + w->buffered, record, record->size);
	w->buffered += record->size;
	note_time(w, record);
	return 0;
}

int hw_writer_append(struct hw_writer *w, const struct perf_event_header *record, struct hw_error *err)
{
	const struct perf_event_header *repeat = NULL;
	int r;

	if (w->failure.code)
		return fail_write(w, w->failure.code, err);
	if (record->size < sizeof(*record) || record->size % 8)
		return hw_fail(err, -EINVAL, "record of type %u has %u bytes, not a multiple of 8 from 8 on",
		               record->type, record->size);
	r = append(w, record, err);
	if (r || !w->late_samples)
		return r;
	if (hw_late_look(w->late_samples, record, &repeat))
		return hw_fail(err, -ENOMEM, "out of memory");
	w->repeated += repeat != NULL;
	return repeat ? append(w, repeat, err) : 0;
}

int hw_writer_round(struct hw_writer *w, struct hw_error *err)
{
	const struct perf_event_header round = {.type = PERF_RECORD_FINISHED_ROUND, .size = sizeof(round)};
	int r;

	if (!w->unrounded)
		return 0;
	r = hw_writer_append(w, &round, err);
	if (r)
		return r;
	w->promised_ns = w->youngest_at_round_ns;
	w->youngest_at_round_ns = w->youngest_ns;
	w->unrounded = false;
	return 0;
}

int hw_writer_build_id(struct hw_writer *w, uint16_t misc, pid_t pid, const uint8_t *build_id, size_t size,
                       const char *path, struct hw_error *err)
{
	int r = hw_feature_encode_build_id(misc, pid, build_id, size, path, &w->build_ids);

	if (r == -EINVAL)
		return hw_fail(err, r, "build ID of %zu bytes, or the path of its file, does not fit", size);
	return r ? hw_fail(err, r, "out of memory for build IDs") : 0;
}

uint64_t hw_writer_bytes(const struct hw_writer *w)
{
	return w->position + w->buffered;
}

uint64_t hw_writer_late(const struct hw_writer *w)
{
	return w->late;
}

uint64_t hw_writer_repeated(const struct hw_writer *w)
{
	return w->repeated;
}

/* ---- opening ---- */

static void writer_free(struct hw_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	array_free(&w->build_ids);
	array_free(&w->packed);
	hw_compressor_free(w->compressor);
	hw_late_free(w->late_samples);
	free(w->buffer);
	free(w->path);
	free(w);
}

int hw_writer_open(const char *path, const struct hw_writer_options *o, struct hw_writer **writer,
                   struct hw_error *err)
{
	struct hw_beginning beginning = {0};
	struct hw_writer *w;
	size_t done;
	int r = hw_beginning_check(o, err);

	if (r)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return hw_fail(err, -ENOMEM, "out of memory opening %s", path);
	w->fd = -1;
	w->buffer_size = o->buffer_bytes ? o->buffer_bytes : BUFFER_BYTES_DEFAULT;
	if (w->buffer_size < 65536)
		w->buffer_size = 65536;
	w->attr = o->events[0].attr;
	w->path = strdup(path);
	w->buffer = malloc(w->buffer_size);
	if (o->compression_level)
		w->compressor = hw_compressor_new(o->compression_level);
	if (o->repeat_late)
		w->late_samples = hw_late_new(&w->attr, LATE_BYTES);
	if (!w->path || !w->buffer || (o->compression_level && !w->compressor) ||
	    (o->repeat_late && !w->late_samples) || hw_beginning_make(&beginning, o)) {
		r = hw_fail(err, -ENOMEM, "out of memory opening %s", path);
		goto out;
	}
	w->fd = r = hw_create_recording(path, o->mode ? o->mode : 0600, o->uid, o->gid, err);
	if (r < 0)
		goto out;
	w->header = beginning.header;
	memcpy(w->sections, beginning.sections, sizeof(w->sections));
	w->position = beginning.bytes.count;
	r = write_at(w->fd, beginning.bytes.items, beginning.bytes.count, 0, &done);
	if (r)
		hw_fail(err, r, "cannot write to %s: %s", path, strerror(-r));
out:
	array_free(&beginning.bytes);
	if (r)
		writer_free(w);
	else
		*writer = w;
	return r;
}

/* ---- closing ---- */

static int put_late(struct hw_writer *w, struct hw_bytes *bytes, uint64_t start)
{
	uint64_t times[2] = {w->first_sample_ns, w->last_sample_ns};

	if (w->first_sample_ns) {
		w->sections[HW_FEATURE_SAMPLE_TIME] =
		    (struct hw_file_section){.offset = start + bytes->count, .size = sizeof(times)};
		if (hw_bytes_put(bytes, times, sizeof(times)))
			return -ENOMEM;
	}
	if (w->build_ids.count) {
		w->sections[HW_FEATURE_BUILD_ID] =
		    (struct hw_file_section){.offset = start + bytes->count, .size = w->build_ids.count};
		if (hw_bytes_put(bytes, w->build_ids.items, w->build_ids.count))
			return -ENOMEM;
	}
	return 0;
}

/* The feature table, at the end of the records, and the features that only the end knows. */
static int write_features(struct hw_writer *w)
{
	struct hw_bytes table = {0}, late = {0};
	uint64_t features = 0;
	size_t count = 0, done;
	int r = -ENOMEM;

	for (size_t i = 0; i < HW_SECTIONS_MAX; i++)
		count += w->sections[i].size > 0;
	count += (w->first_sample_ns > 0) + (w->build_ids.count > 0);
	if (put_late(w, &late, w->position + count * sizeof(struct hw_file_section)))
		goto out;
	for (size_t i = 0; i < HW_SECTIONS_MAX; i++) {
		if (!w->sections[i].size)
			continue;
		if (hw_bytes_put(&table, &w->sections[i], sizeof(w->sections[i])))
			goto out;
		features |= 1ull << i;
	}
	if (hw_bytes_put(&table, late.items, late.count))
		goto out;
	r = write_at(w->fd, table.items, table.count, w->position, &done);
	if (r && ftruncate(w->fd, (off_t)w->position))
		r = -errno;
	if (!r)
		w->header.features[0] = features;
out:
	array_free(&table);
	array_free(&late);
	return r;
}

/* How well it compressed; the rest of that feature has been in the file from the start. */
static void tell_ratio(struct hw_writer *w)
{
	const struct hw_file_section *section = &w->sections[HW_FEATURE_COMPRESSED];
	uint32_t ratio = w->out ? (uint32_t)(w->in / w->out) : 1;
	size_t done;

	if (section->size)
		write_at(w->fd, &ratio, sizeof(ratio), section->offset + HW_COMPRESSED_RATIO_AT, &done);
}

/* Readers, perf's too, take data.size 0 for a file that was not closed: something has to stand there. */
static void fill_empty(struct hw_writer *w)
{
	const struct perf_event_header round = {.type = PERF_RECORD_FINISHED_ROUND, .size = sizeof(round)};

	if (hw_writer_bytes(w) == w->header.data.offset)
		hw_writer_append(w, &round, NULL);
}

int hw_writer_close(struct hw_writer *w, struct hw_error *err)
{
	int r, code;

	if (!w)
		return 0;
	fill_empty(w);
	hw_writer_flush(w, NULL);
	tell_ratio(w);
	r = write_features(w);
	code = write_header(w);
	r = r ? r : code;
	if (close(w->fd) && !r && errno != EINTR)
		r = -errno;
	w->fd = -1;
	if (r)
		fail_write(w, r, NULL);
	r = w->failure.code;
	if (r && err)
		*err = w->failure;
	writer_free(w);
	return r;
}
