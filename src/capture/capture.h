/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Sources of samples. A capture delivers whole perf.data records (samples, deferred callchains, process
 * events, losses) to a sink, as they come from each CPU; it knows nothing of files.
 *
 * One thread opens, polls, stops and closes; the sink is called from that thread and from the loader's, but
 * never from two at once.
 */
#ifndef HW_CAPTURE_CAPTURE_H
#define HW_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "bpf/abi.h"
#include "perfdata/format.h"

#define HW_STACK_SIZE_MAX (60u << 10) /* bytes of a stack copy */

struct hw_capture;

/* Whose samples are wanted: decided in the kernel, before the task is asked. */
enum hw_session_filter {
	HW_SESSION_ALL,
	HW_SESSION_PROCESSES, /* those that are added by PID, and their descendants */
	HW_SESSION_UID,       /* tasks whose effective uid is this one */
	HW_SESSION_CGROUP,    /* tasks in this cgroup (version 2) or below it */
};

struct hw_capture_options {
	const char *backend; /* "bpf" …, or NULL or "auto": the best one that works here */
	const char *event;   /* by name; NULL: cycles, or cpu-clock where there are none */
	bool frequency;      /* rate is in Hz, else a period (events; ns for cpu-clock) */
	uint64_t rate;
	enum hw_session_filter filter; /* by uid and cgroup: -EOPNOTSUPP from all but bpf and the daemon */
	uid_t uid;
	uint64_t cgroup;
	bool user_only;              /* no samples of kernel mode */
	bool deferred_only;          /* never walk at once */
	bool truth;                  /* test only: see hw_capture_sink.truth */
	uint64_t task_slots;         /* test only: room for so many tasks; 0: enough */
	uint64_t table_memory_bytes; /* cap on unwind tables; 0: 256 MiB */
	uint32_t ring_bytes;         /* of each CPU's rings; 0: what the backend needs */
	uint32_t stack_bytes;        /* of a stack copy, where the backend makes them; 0: 16 KiB */
	const char *cache_directory; /* of tables; NULL: none */
};

struct hw_capture_sink {
	void *context;
	/* Keep one record; a negative return ends the capture with that error. */
	int (*record)(void *context, const struct perf_event_header *record, struct hw_error *err);
	/* With options.truth: the registers, frames, mappings and stack of a walk, size bytes in all. */
	void (*truth)(void *context, const struct hw_unfinished *walk, size_t size);
};

struct hw_capture_status {
	struct hw_counters counters;               /* summed over CPUs */
	uint64_t tables, table_rows, table_bytes;  /* loaded now */
	uint64_t table_failures, misses, finished; /* finished: walks that user space ended */
	uint64_t lost_side_band;
	uint64_t
	    pending;  /* walks under way in user space: their records will be older than those delivered */
	uint64_t due; /* samples that were due by the event's own count; 0: not known */
	uint64_t stops, stopped_ns; /* by a backend that stops threads: how often, for how long in all */
};

/*
 * Open a source of samples: load what it needs, compile and load the tables of what runs now, open the events
 * (still disabled). -EPERM, -EOPNOTSUPP and friends say in err what is missing; -EINVAL: no such backend.
 */
int hw_capture_open(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                    struct hw_capture **capture, struct hw_error *err);
void hw_capture_close(struct hw_capture *capture); /* may be NULL */

/* The backend that was chosen: "bpf" … */
const char *hw_capture_backend(const struct hw_capture *capture);
/* What auto passed over and why: "bpf: no right …", one line; empty: the best one was taken, or asked for. */
const char *hw_capture_passed_over(const struct hw_capture *capture);
/* What of it is not seen though it was asked for, in a few words; NULL: nothing. */
const char *hw_capture_limit(const struct hw_capture *capture);
/*
 * Would this backend record here: the whole machine, or (command) a command of one's own? 0, or why not, with
 * what is missing and how to get it in err. Tries it, and leaves nothing behind.
 */
int hw_capture_try(const char *backend, bool command, struct hw_error *err);
/* Names of backends in the order in which auto tries them; NULL past the last. */
const char *hw_capture_backend_name(size_t index);

/* The event that samples: its name ("cpu-clock") and the attribute to write into a file. */
const char *hw_capture_event(const struct hw_capture *capture, struct perf_event_attr *attr);

int hw_capture_add_process(struct hw_capture *capture, pid_t pid, struct hw_error *err);

/* Deliver what was there before (maps and names of running processes), then begin to sample. */
int hw_capture_start(struct hw_capture *capture, struct hw_error *err);
/* Wait up to timeout_ms for records and deliver all there are. Every source was read once when it returns. */
int hw_capture_poll(struct hw_capture *capture, int timeout_ms, struct hw_error *err);
/* Stop sampling, give open requests up to grace_ms to come home, deliver the rest and what was lost. */
int hw_capture_stop(struct hw_capture *capture, int grace_ms, struct hw_error *err);

/*
 * A backend that traces must be the one that waits for a command of ours. 1: it has ended, *wait_status is
 * what wait(2) said; 0: it is traced, ask again; -1: wait for it yourself.
 */
int hw_capture_wait_child(struct hw_capture *capture, pid_t pid, int *wait_status);

void hw_capture_status(const struct hw_capture *capture, struct hw_capture_status *status);

#endif
