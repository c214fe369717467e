/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/perf_source.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/event.h"
#include "capture/existing.h"
#include "perfdata/records.h"

#define RING_BYTES_MIN (64u << 10) /* the largest record fits */
#define LATENESS_NS    1000000ull  /* from a record's time to its place in the ring: waited for */
#define THREADS_ROUNDS 10
#define PID_MAX        (1u << 22)

/* ---- opening ---- */

static int add_rings_of(struct hw_perf_source *source, size_t ring_bytes, struct hw_error *err)
{
	const size_t band_bytes = ring_bytes / 8 > RING_BYTES_MIN ? ring_bytes / 8 : RING_BYTES_MIN;
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int r;

	for (int cpu = 0; cpu < cpus; cpu++) {
		r = hw_perf_rings_add(&source->rings, cpu, true, ring_bytes, err);
		if (r == -ENODEV || r == -ENXIO) /* offline */
			continue;
		if (!r)
			r = hw_perf_rings_add(&source->rings, cpu, false, band_bytes, err);
		if (!r && array_push(&source->cpus, cpu))
			r = hw_fail(err, -ENOMEM, "out of memory");
		if (r)
			return r;
	}
	return 0;
}

/* As large as the limit of locked memory allows, the same on every CPU. */
static int add_rings(struct hw_perf_source *source, size_t ring_bytes, struct hw_error *err)
{
	int r = add_rings_of(source, ring_bytes, err);

	while ((r == -EPERM || r == -ENOMEM) && ring_bytes > RING_BYTES_MIN) {
		hw_perf_rings_free(&source->rings);
		array_free(&source->cpus);
		ring_bytes /= 2;
		r = add_rings_of(source, ring_bytes, err);
	}
	return r;
}

static int init(struct hw_perf_source *source, const struct hw_capture_options *options,
                const struct hw_capture_sink *sink, size_t ring_bytes, struct hw_error *err)
{
	const struct hw_finisher_options finisher = {.table_memory_bytes = options->table_memory_bytes,
	                                             .cache_directory = options->cache_directory,
	                                             .sink = *sink};
	int r;

	source->options = *options;
	hw_event_set_side_band(&source->band_attr);
	source->band_attr.exclude_kernel = 1;
	source->band_attr.exclude_hv = 1;
	r = hw_finisher_new(&finisher, &source->finisher, err);
	return r ? r : add_rings(source, ring_bytes, err);
}

/* One event that writes to the ring. */
static int open_into(int fd, const struct hw_perf_ring *ring, hw_fd_list *fds)
{
	int r = fd;

	if (fd >= 0 && !ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, ring->fd) && !array_push(fds, fd))
		return 0;
	if (fd >= 0) {
		r = -errno;
		close(fd);
	}
	return r;
}

static int open_pair(struct hw_perf_source *source, pid_t pid, size_t cpu)
{
	const struct hw_perf_ring *rings = source->rings.rings.items + 2 * cpu;
	int r = open_into(hw_event_open(&source->attr, pid, source->cpus.items[cpu]), &rings[0],
	                  &source->sampling);

	source->band_attr.ksymbol = !source->attr.exclude_kernel;
	return r ? r
	         : open_into(hw_event_open(&source->band_attr, pid, source->cpus.items[cpu]), &rings[1],
	                     &source->band);
}

static int tell_open(const struct hw_perf_source *source, int r, const char *whose, struct hw_error *err)
{
	if (r == -EACCES || r == -EPERM)
		return hw_fail(err, -EPERM,
		               "no right to open %s for %s: run as root or with CAP_PERFMON, or lower "
		               "/proc/sys/kernel/perf_event_paranoid%s",
		               source->kind.name, whose,
		               source->options.filter ? "" : ", or record a command of your own only");
	if (r == -ENOSYS)
		return hw_fail(err, -EOPNOTSUPP,
		               "perf_event_open is not there: allow it (seccomp), or boot a kernel with "
		               "CONFIG_PERF_EVENTS=y");
	if (r == -EMFILE)
		return hw_fail(
		    err, r,
		    "too many threads for the limit of open files: raise it (ulimit -n), or record "
		    "with -a");
	return hw_fail(err, r, "cannot open %s for %s: %s", source->kind.name, whose, strerror(-r));
}

/* Open the event on all processes, or on this one, with the kernel if possible. Returns its fd or -errno. */
static int try_event(struct hw_perf_source *source)
{
	const int cpu = source->cpus.items[0];
	int fd;

	for (;;) {
		source->whole_machine = true;
		fd = hw_event_open(&source->attr, -1, cpu);
		if ((fd == -EACCES || fd == -EPERM) && source->options.filter) {
			source->whole_machine = false;
			fd = hw_event_open(&source->attr, 0, cpu);
		}
		if ((fd != -EACCES && fd != -EPERM) || source->attr.exclude_kernel)
			return fd;
		source->attr.exclude_kernel = 1;
	}
}

static struct hw_event_options event_options(const struct hw_perf_source *source)
{
	return (struct hw_event_options){.frequency = source->options.frequency,
	                                 .rate = source->options.rate,
	                                 .user_only = source->options.user_only};
}

/* The event that was asked for, else cycles where there are some, else cpu-clock. */
static int choose_event(struct hw_perf_source *source, struct hw_error *err)
{
	const char *const names[] = {source->options.event ? source->options.event : "cycles", "cpu-clock"};
	const struct hw_event_options options = event_options(source);
	int r, fd = -1;

	for (size_t i = 0; i < (source->options.event ? 1 : 2); i++) {
		r = hw_event_find(names[i], &source->kind, err);
		if (r)
			return r;
		hw_event_set(&source->attr, &source->kind, &options);
		source->attr.size = PERF_ATTR_SIZE_VER5;
		source->set_event(source);
		fd = try_event(source);
		if (fd >= 0) {
			close(fd);
			return 0;
		}
	}
	return tell_open(source, fd, source->options.filter ? "this process" : "the whole machine", err);
}

static int open_events(struct hw_perf_source *source, struct hw_error *err)
{
	int r;

	if (!source->cpus.count)
		return hw_fail(err, -ENODEV, "no CPU is online");
	source->wanted = calloc(PID_MAX / 64, sizeof(*source->wanted));
	if (!source->wanted)
		return hw_fail(err, -ENOMEM, "out of memory");
	r = choose_event(source, err);
	if (r || !source->whole_machine)
		return r;
	for (size_t i = 0; i < source->cpus.count && !r; i++)
		r = open_pair(source, -1, i);
	return r ? tell_open(source, r, "the whole machine", err) : 0;
}

int hw_perf_source_open(struct hw_perf_source *source, const struct hw_capture_options *options,
                        const struct hw_capture_sink *sink, size_t ring_bytes_default,
                        struct hw_capture **result, struct hw_error *err)
{
	int r =
	    init(source, options, sink, options->ring_bytes ? options->ring_bytes : ring_bytes_default, err);

	if (!r)
		r = open_events(source, err);
	if (r)
		hw_perf_source_close(&source->capture);
	else
		*result = &source->capture;
	return r;
}

void hw_perf_source_close(struct hw_capture *capture)
{
	struct hw_perf_source *source = (struct hw_perf_source *)capture;

	array_for_each (&source->sampling, fd)
		close(*fd);
	array_for_each (&source->band, fd)
		close(*fd);
	hw_perf_rings_free(&source->rings);
	hw_finisher_free(source->finisher);
	array_free(&source->sampling);
	array_free(&source->band);
	array_free(&source->cpus);
	free(source->wanted);
	free(source);
}

const char *hw_perf_source_event(const struct hw_capture *capture, struct perf_event_attr *attr)
{
	const struct hw_perf_source *source = (const struct hw_perf_source *)capture;
	const struct hw_event_options options = event_options(source);

	hw_event_set(attr, &source->kind, &options);
	attr->exclude_kernel = source->attr.exclude_kernel;
	hw_event_for_file(attr, &options);
	return source->kind.name;
}

static void set_wanted(struct hw_perf_source *source, uint32_t pid, bool wanted)
{
	uint64_t *word = &source->wanted[pid / 64 % (PID_MAX / 64)];

	*word = wanted ? *word | 1ull << pid % 64 : *word & ~(1ull << pid % 64);
}

static bool is_wanted(void *context, pid_t pid)
{
	const struct hw_perf_source *source = context;
	const uint32_t number = (uint32_t)pid;

	return !source->options.filter || (source->wanted[number / 64 % (PID_MAX / 64)] >> number % 64 & 1);
}

/* Events for threads that have none yet; *added: how many there were. */
static int add_threads(struct hw_perf_source *source, pid_t pid, hw_fd_list *known, size_t *added,
                       struct hw_error *err)
{
	struct dirent *entry;
	char path[32];
	DIR *tasks;
	int r = 0;

	*added = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && !r && (entry = readdir(tasks))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		bool is_known = tid <= 0;

		array_for_each (known, each)
			is_known = is_known || *each == tid;
		if (is_known)
			continue;
		r = array_push(known, tid);
		for (size_t i = 0; i < source->cpus.count && !r; i++)
			r = open_pair(source, tid, i);
		if (r == -ESRCH) /* gone again */
			r = 0;
		++*added;
	}
	if (tasks)
		closedir(tasks);
	snprintf(path, sizeof(path), "process %d", (int)pid);
	return r ? tell_open(source, r, path, err) : 0;
}

int hw_perf_source_add_process(struct hw_capture *capture, pid_t pid, struct hw_error *err)
{
	struct hw_perf_source *source = (struct hw_perf_source *)capture;
	hw_fd_list known = {0}; /* thread IDs */
	size_t added = 1;
	int r = 0;

	set_wanted(source, (uint32_t)pid, true);
	if (source->whole_machine)
		return 0;
	source->attr.inherit = 1;
	source->band_attr.inherit = 1;
	/* Until no thread is new: each may have started another before it had its event. */
	for (int round = 0; round < THREADS_ROUNDS && added && !r; round++)
		r = add_threads(source, pid, &known, &added, err);
	array_free(&known);
	return r;
}

/* ---- running ---- */

static int push(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct hw_perf_source *source = context;

	return hw_finisher_push_record(source->finisher, record) ? hw_fail(err, -ENOMEM, "out of memory") : 0;
}

static int enable(const int *fds, size_t count, struct hw_error *err)
{
	for (size_t i = 0; i < count; i++)
		if (ioctl(fds[i], PERF_EVENT_IOC_ENABLE, 0))
			return hw_fail(err, -errno, "cannot enable an event: %s", strerror(errno));
	return 0;
}

int hw_perf_source_start(struct hw_capture *capture, struct hw_error *err)
{
	struct hw_perf_source *source = (struct hw_perf_source *)capture;
	int r = enable(source->band.items, source->band.count, err);

	if (!r)
		r = hw_existing(is_wanted, NULL, NULL, push, source, err);
	hw_finisher_drain(source->finisher);
	return r ? r : enable(source->sampling.items, source->sampling.count, err);
}

static int tell_losses(struct hw_perf_source *source, struct hw_error *err)
{
	struct hw_record_id id = {.time_ns = hw_now_ns()};
	struct hw_finisher_status status;
	uint64_t buffer[16], lost;

	hw_finisher_status(source->finisher, &status);
	lost = source->rings.lost_samples + status.lost - source->told_lost;
	if (!lost || hw_build_lost_samples(buffer, sizeof(buffer), &id, lost) < 0)
		return 0;
	source->told_lost += lost;
	return push(source, (const struct perf_event_header *)buffer, err);
}

/* The process of a record, which stands first but in samples; (uint32_t)-1 for the kernel's. */
static uint32_t process_of(const struct perf_event_header *record)
{
	const uint32_t *words = (const uint32_t *)(record + 1);

	if (record->type == PERF_RECORD_SAMPLE)
		return words[2];
	if (record->type == PERF_RECORD_CALLCHAIN_DEFERRED)
		return ((const uint32_t *)record)[record->size / 4 - 6];
	return words[0];
}

static int take_wanted(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct hw_perf_source *source = context;
	const uint32_t *ids = (const uint32_t *)(record + 1);

	if (!source->options.filter || record->type == PERF_RECORD_KSYMBOL) /* kernel code is of no process */
		return source->take(source, record, err);
	if (record->type == PERF_RECORD_FORK)
		set_wanted(source, ids[0], is_wanted(source, (pid_t)ids[1]));
	return is_wanted(source, (pid_t)process_of(record)) ? source->take(source, record, err) : 0;
}

int hw_perf_source_poll(struct hw_capture *capture, int timeout_ms, struct hw_error *err)
{
	struct hw_perf_source *source = (struct hw_perf_source *)capture;
	int r;

	poll(source->rings.ready.items, source->rings.ready.count, timeout_ms);
	r = hw_perf_rings_read(&source->rings, hw_now_ns() - LATENESS_NS, take_wanted, source, err);
	if (!r)
		r = tell_losses(source, err);
	return r ? r : hw_finisher_failure(source->finisher, err);
}

void hw_perf_source_disable(struct hw_perf_source *source)
{
	array_for_each (&source->sampling, fd)
		ioctl(*fd, PERF_EVENT_IOC_DISABLE, 0);
}

int hw_perf_source_finish(struct hw_perf_source *source, struct hw_error *err)
{
	struct hw_record_id id = {.time_ns = hw_now_ns()};
	uint64_t buffer[16];
	int r = hw_perf_rings_read(&source->rings, UINT64_MAX, take_wanted, source, err);

	if (!r)
		r = tell_losses(source, err);
	if (!r && source->rings.lost_side_band &&
	    hw_build_lost(buffer, sizeof(buffer), &id, source->rings.lost_side_band, HW_LOST_OTHER) > 0)
		r = push(source, (const struct perf_event_header *)buffer, err);
	hw_finisher_drain(source->finisher);
	return r ? r : hw_finisher_failure(source->finisher, err);
}

void hw_perf_source_status(const struct hw_capture *capture, struct hw_capture_status *status)
{
	const struct hw_perf_source *source = (const struct hw_perf_source *)capture;

	hw_finisher_capture_status(source->finisher, status);
	status->counters.lost_samples += source->rings.lost_samples;
	status->lost_side_band = source->rings.lost_side_band;
}
