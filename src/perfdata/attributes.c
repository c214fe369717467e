/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/attributes.h"

#include <stdio.h>
#include <stdlib.h>

int hw_attributes_add(struct hw_attributes *attributes, const void *attr, size_t size)
{
	struct hw_reader_event event = {0};

	memcpy(&event.attr, attr, size < sizeof(event.attr) ? size : sizeof(event.attr));
	return array_push(&attributes->events, event);
}

int hw_attributes_add_id(struct hw_attributes *attributes, size_t event, uint64_t id)
{
	struct hw_event_id entry = {.id = id, .event = event};

	attributes->ids_sorted = false;
	return array_push(&attributes->ids, entry);
}

int hw_attributes_add_record(struct hw_attributes *attributes, const struct perf_event_header *record)
{
	const char *bytes = (const char *)(record + 1);
	size_t size = record->size - sizeof(*record), event = attributes->events.count;
	uint32_t attr_size;
	uint64_t id;
	int r;

	if (size < HW_ATTR_SIZE_MIN || event >= HW_EVENTS_MAX)
		return 0;
	memcpy(&attr_size, bytes + offsetof(struct perf_event_attr, size), sizeof(attr_size));
	if (attr_size < HW_ATTR_SIZE_MIN || attr_size > size)
		return 0;
	r = hw_attributes_add(attributes, bytes, attr_size);
	for (size_t at = attr_size; at + sizeof(id) <= size && !r; at += sizeof(id)) {
		memcpy(&id, bytes + at, sizeof(id));
		r = hw_attributes_add_id(attributes, event, id);
	}
	return r;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct hw_event_id *)a)->id, y = ((const struct hw_event_id *)b)->id;

	return x < y ? -1 : x > y;
}

/* Unknown ids, and 0 (perf's own records), belong to the first event, as perf has it. */
static size_t event_of_id(struct hw_attributes *attributes, uint64_t id)
{
	struct hw_event_id key = {.id = id}, *found;

	if (!id || !attributes->ids.count)
		return 0;
	if (!attributes->ids_sorted)
		qsort(attributes->ids.items, attributes->ids.count, sizeof(key), by_id);
	attributes->ids_sorted = true;
	found = bsearch(&key, attributes->ids.items, attributes->ids.count, sizeof(key), by_id);
	return found ? found->event : 0;
}

void hw_attributes_update(struct hw_attributes *attributes, const struct perf_event_header *record)
{
	const char *bytes = (const char *)record;
	size_t event, size;
	uint64_t what, id;

	if (record->size <= 24 || !attributes->events.count)
		return;
	memcpy(&what, bytes + 8, 8);
	memcpy(&id, bytes + 16, 8);
	event = event_of_id(attributes, id);
	size = strnlen(bytes + 24, record->size - 24u);
	if (what == HW_EVENT_UPDATE_UNIT)
		snprintf(attributes->cost, sizeof(attributes->cost), "%.*s", (int)size, bytes + 24);
	else if (what == HW_EVENT_UPDATE_NAME && event < attributes->events.count)
		snprintf(attributes->events.items[event].name, sizeof(attributes->events.items[event].name),
		         "%.*s", (int)size, bytes + 24);
}

static const char *name_of(const struct perf_event_attr *attr)
{
	static const char *const software[] = {
	    "cpu-clock",        "task-clock",   "page-faults",  "context-switches",
	    "cpu-migrations",   "minor-faults", "major-faults", "alignment-faults",
	    "emulation-faults", "dummy",        "bpf-output"};
	static const char *const hardware[] = {"cycles",
	                                       "instructions",
	                                       "cache-references",
	                                       "cache-misses",
	                                       "branches",
	                                       "branch-misses",
	                                       "bus-cycles",
	                                       "stalled-cycles-frontend",
	                                       "stalled-cycles-backend",
	                                       "ref-cycles"};

	if (attr->type == PERF_TYPE_SOFTWARE && attr->config < sizeof(software) / sizeof(*software))
		return software[attr->config];
	if (attr->type == PERF_TYPE_HARDWARE && attr->config < sizeof(hardware) / sizeof(*hardware))
		return hardware[attr->config];
	return NULL;
}

void hw_attributes_name(struct hw_attributes *attributes, const char *const *names, size_t count)
{
	for (size_t i = 0; i < attributes->events.count; i++) {
		struct hw_reader_event *event = &attributes->events.items[i];
		const char *name = i < count ? names[i] : name_of(&event->attr);

		if (event->name[0])
			continue;
		if (name)
			snprintf(event->name, sizeof(event->name), "%s", name);
		else
			snprintf(event->name, sizeof(event->name), "event-%zu", i);
	}
}

/* All events of a recording have their id at the same place (perf sees to that), so the first tells where. */
size_t hw_attributes_event_of(struct hw_attributes *attributes, const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;
	const struct perf_event_attr *attr;
	size_t count = record->size / 8, at;

	if (attributes->events.count <= 1)
		return 0;
	attr = &attributes->events.items[0].attr;
	if (record->type == PERF_RECORD_SAMPLE) {
		at = hw_decode_id_word(attr->sample_type);
		return at && at < count ? event_of_id(attributes, words[at]) : 0;
	}
	at = attr->sample_id_all ? hw_decode_id_word_from_end(attr->sample_type) : 0;
	count = hw_decode_size(record, 8u * hw_decode_id_words(attr->sample_type)) / 8;
	return at && at < count ? event_of_id(attributes, words[count - at]) : 0;
}

void hw_attributes_free(struct hw_attributes *attributes)
{
	array_free(&attributes->events);
	array_free(&attributes->ids);
}
