/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/beginning.h"

#include <stdlib.h>

static const enum hw_feature early_features[] = {
    HW_FEATURE_HOSTNAME,   HW_FEATURE_OSRELEASE,  HW_FEATURE_VERSION, HW_FEATURE_ARCH,
    HW_FEATURE_NRCPUS,     HW_FEATURE_CPUDESC,    HW_FEATURE_CPUID,   HW_FEATURE_TOTAL_MEM,
    HW_FEATURE_CMDLINE,    HW_FEATURE_EVENT_DESC, HW_FEATURE_CLOCKID, HW_FEATURE_COMPRESSED,
    HW_FEATURE_CLOCK_DATA,
};
#define EARLY_COUNT (sizeof(early_features) / sizeof(*early_features))

int hw_beginning_check(const struct hw_writer_options *o, struct hw_error *err)
{
	const struct hw_writer_event *events = o->events;

	if (!o->event_count || o->event_count > 1024)
		return hw_fail(err, -EINVAL, "a perf.data file needs 1 to 1024 events, not %zu",
		               o->event_count);
	for (size_t i = 0; i < o->event_count; i++) {
		uint32_t size = events[i].attr.size;

		if (size && (size < HW_ATTR_SIZE_MIN || size > HW_ATTR_SIZE_NEWEST || size % 8))
			return hw_fail(err, -EINVAL, "event %s: attribute of %u bytes, not 64 to %d",
			               events[i].name, size, HW_ATTR_SIZE_NEWEST);
		if (size != events[0].attr.size || events[i].attr.sample_type != events[0].attr.sample_type)
			return hw_fail(err, -EINVAL, "event %s: size or sample type is not that of %s",
			               events[i].name, events[0].name);
		if (events[i].id_count > 65536)
			return hw_fail(err, -EINVAL, "event %s: more than 65536 ids", events[i].name);
	}
	return 0;
}

static void image_attr(const struct perf_event_attr *attr, struct hw_attr_image *image)
{
	memset(image, 0, sizeof(*image));
	image->size = attr->size ? attr->size : PERF_ATTR_SIZE_VER7;
	memcpy(image->bytes, attr, image->size < sizeof(*attr) ? image->size : sizeof(*attr));
	memcpy(image->bytes + offsetof(struct perf_event_attr, size), &image->size, sizeof(image->size));
}

/* ids and attrs, right after the header */
static int put_attrs(struct hw_beginning *b, const struct hw_feature_input *input)
{
	struct hw_bytes *bytes = &b->bytes;
	const struct hw_writer_options *o = input->options;
	struct hw_file_section ids = {.offset = sizeof(struct hw_file_header)};

	for (size_t i = 0; i < o->event_count; i++)
		if (hw_bytes_put(bytes, o->events[i].ids, o->events[i].id_count * sizeof(uint64_t)))
			return -ENOMEM;
	b->header.attr_size = input->attrs[0].size + sizeof(ids);
	b->header.attrs.offset = bytes->count;
	b->header.attrs.size = o->event_count * b->header.attr_size;
	for (size_t i = 0; i < o->event_count; i++) {
		ids.size = o->events[i].id_count * sizeof(uint64_t);
		if (hw_bytes_put(bytes, input->attrs[i].bytes, input->attrs[i].size) ||
		    hw_bytes_put(bytes, &ids, sizeof(ids)))
			return -ENOMEM;
		ids.offset += ids.size;
	}
	return 0;
}

/* Early features: header and table first with the room they need at most, then payloads. */
static int put_early(struct hw_beginning *b, const struct hw_feature_input *input)
{
	struct hw_bytes *bytes = &b->bytes;
	struct hw_early_header early = {.magic = HW_EARLY_MAGIC};
	size_t start = bytes->count, table = start + sizeof(early);

	if (hw_bytes_put_zeros(bytes, sizeof(early) + EARLY_COUNT * sizeof(struct hw_file_section)))
		return -ENOMEM;
	for (size_t i = 0; i < EARLY_COUNT; i++) {
		enum hw_feature feature = early_features[i];
		struct hw_file_section section = {.offset = bytes->count};
		int r = hw_feature_encode(feature, input, bytes);

		if (r == -ENOENT)
			continue;
		if (r)
			return r;
		section.size = bytes->count - section.offset;
		b->sections[feature] = section;
		memcpy(bytes->items + table, &section, sizeof(section));
		table += sizeof(section);
		early.features |= 1ull << feature;
	}
	memcpy(bytes->items + start, &early, sizeof(early));
	return hw_bytes_put_zeros(bytes, -bytes->count % 8);
}

int hw_beginning_make(struct hw_beginning *b, const struct hw_writer_options *o)
{
	struct hw_bytes *bytes = &b->bytes;
	struct hw_feature_input input = {.options = o, .machine = o->machine};
	const struct perf_event_attr *attr = &o->events[0].attr;
	struct hw_this_machine here;
	struct hw_attr_image *attrs;
	int r = -ENOMEM;

	if (!input.machine) {
		hw_machine_this(&here, attr->use_clockid ? attr->clockid : -1);
		input.machine = &here.machine;
	}
	attrs = calloc(o->event_count, sizeof(*attrs));
	if (!attrs)
		return -ENOMEM;
	for (size_t i = 0; i < o->event_count; i++)
		image_attr(&o->events[i].attr, &attrs[i]);
	input.attrs = attrs;
	b->header.magic = HW_FILE_MAGIC;
	b->header.size = sizeof(b->header);
	if (hw_bytes_put_zeros(bytes, sizeof(b->header)))
		goto out;
	r = put_attrs(b, &input);
	if (!r)
		r = put_early(b, &input);
	b->header.data.offset = bytes->count;
	if (!r)
		memcpy(bytes->items, &b->header, sizeof(b->header));
out:
	free(attrs);
	return r;
}
