/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/xz.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#define DECODER_BYTES_MAX (128ull << 20) /* xz -9 needs 65 MiB to unpack */
#define FIRST_BYTES       (1u << 20)

static int errno_of(lzma_ret ret)
{
	switch (ret) {
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -E2BIG;
	default:
		return -EINVAL;
	}
}

/* Double the buffer up to limit. */
static int grow(uint8_t **buffer, size_t *capacity, size_t limit)
{
	size_t want = *capacity ? *capacity * 2 : FIRST_BYTES;
	uint8_t *grown;

	if (*capacity >= limit)
		return -E2BIG;
	if (want > limit)
		want = limit;
	grown = realloc(*buffer, want);
	if (!grown)
		return -ENOMEM;
	*buffer = grown;
	*capacity = want;
	return 0;
}

int hw_xz_unpack(const uint8_t *in, size_t size, size_t limit, uint8_t **out, size_t *out_size)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *buffer = NULL;
	size_t capacity = 0;
	lzma_ret ret;
	int r;

	if (limit > SIZE_MAX / 2)
		limit = SIZE_MAX / 2;
	ret = lzma_stream_decoder(&stream, DECODER_BYTES_MAX, 0);
	if (ret != LZMA_OK)
		return errno_of(ret);
	stream.next_in = in;
	stream.avail_in = size;
	do {
		if (!stream.avail_out) {
			r = grow(&buffer, &capacity, limit);
			if (r)
				goto err_out;
			stream.next_out = buffer + stream.total_out;
			stream.avail_out = capacity - stream.total_out;
		}
		ret = lzma_code(&stream, LZMA_FINISH);
	} while (ret == LZMA_OK);
	if (ret != LZMA_STREAM_END) {
		r = errno_of(ret);
		goto err_out;
	}
	*out = buffer;
	*out_size = stream.total_out;
	lzma_end(&stream);
	return 0;
err_out:
	lzma_end(&stream);
	free(buffer);
	return r;
}
