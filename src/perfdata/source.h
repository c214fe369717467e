/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The bytes of a recording, front to back: of a file, read with pread and never mapped (its owner may
 * truncate it meanwhile), or of a pipe, which is read once.
 */
#ifndef HW_PERFDATA_SOURCE_H
#define HW_PERFDATA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct hw_source {
	int fd;
	bool stream;         /* a pipe: bytes come once, and their number is not known */
	uint64_t file_bytes; /* of a file, when it was opened; of a stream, what came so far */
	char *buffer;
	uint64_t buffer_at; /* where in the source the buffer begins */
	size_t buffer_size;
	int error; /* -errno of a read that failed; 0 */
};

/* path "-": standard input. Regular files and FIFOs (sockets, character devices) only; -errno, told. */
int hw_source_open(struct hw_source *source, const char *path, struct hw_error *err);
void hw_source_close(struct hw_source *source);

/*
 * size bytes (at most 128 KiB) at offset, valid until the next call; NULL where the source does not have
 * them. In a stream offset must not go down.
 */
const void *hw_source_window(struct hw_source *source, uint64_t offset, size_t size);

/* Copy size bytes at any offset of a file: did it have them all? Never of a stream. */
bool hw_source_copy(const struct hw_source *source, void *bytes, size_t size, uint64_t offset);

#endif
