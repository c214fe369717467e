/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/perf_ring.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "perfdata/decode.h"
#include "perfdata/format.h"

static int open_holder(int cpu, size_t data_bytes)
{
	struct perf_event_attr attr = {.size = PERF_ATTR_SIZE_VER5,
	                               .type = PERF_TYPE_SOFTWARE,
	                               .config = PERF_COUNT_SW_DUMMY,
	                               .disabled = 1,
	                               .exclude_kernel = 1,
	                               .exclude_hv = 1,
	                               .sample_id_all = 1,
	                               .use_clockid = 1,
	                               .clockid = CLOCK_MONOTONIC,
	                               .watermark = 1,
	                               .wakeup_watermark = (uint32_t)(data_bytes / 4)};

	return (int)syscall(SYS_perf_event_open, &attr, 0, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Returns 0, or -errno of the mapping. */
static int map_ring(struct hw_perf_ring *ring, int cpu, size_t page_size, size_t data_bytes)
{
	void *memory;
	int r;

	ring->fd = open_holder(cpu, data_bytes);
	if (ring->fd < 0)
		return -errno;
	memory = mmap(NULL, page_size + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (memory == MAP_FAILED) {
		r = -errno;
		close(ring->fd);
		return r;
	}
	ring->page = memory;
	ring->data_size = data_bytes;
	return 0;
}

int hw_perf_rings_add(struct hw_perf_rings *rings, int cpu, bool sampling, size_t data_bytes,
                      struct hw_error *err)
{
	struct hw_perf_ring ring = {.sampling = sampling, .wrapped = malloc(HW_RECORD_SIZE_MAX + 8)};
	struct pollfd ready = {.events = POLLIN};
	int r = -ENOMEM;

	rings->page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (ring.wrapped)
		r = map_ring(&ring, cpu, rings->page_size, data_bytes);
	if (r) {
		free(ring.wrapped);
		return hw_fail(err, r, "cannot make a ring for events of CPU %d: %s", cpu, strerror(-r));
	}
	ready.fd = ring.fd;
	if (array_reserve(&rings->ready, rings->ready.count + 1) || array_push(&rings->rings, ring)) {
		munmap(ring.page, rings->page_size + ring.data_size);
		close(ring.fd);
		free(ring.wrapped);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	array_push(&rings->ready, ready);
	return 0;
}

void hw_perf_rings_free(struct hw_perf_rings *rings)
{
	array_for_each (&rings->rings, ring) {
		munmap(ring->page, rings->page_size + ring->data_size);
		close(ring->fd);
		free(ring->wrapped);
	}
	array_free(&rings->rings);
	array_free(&rings->ready);
}

static uint64_t time_of(const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;

	if (record->type == PERF_RECORD_SAMPLE)
		return record->size >= 32 ? words[3] : 0;
	return record->size >= 32 ? words[record->size / 8 - 2] : 0;
}

/* Look at the record at tail. What is not in order is skipped with all that follows. */
static void look(struct hw_perf_ring *ring, size_t page_size)
{
	const char *data = (const char *)ring->page + page_size;
	size_t at = ring->tail & (ring->data_size - 1), first;
	const struct perf_event_header *header = (const void *)(data + at);

	ring->next = NULL;
	if (ring->tail >= ring->head)
		return;
	if (header->size < sizeof(*header) || header->size % 8 || header->size > ring->head - ring->tail) {
		ring->tail = ring->head;
		return;
	}
	if (at + header->size > ring->data_size) {
		first = ring->data_size - at;
		memcpy(ring->wrapped, data + at, first);
		memcpy((char *)ring->wrapped + first, data, header->size - first);
		header = (const void *)ring->wrapped;
	}
	ring->next_size = header->size;
	ring->next = hw_decode_trim(header, 3 * sizeof(uint64_t), ring->wrapped); /* TID, TIME, CPU */
	ring->next_ns = time_of(ring->next);
}

static struct hw_perf_ring *oldest(struct hw_perf_rings *rings)
{
	struct hw_perf_ring *found = NULL;

	array_for_each (&rings->rings, ring)
		if (ring->next && (!found || ring->next_ns < found->next_ns))
			found = ring;
	return found;
}

static void count_loss(struct hw_perf_rings *rings, const struct hw_perf_ring *ring)
{
	uint64_t lost = ring->next->size >= 24 ? ((const uint64_t *)(ring->next + 1))[1] : 0;

	if (ring->next->type == PERF_RECORD_LOST_SAMPLES)
		lost = ring->next->size >= 16 ? *(const uint64_t *)(ring->next + 1) : 0;
	*(ring->sampling ? &rings->lost_samples : &rings->lost_side_band) += lost;
}

int hw_perf_rings_read(struct hw_perf_rings *rings, uint64_t before_ns,
                       int (*take)(void *context, const struct perf_event_header *record,
                                   struct hw_error *err),
                       void *context, struct hw_error *err)
{
	struct hw_perf_ring *ring;
	int r = 0;

	array_for_each (&rings->rings, it) {
		it->head = __atomic_load_n(&it->page->data_head, __ATOMIC_ACQUIRE);
		look(it, rings->page_size);
	}
	while (!r && (ring = oldest(rings)) && ring->next_ns < before_ns) {
		if (ring->next->type == PERF_RECORD_LOST || ring->next->type == PERF_RECORD_LOST_SAMPLES)
			count_loss(rings, ring);
		else
			r = take(context, ring->next, err);
		ring->tail += ring->next_size;
		__atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
		look(ring, rings->page_size);
	}
	return r;
}
