/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Records inside of compressed ones. Private to the reader. */
#ifndef HW_PERFDATA_INNER_H
#define HW_PERFDATA_INNER_H

#include "perfdata/compression.h"
#include "perfdata/format.h"

struct hw_inner {
	struct hw_decompressor *decompressor; /* NULL until the first compressed record */
	uint8_t *bytes;                       /* decompressed records, from at to size */
	size_t at, size;
	bool more; /* the decompressor has more to give */
	uint64_t aligned[65536 / 8];
};

/* Take a compressed record in; all that were inside of the one before must have been taken. 0 or -ENOMEM. */
int hw_inner_begin(struct hw_inner *inner, const struct perf_event_header *record);
/* 1 with *record, 8-byte aligned; 0: no whole one is left, another compressed record is needed; -EINVAL. */
int hw_inner_next(struct hw_inner *inner, const struct perf_event_header **record);
/* Bytes of a record whose rest did not come yet. */
size_t hw_inner_left(const struct hw_inner *inner);
void hw_inner_stop(struct hw_inner *inner); /* give up what is left */
void hw_inner_free(struct hw_inner *inner);

#endif
