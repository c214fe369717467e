/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <time.h>

#define BUFFER_BYTES (1u << 20)
#define ATTRS_OFFSET sizeof(struct hw_file_header)

struct hw_writer {
	int fd;
	char *path;
	char *buffer;
	size_t filled;
	uint64_t data_offset, data_size; /* bytes that stand in the file */
	int failure;                     /* the first one, kept */
	struct hw_error error;
	struct hw_file_header header;
	struct hw_writer_options options;
	struct hw_writer_event event;
	char *event_name;
	struct hw_this_machine here;
	uint64_t first_ns, last_ns;
	bool any_since_round;
};

static int fail(struct hw_writer *writer, int code, const char *what, struct hw_error *err)
{
	if (!writer->failure) {
		writer->failure =
		    hw_fail(&writer->error, code, "cannot %s %s: %s%s", what, writer->path, strerror(-code),
		            code == -ENOSPC ? "; what was written so far is readable, free some space" : "");
	}
	if (err)
		*err = writer->error;
	return writer->failure;
}

static int write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
	const char *at = bytes;

	while (size) {
		ssize_t done = pwrite(fd, at, size, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -ENOSPC;
		at += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return 0;
}

static int open_output(const char *path, const struct hw_writer_options *options, int *fd,
                       struct hw_error *err)
{
	mode_t mode = options->mode ? options->mode : 0600;
	struct stat st;
	char old[4096];

	if (!lstat(path, &st)) {
		if (S_ISLNK(st.st_mode))
			return hw_fail(err, -ELOOP, "%s is a symbolic link: name the file itself", path);
		if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
			return hw_fail(err, -EINVAL, "%s is not a regular file", path);
		if (S_ISREG(st.st_mode) && (size_t)snprintf(old, sizeof(old), "%s.old", path) < sizeof(old) &&
		    rename(path, old))
			return hw_fail(err, -errno, "cannot keep %s as %s: %s", path, old, strerror(errno));
	}
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	if (*fd < 0)
		return hw_fail(err, -errno, "cannot write %s: %s", path, strerror(errno));
	if (options->uid != (uid_t)-1 && fchown(*fd, options->uid, options->gid))
		return hw_fail(err, -errno, "cannot give %s to its user: %s", path, strerror(errno));
	return 0;
}

int hw_writer_open(const char *path, const struct hw_writer_options *options, struct hw_writer **result,
                   struct hw_error *err)
{
	struct hw_writer *writer = calloc(1, sizeof(*writer));
	char attr[HW_ATTR_SIZE_NEWEST + 16] = {0};
	size_t attr_size;
	int r;

	if (!writer)
		return hw_fail(err, -ENOMEM, "out of memory");
	writer->fd = -1;
	writer->path = strdup(path);
	writer->buffer = malloc(BUFFER_BYTES);
	writer->options = *options;
	writer->event = options->events[0];
	writer->event_name = strdup(options->events[0].name);
	r = writer->path && writer->buffer && writer->event_name
	        ? open_output(path, options, &writer->fd, err)
	        : hw_fail(err, -ENOMEM, "out of memory");
	if (r) {
		hw_writer_close(writer, NULL);
		return r;
	}
	hw_machine_this(&writer->here, CLOCK_MONOTONIC);
	attr_size = writer->event.attr.size ? writer->event.attr.size : 128;
	if (attr_size > HW_ATTR_SIZE_NEWEST)
		attr_size = HW_ATTR_SIZE_NEWEST;
	writer->event.attr.size = (uint32_t)attr_size;
	memcpy(attr, &writer->event.attr,
	       attr_size < sizeof(writer->event.attr) ? attr_size : sizeof(writer->event.attr));
	writer->header.magic = HW_FILE_MAGIC;
	writer->header.size = sizeof(writer->header);
	writer->header.attr_size = attr_size + sizeof(struct hw_file_section);
	writer->header.attrs.offset = ATTRS_OFFSET;
	writer->header.attrs.size = writer->header.attr_size;
	writer->data_offset = ATTRS_OFFSET + writer->header.attr_size;
	writer->header.data.offset = writer->data_offset;
	r = write_at(writer->fd, &writer->header, sizeof(writer->header), 0);
	if (!r)
		r = write_at(writer->fd, attr, writer->header.attr_size, ATTRS_OFFSET);
	if (r) {
		fail(writer, r, "write", err);
		hw_writer_close(writer, NULL);
		return r;
	}
	*result = writer;
	return 0;
}

int hw_writer_flush(struct hw_writer *writer, struct hw_error *err)
{
	int r;

	if (writer->failure)
		return fail(writer, writer->failure, "write", err);
	if (!writer->filled)
		return 0;
	r = write_at(writer->fd, writer->buffer, writer->filled, writer->data_offset + writer->data_size);
	if (r)
		return fail(writer, r, "write", err);
	writer->data_size += writer->filled;
	writer->filled = 0;
	writer->header.data.size = writer->data_size;
	r = write_at(writer->fd, &writer->header, sizeof(writer->header), 0);
	return r ? fail(writer, r, "write", err) : 0;
}

/* Where a record of ours says its time; 0: nowhere. */
static uint64_t record_time(const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;
	size_t count = record->size / 8;

	if (record->type == PERF_RECORD_SAMPLE)
		return count > 3 ? words[3] : 0;
	return record->type < PERF_RECORD_USER_TYPE_START && count > 3 ? words[count - 2] : 0;
}

int hw_writer_append(struct hw_writer *writer, const struct perf_event_header *record, struct hw_error *err)
{
	uint64_t time_ns;
	int r;

	if (record->size < sizeof(*record) || record->size % 8)
		return hw_fail(err, -EINVAL, "a record of %u bytes is none", record->size);
	if (writer->failure)
		return fail(writer, writer->failure, "write", err);
	if (writer->filled + record->size > BUFFER_BYTES) {
		r = hw_writer_flush(writer, err);
		if (r)
			return r;
	}
	memcpy(writer->buffer + writer->filled, record, record->size);
	writer->filled += record->size;
	writer->any_since_round = true;
	time_ns = record_time(record);
	if (time_ns && record->type == PERF_RECORD_SAMPLE) {
		if (!writer->first_ns || time_ns < writer->first_ns)
			writer->first_ns = time_ns;
		if (time_ns > writer->last_ns)
			writer->last_ns = time_ns;
	}
	return 0;
}

int hw_writer_round(struct hw_writer *writer, struct hw_error *err)
{
	struct perf_event_header round = {.type = PERF_RECORD_FINISHED_ROUND, .size = sizeof(round)};
	int r;

	if (!writer->any_since_round)
		return 0;
	r = hw_writer_append(writer, &round, err);
	writer->any_since_round = false;
	return r;
}

uint64_t hw_writer_bytes(const struct hw_writer *writer)
{
	return writer->data_offset + writer->data_size + writer->filled;
}

uint64_t hw_writer_late(const struct hw_writer *writer)
{
	(void)writer;
	return 0;
}

/* ---- header features, behind the data ---- */

struct features {
	char *bytes;
	size_t size;
	struct hw_file_section sections[HW_FEATURE_COUNT];
	uint64_t present[4];
};

static void put(FILE *out, const void *bytes, size_t size)
{
	fwrite(bytes, 1, size, out);
}

static void put_u32(FILE *out, uint32_t value)
{
	put(out, &value, sizeof(value));
}

static void put_string(FILE *out, const char *text)
{
	char pad[HW_FEATURE_STRING_ALIGN] = {0};
	size_t length = strlen(text) + 1;
	size_t padded =
	    (length + HW_FEATURE_STRING_ALIGN - 1) / HW_FEATURE_STRING_ALIGN * HW_FEATURE_STRING_ALIGN;

	put_u32(out, (uint32_t)padded);
	put(out, text, length);
	put(out, pad, padded - length);
}

static void put_feature(const struct hw_writer *w, FILE *out, unsigned int feature)
{
	const struct hw_machine *m = &w->here.machine;
	uint64_t times[2] = {w->first_ns, w->last_ns}, memory_kib = m->memory_bytes / 1024;
	char version[96];

	switch (feature) {
	case HW_FEATURE_HOSTNAME:
		put_string(out, m->hostname ? m->hostname : "");
		break;
	case HW_FEATURE_OSRELEASE:
		put_string(out, m->os_release ? m->os_release : "");
		break;
	case HW_FEATURE_VERSION:
		snprintf(version, sizeof(version), "homeward %s (%s)", HW_VERSION,
		         w->options.backend ? w->options.backend : "?");
		put_string(out, version);
		break;
	case HW_FEATURE_ARCH:
		put_string(out, m->arch ? m->arch : "");
		break;
	case HW_FEATURE_CPUDESC:
		put_string(out, m->cpu_description ? m->cpu_description : "");
		break;
	case HW_FEATURE_NRCPUS:
		put_u32(out, m->cpus_available);
		put_u32(out, m->cpus_online);
		break;
	case HW_FEATURE_TOTAL_MEM:
		put(out, &memory_kib, sizeof(memory_kib));
		break;
	case HW_FEATURE_CMDLINE:
		put_u32(out, (uint32_t)w->options.command_count);
		for (size_t i = 0; i < w->options.command_count; i++)
			put_string(out, w->options.command[i]);
		break;
	case HW_FEATURE_EVENT_DESC:
		put_u32(out, 1);
		put_u32(out, w->event.attr.size);
		put(out, &w->event.attr,
		    sizeof(w->event.attr) < w->event.attr.size ? sizeof(w->event.attr) : w->event.attr.size);
		for (size_t i = sizeof(w->event.attr); i < w->event.attr.size; i++)
			fputc(0, out);
		put_u32(out, 0);
		put_string(out, w->event_name);
		break;
	case HW_FEATURE_SAMPLE_TIME:
		put(out, times, sizeof(times));
		break;
	}
}

static int write_features(struct hw_writer *writer)
{
	static const unsigned int features[] = {
	    HW_FEATURE_HOSTNAME,   HW_FEATURE_OSRELEASE,  HW_FEATURE_VERSION,   HW_FEATURE_ARCH,
	    HW_FEATURE_NRCPUS,     HW_FEATURE_CPUDESC,    HW_FEATURE_TOTAL_MEM, HW_FEATURE_CMDLINE,
	    HW_FEATURE_EVENT_DESC, HW_FEATURE_SAMPLE_TIME};
	enum { COUNT = sizeof(features) / sizeof(features[0]) };
	struct hw_file_section sections[COUNT];
	uint64_t table = writer->data_offset + writer->data_size, at = table + sizeof(sections);
	char *bytes = NULL;
	size_t size = 0, before;
	FILE *out = open_memstream(&bytes, &size);
	int r;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < COUNT; i++) {
		fflush(out);
		before = size;
		put_feature(writer, out, features[i]);
		fflush(out);
		sections[i].offset = at + before;
		sections[i].size = size - before;
		writer->header.features[features[i] / 64] |= 1ull << features[i] % 64;
	}
	fclose(out);
	r = write_at(writer->fd, sections, sizeof(sections), table);
	if (!r)
		r = write_at(writer->fd, bytes, size, at);
	if (!r)
		r = write_at(writer->fd, &writer->header, sizeof(writer->header), 0);
	free(bytes);
	return r;
}

int hw_writer_close(struct hw_writer *writer, struct hw_error *err)
{
	int r = 0;

	if (!writer)
		return 0;
	if (writer->fd >= 0) {
		r = hw_writer_flush(writer, err);
		if (!r) {
			r = write_features(writer);
			if (r)
				r = fail(writer, r, "finish", err);
		}
		close(writer->fd);
	}
	free(writer->event_name);
	free(writer->buffer);
	free(writer->path);
	free(writer);
	return r;
}
