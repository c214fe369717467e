/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/compression.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/error.h"
#include "perfdata/format.h"

#define EXPANDED_MAX (64u << 20) /* of one record: perf's own buffers are smaller */
#define WINDOW_LOG   25          /* 32 MiB: perf's streams need 8 at level 22 */

struct hw_compressor {
	ZSTD_CStream *stream;
};

struct hw_decompressor {
	ZSTD_DStream *stream;
	ZSTD_inBuffer input;
	uint64_t expanded; /* bytes of the record at hand */
	uint8_t bytes[65536];
};

struct hw_compressor *hw_compressor_new(int level)
{
	struct hw_compressor *compressor = calloc(1, sizeof(*compressor));

	if (!compressor)
		return NULL;
	compressor->stream = ZSTD_createCStream();
	if (!compressor->stream || ZSTD_isError(ZSTD_initCStream(compressor->stream, level))) {
		hw_compressor_free(compressor);
		return NULL;
	}
	return compressor;
}

void hw_compressor_free(struct hw_compressor *compressor)
{
	if (!compressor)
		return;
	ZSTD_freeCStream(compressor->stream);
	free(compressor);
}

int hw_compressor_record(struct hw_compressor *compressor, const void *bytes, size_t size, void *record)
{
	struct perf_event_header header = {.type = PERF_RECORD_COMPRESSED};
	ZSTD_inBuffer input = {.src = bytes, .size = size};
	ZSTD_outBuffer output = {.dst = (char *)record + sizeof(header),
	                         .size = HW_RECORD_SIZE_MAX - sizeof(header)};

	/* 0: everything was flushed */
	if (size > HW_COMPRESS_CHUNK ||
	    ZSTD_compressStream2(compressor->stream, &output, &input, ZSTD_e_flush) || input.pos < size)
		return -EINVAL;
	header.size = (uint16_t)(sizeof(header) + output.pos);
	memcpy(record, &header, sizeof(header));
	return header.size;
}

struct hw_decompressor *hw_decompressor_new(void)
{
	struct hw_decompressor *decompressor = calloc(1, sizeof(*decompressor));

	if (!decompressor)
		return NULL;
	decompressor->stream = ZSTD_createDStream();
	if (!decompressor->stream ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(decompressor->stream, ZSTD_d_windowLogMax, WINDOW_LOG))) {
		hw_decompressor_free(decompressor);
		return NULL;
	}
	return decompressor;
}

void hw_decompressor_free(struct hw_decompressor *decompressor)
{
	if (!decompressor)
		return;
	ZSTD_freeDStream(decompressor->stream);
	free(decompressor);
}

void hw_decompressor_give(struct hw_decompressor *decompressor, const void *bytes, size_t size)
{
	if (size > sizeof(decompressor->bytes))
		size = sizeof(decompressor->bytes);
	memcpy(decompressor->bytes, bytes, size);
	decompressor->input = (ZSTD_inBuffer){.src = decompressor->bytes, .size = size};
	decompressor->expanded = 0;
}

long hw_decompressor_take(struct hw_decompressor *decompressor, void *bytes, size_t size)
{
	ZSTD_outBuffer output = {.dst = bytes, .size = size};
	size_t before;

	do {
		before = decompressor->input.pos + output.pos;
		if (ZSTD_isError(ZSTD_decompressStream(decompressor->stream, &output, &decompressor->input)))
			return -EINVAL;
	} while (output.pos < size && decompressor->input.pos + output.pos > before);
	decompressor->expanded += output.pos;
	return decompressor->expanded > EXPANDED_MAX ? -EINVAL : (long)output.pos;
}
