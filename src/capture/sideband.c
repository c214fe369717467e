/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Process events: the kernel's own records of mmap, comm, fork and exit, from one dummy event a CPU. All
 * carry the sample_id of our recordings.
 */
#include "capture/event.h"
#include "capture/internal.h"
#include "perfdata/decode.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Of each CPU's ring, powers of two. Storms of processes write megabytes a second, and what is lost leaves
 * stacks without names; but all rings together shall not take more than ALL_PAGES.
 */
#define DATA_PAGES_MIN 64
#define DATA_PAGES_MAX 512
#define ALL_PAGES      8192

struct band_cpu {
	int fd;
	struct perf_event_mmap_page *page;
};

struct hw_side_band {
	struct band_cpu *cpus;
	uint32_t cpu_count;
	bool enabled;
	size_t page_size;
	size_t data_pages; /* of each CPU */
	uint64_t lost;
	uint64_t record[65536 / 8]; /* a record that wraps around is put together here */
};

static void close_cpu(struct hw_side_band *band, struct band_cpu *cpu)
{
	if (cpu->page)
		munmap(cpu->page, (band->data_pages + 1) * band->page_size);
	if (cpu->fd >= 0)
		close(cpu->fd);
	cpu->page = NULL;
	cpu->fd = -1;
}

/* 0, also for a CPU that is offline, or -errno. */
static int open_cpu(struct hw_side_band *band, uint32_t cpu)
{
	struct band_cpu *each = &band->cpus[cpu];
	struct perf_event_attr attr;
	void *page;
	int r;

	hw_event_set_side_band(&attr);
	attr.ksymbol = 1;
	attr.watermark = 1;
	attr.wakeup_watermark = (uint32_t)(band->data_pages * band->page_size / 2);
	each->fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (each->fd < 0)
		return errno == ENODEV ? 0 : -errno;
	page = mmap(NULL, (band->data_pages + 1) * band->page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	            each->fd, 0);
	if (page == MAP_FAILED) {
		r = -errno;
		close_cpu(band, each);
		return r;
	}
	each->page = page;
	return 0;
}

/* Open all CPUs with rings of data_pages; after an error, none. */
static int open_cpus(struct hw_side_band *band, struct hw_error *err)
{
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++) {
		int r = open_cpu(band, cpu);

		if (!r)
			continue;
		while (cpu--)
			close_cpu(band, &band->cpus[cpu]);
		return hw_fail(err, r, "cannot open the ring of process events of a CPU: %s", strerror(-r));
	}
	return 0;
}

int hw_side_band_open(uint32_t cpu_count, struct hw_side_band **result, struct hw_error *err)
{
	struct hw_side_band *band = calloc(1, sizeof(*band));
	int r;

	if (!band)
		return hw_fail(err, -ENOMEM, "out of memory");
	band->page_size = (size_t)sysconf(_SC_PAGESIZE);
	band->cpus = calloc(cpu_count, sizeof(*band->cpus));
	band->cpu_count = band->cpus ? cpu_count : 0;
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++)
		band->cpus[cpu].fd = -1;
	band->data_pages = DATA_PAGES_MAX;
	while (band->data_pages > DATA_PAGES_MIN && band->data_pages * cpu_count > ALL_PAGES)
		band->data_pages /= 2;
	/* without CAP_IPC_LOCK only so much memory can be had */
	while ((r = open_cpus(band, err)) && (r == -EPERM || r == -ENOMEM) &&
	       band->data_pages > DATA_PAGES_MIN)
		band->data_pages /= 2;
	if (r) {
		hw_side_band_close(band);
		return r;
	}
	*result = band;
	return 0;
}

void hw_side_band_close(struct hw_side_band *band)
{
	if (!band)
		return;
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++)
		close_cpu(band, &band->cpus[cpu]);
	free(band->cpus);
	free(band);
}

int hw_side_band_enable(struct hw_side_band *band, struct hw_error *err)
{
	band->enabled = true;
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++)
		if (band->cpus[cpu].fd >= 0 && ioctl(band->cpus[cpu].fd, PERF_EVENT_IOC_ENABLE, 0))
			return hw_fail(err, -errno, "cannot enable process events of CPU %u: %s", cpu,
			               strerror(errno));
	return 0;
}

/* The record at tail, whole; NULL: the ring is not in order. */
static const struct perf_event_header *record_at(struct hw_side_band *band, const char *data, uint64_t tail,
                                                 uint64_t head)
{
	size_t size = band->data_pages * band->page_size, at = tail & (size - 1), first;
	const struct perf_event_header *header = (const void *)(data + at);

	if (header->size < sizeof(*header) || header->size > head - tail)
		return NULL;
	if (at + header->size <= size)
		return header;
	first = size - at;
	memcpy(band->record, data + at, first);
	memcpy((char *)band->record + first, data, header->size - first);
	return (const void *)band->record;
}

static int read_cpu(struct hw_side_band *band, struct band_cpu *cpu, hw_emit emit, void *context,
                    struct hw_error *err)
{
	const char *data = (const char *)cpu->page + band->page_size;
	uint64_t head = __atomic_load_n(&cpu->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = cpu->page->data_tail;
	int r = 0;

	while (tail < head && !r) {
		const struct perf_event_header *header = record_at(band, data, tail, head);

		if (!header) {
			tail = head;
			break;
		}
		if (header->type == PERF_RECORD_LOST)
			band->lost += ((const uint64_t *)(header + 1))[1];
		tail += header->size;
		/* TID, TIME, CPU */
		r = emit(context, hw_decode_trim(header, 3 * sizeof(uint64_t), band->record), err);
	}
	__atomic_store_n(&cpu->page->data_tail, tail, __ATOMIC_RELEASE);
	return r;
}

int hw_side_band_read(struct hw_side_band *band, hw_emit emit, void *context, struct hw_error *err)
{
	int r = 0;

	for (uint32_t cpu = 0; cpu < band->cpu_count && !r; cpu++)
		if (band->cpus[cpu].page)
			r = read_cpu(band, &band->cpus[cpu], emit, context, err);
	return r;
}

void hw_side_band_cpu_came(struct hw_side_band *band, uint32_t cpu)
{
	close_cpu(band, &band->cpus[cpu]);
	if (!open_cpu(band, cpu) && band->cpus[cpu].fd >= 0 && band->enabled)
		ioctl(band->cpus[cpu].fd, PERF_EVENT_IOC_ENABLE, 0);
}

uint64_t hw_side_band_lost(const struct hw_side_band *band)
{
	return band->lost;
}
