/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The header features that our recordings carry, as bytes. Layout:
 * tools/perf/Documentation/perf.data-file-format.txt, and tools/perf/util/header.c where that is silent.
 * Private to the writer.
 */
#ifndef HW_PERFDATA_ENCODE_H
#define HW_PERFDATA_ENCODE_H

#include "base/array.h"
#include "perfdata/writer.h"

struct hw_bytes {
	uint8_t *items;
	size_t count, capacity;
};

int hw_bytes_put(struct hw_bytes *bytes, const void *data, size_t size); /* 0 or -ENOMEM */
int hw_bytes_put_zeros(struct hw_bytes *bytes, size_t size);

/* Where in the COMPRESSED feature the ratio stands, which only the end knows */
#define HW_COMPRESSED_RATIO_AT 12

/* What stands of an attribute in a file: size bytes, of which the kernel header may know fewer. */
struct hw_attr_image {
	uint8_t bytes[HW_ATTR_SIZE_NEWEST];
	uint32_t size;
};

/* What features are made from: the caller's options with every default filled in. */
struct hw_feature_input {
	const struct hw_writer_options *options;
	const struct hw_machine *machine;
	const struct hw_attr_image *attrs; /* options->event_count of them */
};

/*
 * Append a feature's payload. -ENOENT: there is nothing to say (nothing was appended, the feature is to be
 * left out); -ENOMEM.
 */
int hw_feature_encode(enum hw_feature feature, const struct hw_feature_input *input, struct hw_bytes *bytes);

/* Append one entry of the build-ID table. */
int hw_feature_encode_build_id(uint16_t misc, pid_t pid, const uint8_t *build_id, size_t size,
                               const char *path, struct hw_bytes *bytes);

#endif
