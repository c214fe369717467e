/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/inner.h"

#include <errno.h>
#include <stdlib.h>

#define INNER_BYTES (1u << 20)

void hw_inner_free(struct hw_inner *inner)
{
	hw_decompressor_free(inner->decompressor);
	free(inner->bytes);
}

void hw_inner_stop(struct hw_inner *inner)
{
	inner->at = inner->size = 0;
	inner->more = false;
}

size_t hw_inner_left(const struct hw_inner *inner)
{
	return inner->size - inner->at;
}

/* A record where it is, or a copy where that is no multiple of 8. */
static const struct perf_event_header *align(struct hw_inner *inner, const void *record, size_t size)
{
	if (!((uintptr_t)record % 8))
		return record;
	memcpy(inner->aligned, record, size);
	return (const struct perf_event_header *)inner->aligned;
}

int hw_inner_begin(struct hw_inner *inner, const struct perf_event_header *record)
{
	size_t from = sizeof(*record), size = record->size - from;
	uint64_t said;

	if (!inner->decompressor) {
		inner->decompressor = hw_decompressor_new();
		inner->bytes = malloc(INNER_BYTES);
		if (!inner->decompressor || !inner->bytes)
			return -ENOMEM;
	}
	if (record->type == PERF_RECORD_COMPRESSED2) { /* says its size, is filled up to a multiple of 8 */
		if (size < sizeof(said))
			return 0;
		memcpy(&said, record + 1, sizeof(said));
		from += sizeof(said);
		size -= sizeof(said);
		size = said < size ? (size_t)said : size;
	}
	hw_decompressor_give(inner->decompressor, (const char *)record + from, size);
	inner->more = true;
	return 0;
}

/* Fill the buffer of decompressed records up. 0, or -EINVAL where they are damaged. */
static int fill(struct hw_inner *inner)
{
	size_t left = inner->size - inner->at;
	long got;

	memmove(inner->bytes, inner->bytes + inner->at, left);
	inner->at = 0;
	inner->size = left;
	got = hw_decompressor_take(inner->decompressor, inner->bytes + left, INNER_BYTES - left);
	if (got < 0)
		return -EINVAL;
	inner->size += (size_t)got;
	inner->more = inner->size == INNER_BYTES;
	return 0;
}

/* 1: a record; 0: more of the outer layer is needed; -EINVAL: damage. */
int hw_inner_next(struct hw_inner *inner, const struct perf_event_header **record)
{
	struct perf_event_header header;

	for (;;) {
		size_t left = inner->size - inner->at;

		if (left >= sizeof(header)) {
			memcpy(&header, inner->bytes + inner->at, sizeof(header));
			if (!hw_record_is_possible(&header))
				return -EINVAL;
			if (header.size <= left) {
				*record = align(inner, inner->bytes + inner->at, header.size);
				inner->at += header.size;
				return 1;
			}
		}
		if (!inner->more)
			return 0;
		if (fill(inner))
			return -EINVAL;
	}
}
