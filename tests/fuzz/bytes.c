/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "bytes.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t fuzz_take(struct fuzz_bytes *bytes, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && bytes->at < bytes->end; i++)
		value |= (uint64_t)*bytes->at++ << (8 * i);
	return value;
}

void *fuzz_memory(size_t size)
{
	void *memory = calloc(size ? size : 1, 1);

	if (!memory)
		abort();
	return memory;
}

int fuzz_file(const uint8_t *content, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, content, size, 0) != (ssize_t)size)
		abort();
	return fd;
}
