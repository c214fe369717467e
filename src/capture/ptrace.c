/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The backend "ptrace": no rights at all, for a command of one's own and all that it starts. A thread that
 * has used a period of CPU time and is running is stopped, its registers and stack are copied, and it goes
 * on; the finisher walks the copy.
 *
 * One thread, the tracer, makes all ptrace calls and waits for all stops; a timer's signal interrupts its
 * wait whenever it is time to look for whom to stop. When it ends, the kernel lets go of whatever it traced,
 * as it was. While it traces, nobody else in this process may wait for the command: the tracer takes its end
 * in.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/event.h"
#include "capture/tracer.h"
#include "perfdata/records.h"

#define RATE_MAX            200u
#define STACK_BYTES_DEFAULT (64u << 10)

struct ptrace_capture {
	struct hw_capture capture; /* first */
	struct hw_capture_options options;
	struct hw_event_options event;
	struct hw_event_kind kind;
	struct hw_finisher *finisher;
	struct hw_tracer *tracer;
	uint64_t told_lost;
};

static struct ptrace_capture *ptrace_of(const struct hw_capture *opened)
{
	return (struct ptrace_capture *)opened;
}

/* A child that can be traced: then a command can be. */
static int try_tracing(struct hw_error *err)
{
	pid_t child = fork();
	int r;

	if (!child) {
		pause();
		_exit(0);
	}
	if (child < 0)
		return hw_fail(err, -errno, "cannot fork: %s", strerror(errno));
	r = ptrace(PTRACE_SEIZE, child, NULL, NULL) ? -errno : 0;
	kill(child, SIGKILL);
	while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
		;
	return r ? hw_fail(err, r == -ENOSYS ? -EOPNOTSUPP : -EPERM,
	                   "ptrace is refused (%s): allow it (seccomp; /proc/sys/kernel/yama/ptrace_scope "
	                   "below 3)",
	                   strerror(-r))
	         : 0;
}

static int check(const struct hw_capture_options *options, struct hw_error *err)
{
	if (!options->filter)
		return hw_fail(
		    err, -EOPNOTSUPP,
		    "ptrace sees only a command of one's own, not the whole machine: homeward record "
		    "-- COMMAND");
	if (options->event && strcmp(options->event, "cpu-clock") != 0)
		return hw_fail(err, -EOPNOTSUPP, "ptrace knows CPU time only, not %s: try -e cpu-clock",
		               options->event);
	return try_tracing(err);
}

static void close_ptrace(struct hw_capture *opened)
{
	struct ptrace_capture *capture = ptrace_of(opened);

	hw_tracer_free(capture->tracer);
	hw_finisher_free(capture->finisher);
	free(capture);
}

static int open_ptrace(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                       struct hw_capture **result, struct hw_error *err)
{
	const struct hw_finisher_options finisher = {.table_memory_bytes = options->table_memory_bytes,
	                                             .cache_directory = options->cache_directory,
	                                             .sink = *sink};
	struct ptrace_capture *capture;
	uint64_t period_ns;
	int r = check(options, err);

	if (r)
		return r;
	capture = calloc(1, sizeof(*capture));
	if (!capture)
		return hw_fail(err, -ENOMEM, "out of memory");
	capture->capture.backend = &hw_backend_ptrace;
	capture->options = *options;
	capture->event.frequency = options->frequency;
	capture->event.rate = options->frequency && options->rate > RATE_MAX ? RATE_MAX : options->rate;
	period_ns = options->frequency ? 1000000000ull / capture->event.rate : options->rate;
	if (period_ns < 1000000000u / RATE_MAX)
		period_ns = 1000000000u / RATE_MAX;
	if (!options->frequency)
		capture->event.rate = period_ns;
	capture->event.user_only = options->user_only;
	hw_event_find("cpu-clock", &capture->kind, NULL);
	r = hw_finisher_new(&finisher, &capture->finisher, err);
	if (!r)
		r = hw_tracer_new(capture->finisher, period_ns,
		                  options->stack_bytes ? options->stack_bytes : STACK_BYTES_DEFAULT,
		                  &capture->tracer, err);
	if (r) {
		close_ptrace(&capture->capture);
		return r;
	}
	*result = &capture->capture;
	return 0;
}

static const char *event(const struct hw_capture *opened, struct perf_event_attr *attr)
{
	const struct ptrace_capture *capture = ptrace_of(opened);

	hw_event_set(attr, &capture->kind, &capture->event);
	hw_event_for_file(attr, &capture->event);
	return capture->kind.name;
}

static int add_process(struct hw_capture *opened, pid_t pid, struct hw_error *err)
{
	return hw_tracer_add(ptrace_of(opened)->tracer, pid, err);
}

static int start(struct hw_capture *opened, struct hw_error *err)
{
	(void)err;
	hw_tracer_start(ptrace_of(opened)->tracer);
	return 0;
}

static int tell_losses(struct ptrace_capture *capture)
{
	struct hw_finisher_status status;
	uint64_t lost;

	hw_finisher_status(capture->finisher, &status);
	lost = status.lost - capture->told_lost;
	capture->told_lost = status.lost;
	return lost ? hw_tracer_tell_lost(capture->tracer, lost) : 0;
}

static int poll_ptrace(struct hw_capture *opened, int timeout_ms, struct hw_error *err)
{
	struct ptrace_capture *capture = ptrace_of(opened);

	hw_tracer_wait(capture->tracer, timeout_ms);
	if (tell_losses(capture))
		return hw_fail(err, -ENOMEM, "out of memory");
	return hw_finisher_failure(capture->finisher, err);
}

/* For the report: what stopping cost the threads. */
static int tell_cost(struct ptrace_capture *capture)
{
	uint64_t buffer[16], stops, stopped_ns;
	char words[64];
	int size;

	hw_tracer_cost(capture->tracer, &stops, &stopped_ns);
	if (!stops)
		return 0;
	snprintf(words, sizeof(words), "%.0f us a sample, %.2f s in all",
	         (double)stopped_ns / 1e3 / (double)stops, (double)stopped_ns / 1e9);
	size = hw_build_cost(buffer, sizeof(buffer), words);
	return size < 0 ? size
	                : hw_finisher_push_record(capture->finisher, (struct perf_event_header *)buffer);
}

static int stop(struct hw_capture *opened, int grace_ms, struct hw_error *err)
{
	struct ptrace_capture *capture = ptrace_of(opened);

	(void)grace_ms;
	hw_tracer_stop(capture->tracer);
	tell_losses(capture);
	tell_cost(capture);
	hw_finisher_drain(capture->finisher);
	return hw_finisher_failure(capture->finisher, err);
}

static void get_status(const struct hw_capture *opened, struct hw_capture_status *status)
{
	const struct ptrace_capture *capture = ptrace_of(opened);

	hw_finisher_capture_status(capture->finisher, status);
	hw_tracer_cost(capture->tracer, &status->stops, &status->stopped_ns);
}

static int wait_child(struct hw_capture *opened, pid_t pid, int *wait_status)
{
	return hw_tracer_ended(ptrace_of(opened)->tracer, pid, wait_status);
}

const struct hw_backend hw_backend_ptrace = {
    .name = "ptrace",
    .open = open_ptrace,
    .close = close_ptrace,
    .event = event,
    .add_process = add_process,
    .start = start,
    .poll = poll_ptrace,
    .stop = stop,
    .status = get_status,
    .wait_child = wait_child,
};
