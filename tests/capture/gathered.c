/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "gathered.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/probe.h"
#include "perfdata/decode.h"
#include "perfdata/format.h"

#define PATIENCE_S                                                                                           \
	180 /* what is waited for comes much sooner, but on a machine that is busy with other things */

/* The record as BPF built it, from the part that user space is given. */
#define WHOLE(type, record) ((const struct type *)((const char *)(record) - sizeof(struct hw_ring_prefix)))

void need_recording(void)
{
	struct hw_probe probe;
	struct hw_error err;

	assert_int_equal(hw_probe(&probe), 0);
	if (hw_probe_blocker(&probe, &err)) {
		printf("this machine cannot record: %s\n", err.text);
		exit(77);
	}
}

static int keep(void *context, uint64_t sessions, const struct perf_event_header *record,
                struct hw_error *err)
{
	struct gathered *g = context;
	const struct hw_callchain_record *c = WHOLE(hw_callchain_record, record);
	struct perf_event_attr attr = {.sample_type = HW_SAMPLE_TYPE & ~(uint64_t)PERF_SAMPLE_PERIOD};
	struct hw_decoded d = {0};
	struct got got = {.sessions = sessions,
	                  .reason = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT};

	(void)err;
	if (record->type == PERF_RECORD_SAMPLE) {
		assert_int_equal(hw_decode_sample(&attr, record, &d), 0); /* all events here are clocks */
		got.pid = d.pid;
		got.tid = d.tid;
		got.time_ns = d.time_ns;
		got.nr = (uint32_t)d.nr;
		if (d.nr >= 2 && d.callchain[d.nr - 2] == PERF_CONTEXT_USER_DEFERRED)
			got.cookie = d.callchain[d.nr - 1];
	} else if (record->type == PERF_RECORD_CALLCHAIN_DEFERRED) {
		got.callchain = true;
		got.cookie = c->cookie;
		got.nr = (uint32_t)c->nr;
		got.pid = (uint32_t)c->ips[c->nr];
		got.tid = (uint32_t)(c->ips[c->nr] >> 32);
		got.time_ns = c->ips[c->nr + 1];
	} else if (record->type == PERF_RECORD_LOST_SAMPLES) {
		g->lost += ((const uint64_t *)record)[1];
		return 0;
	} else {
		g->lost_callchains += record->type == PERF_RECORD_LOST ? ((const uint64_t *)record)[2] : 0;
		return 0;
	}
	assert_int_equal(array_push(&g->got, got), 0);
	return 0;
}

static int ignore(void *context, uint64_t sessions, const struct perf_event_header *record,
                  struct hw_error *err)
{
	(void)context;
	(void)sessions;
	(void)record;
	(void)err;
	return 0;
}

void gathered_open(struct gathered *g, uint32_t ring_bytes)
{
	struct hw_sessions_options options = {.ring_bytes = ring_bytes};
	struct hw_sessions_sink sink = {.context = g, .record = keep, .process = ignore};
	struct hw_error err = {0};

	memset(g, 0, sizeof(*g));
	if (hw_sessions_open(&options, &sink, &g->sessions, &err))
		fail_msg("%s", err.text);
}

void gathered_close(struct gathered *g)
{
	hw_sessions_close(g->sessions);
	array_free(&g->got);
}

void gathered_reset(struct gathered *g)
{
	struct hw_sessions_status status;

	hw_sessions_status(g->sessions, &status);
	for (unsigned bit = 0; status.sessions && bit < HW_SESSIONS_MAX; bit++)
		hw_sessions_remove(g->sessions, bit);
	while (status.sessions + status.ending) {
		gather_for(g, 50);
		hw_sessions_status(g->sessions, &status);
	}
	g->got.count = 0;
	g->lost = 0;
}

unsigned gathered_add(struct gathered *g, const struct hw_session_options *options, pid_t pid)
{
	struct hw_error err = {0};
	unsigned bit = 99;

	if (hw_sessions_add(g->sessions, options, &bit, &err))
		fail_msg("%s", err.text);
	if (pid)
		assert_int_equal(hw_sessions_add_process(g->sessions, bit, pid, NULL), 0);
	assert_int_equal(hw_sessions_start(g->sessions, bit, NULL), 0);
	return bit;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void gather(struct gathered *g)
{
	struct hw_error err = {0};

	if (hw_sessions_poll(g->sessions, 10, &err))
		fail_msg("%s", err.text);
}

void gather_for(struct gathered *g, int milliseconds)
{
	double end = now_s() + milliseconds * 1e-3;

	while (now_s() < end)
		gather(g);
}

void gather_samples(struct gathered *g, unsigned bit, unsigned samples)
{
	gather_samples_of(g, bit, 0, samples);
}

void gather_samples_of(struct gathered *g, unsigned bit, pid_t pid, unsigned samples)
{
	double end = now_s() + PATIENCE_S;
	size_t seen = 0;
	unsigned count = 0;

	while (count < samples) {
		gather(g);
		for (; seen < g->got.count; seen++)
			count += !g->got.items[seen].callchain && g->got.items[seen].sessions >> bit & 1 &&
			         (!pid || g->got.items[seen].pid == (uint32_t)pid);
		if (now_s() > end)
			fail_msg("session %u got %u samples in %d s, not %u", bit, count, PATIENCE_S,
			         samples);
	}
}

void gather_rest(struct gathered *g, uint64_t sessions)
{
	double end = now_s() + PATIENCE_S;
	int owed;

	for (unsigned bit = 0; bit < HW_SESSIONS_MAX; bit++)
		if (sessions >> bit & 1)
			assert_int_equal(hw_sessions_stop(g->sessions, bit, NULL), 0);
	do {
		gather(g);
		owed = 0;
		for (unsigned bit = 0; bit < HW_SESSIONS_MAX; bit++)
			if (sessions >> bit & 1)
				owed += hw_sessions_owed(g->sessions, bit);
	} while (owed && now_s() < end);
	gather(g);
	hw_sessions_drain(g->sessions);
}

void remove_and_wait(struct gathered *g, unsigned bit)
{
	struct hw_sessions_status status;
	double end = now_s() + PATIENCE_S;

	hw_sessions_remove(g->sessions, bit);
	do {
		gather(g);
		hw_sessions_status(g->sessions, &status);
		if (now_s() > end)
			fail_msg("the bit of a removed session is not free after minutes");
	} while (status.ending);
}

struct cookie {
	uint64_t cookie, samples, callchains;
};

static int by_cookie(const void *a, const void *b)
{
	uint64_t left = ((const struct cookie *)a)->cookie, right = ((const struct cookie *)b)->cookie;

	return (left > right) - (left < right);
}

struct share share_of(const struct gathered *g, unsigned bit, pid_t pid)
{
	struct cookie *cookies = calloc(g->got.count + 1, sizeof(*cookies));
	struct share share = {0};
	size_t count = 0;

	assert_non_null(cookies);
	array_for_each (&g->got, it) {
		if (!(it->sessions >> bit & 1))
			continue;
		share.foreign += pid && it->pid != (uint32_t)pid;
		share.samples += !it->callchain;
		share.callchains += it->callchain;
		share.complete += it->callchain && it->reason == HW_END_COMPLETE;
		share.forbidden += it->callchain && it->reason == HW_END_FORBIDDEN;
		share.frames_forbidden += it->callchain && it->reason == HW_END_FORBIDDEN ? it->nr : 0;
		if (it->cookie)
			cookies[count++] = (struct cookie){it->cookie, !it->callchain, it->callchain};
	}
	qsort(cookies, count, sizeof(*cookies), by_cookie);
	for (size_t i = 0, end; i < count; i = end) {
		struct cookie sum = {0};

		for (end = i; end < count && cookies[end].cookie == cookies[i].cookie; end++) {
			sum.samples += cookies[end].samples;
			sum.callchains += cookies[end].callchains;
		}
		share.asked += sum.samples > 0;
		share.answered += sum.samples && sum.callchains;
		share.twice += sum.callchains > 1;
		share.unasked += sum.callchains && !sum.samples;
	}
	free(cookies);
	return share;
}

void assert_exact(const struct share *share)
{
	assert_int_equal(share->foreign, 0);
	assert_true(share->asked > 0);
	assert_int_equal(share->answered, share->asked);
	assert_int_equal(share->twice, 0);
	assert_int_equal(share->unasked, 0);
}

/* ---- children ---- */

struct child child_new(void (*what)(void))
{
	pid_t parent = getpid();
	struct child child;
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	child.pid = fork();
	if (!child.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* until it changes its uid, if it does */
		close(ends[1]);
		if (read(ends[0], &byte, 1) == 1)
			while (getppid() == parent)
				what();
		_exit(0);
	}
	close(ends[0]);
	child.go = ends[1];
	return child;
}

void child_go(const struct child *child)
{
	assert_int_equal(write(child->go, "", 1), 1);
}

void child_end(const struct child *child)
{
	close(child->go);
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
}

void burn(void)
{
	for (volatile unsigned i = 0; i < 1000000; i = i + 1)
		;
}

void long_reads(void)
{
	static const size_t size = 64 << 20;
	static char *memory;
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (!memory)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 20; i++)
		if (read(fd, memory, size) < 0)
			_exit(1);
	close(fd);
}

void system_calls(void)
{
	char bytes[256];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < 1000; i++)
		if (read(fd, bytes, sizeof(bytes)) < 0)
			_exit(1);
	close(fd);
}

void come_and_go(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}
