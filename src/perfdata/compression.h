/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * PERF_RECORD_COMPRESSED: records in a zstd stream that is cut into records, as "perf record -z" writes it
 * (tools/perf/util/zstd.c). The stream goes on from one record to the next, so that each profits from those
 * before; it is flushed at the end of each, so that each can be read when it is there.
 */
#ifndef HW_PERFDATA_COMPRESSION_H
#define HW_PERFDATA_COMPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of records that one compressed record holds at most: fits even where nothing can be compressed. */
#define HW_COMPRESS_CHUNK 60000u

struct hw_compressor;
struct hw_decompressor;

struct hw_compressor *hw_compressor_new(int level); /* zstd's, 1 to 22; NULL: out of memory */
void hw_compressor_free(struct hw_compressor *compressor);
/*
 * Write one record of type PERF_RECORD_COMPRESSED with size bytes (at most HW_COMPRESS_CHUNK) to record,
 * which has room for HW_RECORD_SIZE_MAX. Returns its size, any number of bytes; -errno.
 */
int hw_compressor_record(struct hw_compressor *compressor, const void *bytes, size_t size, void *record);

struct hw_decompressor *hw_decompressor_new(void);
void hw_decompressor_free(struct hw_decompressor *decompressor);
/* The next size bytes of the stream; copied. They have to be taken before more is given. */
void hw_decompressor_give(struct hw_decompressor *decompressor, const void *bytes, size_t size);
/*
 * Up to size bytes of what they hold. Returns their number, 0 when all was taken; -EINVAL where the stream is
 * damaged or one record of it would hold more than 64 MiB.
 */
long hw_decompressor_take(struct hw_decompressor *decompressor, void *bytes, size_t size);

#endif
