/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Kernel events that sessions share: one on each online CPU for all sessions that want the same (type,
 * config, rate, user_only). Its BPF cookie is the index of a mask of sessions, which the program that runs at
 * every hit looks up.
 */
#ifndef HW_CAPTURE_SHARED_EVENT_H
#define HW_CAPTURE_SHARED_EVENT_H

#include "capture/event_name.h"
#include "capture/internal.h"

struct hw_shared_event {
	bool used;
	struct hw_event_kind kind;
	struct perf_event_attr attr;
	uint64_t sessions; /* those that have it, sampling or not */
	array_of(int) fds;
	array_of(uint32_t) cpus; /* of the fds */
	array_of(struct bpf_link *) links;
};

struct hw_shared_events {
	struct hw_kernel_side *side;
	struct hw_shared_event events[HW_EVENTS_MAX];
	/*
	 * How many samples were due, by the count of the events that are over. The kernel drops one that
	 * fires while another BPF program of the kind runs on that CPU, and counts it nowhere. 0: there was
	 * an event whose count does not tell.
	 */
	uint64_t due;
	bool due_unknown;
};

/* The event that these options name, or cycles or cpu-clock. */
int hw_shared_event_choose(const struct hw_session_options *options, struct hw_event_kind *kind,
                           struct perf_event_attr *attr, struct hw_error *err);
/* Have the event for a session: opened, or found. Its index, or -errno. */
int hw_shared_event_take(struct hw_shared_events *events, const struct hw_session_options *options,
                         unsigned bit, struct hw_error *err);
/* Begin or end to give its samples to a session. */
int hw_shared_event_start(struct hw_shared_events *events, unsigned index, unsigned bit,
                          struct hw_error *err);
void hw_shared_event_stop(struct hw_shared_events *events, unsigned index, unsigned bit);
/* A CPU is online again: all events are opened there anew. One that cannot be opened stays away. */
void hw_shared_events_cpu_came(struct hw_shared_events *events, uint32_t cpu);
/* The session does not have it any more; the last one's going closes it. */
void hw_shared_event_drop(struct hw_shared_events *events, unsigned index, unsigned bit);
unsigned hw_shared_events_count(const struct hw_shared_events *events);
void hw_shared_events_close(struct hw_shared_events *events);

#endif
