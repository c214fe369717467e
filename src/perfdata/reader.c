/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"

#define BUFFER_BYTES (1u << 20)
#define EVENTS_MAX   256
#define FEATURE_MAX  (1u << 20) /* bytes of one header feature that we look at */
#define COMMAND_MAX  4096

struct event_id {
	uint64_t id;
	size_t event;
};

struct hw_reader {
	int fd;
	uint64_t file_bytes;
	uint64_t at, end; /* of the records; end may be past a truncated file's */
	char *buffer;
	uint64_t buffer_at;
	size_t buffer_size;
	array_of(struct hw_reader_event) events;
	array_of(struct event_id) ids;
	struct hw_file_header header;
	struct hw_reader_info info;
	uint64_t unread;
	char damage[160];
};

static ssize_t read_at(const struct hw_reader *reader, void *bytes, size_t size, uint64_t offset)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(reader->fd, (char *)bytes + got, size - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static bool read_all(const struct hw_reader *reader, void *bytes, size_t size, uint64_t offset)
{
	return offset <= INT64_MAX && read_at(reader, bytes, size, offset) == (ssize_t)size;
}

static int read_ids(struct hw_reader *reader, const struct hw_file_section *section, size_t event)
{
	uint64_t count = section->size / 8;

	if (count > 65536 || section->offset > reader->file_bytes)
		return -EINVAL;
	for (uint64_t i = 0; i < count; i++) {
		struct event_id id = {.event = event};

		if (!read_all(reader, &id.id, 8, section->offset + 8 * i))
			return -EINVAL;
		if (array_push(&reader->ids, id))
			return -ENOMEM;
	}
	return 0;
}

static int read_attrs(struct hw_reader *reader, struct hw_error *err)
{
	const struct hw_file_header *header = &reader->header;
	uint64_t size = header->attr_size, count = size ? header->attrs.size / size : 0;
	size_t attr_size, known;

	if (size < HW_ATTR_SIZE_MIN + sizeof(struct hw_file_section) || size > 4096 || !count ||
	    count > EVENTS_MAX || header->attrs.offset > reader->file_bytes)
		return hw_fail(err, -EINVAL, "its header names no events: is it a recording?");
	attr_size = size - sizeof(struct hw_file_section);
	known = attr_size < sizeof(struct perf_event_attr) ? attr_size : sizeof(struct perf_event_attr);
	for (uint64_t i = 0; i < count; i++) {
		struct hw_reader_event event = {0};
		struct hw_file_section ids;
		uint64_t at = header->attrs.offset + i * size;

		if (!read_all(reader, &event.attr, known, at) ||
		    !read_all(reader, &ids, sizeof(ids), at + attr_size))
			return hw_fail(err, -EINVAL, "it ends inside its header");
		snprintf(event.name, sizeof(event.name), "event-%u", (unsigned int)i);
		if (array_push(&reader->events, event))
			return hw_fail(err, -ENOMEM, "out of memory");
		read_ids(reader, &ids, (size_t)i);
	}
	return 0;
}

/* ---- features ---- */

struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *c, void *value, size_t size)
{
	if ((size_t)(c->end - c->at) < size)
		return false;
	memcpy(value, c->at, size);
	c->at += size;
	return true;
}

static char *take_string(struct cursor *c)
{
	uint32_t size;
	char *text;

	if (!take(c, &size, sizeof(size)) || (size_t)(c->end - c->at) < size)
		return NULL;
	text = strndup(c->at, size);
	c->at += size;
	return text;
}

static void read_command(struct hw_reader_info *info, struct cursor *c)
{
	uint32_t count;

	if (!take(c, &count, sizeof(count)) || count > COMMAND_MAX)
		return;
	info->command = calloc(count + 1, sizeof(char *));
	while (info->command && info->command_count < count) {
		char *word = take_string(c);

		if (!word)
			break;
		info->command[info->command_count++] = word;
	}
}

static void read_event_names(struct hw_reader *reader, struct cursor *c)
{
	uint32_t count, attr_size, ids;

	if (!take(c, &count, 4) || !take(c, &attr_size, 4))
		return;
	for (uint32_t i = 0; i < count && i < reader->events.count; i++) {
		struct hw_reader_event *event = &reader->events.items[i];
		char *name;

		if ((size_t)(c->end - c->at) < attr_size)
			return;
		c->at += attr_size;
		if (!take(c, &ids, 4))
			return;
		name = take_string(c);
		if (!name)
			return;
		snprintf(event->name, sizeof(event->name), "%s", name);
		free(name);
		if ((uint64_t)(c->end - c->at) < 8ull * ids)
			return;
		c->at += 8ull * ids;
	}
}

static void set_string(char **field, char *text)
{
	free(*field);
	*field = text;
}

static void read_feature(struct hw_reader *reader, unsigned int feature, struct cursor c)
{
	struct hw_reader_info *info = &reader->info;
	uint32_t cpus[2];
	uint64_t kib;

	switch (feature) {
	case HW_FEATURE_HOSTNAME:
		set_string(&info->hostname, take_string(&c));
		break;
	case HW_FEATURE_OSRELEASE:
		set_string(&info->os_release, take_string(&c));
		break;
	case HW_FEATURE_VERSION:
		set_string(&info->version, take_string(&c));
		break;
	case HW_FEATURE_ARCH:
		set_string(&info->arch, take_string(&c));
		break;
	case HW_FEATURE_CPUDESC:
		set_string(&info->cpu_description, take_string(&c));
		break;
	case HW_FEATURE_NRCPUS:
		if (take(&c, cpus, sizeof(cpus))) {
			info->cpus_available = cpus[0];
			info->cpus_online = cpus[1];
		}
		break;
	case HW_FEATURE_TOTAL_MEM:
		if (take(&c, &kib, sizeof(kib)))
			info->memory_bytes = kib << 10;
		break;
	case HW_FEATURE_CMDLINE:
		if (!info->command)
			read_command(info, &c);
		break;
	case HW_FEATURE_EVENT_DESC:
		read_event_names(reader, &c);
		break;
	}
}

static void read_features(struct hw_reader *reader)
{
	uint64_t table = reader->header.data.offset + reader->header.data.size;
	unsigned int index = 0;

	if (!reader->header.data.size || table < reader->header.data.offset || table > reader->file_bytes)
		return;
	for (unsigned int feature = 0; feature < HW_FEATURE_COUNT; feature++) {
		struct hw_file_section section;
		char *bytes;

		if (!(reader->header.features[feature / 64] >> feature % 64 & 1))
			continue;
		if (!read_all(reader, &section, sizeof(section), table + sizeof(section) * index++))
			return;
		reader->info.ended_cleanly = true;
		if (section.size > FEATURE_MAX || section.offset > reader->file_bytes)
			continue;
		bytes = malloc(section.size + 1);
		if (bytes && read_all(reader, bytes, section.size, section.offset))
			read_feature(reader, feature, (struct cursor){bytes, bytes + section.size});
		free(bytes);
	}
}

static int read_header(struct hw_reader *reader, struct hw_error *err)
{
	struct hw_file_header *header = &reader->header;
	ssize_t got = read_at(reader, header, sizeof(*header), 0);

	if (got < 8 || header->magic != HW_FILE_MAGIC)
		return hw_fail(err, -EINVAL, "it does not begin as a perf.data file does");
	if (got < (ssize_t)sizeof(*header) || header->size < sizeof(*header) - sizeof(header->features))
		return hw_fail(err, -EINVAL,
		               got >= 16 && header->size == 16
		                   ? "it is a pipe's stream, which is not supported yet"
		                   : "it ends inside its header");
	return read_attrs(reader, err);
}

static void find_records(struct hw_reader *reader)
{
	struct hw_file_section *data = &reader->header.data;

	reader->at = data->offset;
	reader->end = data->size > UINT64_MAX - data->offset ? UINT64_MAX : data->offset + data->size;
	if (!data->size) /* the recorder never got to say: all there is */
		reader->end = reader->file_bytes;
	if (reader->at > reader->file_bytes || reader->end > reader->file_bytes) {
		reader->unread =
		    reader->end - (reader->at > reader->file_bytes ? reader->at : reader->file_bytes);
		snprintf(reader->damage, sizeof(reader->damage), "the file is truncated");
		reader->end = reader->file_bytes;
	}
}

int hw_reader_open(const char *path, struct hw_reader **result, struct hw_error *err)
{
	struct hw_reader *reader = calloc(1, sizeof(*reader));
	struct hw_error why = {0};
	struct stat st;
	int r;

	if (!reader)
		return hw_fail(err, -ENOMEM, "out of memory");
	reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	reader->buffer = malloc(BUFFER_BYTES);
	r = reader->fd < 0 || fstat(reader->fd, &st) ? -errno : reader->buffer ? 0 : -ENOMEM;
	if (!r && !S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (r) {
		hw_reader_close(reader);
		return hw_fail(err, r, "cannot read %s: %s", path,
		               r == -EINVAL ? "not a regular file" : strerror(-r));
	}
	reader->file_bytes = (uint64_t)st.st_size;
	r = read_header(reader, &why);
	if (r) {
		hw_reader_close(reader);
		return hw_fail(err, r, "cannot read %s: %s", path, why.text);
	}
	read_features(reader);
	find_records(reader);
	*result = reader;
	return 0;
}

void hw_reader_close(struct hw_reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	for (size_t i = 0; i < reader->info.command_count; i++)
		free(reader->info.command[i]);
	free(reader->info.command);
	free(reader->info.hostname);
	free(reader->info.os_release);
	free(reader->info.arch);
	free(reader->info.cpu_description);
	free(reader->info.version);
	array_free(&reader->events);
	array_free(&reader->ids);
	free(reader->buffer);
	free(reader);
}

/* size bytes at reader->at, in the buffer; NULL where the file does not have them. */
static const void *window(struct hw_reader *reader, size_t size)
{
	ssize_t got;

	if (reader->at < reader->buffer_at || reader->at + size > reader->buffer_at + reader->buffer_size) {
		got = read_at(reader, reader->buffer, BUFFER_BYTES, reader->at);
		reader->buffer_at = reader->at;
		reader->buffer_size = got > 0 ? (size_t)got : 0;
		if (reader->buffer_size < size)
			return NULL;
	}
	return reader->buffer + (reader->at - reader->buffer_at);
}

static int stop(struct hw_reader *reader, const char *why)
{
	if (!reader->damage[0])
		snprintf(reader->damage, sizeof(reader->damage), "%s at byte %llu", why,
		         (unsigned long long)reader->at);
	reader->unread += reader->end - reader->at;
	reader->at = reader->end;
	return 0;
}

int hw_reader_next(struct hw_reader *reader, const struct perf_event_header **record)
{
	const struct perf_event_header *header;
	uint64_t extra = 0;

	if (reader->at >= reader->end)
		return 0;
	header = reader->end - reader->at >= sizeof(*header) ? window(reader, sizeof(*header)) : NULL;
	if (!header)
		return stop(reader, "the recording ends inside a record");
	if (header->size < sizeof(*header) || header->size % 8)
		return stop(reader, "a record of impossible size");
	if (header->size > reader->end - reader->at || !(header = window(reader, header->size)))
		return stop(reader, "the recording ends inside a record");
	*record = header;
	if (header->type == PERF_RECORD_AUXTRACE && header->size >= 16)
		memcpy(&extra, header + 1, 8);
	else if (header->type == PERF_RECORD_HEADER_TRACING_DATA && header->size >= 16)
		memcpy(&extra, header + 1, 4);
	reader->at += header->size;
	if (extra > reader->end - reader->at)
		extra = reader->end - reader->at;
	reader->at += extra;
	return 1;
}

/* ---- what sample_type says ---- */

static size_t event_of_id(const struct hw_reader *reader, uint64_t id)
{
	for (size_t i = 0; i < reader->ids.count; i++)
		if (reader->ids.items[i].id == id)
			return reader->ids.items[i].event;
	return 0;
}

struct words {
	const uint64_t *at, *end;
	bool short_of;
};

static uint64_t word(struct words *w)
{
	if (w->at >= w->end) {
		w->short_of = true;
		return 0;
	}
	return *w->at++;
}

static void split(uint64_t both, uint32_t *low, uint32_t *high)
{
	*low = (uint32_t)both;
	*high = (uint32_t)(both >> 32);
}

static void skip_read(struct words *w, uint64_t format)
{
	uint64_t count = format & PERF_FORMAT_GROUP ? word(w) : 1;
	uint64_t each = 1 + !!(format & PERF_FORMAT_ID) + !!(format & (1u << 4));
	uint64_t times =
	    !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) + !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);

	for (uint64_t i = 0; i < times; i++)
		word(w);
	if (count > 65536 || each * count > (uint64_t)(w->end - w->at))
		w->short_of = true;
	else
		w->at += each * count;
}

static int decode_sample(const struct hw_reader *reader, struct words *w, struct hw_decoded *d)
{
	const struct perf_event_attr *attr = &reader->events.items[0].attr;
	uint64_t type = attr->sample_type, zero;

	if (type & PERF_SAMPLE_IDENTIFIER) {
		d->event = event_of_id(reader, word(w));
		attr = &reader->events.items[d->event].attr;
		type = attr->sample_type;
	}
	d->ip = type & PERF_SAMPLE_IP ? word(w) : 0;
	if (type & PERF_SAMPLE_TID)
		split(word(w), &d->pid, &d->tid);
	d->time_ns = type & PERF_SAMPLE_TIME ? word(w) : 0;
	if (type & PERF_SAMPLE_ADDR)
		word(w);
	if (type & PERF_SAMPLE_ID)
		d->event = event_of_id(reader, word(w));
	if (type & PERF_SAMPLE_STREAM_ID)
		word(w);
	if (type & PERF_SAMPLE_CPU) {
		zero = word(w);
		d->cpu = (uint32_t)zero;
	}
	d->period = type & PERF_SAMPLE_PERIOD ? word(w) : attr->freq ? 1 : attr->sample_period;
	if (type & PERF_SAMPLE_READ)
		skip_read(w, attr->read_format);
	if (type & PERF_SAMPLE_CALLCHAIN) {
		d->nr = word(w);
		d->callchain = w->at;
		if (d->nr > (uint64_t)(w->end - w->at))
			return -EINVAL;
	}
	return w->short_of ? -EINVAL : 0;
}

/* The sample_id behind every other record of the kernel (perf_event_open(2), sample_id_all). */
static int decode_other(const struct hw_reader *reader, struct words *w, struct hw_decoded *d)
{
	const struct perf_event_attr *attr = &reader->events.items[0].attr;
	const uint64_t mask = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
	                      PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER;
	uint64_t type = attr->sample_type & mask;
	size_t count = (size_t)__builtin_popcountll(type);
	const uint64_t *start = w->at;

	if (!attr->sample_id_all)
		return 0;
	if (count > (size_t)(w->end - w->at))
		return -EINVAL;
	w->at = w->end - count;
	d->body_size = (size_t)(w->at - start) * 8 + sizeof(struct perf_event_header);
	if (type & PERF_SAMPLE_TID)
		split(word(w), &d->pid, &d->tid);
	if (type & PERF_SAMPLE_TIME)
		d->time_ns = word(w);
	if (type & PERF_SAMPLE_ID)
		d->event = event_of_id(reader, word(w));
	if (type & PERF_SAMPLE_STREAM_ID)
		word(w);
	if (type & PERF_SAMPLE_CPU)
		d->cpu = (uint32_t)word(w);
	return 0;
}

int hw_reader_decode(const struct hw_reader *reader, const struct perf_event_header *record,
                     struct hw_decoded *decoded)
{
	const uint64_t *all = (const uint64_t *)record;
	struct words words = {.at = all + 1, .end = all + record->size / 8};

	memset(decoded, 0, sizeof(*decoded));
	decoded->body_size = record->size;
	if (record->type >= PERF_RECORD_USER_TYPE_START)
		return 0;
	return record->type == PERF_RECORD_SAMPLE ? decode_sample(reader, &words, decoded)
	                                          : decode_other(reader, &words, decoded);
}

const struct hw_reader_event *hw_reader_events(const struct hw_reader *reader, size_t *count)
{
	*count = reader->events.count;
	return reader->events.items;
}

const struct hw_reader_info *hw_reader_info(const struct hw_reader *reader)
{
	return &reader->info;
}

uint64_t hw_reader_file_bytes(const struct hw_reader *reader)
{
	return reader->file_bytes;
}

uint64_t hw_reader_position(const struct hw_reader *reader)
{
	return reader->at;
}

const char *hw_reader_damage(const struct hw_reader *reader, uint64_t *unread)
{
	*unread = reader->unread;
	return reader->damage;
}
