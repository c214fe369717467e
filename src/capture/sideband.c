/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Process events: the kernel's own records of mmap, comm, fork and exit, from one dummy event a CPU; and
 * records made up from /proc for what was there before. All carry the sample_id of our recordings.
 */
#include "capture/internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "perfdata/records.h"

#define DATA_PAGES 64 /* of each CPU's ring; a power of two */

struct band_cpu {
	int fd;
	struct perf_event_mmap_page *page;
};

struct hw_side_band {
	struct band_cpu *cpus;
	uint32_t cpu_count;
	size_t page_size;
	uint64_t lost;
	uint64_t record[65536 / 8]; /* a record that wraps around is put together here */
};

static void set_attr(struct perf_event_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->type = PERF_TYPE_SOFTWARE;
	attr->config = PERF_COUNT_SW_DUMMY;
	attr->sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU;
	attr->disabled = 1;
	attr->mmap = 1;
	attr->mmap2 = 1;
	attr->comm = 1;
	attr->comm_exec = 1;
	attr->task = 1;
	attr->build_id = 1;
	attr->sample_id_all = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
	attr->watermark = 1;
	attr->wakeup_watermark = DATA_PAGES * 4096 / 2;
}

int hw_side_band_open(uint32_t cpu_count, struct hw_side_band **result, struct hw_error *err)
{
	struct hw_side_band *band = calloc(1, sizeof(*band));
	struct perf_event_attr attr;
	int r;

	if (!band)
		return hw_fail(err, -ENOMEM, "out of memory");
	band->page_size = (size_t)sysconf(_SC_PAGESIZE);
	band->cpus = calloc(cpu_count, sizeof(*band->cpus));
	band->cpu_count = band->cpus ? cpu_count : 0;
	set_attr(&attr);
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++)
		band->cpus[cpu].fd = -1;
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++) {
		struct band_cpu *each = &band->cpus[cpu];

		each->fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (each->fd < 0 && errno == ENODEV) /* offline */
			continue;
		each->page = each->fd < 0 ? MAP_FAILED
		                          : mmap(NULL, (DATA_PAGES + 1) * band->page_size,
		                                 PROT_READ | PROT_WRITE, MAP_SHARED, each->fd, 0);
		if (each->page == MAP_FAILED) {
			r = -errno;
			each->page = NULL;
			hw_side_band_close(band);
			return hw_fail(err, r, "cannot open process events of CPU %u: %s", cpu, strerror(-r));
		}
	}
	*result = band;
	return 0;
}

void hw_side_band_close(struct hw_side_band *band)
{
	if (!band)
		return;
	for (uint32_t cpu = 0; cpu < band->cpu_count; cpu++) {
		if (band->cpus[cpu].page)
			munmap(band->cpus[cpu].page, (DATA_PAGES + 1) * band->page_size);
		if (band->cpus[cpu].fd >= 0)
			close(band->cpus[cpu].fd);
	}
	free(band->cpus);
	free(band);
}

int hw_side_band_enable(struct hw_side_band *band, struct hw_error *err)
{
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
	size_t size = DATA_PAGES * band->page_size, at = tail & (size - 1), first;
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
		r = emit(context, header, err);
		tail += header->size;
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

uint64_t hw_side_band_lost(const struct hw_side_band *band)
{
	return band->lost;
}

/* ---- what was there before ---- */

struct existing {
	hw_emit emit;
	void *context;
	const struct hw_loader *loader;
	struct hw_error *err;
	uint64_t buffer[8192 / 8];
};

static int emit_built(struct existing *e, int size)
{
	return size < 0 ? 0 : e->emit(e->context, (const struct perf_event_header *)e->buffer, e->err);
}

static int existing_comm(struct existing *e, uint32_t pid, uint32_t tid)
{
	struct hw_record_id id = {.pid = pid, .tid = tid};
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/comm", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return emit_built(e, hw_build_comm(e->buffer, sizeof(e->buffer), &id, pid, tid, name, false));
}

static int existing_threads(struct existing *e, uint32_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *tasks;
	int r;

	r = existing_comm(e, pid, pid);
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	tasks = opendir(path);
	while (tasks && !r && (entry = readdir(tasks))) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (tid && tid != pid)
			r = existing_comm(e, pid, tid);
	}
	if (tasks)
		closedir(tasks);
	return r;
}

static int existing_map(struct existing *e, uint32_t pid, const char *line)
{
	struct hw_record_mmap map = {.id = {.pid = pid, .tid = pid},
	                             .pid = pid,
	                             .tid = pid,
	                             .cpumode = PERF_RECORD_MISC_USER,
	                             .flags = MAP_PRIVATE};
	uint64_t end;
	uint8_t build_id[20];
	char rights[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &map.start, &end,
	           rights, &map.offset, &map.major, &map.minor, &map.inode, &at) < 7 ||
	    rights[2] != 'x')
		return 0;
	map.length = end - map.start;
	map.protection = PROT_EXEC | (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0);
	map.name = line[at] ? line + at : "//anon";
	map.build_id_size = hw_loader_build_id(e->loader, (pid_t)pid, map.start, build_id);
	map.build_id = build_id;
	return emit_built(e, hw_build_mmap(e->buffer, sizeof(e->buffer), &map));
}

static int existing_maps(struct existing *e, uint32_t pid)
{
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *maps;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	while (maps && !r && getline(&line, &size, maps) > 0) {
		line[strcspn(line, "\n")] = '\0';
		r = existing_map(e, pid, line);
	}
	free(line);
	if (maps)
		fclose(maps);
	return r;
}

static int existing_kernel(struct existing *e)
{
	struct hw_record_mmap map = {.pid = (uint32_t)-1,
	                             .tid = 0,
	                             .cpumode = PERF_RECORD_MISC_KERNEL,
	                             .protection = PROT_EXEC,
	                             .name = "[kernel.kallsyms]_text"};
	uint64_t address, text = 0, end = 0;
	char line[512], name[256];
	FILE *symbols = fopen("/proc/kallsyms", "re");

	while (symbols && fgets(line, sizeof(line), symbols) && !(text && end)) {
		if (sscanf(line, "%" SCNx64 " %*c %255s", &address, name) != 2)
			continue;
		if (!strcmp(name, "_text"))
			text = address;
		if (!strcmp(name, "_etext"))
			end = address;
	}
	if (symbols)
		fclose(symbols);
	if (!text || end <= text)
		return 0;
	map.start = text;
	map.length = end - text;
	map.offset = text;
	return emit_built(e, hw_build_mmap(e->buffer, sizeof(e->buffer), &map));
}

int hw_side_band_existing(bool (*wanted)(void *context, pid_t pid), const struct hw_loader *loader,
                          hw_emit emit, void *context, struct hw_error *err)
{
	struct existing *e = calloc(1, sizeof(*e));
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int r = 0;

	if (!e || !proc) {
		free(e);
		if (proc)
			closedir(proc);
		return hw_fail(err, -ENOENT, "cannot read /proc: is it mounted?");
	}
	e->emit = emit;
	e->context = context;
	e->loader = loader;
	e->err = err;
	r = existing_kernel(e);
	while (!r && (entry = readdir(proc))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (!pid || !wanted(context, (pid_t)pid))
			continue;
		r = existing_threads(e, pid);
		if (!r)
			r = existing_maps(e, pid);
	}
	closedir(proc);
	free(e);
	return r;
}
