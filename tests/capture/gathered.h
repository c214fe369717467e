/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * For tests of sessions: a kernel side whose records are all kept, with who got them; and children to sample.
 */
#ifndef HW_TESTS_CAPTURE_GATHERED_H
#define HW_TESTS_CAPTURE_GATHERED_H

#include "base/array.h"
#include "capture/sessions.h"

struct got {
	uint64_t sessions, cookie, time_ns;
	uint32_t pid, tid, nr, reason; /* reason: end reason of a callchain, refusal of a sample */
	bool callchain;
};

struct gathered {
	struct hw_sessions *sessions;
	array_of(struct got) got;
	uint64_t lost, lost_callchains; /* as told */
};

/* What one session got. */
struct share {
	unsigned samples, foreign; /* foreign: of another process than the one named */
	unsigned asked, answered;  /* different cookies of samples, and those of them with a callchain */
	unsigned twice, unasked;   /* callchains that came twice, or for a cookie that no sample has */
	unsigned callchains, complete, forbidden, frames_forbidden;
};

/* The calling process can load BPF programs; else the test ends as skipped. */
void need_recording(void);
void gathered_open(struct gathered *g, uint32_t ring_bytes);
void gathered_close(struct gathered *g);
/* Forget all records, and end what a test that failed has left behind. */
void gathered_reset(struct gathered *g);
/* Add a session, and start it: its bit. pid: of its only process, or 0. */
unsigned gathered_add(struct gathered *g, const struct hw_session_options *options, pid_t pid);
/* Read for so long. */
void gather_for(struct gathered *g, int milliseconds);
/* Read until the session has that many samples, of this process (0: of any); fails after some minutes. */
void gather_samples(struct gathered *g, unsigned bit, unsigned samples);
void gather_samples_of(struct gathered *g, unsigned bit, pid_t pid, unsigned samples);
/* Stop sampling for these sessions (a mask) and read what they are owed. */
void gather_rest(struct gathered *g, uint64_t sessions);
/* Remove the session and read until its bit is free again; fails after some minutes. */
void remove_and_wait(struct gathered *g, unsigned bit);
struct share share_of(const struct gathered *g, unsigned bit, pid_t pid);
/* Everything asked was answered, once, and nothing else came. */
void assert_exact(const struct share *share);

/* A child that waits for go, then runs what() over and over until it is killed. */
struct child {
	pid_t pid;
	int go; /* write a byte */
};
struct child child_new(void (*what)(void));
void child_go(const struct child *child);
void child_end(const struct child *child);

/* Things to do. */
void burn(void);         /* user mode */
void long_reads(void);   /* long stays in the kernel */
void system_calls(void); /* short stays */
void come_and_go(void);  /* fork, exec, threads that exec */

#endif
