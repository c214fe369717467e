/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The BPF backend as one: events on every CPU, rings, loader, process events. */
#include "capture/internal.h"

#include <linux/perf_event.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "perfdata/records.h"

struct bpf_capture {
	struct hw_capture capture; /* first */
	struct hw_capture_options options;
	struct hw_capture_sink sink;
	struct hw_kernel_side side;
	struct hw_tables tables;
	struct hw_loader *loader;
	struct hw_side_band *band;
	array_of(int) events; /* file descriptors, one a CPU that is online */
	array_of(struct bpf_link *) links;
	struct perf_event_attr attr;
	const char *event_name;
	pthread_mutex_t sink_lock;
	struct hw_counters told; /* losses already in the file */
	struct hw_error error;   /* of the sink, inside a callback */
	int failed;
};

static struct bpf_capture *bpf_of(struct hw_capture *opened)
{
	return (struct bpf_capture *)opened;
}

static int deliver(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct bpf_capture *capture = context;
	int r;

	pthread_mutex_lock(&capture->sink_lock);
	r = capture->sink.record(capture->sink.context, record, err);
	pthread_mutex_unlock(&capture->sink_lock);
	return r;
}

static int deliver_finished(void *context, const struct perf_event_header *record)
{
	return deliver(context, record, NULL);
}

static int from_ring(void *context, void *data, size_t size)
{
	struct bpf_capture *capture = context;
	const struct hw_ring_prefix *prefix = data;
	int r = 0;

	switch (size > sizeof(*prefix) ? prefix->kind : 0) {
	case HW_RING_PERF:
		r = deliver(capture, (const struct perf_event_header *)(prefix + 1), &capture->error);
		break;
	case HW_RING_MISS:
	case HW_RING_UNFINISHED:
		hw_loader_push(capture->loader, data, size);
		break;
	case HW_RING_TRUTH:
		if (capture->sink.truth)
			capture->sink.truth(capture->sink.context, data, size);
		break;
	}
	if (r < 0)
		capture->failed = r;
	return r < 0 ? r : 0;
}

static void set_event(struct bpf_capture *capture, bool hardware)
{
	struct perf_event_attr *attr = &capture->attr;
	const struct hw_capture_options *options = &capture->options;

	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->type = hardware ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE;
	attr->config = hardware ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES : (uint64_t)PERF_COUNT_SW_CPU_CLOCK;
	capture->event_name = hardware ? "cycles" : "cpu-clock";
	attr->disabled = 1;
	attr->exclude_kernel = options->user_only;
	attr->exclude_hv = 1;
	attr->freq = hardware && options->frequency;
	if (!options->frequency)
		attr->sample_period = options->rate;
	else if (hardware)
		attr->sample_freq = options->rate;
	else
		attr->sample_period = 1000000000ull / options->rate;
}

static int open_event(struct bpf_capture *capture, int cpu)
{
	return (int)syscall(SYS_perf_event_open, &capture->attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int attach_event(struct bpf_capture *capture, int fd, struct hw_error *err)
{
	LIBBPF_OPTS(bpf_perf_event_opts, opts, .bpf_cookie = 0);
	struct bpf_link *link;

	if (array_push(&capture->events, fd)) {
		close(fd);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	link = bpf_program__attach_perf_event_opts(capture->side.on_sample, fd, &opts);
	if (!link)
		return hw_fail(err, -errno, "cannot attach to a CPU's event: %s", strerror(errno));
	return array_push(&capture->links, link) ? hw_fail(err, -ENOMEM, "out of memory") : 0;
}

/* What was asked for; else cycles where the machine counts them, else cpu-clock. */
static int choose_event(struct bpf_capture *capture, struct hw_error *err)
{
	const char *wanted = capture->options.event;
	bool hardware = !wanted || !strcmp(wanted, "cycles");
	int fd, error;

	set_event(capture, hardware);
	if (!hardware)
		return 0;
	fd = open_event(capture, 0);
	error = errno;
	if (fd >= 0)
		close(fd);
	else if (wanted)
		return hw_fail(
		    err, -error,
		    "cannot sample cycles: %s; this machine may have no such counter: use cpu-clock",
		    strerror(error));
	else
		set_event(capture, false);
	return 0;
}

/* The event on each online CPU. */
static int open_events(struct bpf_capture *capture, struct hw_error *err)
{
	int fd, r = choose_event(capture, err);

	if (r)
		return r;
	for (uint32_t cpu = 0; cpu < capture->side.cpu_count; cpu++) {
		fd = open_event(capture, (int)cpu);
		if (fd < 0 && (errno == ENODEV || errno == ENXIO))
			continue; /* offline */
		if (fd < 0)
			return hw_fail(
			    err, -errno,
			    "cannot open %s on CPU %u (%s): run as root or with CAP_PERFMON, or lower "
			    "/proc/sys/kernel/perf_event_paranoid",
			    capture->event_name, cpu, strerror(errno));
		r = attach_event(capture, fd, err);
		if (r)
			return r;
	}
	return 0;
}

static void close_events(struct bpf_capture *capture)
{
	array_for_each (&capture->links, link)
		bpf_link__destroy(*link);
	array_for_each (&capture->events, fd)
		close(*fd);
	array_free(&capture->links);
	array_free(&capture->events);
}

static void close_capture(struct hw_capture *opened)
{
	struct bpf_capture *capture = bpf_of(opened);

	close_events(capture);
	hw_loader_free(capture->loader);
	hw_side_band_close(capture->band);
	hw_tables_free(&capture->tables);
	hw_kernel_side_close(&capture->side);
	pthread_mutex_destroy(&capture->sink_lock);
	free(capture);
}

static int open_capture(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                        struct hw_capture **result, struct hw_error *err)
{
	struct bpf_capture *capture = calloc(1, sizeof(*capture));
	uint32_t ring_bytes = options->ring_bytes ? options->ring_bytes : 2 << 20;
	int r;

	if (!capture)
		return hw_fail(err, -ENOMEM, "out of memory");
	capture->capture.backend = &hw_backend_bpf;
	capture->options = *options;
	capture->sink = *sink;
	pthread_mutex_init(&capture->sink_lock, NULL);
	r = hw_kernel_side_open(&capture->side, options, err);
	if (!r)
		r = hw_kernel_side_open_rings(&capture->side, ring_bytes, from_ring, capture, err);
	if (!r)
		r = hw_tables_init(&capture->tables, &capture->side, options->table_memory_bytes, err);
	if (!r)
		r = hw_loader_new(&capture->side, &capture->tables, options->cache_directory,
		                  deliver_finished, capture, &capture->loader, err);
	if (!r)
		r = hw_side_band_open(capture->side.cpu_count, &capture->band, err);
	if (!r)
		r = hw_loader_load_running(capture->loader, err);
	if (!r)
		r = hw_kernel_side_attach_hooks(&capture->side, err);
	if (!r)
		r = open_events(capture, err);
	if (r) {
		close_capture(&capture->capture);
		return r;
	}
	*result = &capture->capture;
	return 0;
}

static const char *event(const struct hw_capture *opened, struct perf_event_attr *attr)
{
	const struct bpf_capture *capture = (const struct bpf_capture *)opened;

	*attr = capture->attr;
	attr->sample_type = HW_SAMPLE_TYPE;
	attr->sample_id_all = 1;
	attr->mmap = 1;
	attr->mmap2 = 1;
	attr->comm = 1;
	attr->comm_exec = 1;
	attr->task = 1;
	attr->build_id = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
	attr->disabled = 1;
	if (capture->options.frequency && !attr->freq) { /* what was asked for, as perf writes it */
		attr->freq = 1;
		attr->sample_freq = capture->options.rate;
	}
	hw_attr_set_deferred(attr);
	return capture->event_name;
}

static int add_process(struct hw_capture *opened, pid_t pid, struct hw_error *err)
{
	const struct bpf_capture *capture = bpf_of(opened);
	uint32_t key = (uint32_t)pid, live = HW_TARGET_LIVE;
	int r = bpf_map_update_elem(capture->side.targets, &key, &live, BPF_ANY);

	return r ? hw_fail(err, r, "cannot add process %d: %s", (int)pid, strerror(-r)) : 0;
}

static bool is_wanted(void *context, pid_t pid)
{
	struct bpf_capture *capture = context;
	uint32_t key = (uint32_t)pid, value;

	return !capture->options.filter || !bpf_map_lookup_elem(capture->side.targets, &key, &value);
}

/* Process events of processes nobody asked for stay out of the file. */
static int deliver_wanted(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct bpf_capture *capture = context;
	const int32_t *pid = (const int32_t *)(record + 1);

	if (record->type == PERF_RECORD_LOST)
		return 0; /* told with the other losses */
	if (capture->options.filter && *pid > 0 && !is_wanted(capture, *pid))
		return 0;
	return deliver(capture, record, err);
}

static int start(struct hw_capture *opened, struct hw_error *err)
{
	struct bpf_capture *capture = bpf_of(opened);
	int r = hw_side_band_enable(capture->band, err);

	if (!r)
		r = hw_side_band_existing(is_wanted, capture->loader, deliver_wanted, capture, err);
	for (size_t i = 0; i < capture->events.count && !r; i++)
		if (ioctl(capture->events.items[i], PERF_EVENT_IOC_ENABLE, 0))
			r = hw_fail(err, -errno, "cannot enable %s: %s", capture->event_name,
			            strerror(errno));
	return r;
}

static int drain(struct bpf_capture *capture, struct hw_error *err)
{
	int r = hw_side_band_read(capture->band, deliver_wanted, capture, err);

	if (r)
		return r;
	r = ring_buffer__consume(capture->side.reader);
	if (r < 0 && capture->failed) {
		if (err)
			*err = capture->error;
		return capture->failed;
	}
	return r < 0 && r != -EINTR ? hw_fail(err, r, "cannot read the rings: %s", strerror(-r)) : 0;
}

/* Put what was lost since the last time into the file. */
static int tell_losses(struct bpf_capture *capture, struct hw_error *err)
{
	struct hw_record_id id = {0};
	struct hw_counters now;
	uint64_t buffer[16];
	struct timespec clock;
	uint64_t samples, callchains;
	int r = 0;

	hw_kernel_side_count(&capture->side, &now);
	samples = now.lost_samples - capture->told.lost_samples;
	callchains = now.lost_callchains - capture->told.lost_callchains;
	capture->told = now;
	clock_gettime(CLOCK_MONOTONIC, &clock);
	id.time_ns = (uint64_t)clock.tv_sec * 1000000000ull + (uint64_t)clock.tv_nsec;
	if (samples && hw_build_lost_samples(buffer, sizeof(buffer), &id, samples) > 0)
		r = deliver(capture, (struct perf_event_header *)buffer, err);
	if (!r && callchains &&
	    hw_build_lost(buffer, sizeof(buffer), &id, callchains, HW_LOST_CALLCHAINS) > 0)
		r = deliver(capture, (struct perf_event_header *)buffer, err);
	return r;
}

static int poll_rings(struct hw_capture *opened, int timeout_ms, struct hw_error *err)
{
	struct bpf_capture *capture = bpf_of(opened);
	struct pollfd ready = {.fd = ring_buffer__epoll_fd(capture->side.reader), .events = POLLIN};
	int r;

	poll(&ready, 1, timeout_ms);
	r = drain(capture, err);
	return r ? r : tell_losses(capture, err);
}

/* Is any task still owing a callchain? */
static bool any_open(const struct bpf_capture *capture)
{
	struct hw_counters now;

	hw_kernel_side_count(&capture->side, &now);
	return now.walks + now.unfinished < now.requests;
}

static int stop(struct hw_capture *opened, int grace_ms, struct hw_error *err)
{
	struct bpf_capture *capture = bpf_of(opened);
	uint64_t lost;
	int r = 0;

	array_for_each (&capture->events, fd)
		ioctl(*fd, PERF_EVENT_IOC_DISABLE, 0);
	for (int waited = 0; waited <= grace_ms && !r; waited += 10) {
		r = poll_rings(opened, 0, err);
		if (!any_open(capture))
			break;
		usleep(10000);
	}
	if (!r)
		r = poll_rings(opened, 0, err);
	hw_loader_drain(capture->loader);
	lost = hw_side_band_lost(capture->band);
	if (!r && lost) {
		struct hw_record_id id = {0};
		uint64_t buffer[16];

		if (hw_build_lost(buffer, sizeof(buffer), &id, lost, HW_LOST_OTHER) > 0)
			r = deliver(capture, (struct perf_event_header *)buffer, err);
	}
	return r;
}

static void get_status(const struct hw_capture *opened, struct hw_capture_status *status)
{
	const struct bpf_capture *capture = (const struct bpf_capture *)opened;

	memset(status, 0, sizeof(*status));
	hw_kernel_side_count(&capture->side, &status->counters);
	status->tables = capture->tables.loaded.count;
	status->table_rows = capture->tables.rows;
	status->table_bytes = capture->tables.bytes;
	status->table_failures = capture->tables.failures;
	status->misses = hw_loader_misses(capture->loader);
	status->finished = hw_loader_finished(capture->loader);
	status->lost_side_band = hw_side_band_lost(capture->band);
}

const struct hw_backend hw_backend_bpf = {
    .name = "bpf",
    .open = open_capture,
    .close = close_capture,
    .event = event,
    .add_process = add_process,
    .start = start,
    .poll = poll_rings,
    .stop = stop,
    .status = get_status,
};
