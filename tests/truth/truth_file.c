/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "truth_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int by_time(const void *a, const void *b)
{
	uint64_t x = ((const struct truth_walk *)a)->walk->time_ns;
	uint64_t y = ((const struct truth_walk *)b)->walk->time_ns;

	return x < y ? -1 : x > y;
}

/* One record of the ring, size bytes; false: it does not add up. */
static int take(struct truth_walk *walk, const uint8_t *at, uint64_t size)
{
	const struct hw_unfinished *u = (const struct hw_unfinished *)at;

	if (size < sizeof(*u) || u->ip_count > HW_FRAMES_MAX ||
	    size < sizeof(*u) + u->ip_count * 8ull + u->stack_size +
	               (uint64_t)u->mapping_count * sizeof(struct hw_mapping))
		return -1;
	walk->walk = u;
	walk->ips = (const uint64_t *)(u + 1);
	walk->stack = (const uint8_t *)(walk->ips + u->ip_count);
	walk->mappings = (const struct hw_mapping *)(walk->stack + u->stack_size);
	return 0;
}

static int parse(struct truth_file *file)
{
	const uint8_t *at = file->bytes, *end = at + file->size;
	size_t room = 0;
	uint64_t size;

	for (;;) {
		if (end - at < 16)
			return -1;
		memcpy(&size, at, sizeof(size));
		at += sizeof(size);
		if (!size)
			break;
		if (size > (uint64_t)(end - at) || size % 8)
			return -1;
		if (file->count == room) {
			room = room ? 2 * room : 1024;
			file->walks = reallocarray(file->walks, room, sizeof(*file->walks));
			if (!file->walks)
				return -1;
		}
		if (take(&file->walks[file->count++], at, size))
			return -1;
		at += size;
	}
	memcpy(&file->lost, at, sizeof(file->lost));
	return at + sizeof(size) == end ? 0 : -1;
}

int truth_file_read(struct truth_file *file, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = -1;
	struct stat st;

	memset(file, 0, sizeof(*file));
	if (fd >= 0 && !fstat(fd, &st) && st.st_size > 0) {
		file->size = (size_t)st.st_size;
		file->bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file->bytes == MAP_FAILED)
			file->bytes = NULL;
		else
			r = parse(file);
	}
	if (fd >= 0)
		close(fd);
	if (r)
		fprintf(stderr, "%s: not a whole file of record --truth\n", path);
	else if (file->count)
		qsort(file->walks, file->count, sizeof(*file->walks), by_time);
	return r;
}

void truth_file_clear(struct truth_file *file)
{
	free(file->walks);
	if (file->bytes)
		munmap(file->bytes, file->size);
	memset(file, 0, sizeof(*file));
}
