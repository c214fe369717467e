/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Header features, as payloads in memory: what they say, with every size checked. Private to the reader. */
#ifndef HW_PERFDATA_HEADER_FEATURES_H
#define HW_PERFDATA_HEADER_FEATURES_H

#include "base/array.h"
#include "perfdata/reader.h"

struct hw_known_build_id {
	char *path;
	uint8_t id[20];
	uint8_t size;
};

struct hw_features {
	struct hw_reader_info info;
	array_of(char *) event_names;                 /* EVENT_DESC, in the order of attributes */
	array_of(struct perf_event_attr) event_attrs; /* what it says of them, which the header says, too */
	array_of(struct hw_known_build_id) build_ids;
	bool build_ids_sorted;
};

/* What a feature's payload says is added. Nonsense in it is left out. 0 or -ENOMEM. */
int hw_features_read(struct hw_features *features, unsigned int feature, const void *bytes, size_t size);
/* PERF_RECORD_HEADER_BUILD_ID, or an entry of the feature: size bytes that begin with a record's header. */
int hw_features_read_build_id(struct hw_features *features, const void *record, size_t size);
/* The build ID of path: its size, 0 where it is not known. */
uint8_t hw_features_build_id(struct hw_features *features, const char *path, uint8_t id[20]);
void hw_features_free(struct hw_features *features);

#endif
