/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Records come in two layers: those of the file, and those inside of compressed ones, which take turns. What
 * describes the recording itself in a pipe (attributes, features) is kept in passing.
 */
#include "perfdata/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "perfdata/attributes.h"
#include "perfdata/header_features.h"
#include "perfdata/inner.h"
#include "perfdata/source.h"

#define FEATURE_MAX (64u << 20) /* bytes of one header feature that we look at */

struct hw_reader {
	struct hw_source source;
	struct hw_file_header header;
	struct hw_attributes attributes;
	struct hw_features features;
	uint64_t early_features; /* bits; 0: none */
	struct hw_file_section early_sections[64];
	uint64_t at, end;  /* of the records; end may be past a truncated file's */
	uint64_t last;     /* offset of the record returned last */
	bool closed;       /* the recorder finished the file: nothing comes behind the end */
	uint64_t *aligned; /* a record that does not stand at a multiple of 8 */
	struct hw_inner inner;
	uint64_t unread;
	char damage[160];
};

/* ---- the header of a file ---- */

static void contradict(struct hw_reader *reader)
{
	if (!reader->damage[0])
		snprintf(reader->damage, sizeof(reader->damage), "the header contradicts itself");
}

static void read_feature(struct hw_reader *reader, unsigned int feature,
                         const struct hw_file_section *section)
{
	char *bytes;

	if (section->size > FEATURE_MAX || section->size > reader->source.file_bytes)
		return;
	bytes = malloc(section->size + 1);
	if (bytes && hw_source_copy(&reader->source, bytes, section->size, section->offset))
		hw_features_read(&reader->features, feature, bytes, section->size);
	free(bytes);
}

/* In our files the sections of early features stand twice, and only two features come late. */
static bool is_as_early(const struct hw_reader *reader, unsigned int feature,
                        const struct hw_file_section *section)
{
	if (!reader->early_features)
		return true;
	if (feature < 64 && reader->early_features >> feature & 1)
		return !memcmp(section, &reader->early_sections[feature], sizeof(*section));
	return feature == HW_FEATURE_BUILD_ID || feature == HW_FEATURE_SAMPLE_TIME;
}

/* The table behind the records. It and what it points at are the last thing in a file. */
static void read_features(struct hw_reader *reader)
{
	const struct hw_file_section *data = &reader->header.data;
	uint64_t table = data->offset + data->size, end = 0;
	bool right = !(reader->early_features & ~reader->header.features[0]);

	if (!data->size || table < data->offset || table > reader->source.file_bytes)
		return;
	for (unsigned int feature = 0; feature < HW_FEATURE_COUNT; feature++) {
		struct hw_file_section section;

		if (!(reader->header.features[feature / 64] >> feature % 64 & 1))
			continue;
		reader->closed = reader->features.info.ended_cleanly = true;
		if (!hw_source_copy(&reader->source, &section, sizeof(section), table)) {
			contradict(reader);
			return;
		}
		table += sizeof(section);
		right &= is_as_early(reader, feature, &section);
		read_feature(reader, feature, &section);
		if (section.size <= UINT64_MAX - section.offset && section.offset + section.size > end)
			end = section.offset + section.size;
	}
	if (reader->closed && (!right || (end > table ? end : table) != reader->source.file_bytes))
		contradict(reader);
}

/* Attributes stand twice in a file: nothing can be believed of records where they differ. */
static void check_attributes(struct hw_reader *reader)
{
	const struct hw_features *features = &reader->features;

	if (features->event_attrs.count && features->event_attrs.count != reader->attributes.events.count)
		contradict(reader);
	for (size_t i = 0; i < features->event_attrs.count && i < reader->attributes.events.count; i++)
		if (memcmp(&features->event_attrs.items[i], &reader->attributes.events.items[i].attr,
		           sizeof(struct perf_event_attr)) != 0)
			contradict(reader);
}

/* Where our recorder's early features are; see perfdata/format.h. */
static void find_early_features(struct hw_reader *reader)
{
	uint64_t at = reader->header.attrs.offset + reader->header.attrs.size;
	struct hw_early_header early;

	if (at < reader->header.attrs.offset || !hw_source_copy(&reader->source, &early, sizeof(early), at) ||
	    early.magic != HW_EARLY_MAGIC)
		return;
	reader->early_features = early.features;
	at += sizeof(early);
	for (unsigned int feature = 0; feature < 64; feature++) {
		if (!(reader->early_features >> feature & 1))
			continue;
		if (!hw_source_copy(&reader->source, &reader->early_sections[feature],
		                    sizeof(struct hw_file_section), at))
			reader->early_features &= ~(1ull << feature);
		at += sizeof(struct hw_file_section);
	}
}

/* Of a file that was not closed they are all there is. */
static void read_early_features(struct hw_reader *reader)
{
	for (unsigned int feature = 0; feature < 64; feature++)
		if (reader->early_features >> feature & 1)
			read_feature(reader, feature, &reader->early_sections[feature]);
}

static int read_attrs(struct hw_reader *reader, struct hw_error *err)
{
	const struct hw_file_header *header = &reader->header;
	uint64_t size = header->attr_size, count = size ? header->attrs.size / size : 0;
	char entry[HW_ATTRIBUTE_ENTRY_MAX];
	int r = 0;

	if (size < HW_ATTR_SIZE_MIN + sizeof(struct hw_file_section) || size > sizeof(entry) || !count ||
	    count > HW_EVENTS_MAX)
		return hw_fail(err, -EINVAL, "its header names no events: is it a recording?");
	for (uint64_t i = 0; i < count && !r; i++) {
		struct hw_file_section ids;
		uint64_t id;

		if (!hw_source_copy(&reader->source, entry, size, header->attrs.offset + i * size))
			return hw_fail(err, -EINVAL, "it ends inside its header");
		memcpy(&ids, entry + size - sizeof(ids), sizeof(ids));
		r = hw_attributes_add(&reader->attributes, entry, size - sizeof(ids));
		if (ids.size / 8 > HW_EVENT_IDS_MAX)
			return hw_fail(err, -EINVAL, "its header is damaged: too many event ids");
		for (uint64_t at = 0; at + 8 <= ids.size && !r; at += 8) {
			if (!hw_source_copy(&reader->source, &id, sizeof(id), ids.offset + at))
				return hw_fail(err, -EINVAL,
				               "its header is damaged: event ids that are not there");
			r = hw_attributes_add_id(&reader->attributes, (size_t)i, id);
		}
	}
	return r ? hw_fail(err, r, "out of memory") : 0;
}

static void find_records(struct hw_reader *reader)
{
	struct hw_file_section *data = &reader->header.data;
	uint64_t file_bytes = reader->source.file_bytes;

	reader->at = data->offset;
	reader->end = data->size > UINT64_MAX - data->offset ? UINT64_MAX : data->offset + data->size;
	/* not closed: the recorder was killed, or still writes; what is there counts */
	if (!data->size || (!reader->closed && reader->end < file_bytes && !reader->header.features[0]))
		reader->end = file_bytes;
	if (reader->at > file_bytes || reader->end > file_bytes) {
		reader->unread = reader->end - (reader->at > file_bytes ? reader->at : file_bytes);
		snprintf(reader->damage, sizeof(reader->damage), "the file is truncated");
		reader->end = file_bytes;
	}
}

static int open_file(struct hw_reader *reader, struct hw_error *err)
{
	struct hw_file_header *header = &reader->header;
	uint64_t rest = sizeof(*header);
	int r;

	if (header->size < sizeof(*header) - sizeof(header->features))
		return hw_fail(err, -EINVAL, "its header has an impossible size");
	if (reader->source.stream)
		return hw_fail(err, -EINVAL,
		               "a recording that was written to a file has to be read from a file");
	if (!hw_source_copy(&reader->source, header, rest, 0))
		return hw_fail(err, -EINVAL, "it ends inside its header");
	r = read_attrs(reader, err);
	if (r)
		return r;
	find_early_features(reader);
	read_features(reader);
	if (!reader->closed)
		read_early_features(reader);
	check_attributes(reader);
	find_records(reader);
	return 0;
}

static int open_reader(struct hw_reader *reader, struct hw_error *err)
{
	uint64_t start[2];
	const void *bytes = hw_source_window(&reader->source, 0, sizeof(start));

	if (!bytes && reader->source.error)
		return hw_fail(err, reader->source.error, "%s", strerror(-reader->source.error));
	if (!bytes)
		return hw_fail(err, -EINVAL, "it does not begin as a perf.data file does");
	memcpy(start, bytes, sizeof(start));
	if (start[0] == HW_FILE_MAGIC_SWAPPED)
		return hw_fail(err, -EINVAL, "it was written on a big-endian machine");
	if (start[0] != HW_FILE_MAGIC)
		return hw_fail(err, -EINVAL, "it does not begin as a perf.data file does");
	reader->header.size = start[1];
	if (start[1] != sizeof(start))
		return open_file(reader, err);
	reader->features.info.pipe = true;
	reader->at = sizeof(start);
	reader->end = reader->source.stream ? UINT64_MAX : reader->source.file_bytes;
	return 0;
}

int hw_reader_open(const char *path, struct hw_reader **result, struct hw_error *err)
{
	struct hw_reader *reader = calloc(1, sizeof(*reader));
	struct hw_error why = {0};
	int r;

	if (!reader)
		return hw_fail(err, -ENOMEM, "out of memory");
	r = hw_source_open(&reader->source, path, err);
	if (r) {
		free(reader);
		return r;
	}
	reader->aligned = malloc(65536);
	r = reader->aligned ? open_reader(reader, &why) : hw_fail(&why, -ENOMEM, "out of memory");
	if (r) {
		hw_reader_close(reader);
		return hw_fail(err, r, "cannot read %s: %s", strcmp(path, "-") ? path : "standard input",
		               why.text);
	}
	*result = reader;
	return 0;
}

void hw_reader_close(struct hw_reader *reader)
{
	if (!reader)
		return;
	hw_source_close(&reader->source);
	hw_attributes_free(&reader->attributes);
	hw_features_free(&reader->features);
	hw_inner_free(&reader->inner);
	free(reader->aligned);
	free(reader);
}

/* ---- records ---- */

static int stop(struct hw_reader *reader, const char *why)
{
	uint64_t end = reader->source.stream ? reader->source.file_bytes : reader->end;

	if (!reader->damage[0])
		snprintf(reader->damage, sizeof(reader->damage), "%s at byte %llu", why,
		         (unsigned long long)reader->at);
	reader->unread += end > reader->at ? end - reader->at : 0;
	reader->at = reader->end = end;
	hw_inner_stop(&reader->inner);
	return 0;
}

static int stop_short(struct hw_reader *reader)
{
	if (reader->source.error)
		return stop(reader, strerror(-reader->source.error));
	if (!reader->closed && !reader->source.stream && !reader->features.info.pipe)
		return stop(reader, "the recording was not closed and ends inside a record");
	return stop(reader, "the recording ends inside a record");
}

/* A record where it is, or a copy where that is no multiple of 8. */
static const struct perf_event_header *align(struct hw_reader *reader, const void *record, size_t size)
{
	if (!((uintptr_t)record % 8))
		return record;
	memcpy(reader->aligned, record, size);
	return (const struct perf_event_header *)reader->aligned;
}

/* Bytes behind a record that its size does not count. */
static uint64_t trailing(const struct perf_event_header *record)
{
	uint64_t bytes = 0;

	if (record->size < 16)
		return 0;
	if (record->type == PERF_RECORD_AUXTRACE)
		memcpy(&bytes, record + 1, 8);
	else if (record->type == PERF_RECORD_HEADER_TRACING_DATA)
		memcpy(&bytes, record + 1, 4);
	return bytes;
}

/* The next record of the outer layer: 1, or 0 at the end. */
static int next_outer(struct hw_reader *reader, const struct perf_event_header **record)
{
	struct perf_event_header header;
	const void *bytes;
	uint64_t extra;

	if (reader->at >= reader->end)
		return 0;
	bytes = reader->end - reader->at >= sizeof(header)
	            ? hw_source_window(&reader->source, reader->at, sizeof(header))
	            : NULL;
	if (!bytes && reader->source.stream && !reader->source.error &&
	    reader->source.file_bytes == reader->at) {
		reader->features.info.ended_cleanly = true;
		reader->end = reader->at;
		return 0;
	}
	if (!bytes)
		return stop_short(reader);
	memcpy(&header, bytes, sizeof(header));
	if (!hw_record_is_possible(&header))
		return stop(reader, "a record of impossible size");
	bytes = header.size <= reader->end - reader->at
	            ? hw_source_window(&reader->source, reader->at, header.size)
	            : NULL;
	if (!bytes)
		return stop_short(reader);
	*record = align(reader, bytes, header.size);
	reader->last = reader->at;
	reader->at += header.size;
	extra = trailing(*record);
	if (extra > reader->end - reader->at)
		return stop_short(reader);
	reader->at += extra;
	return 1;
}

static bool is_compressed(const struct perf_event_header *record)
{
	return record->type == PERF_RECORD_COMPRESSED || record->type == PERF_RECORD_COMPRESSED2;
}

/* What a pipe says about the recording comes as records. 0 or -ENOMEM. */
static int keep_description(struct hw_reader *reader, const struct perf_event_header *record)
{
	uint64_t feature;

	switch (record->type) {
	case PERF_RECORD_HEADER_ATTR:
		return reader->features.info.pipe ? hw_attributes_add_record(&reader->attributes, record) : 0;
	case PERF_RECORD_EVENT_UPDATE:
		hw_attributes_update(&reader->attributes, record);
		return 0;
	case PERF_RECORD_HEADER_BUILD_ID:
		return hw_features_read_build_id(&reader->features, record, record->size);
	case PERF_RECORD_HEADER_FEATURE:
		if (record->size < 16)
			return 0;
		memcpy(&feature, record + 1, sizeof(feature));
		return feature < HW_FEATURE_COUNT
		           ? hw_features_read(&reader->features, (unsigned int)feature,
		                              (const char *)record + 16, record->size - 16u)
		           : 0;
	default:
		return 0;
	}
}

int hw_reader_next(struct hw_reader *reader, const struct perf_event_header **record)
{
	int r;

	for (;;) {
		r = hw_inner_next(&reader->inner, record);
		if (r < 0)
			return stop(reader, "compressed records are damaged");
		if (r) {
			reader->last = (uint64_t)-1;
			break;
		}
		r = next_outer(reader, record);
		if (!r && hw_inner_left(&reader->inner))
			return stop_short(reader);
		if (!r)
			return 0;
		if (!is_compressed(*record))
			break;
		r = hw_inner_begin(&reader->inner, *record);
		if (r)
			return r;
	}
	r = keep_description(reader, *record);
	return r ? r : 1;
}

int hw_reader_decode(struct hw_reader *reader, const struct perf_event_header *record, struct hw_decoded *d)
{
	const struct perf_event_attr *attr;
	size_t event;

	memset(d, 0, sizeof(*d));
	d->body_size = record->size;
	if (record->type >= PERF_RECORD_USER_TYPE_START)
		return 0;
	event = hw_attributes_event_of(&reader->attributes, record);
	if (event >= reader->attributes.events.count)
		return -EINVAL;
	d->event = event;
	attr = d->attr = &reader->attributes.events.items[event].attr;
	return record->type == PERF_RECORD_SAMPLE ? hw_decode_sample(attr, record, d)
	                                          : hw_decode_other(attr, record, d);
}

uint64_t hw_reader_offset(const struct hw_reader *reader)
{
	return reader->source.stream ? (uint64_t)-1 : reader->last;
}

int hw_reader_again(const struct hw_reader *reader, uint64_t offset, void *buffer)
{
	struct perf_event_header header;

	if (!hw_source_copy(&reader->source, &header, sizeof(header), offset) ||
	    !hw_record_is_possible(&header) || header.size > HW_RECORD_SIZE_MAX ||
	    !hw_source_copy(&reader->source, buffer, header.size, offset))
		return -EINVAL;
	/* the file may have changed since the header was read */
	return memcmp(buffer, &header, sizeof(header)) ? -EINVAL : 0;
}

/* ---- about the recording ---- */

const struct hw_reader_event *hw_reader_events(struct hw_reader *reader, size_t *count)
{
	hw_attributes_name(&reader->attributes, (const char *const *)reader->features.event_names.items,
	                   reader->features.event_names.count);
	*count = reader->attributes.events.count;
	return reader->attributes.events.items;
}

const struct hw_reader_info *hw_reader_info(const struct hw_reader *reader)
{
	return &reader->features.info;
}

const char *hw_reader_cost(const struct hw_reader *reader)
{
	return reader->attributes.cost;
}

uint8_t hw_reader_build_id(struct hw_reader *reader, const char *path, uint8_t id[20])
{
	return hw_features_build_id(&reader->features, path, id);
}

uint64_t hw_reader_file_bytes(const struct hw_reader *reader)
{
	return reader->source.file_bytes;
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
