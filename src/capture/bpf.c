/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The BPF backend: one session on a kernel side of its own. */
#include "capture/backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/images.h"
#include "capture/sessions.h"
#include "perfdata/records.h"

#define SWEEP_NS 2000000000ull

struct bpf_capture {
	struct hw_capture capture; /* first */
	struct hw_capture_sink sink;
	struct hw_sessions *sessions;
	unsigned bit;
	enum hw_session_filter filter;
	struct hw_images *images; /* by user or cgroup: what is held back until a sample tells whose it is */
	uint64_t swept_ns;
	struct hw_error *err; /* of the call that is being made */
	int failed;           /* in it */
};

static struct bpf_capture *bpf_of(struct hw_capture *opened)
{
	return (struct bpf_capture *)opened;
}

static const struct bpf_capture *bpf_of_const(const struct hw_capture *opened)
{
	return (const struct bpf_capture *)opened;
}

static int write_record(struct bpf_capture *capture, const struct perf_event_header *record,
                        struct hw_error *err)
{
	return capture->sink.record(capture->sink.context, record, err);
}

/* What was held back and is wanted now. */
static void give(void *context, uint64_t sessions, const struct perf_event_header *record)
{
	struct bpf_capture *capture = context;

	(void)sessions;
	if (!capture->failed)
		capture->failed = write_record(capture, record, capture->err);
}

static int end_giving(struct bpf_capture *capture)
{
	int r = capture->failed;

	capture->failed = 0;
	return r;
}

/* The first sample of a process image tells that it is wanted: what was held back of it goes first. */
static int reveal(struct bpf_capture *capture, const struct perf_event_header *record, struct hw_error *err)
{
	uint64_t time_ns;
	uint32_t pid;

	memcpy(&pid, (const char *)record + 16, sizeof(pid)); /* ip, pid, tid, time */
	memcpy(&time_ns, (const char *)record + 24, sizeof(time_ns));
	capture->err = err;
	hw_images_reveal(capture->images, pid, time_ns, 1, give, capture);
	if (time_ns > capture->swept_ns + SWEEP_NS) {
		capture->swept_ns = time_ns;
		hw_images_sweep(capture->images, time_ns);
	}
	return end_giving(capture);
}

static int keep_record(void *context, uint64_t sessions, const struct perf_event_header *record,
                       struct hw_error *err)
{
	struct bpf_capture *capture = context;
	int r = 0;

	(void)sessions;
	if (capture->images && record->type == PERF_RECORD_SAMPLE && record->size >= 32)
		r = reveal(capture, record, err);
	return r ? r : write_record(capture, record, err);
}

static int hold(struct bpf_capture *capture, const struct perf_event_header *record, struct hw_error *err)
{
	capture->err = err;
	hw_images_take(capture->images, record, give, capture);
	return end_giving(capture);
}

/* Process events of processes nobody asked for stay out of the file. */
static int keep_process(void *context, uint64_t sessions, const struct perf_event_header *record,
                        struct hw_error *err)
{
	struct bpf_capture *capture = context;

	if (capture->images && record->type != PERF_RECORD_KSYMBOL)
		return hold(capture, record, err);
	return sessions ? write_record(capture, record, err) : 0;
}

static int keep_existing(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct bpf_capture *capture = context;
	const uint32_t *pid = (const uint32_t *)(record + 1);
	bool of_process =
	    record->type == PERF_RECORD_COMM || (record->type == PERF_RECORD_MMAP2 && *pid != (uint32_t)-1);

	return capture->images && of_process ? hold(capture, record, err)
	                                     : write_record(capture, record, err);
}

static void keep_truth(void *context, const struct hw_unfinished *walk, size_t size)
{
	struct bpf_capture *capture = context;

	if (capture->sink.truth)
		capture->sink.truth(capture->sink.context, walk, size);
}

static void close_capture(struct hw_capture *opened)
{
	struct bpf_capture *capture = bpf_of(opened);

	hw_sessions_close(capture->sessions);
	hw_images_free(capture->images);
	free(capture);
}

static int open_capture(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                        struct hw_capture **result, struct hw_error *err)
{
	struct hw_sessions_options all = {.deferred_only = options->deferred_only,
	                                  .truth = options->truth,
	                                  .task_slots = options->task_slots,
	                                  .table_memory_bytes = options->table_memory_bytes,
	                                  .ring_bytes = options->ring_bytes,
	                                  .cache_directory = options->cache_directory};
	struct hw_session_options own = {.event = options->event,
	                                 .frequency = options->frequency,
	                                 .rate = options->rate,
	                                 .user_only = options->user_only,
	                                 .filter = options->filter,
	                                 .uid = options->uid,
	                                 .cgroup = options->cgroup};
	struct bpf_capture *capture = calloc(1, sizeof(*capture));
	struct hw_sessions_sink own_sink = {
	    .context = capture, .record = keep_record, .process = keep_process, .truth = keep_truth};
	int r;

	if (!capture)
		return hw_fail(err, -ENOMEM, "out of memory");
	capture->capture.backend = &hw_backend_bpf;
	capture->sink = *sink;
	capture->filter = options->filter;
	if ((own.filter == HW_SESSION_UID || own.filter == HW_SESSION_CGROUP) &&
	    hw_images_new(&capture->images)) {
		free(capture);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	r = hw_sessions_open(&all, &own_sink, &capture->sessions, err);
	if (!r)
		r = hw_sessions_add(capture->sessions, &own, &capture->bit, err);
	if (r) {
		close_capture(&capture->capture);
		return r;
	}
	*result = &capture->capture;
	return 0;
}

static const char *event(const struct hw_capture *opened, struct perf_event_attr *attr)
{
	const struct bpf_capture *capture = bpf_of_const(opened);

	return hw_sessions_event(capture->sessions, capture->bit, attr);
}

static int add_process(struct hw_capture *opened, pid_t pid, struct hw_error *err)
{
	struct bpf_capture *capture = bpf_of(opened);

	return hw_sessions_add_process(capture->sessions, capture->bit, pid, err);
}

static bool is_wanted(void *context, pid_t pid)
{
	struct bpf_capture *capture = context;

	return capture->filter != HW_SESSION_PROCESSES ||
	       hw_sessions_has_process(capture->sessions, capture->bit, pid);
}

static int start(struct hw_capture *opened, struct hw_error *err)
{
	struct bpf_capture *capture = bpf_of(opened);
	int r = hw_sessions_existing(capture->sessions, is_wanted, keep_existing, capture, err);

	return r ? r : hw_sessions_start(capture->sessions, capture->bit, err);
}

static int poll_rings(struct hw_capture *opened, int timeout_ms, struct hw_error *err)
{
	return hw_sessions_poll(bpf_of(opened)->sessions, timeout_ms, err);
}

static int tell_lost_process_events(struct bpf_capture *capture, struct hw_error *err)
{
	struct hw_sessions_status status;
	struct hw_record_id id = {0};
	uint64_t buffer[16], lost;

	hw_sessions_status(capture->sessions, &status);
	lost = status.lost_side_band + (capture->images ? hw_images_dropped(capture->images) : 0);
	if (!lost || hw_build_lost(buffer, sizeof(buffer), &id, lost, HW_LOST_OTHER) <= 0)
		return 0;
	return write_record(capture, (struct perf_event_header *)buffer, err);
}

static int stop(struct hw_capture *opened, int grace_ms, struct hw_error *err)
{
	struct bpf_capture *capture = bpf_of(opened);
	struct hw_sessions *sessions = capture->sessions;
	int r = hw_sessions_stop(sessions, capture->bit, err);

	for (int waited = 0; !r && hw_sessions_owed(sessions, capture->bit) > 0 && waited < grace_ms;
	     waited += 10) {
		usleep(10000);
		r = hw_sessions_poll(sessions, 0, err);
	}
	if (!r)
		r = hw_sessions_poll(sessions, 0, err);
	hw_sessions_drain(sessions);
	return r ? r : tell_lost_process_events(capture, err);
}

static void get_status(const struct hw_capture *opened, struct hw_capture_status *status)
{
	struct hw_sessions_status all;

	hw_sessions_status(bpf_of_const(opened)->sessions, &all);
	memset(status, 0, sizeof(*status));
	status->counters = all.counters;
	status->tables = all.tables;
	status->table_rows = all.table_rows;
	status->table_bytes = all.table_bytes;
	status->table_failures = all.table_failures;
	status->misses = all.misses;
	status->finished = all.finished;
	status->lost_side_band = all.lost_side_band;
	status->pending = all.pending;
	status->due = all.due;
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
