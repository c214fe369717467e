/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The BPF backend: one session on a kernel side of its own. */
#include "capture/backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/sessions.h"
#include "perfdata/records.h"

struct bpf_capture {
	struct hw_capture capture; /* first */
	struct hw_capture_sink sink;
	struct hw_sessions *sessions;
	unsigned bit;
	enum hw_session_filter filter;
};

static struct bpf_capture *bpf_of(struct hw_capture *opened)
{
	return (struct bpf_capture *)opened;
}

static const struct bpf_capture *bpf_of_const(const struct hw_capture *opened)
{
	return (const struct bpf_capture *)opened;
}

static int keep_record(void *context, uint64_t sessions, const struct perf_event_header *record,
                       struct hw_error *err)
{
	struct bpf_capture *capture = context;

	(void)sessions;
	return capture->sink.record(capture->sink.context, record, err);
}

/*
 * Process events of processes nobody asked for stay out of the file. By user or cgroup that is known only
 * with the first sample, which is too late.
 */
static int keep_process(void *context, uint64_t sessions, const struct perf_event_header *record,
                        struct hw_error *err)
{
	const struct bpf_capture *capture = context;
	bool by_task = capture->filter == HW_SESSION_UID || capture->filter == HW_SESSION_CGROUP;

	return sessions || by_task ? keep_record(context, sessions, record, err) : 0;
}

static int keep_existing(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	return keep_record(context, 1, record, err);
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
	uint64_t buffer[16];

	hw_sessions_status(capture->sessions, &status);
	if (!status.lost_side_band ||
	    hw_build_lost(buffer, sizeof(buffer), &id, status.lost_side_band, HW_LOST_OTHER) <= 0)
		return 0;
	return keep_existing(capture, (struct perf_event_header *)buffer, err);
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
