/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <homeward/recorder.h>

#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "capture/capture.h"
#include "merge/live.h"
#include "session/client.h"

#define RATE_HZ  999
#define GRACE_MS 300

struct homeward_recorder {
	struct hw_capture *capture;
	struct hw_live *live;
	homeward_sample_function *function;
	void *context;
	struct homeward_recorder_counts counts;
	int refusal; /* what the callback returned when it ended the recording */
};

static int give_sample(void *context, const struct hw_live_sample *from)
{
	struct homeward_recorder *recorder = context;
	struct homeward_sample sample = {
	    .time_ns = from->time_ns,
	    .ip = from->ip,
	    .period = from->period,
	    .pid = from->pid,
	    .tid = from->tid,
	    .cpu = from->cpu,
	    .kernel_ips = from->kernel_ips,
	    .user_ips = from->user_ips,
	    .kernel_count = from->kernel_count,
	    .user_count = from->user_count,
	    .state = (enum homeward_sample_state)from->state,
	    .reason = hw_api_reason(from->state, from->refusal, from->end, from->unanswered),
	};
	int code;

	if (recorder->refusal)
		return recorder->refusal;
	recorder->counts.samples++;
	recorder->counts.unanswered += sample.state == HOMEWARD_SAMPLE_UNANSWERED;
	code = recorder->function(recorder->context, &sample);
	if (code < 0)
		recorder->refusal = code;
	return code < 0 ? code : 0;
}

static int take_record(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct homeward_recorder *recorder = context;
	const uint64_t *words = (const uint64_t *)record;
	int code;

	if (record->type == PERF_RECORD_LOST && record->size >= 24)
		recorder->counts.lost += words[2];
	if (record->type == PERF_RECORD_LOST_SAMPLES && record->size >= 16)
		recorder->counts.lost += words[1];
	code = hw_live_add(recorder->live, record);
	return code < 0 ? hw_fail(err, code,
	                          recorder->refusal ? "the callback ended the recording"
	                          : code == -ENOMEM ? "out of memory"
	                                            : "a record makes no sense")
	                : 0;
}

/* The daemon, where there is one or only it is asked for; else a source of our own. */
static int open_source(struct homeward_recorder *recorder, const struct hw_capture_options *options,
                       struct hw_error *err)
{
	const struct hw_capture_sink sink = {.context = recorder, .record = take_record};
	bool daemon = options->backend && !strcmp(options->backend, "daemon");
	int code = -ENOENT;

	if (daemon || !options->backend || !strcmp(options->backend, "auto"))
		code = hw_daemon_open(hw_daemon_socket(), options, &sink, &recorder->capture, err);
	if (daemon || !hw_daemon_is_absent(code))
		return code;
	return hw_capture_open(options, &sink, &recorder->capture, err);
}

static int open_capture(struct homeward_recorder *recorder, const struct homeward_recorder_options *options,
                        struct hw_error *err)
{
	const struct hw_capture_options capture = {
	    .backend = options->backend,
	    .event = options->event,
	    .frequency = true,
	    .rate = options->rate_hz ? options->rate_hz : RATE_HZ,
	    .filter = options->pids ? HW_SESSION_PROCESSES : HW_SESSION_ALL,
	    .user_only = options->user_only,
	};
	struct perf_event_attr attr;
	int code = open_source(recorder, &capture, err);

	for (size_t i = 0; !code && options->pids && i < options->pid_count; i++)
		code = hw_capture_add_process(recorder->capture, options->pids[i], err);
	if (code)
		return code;
	hw_capture_event(recorder->capture, &attr);
	recorder->live = hw_live_new(&attr, give_sample, recorder);
	return recorder->live ? 0 : hw_fail(err, -ENOMEM, "out of memory");
}

int homeward_recorder_open(const struct homeward_recorder_options *options,
                           homeward_sample_function *function, void *context,
                           struct homeward_recorder **result)
{
	struct homeward_recorder_options known = {0};
	struct homeward_recorder *recorder = calloc(1, sizeof(*recorder));
	struct hw_error err = {.text = "out of memory"};
	int code = -ENOMEM;

	*result = NULL;
	hw_api_take_options(&known, sizeof(known), options);
	if (recorder) {
		recorder->function = function;
		recorder->context = context;
		code = open_capture(recorder, &known, &err);
	}
	if (code) {
		homeward_recorder_close(recorder);
		return hw_api_fail(code, err.text);
	}
	*result = recorder;
	return 0;
}

void homeward_recorder_close(struct homeward_recorder *recorder)
{
	if (!recorder)
		return;
	hw_capture_close(recorder->capture);
	hw_live_free(recorder->live);
	free(recorder);
}

int homeward_recorder_start(struct homeward_recorder *recorder)
{
	struct hw_error err = {0};
	int code = hw_capture_start(recorder->capture, &err);

	return code ? hw_api_fail(code, err.text) : 0;
}

int homeward_recorder_poll(struct homeward_recorder *recorder, int timeout_ms)
{
	struct hw_error err = {0};
	int code = hw_capture_poll(recorder->capture, timeout_ms, &err);

	return code < 0 ? hw_api_fail(code, err.text) : 0;
}

int homeward_recorder_stop(struct homeward_recorder *recorder)
{
	struct hw_error err = {0};
	int code = hw_capture_stop(recorder->capture, GRACE_MS, &err);

	if (!code)
		code = hw_live_finish(recorder->live);
	return code < 0 ? hw_api_fail(code, err.text[0] ? err.text : "the callback ended the recording") : 0;
}

const char *homeward_recorder_backend(const struct homeward_recorder *recorder)
{
	return hw_capture_backend(recorder->capture);
}

int homeward_recorder_counts(const struct homeward_recorder *recorder,
                             struct homeward_recorder_counts *counts)
{
	size_t size = counts->size, known = hw_api_known(size, sizeof(*counts));

	if (!known)
		return hw_api_fail(-EINVAL, "set counts->size before asking for counts");
	memset(counts, 0, size);
	memcpy(counts, &recorder->counts, known);
	counts->size = size;
	return 0;
}
