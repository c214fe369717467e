/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "fake_sessions.h"

#include "capture/existing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "perfdata/records.h"

struct hw_sessions fake_sessions;

int hw_sessions_open(const struct hw_sessions_options *options, const struct hw_sessions_sink *sink,
                     struct hw_sessions **sessions, struct hw_error *err)
{
	(void)options;
	(void)err;
	fake_sessions.sink = *sink;
	fake_sessions.bits = 0;
	fake_sessions.ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	*sessions = &fake_sessions;
	return 0;
}

void hw_sessions_close(struct hw_sessions *s)
{
	if (s)
		close(s->ready);
}

int hw_sessions_room(const struct hw_sessions *s)
{
	return s->refuse && s->polls_left % 2 ? -EAGAIN : 0;
}

int hw_sessions_add(struct hw_sessions *s, const struct hw_session_options *options, unsigned *bit,
                    struct hw_error *err)
{
	if (options->event && strcmp(options->event, "cpu-clock"))
		return hw_fail(err, -ENOENT, "no such event");
	if (s->refuse || s->bits == UINT64_MAX >> 1)
		return hw_fail(err, -ENOSPC, "no bit is left");
	*bit = (unsigned)__builtin_ctzll(~s->bits);
	s->bits |= 1ull << *bit;
	return 0;
}

static void need(const struct hw_sessions *s, unsigned bit)
{
	if (!(s->bits >> bit & 1))
		abort();
}

int hw_sessions_add_process(struct hw_sessions *s, unsigned bit, pid_t pid, struct hw_error *err)
{
	(void)err;
	need(s, bit);
	return pid > 0 ? 0 : -EINVAL;
}

bool hw_sessions_has_process(const struct hw_sessions *s, unsigned bit, pid_t pid)
{
	need(s, bit);
	return pid % 2;
}

int hw_sessions_start(struct hw_sessions *s, unsigned bit, struct hw_error *err)
{
	(void)err;
	need(s, bit);
	return 0;
}

int hw_sessions_stop(struct hw_sessions *s, unsigned bit, struct hw_error *err)
{
	(void)err;
	need(s, bit);
	return 0;
}

int hw_sessions_owed(struct hw_sessions *s, unsigned bit)
{
	need(s, bit);
	return 0;
}

void hw_sessions_remove(struct hw_sessions *s, unsigned bit)
{
	need(s, bit);
	s->bits &= ~(1ull << bit);
}

const char *hw_sessions_event(const struct hw_sessions *s, unsigned bit, struct perf_event_attr *attr)
{
	need(s, bit);
	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	return "cpu-clock";
}

int hw_sessions_fd(const struct hw_sessions *s)
{
	return s->ready;
}

int hw_sessions_poll(struct hw_sessions *s, int timeout_ms, struct hw_error *err)
{
	(void)timeout_ms;
	(void)err;
	if (--s->polls_left <= 0)
		*s->stop = 1;
	return 0;
}

uint64_t hw_sessions_handed(const struct hw_sessions *s, uint64_t *done)
{
	(void)s;
	*done = 0;
	return 0;
}

struct hw_existing_walk {
	bool (*wanted)(void *context, pid_t pid);
	int (*emit)(void *context, const struct perf_event_header *record, struct hw_error *err);
	void *context;
	uint32_t pid;
};

int hw_sessions_existing_begin(struct hw_sessions *s, bool (*wanted)(void *context, pid_t pid),
                               int (*emit)(void *context, const struct perf_event_header *record,
                                           struct hw_error *err),
                               void *context, struct hw_existing_walk **walk, struct hw_error *err)
{
	(void)s;
	*walk = calloc(1, sizeof(**walk));
	if (!*walk)
		return hw_fail(err, -ENOMEM, "out of memory");
	**walk = (struct hw_existing_walk){.wanted = wanted, .emit = emit, .context = context, .pid = 1};
	return 0;
}

int hw_existing_step(struct hw_existing_walk *walk, struct hw_error *err)
{
	struct hw_record_id id = {.pid = 1, .tid = 1};
	uint32_t pid = walk->pid++;
	uint64_t buffer[64];
	int r = 0;

	if (walk->wanted(walk->context, (pid_t)pid) &&
	    hw_build_comm(buffer, sizeof(buffer), &id, pid, pid, "name", false) > 0)
		r = walk->emit(walk->context, (struct perf_event_header *)buffer, err);
	return r ? r : pid < 5;
}

void hw_existing_end(struct hw_existing_walk *walk)
{
	free(walk);
}

void hw_sessions_status(const struct hw_sessions *s, struct hw_sessions_status *status)
{
	memset(status, 0, sizeof(*status));
	status->sessions = (unsigned)__builtin_popcountll(s->bits);
}
