/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Many sessions on one kernel side: up to 64 at a time, each with its own event, rate and filter. Each stack
 * is walked once, whoever asked: every record comes with the mask of the sessions that it is for.
 *
 * A session is named by its bit, 0 to 63. Its life: add, (add_process…), start, stop, remove. Sessions that
 * want the same (event, rate, user_only) share one kernel event a CPU, so a hit is one sample with several
 * bits. Who gets a sample is decided in the kernel, before the task is asked; a limited session gets only
 * what ptrace would let its viewer see, judged at the sample, at the walk, and when a walk is handed out
 * again (a callchain that may not be seen any more comes without frames, its end reason "forbidden").
 *
 * After hw_sessions_remove returns, no record carries the session's bit. The bit is given out again only
 * when every request that carried it is gone and every ring was read past that point, which later calls of
 * hw_sessions_poll find out; nobody waits for it, and a task asleep in a long call does not pin it.
 *
 * One thread makes all calls. The sink is called from that thread (inside poll, stop and remove) and from
 * the loader's, but never from two at once. A sink must not call back into hw_sessions.
 */
#ifndef HW_CAPTURE_SESSIONS_H
#define HW_CAPTURE_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "bpf/abi.h"
#include "capture/capture.h"
#include "perfdata/format.h"

#define HW_SESSIONS_MAX 64

struct hw_sessions; /* the loaded kernel side with its rings, tables and loader */

struct hw_sessions_options {
	bool deferred_only;          /* never walk at once */
	bool truth;                  /* test only: see hw_sessions_sink.truth */
	uint64_t task_slots;         /* test only: room for so many tasks; 0: enough */
	uint64_t table_memory_bytes; /* cap on unwind tables; 0: 256 MiB */
	uint32_t ring_bytes;         /* of each of a CPU's two rings; 0: 2 MiB */
	const char *cache_directory; /* of tables; NULL: none */
};

struct hw_sessions_sink {
	void *context;
	/*
	 * A sample, a deferred callchain or a loss (PERF_RECORD_LOST_SAMPLES, PERF_RECORD_LOST, whose
	 * sample_id names the CPU), for these sessions. The record is gone after the call. Negative: poll
	 * returns it.
	 */
	int (*record)(void *context, uint64_t sessions, const struct perf_event_header *record,
	              struct hw_error *err);
	/*
	 * A process event (MMAP2, COMM, FORK, EXIT; the side band). sessions: those that may know of it for
	 * sure (no limit on the viewer, and all processes or this one asked for). A session with a limit, a
	 * uid or a cgroup is never in there: it may know of a process image once it got a sample of it, so
	 * whoever keeps such sessions holds these records back until then. New kernel code (KSYMBOL) is for
	 * all sessions without a limit.
	 */
	int (*process)(void *context, uint64_t sessions, const struct perf_event_header *record,
	               struct hw_error *err);
	/* With options.truth: the registers, frames, mappings and stack of a walk, size bytes in all. */
	void (*truth)(void *context, const struct hw_unfinished *walk, size_t size);
};

/* Load the programs, compile and load the tables of what runs now. No event is open yet. */
int hw_sessions_open(const struct hw_sessions_options *options, const struct hw_sessions_sink *sink,
                     struct hw_sessions **sessions, struct hw_error *err);
void hw_sessions_close(struct hw_sessions *sessions);

struct hw_session_options {
	const char
	    *event; /* "cpu-clock", "cycles", "page-faults" …; NULL: cycles, or cpu-clock without them */
	bool frequency; /* rate is in Hz, else a period (events; ns for clocks) */
	uint64_t rate;
	bool user_only; /* no samples of kernel mode */
	enum hw_session_filter filter;
	uid_t uid;       /* HW_SESSION_UID */
	uint64_t cgroup; /* HW_SESSION_CGROUP: the id, which is the inode number of its directory */
	bool limited;    /* the viewer is not privileged: only tasks whose real, effective and saved uids and
	                    gids all are these and whose memory is dumpable */
	uid_t viewer_uid;
	gid_t viewer_gid;
};

/* Can a session be added? 0; -EAGAIN: not yet, but a bit becomes free in one of the next polls; -ENOSPC: no.
 */
int hw_sessions_room(const struct hw_sessions *sessions);
/* Open what the session needs, still silent. -ENOSPC: all bits are taken. -EINVAL, -ENOENT: the event. */
int hw_sessions_add(struct hw_sessions *sessions, const struct hw_session_options *options, unsigned *bit,
                    struct hw_error *err);
int hw_sessions_add_process(struct hw_sessions *sessions, unsigned bit, pid_t pid, struct hw_error *err);
/* Is the process one that the session asked for, or a descendant? Those that are gone count. */
bool hw_sessions_has_process(const struct hw_sessions *sessions, unsigned bit, pid_t pid);
/* Begin to sample. */
int hw_sessions_start(struct hw_sessions *sessions, unsigned bit, struct hw_error *err);
/* No more samples. Callchains that are owed still come: poll until hw_sessions_owed is 0, or give up. */
int hw_sessions_stop(struct hw_sessions *sessions, unsigned bit, struct hw_error *err);
/* How many tasks owe this session a callchain now; negative: -errno. Costs a look at every asked task. */
int hw_sessions_owed(struct hw_sessions *sessions, unsigned bit);
/* End the session, from whatever state: no record carries the bit after this. */
void hw_sessions_remove(struct hw_sessions *sessions, unsigned bit);

/* The session's event: its name and the attribute to write into a file. */
const char *hw_sessions_event(const struct hw_sessions *sessions, unsigned bit, struct perf_event_attr *attr);

/* An epoll descriptor that is readable when poll has something to do (records also wait for its timeout). */
int hw_sessions_fd(const struct hw_sessions *sessions);
/* Wait up to timeout_ms and deliver all there is. Every source was read once when it returns. */
int hw_sessions_poll(struct hw_sessions *sessions, int timeout_ms, struct hw_error *err);
/* Wait until the loader has finished every walk that was handed to it before. */
void hw_sessions_drain(struct hw_sessions *sessions);
/* Without waiting: how many items the loader was handed so far, and how many of them it is done with. */
uint64_t hw_sessions_handed(const struct hw_sessions *sessions, uint64_t *done);

/*
 * What was there before: maps and names of running processes (those for which wanted says so) and the
 * kernel's own map, made up from /proc, each handed to emit.
 */
int hw_sessions_existing(struct hw_sessions *sessions, bool (*wanted)(void *context, pid_t pid),
                         int (*emit)(void *context, const struct perf_event_header *record,
                                     struct hw_error *err),
                         void *context, struct hw_error *err);

/* The same in steps: see hw_existing_step and hw_existing_end in capture/existing.h. */
struct hw_existing_walk;
int hw_sessions_existing_begin(struct hw_sessions *sessions, bool (*wanted)(void *context, pid_t pid),
                               int (*emit)(void *context, const struct perf_event_header *record,
                                           struct hw_error *err),
                               void *context, struct hw_existing_walk **walk, struct hw_error *err);

struct hw_sessions_status {
	struct hw_counters counters;               /* summed over CPUs, of all sessions since the start */
	uint64_t tables, table_rows, table_bytes;  /* loaded now */
	uint64_t table_failures, misses, finished; /* finished: walks that user space ended */
	uint64_t lost_side_band;
	uint64_t pending;       /* things handed to the loader that are not done */
	unsigned sessions;      /* bits in use */
	unsigned ending;        /* bits of removed sessions that cannot be given out yet */
	uint64_t due;           /* samples, by the count of events that are over; 0: not known */
	unsigned kernel_events; /* shared events, of one descriptor per CPU each */
};
void hw_sessions_status(const struct hw_sessions *sessions, struct hw_sessions_status *status);

#endif
