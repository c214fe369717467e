/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A recording's events: their attributes, names and ids, and which of them a record belongs to. */
#ifndef HW_PERFDATA_ATTRIBUTES_H
#define HW_PERFDATA_ATTRIBUTES_H

#include "base/array.h"
#include "perfdata/reader.h"

#define HW_EVENTS_MAX          1024
#define HW_EVENT_IDS_MAX       65536 /* of one event */
#define HW_ATTRIBUTE_ENTRY_MAX 4096  /* bytes of an attribute, and what a file's header adds to it */

struct hw_event_id {
	uint64_t id;
	size_t event;
};

struct hw_attributes {
	array_of(struct hw_reader_event) events;
	array_of(struct hw_event_id) ids;
	bool ids_sorted;
	char cost[64]; /* see hw_reader_cost */
};

/* size bytes of an attribute; what lies beyond our own header's is left out. 0 or -ENOMEM. */
int hw_attributes_add(struct hw_attributes *attributes, const void *attr, size_t size);
int hw_attributes_add_id(struct hw_attributes *attributes, size_t event, uint64_t id);
/* PERF_RECORD_HEADER_ATTR; one that makes no sense is left out. */
int hw_attributes_add_record(struct hw_attributes *attributes, const struct perf_event_header *record);
/* PERF_RECORD_EVENT_UPDATE: an event's name, or what sampling cost. */
void hw_attributes_update(struct hw_attributes *attributes, const struct perf_event_header *record);
/* Give events without a name that of the list, or one by what they count. */
void hw_attributes_name(struct hw_attributes *attributes, const char *const *names, size_t count);
/* The index of the event that a kernel's record belongs to; at least their count where there is none. */
size_t hw_attributes_event_of(struct hw_attributes *attributes, const struct perf_event_header *record);
void hw_attributes_free(struct hw_attributes *attributes);

#endif
