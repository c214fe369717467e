/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "session/shared_ring.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE  4096
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

static bool is_size(uint64_t size)
{
	return size >= HW_SHARED_RING_MIN && size <= HW_SHARED_RING_MAX && !(size & (size - 1));
}

static int map(struct hw_shared_ring *ring, int fd, uint64_t size)
{
	void *memory = mmap(NULL, PAGE + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	memset(ring, 0, sizeof(*ring));
	ring->page = memory;
	ring->data = (char *)memory + PAGE;
	ring->size = size;
	ring->fd = fd;
	return 0;
}

int hw_shared_ring_create(uint64_t size, struct hw_shared_ring *ring)
{
	int fd, r = 0;

	if (!is_size(size))
		return -EINVAL;
	fd = memfd_create("homeward-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)(PAGE + size)) || fcntl(fd, F_ADD_SEALS, SEALS))
		r = -errno;
	if (!r)
		r = map(ring, fd, size);
	if (r)
		close(fd);
	return r;
}

int hw_shared_ring_open(int fd, uint64_t size, struct hw_shared_ring *ring)
{
	struct stat st;
	void *record;
	int r;

	if (!is_size(size) || fstat(fd, &st) || (uint64_t)st.st_size != PAGE + size)
		return -EPROTO;
	record = malloc(UINT16_MAX + 1);
	if (!record)
		return -ENOMEM;
	r = map(ring, fd, size);
	if (r)
		free(record);
	else
		ring->record = record;
	return r;
}

void hw_shared_ring_close(struct hw_shared_ring *ring)
{
	if (!ring->page)
		return;
	munmap(ring->page, PAGE + ring->size);
	close(ring->fd);
	free(ring->record);
	memset(ring, 0, sizeof(*ring));
}

uint64_t hw_shared_ring_room(const struct hw_shared_ring *ring)
{
	uint64_t used = ring->head - __atomic_load_n(&ring->page->tail, __ATOMIC_ACQUIRE);

	return used > ring->size ? 0 : ring->size - used;
}

bool hw_shared_ring_put(struct hw_shared_ring *ring, const struct perf_event_header *record)
{
	uint64_t size = record->size, at = ring->head & (ring->size - 1), first;

	if (size > hw_shared_ring_room(ring))
		return false;
	first = ring->size - at < size ? ring->size - at : size;
	memcpy(ring->data + at, record, first);
	memcpy(ring->data, (const char *)record + first, size - first);
	ring->head += size;
	__atomic_store_n(&ring->page->head, ring->head, __ATOMIC_RELEASE);
	return true;
}

/* The record at tail, whole, or NULL: there is none such. */
static const struct perf_event_header *record_at(const struct hw_shared_ring *ring, uint64_t tail,
                                                 uint64_t head)
{
	uint64_t at = tail & (ring->size - 1), first = ring->size - at;
	struct perf_event_header header;

	if (head - tail < sizeof(header))
		return NULL;
	memcpy(&header, ring->data + at,
	       sizeof(header)); /* records are multiples of 8 bytes, so is the size */
	if (header.size < sizeof(header) || header.size % 8 || header.size > head - tail)
		return NULL;
	if (header.size <= first)
		return (const void *)(ring->data + at);
	memcpy(ring->record, ring->data + at, first);
	memcpy((char *)ring->record + first, ring->data, header.size - first);
	return ring->record;
}

int hw_shared_ring_read(struct hw_shared_ring *ring,
                        int (*take)(void *context, const struct perf_event_header *record,
                                    struct hw_error *err),
                        void *context, struct hw_error *err)
{
	uint64_t head = __atomic_load_n(&ring->page->head, __ATOMIC_ACQUIRE), tail = ring->page->tail;
	const struct perf_event_header *record;
	int r = 0;

	if (head - tail > ring->size)
		return hw_fail(err, -EPROTO, "the daemon's ring is out of order");
	while (tail != head && r >= 0) {
		record = record_at(ring, tail, head);
		if (!record)
			return hw_fail(err, -EPROTO, "the daemon's ring holds something that is no record");
		r = take(context, record, err);
		tail += record->size;
		__atomic_store_n(&ring->page->tail, tail, __ATOMIC_RELEASE);
	}
	return r < 0 ? r : 0;
}
