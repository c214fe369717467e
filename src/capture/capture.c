/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Choosing a backend, and calling the one that was chosen. */
#include "capture/backend.h"

#include <stdio.h>
#include <string.h>

/* In order of preference. */
static const struct hw_backend *const backends[] = {&hw_backend_bpf, &hw_backend_native, &hw_backend_dump,
                                                    &hw_backend_ptrace};
#define BACKEND_COUNT (sizeof(backends) / sizeof(backends[0]))

const char *hw_capture_backend_name(size_t index)
{
	return index < BACKEND_COUNT ? backends[index]->name : NULL;
}

/* NULL: the best that works. */
static int find(const char *name, const struct hw_backend **backend, struct hw_error *err)
{
	*backend = NULL;
	if (!name || !strcmp(name, "auto"))
		return 0;
	for (size_t i = 0; i < BACKEND_COUNT; i++)
		if (!strcmp(name, backends[i]->name))
			*backend = backends[i];
	return *backend ? 0 : hw_fail(err, -EINVAL, "no backend is called '%s'", name);
}

static int open_one(const struct hw_backend *backend, const struct hw_capture_options *options,
                    const struct hw_capture_sink *sink, struct hw_capture **capture, struct hw_error *err)
{
	bool by_task = options->filter == HW_SESSION_UID || options->filter == HW_SESSION_CGROUP;

	if (by_task && backend != &hw_backend_bpf)
		return hw_fail(err, -EOPNOTSUPP,
		               "the %s backend cannot choose by user or cgroup: bpf and the daemon can",
		               backend->name);
	return backend->open(options, sink, capture, err);
}

/* Take the first that works. If none does, the first one's error is told: it is the one to mend. */
static int open_best(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                     struct hw_capture **capture, struct hw_error *err)
{
	char passed_over[sizeof((*capture)->passed_over)] = "";
	struct hw_error first = {0}, each;
	size_t length = 0;
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < BACKEND_COUNT; i++) {
		memset(&each, 0, sizeof(each));
		r = open_one(backends[i], options, sink, capture, &each);
		if (!r) {
			memcpy((*capture)->passed_over, passed_over, sizeof(passed_over));
			return 0;
		}
		if (!i)
			first = each;
		if (length < sizeof(passed_over))
			length +=
			    (size_t)snprintf(passed_over + length, sizeof(passed_over) - length, "%s%s: %s",
			                     length ? "; " : "", backends[i]->name, each.text);
	}
	return hw_fail(err, first.code, "%s", first.text);
}

int hw_capture_open(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                    struct hw_capture **capture, struct hw_error *err)
{
	const struct hw_backend *backend;
	int r = find(options->backend, &backend, err);

	if (r)
		return r;
	return backend ? open_one(backend, options, sink, capture, err)
	               : open_best(options, sink, capture, err);
}

static int keep_nothing(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	(void)context;
	(void)record;
	(void)err;
	return 0;
}

int hw_capture_try(const char *backend, bool command, struct hw_error *err)
{
	const struct hw_capture_options options = {.backend = backend,
	                                           .frequency = true,
	                                           .rate = 999,
	                                           .filter = command ? HW_SESSION_PROCESSES : HW_SESSION_ALL};
	const struct hw_capture_sink sink = {.record = keep_nothing};
	struct hw_capture *capture;
	int r = hw_capture_open(&options, &sink, &capture, err);

	if (!r)
		hw_capture_close(capture);
	return r;
}

const char *hw_capture_passed_over(const struct hw_capture *capture)
{
	return capture->passed_over;
}

const char *hw_capture_limit(const struct hw_capture *capture)
{
	return capture->limit;
}

void hw_capture_close(struct hw_capture *capture)
{
	if (capture)
		capture->backend->close(capture);
}

const char *hw_capture_backend(const struct hw_capture *capture)
{
	return capture->backend->name;
}

const char *hw_capture_event(const struct hw_capture *capture, struct perf_event_attr *attr)
{
	return capture->backend->event(capture, attr);
}

int hw_capture_add_process(struct hw_capture *capture, pid_t pid, struct hw_error *err)
{
	return capture->backend->add_process(capture, pid, err);
}

int hw_capture_start(struct hw_capture *capture, struct hw_error *err)
{
	return capture->backend->start(capture, err);
}

int hw_capture_poll(struct hw_capture *capture, int timeout_ms, struct hw_error *err)
{
	return capture->backend->poll(capture, timeout_ms, err);
}

int hw_capture_stop(struct hw_capture *capture, int grace_ms, struct hw_error *err)
{
	return capture->backend->stop(capture, grace_ms, err);
}

int hw_capture_wait_child(struct hw_capture *capture, pid_t pid, int *wait_status)
{
	return capture->backend->wait_child ? capture->backend->wait_child(capture, pid, wait_status) : -1;
}

void hw_capture_status(const struct hw_capture *capture, struct hw_capture_status *status)
{
	capture->backend->status(capture, status);
}
