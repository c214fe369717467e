/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Many programs, many tasks, many CPUs: who is owed the record that has just arrived.
 *
 * A session is what one program asked for. It is found by its owner's identity, or created with the first
 * event that is added for that owner, and goes with the last one. It has a number, 0 to 63: the bit that its
 * records carry. An event belongs to one session and one CPU.
 *
 * Guarantees
 *
 *  1. A record that arrives on a CPU is given, for each session in its mask, to the session's first event on
 *     that CPU that is not being removed: to that one only, once. Where the session has none, or where there
 *     is no such session, the record is lost for it, and that is counted. So at any quiet moment
 *     offered = delivered + lost_no_event + lost_no_session.
 *  2. From the moment at which hw_registry_remove() marks an event, records go to the next one.
 *  3. After hw_registry_remove() returned, the event's callback does not run and never runs again, on any
 *     thread: its context may be freed.
 *  4. Dispatch never waits: not for a lock, not for another dispatch, not for a removal.
 *  5. A disabled event still receives what it asked for while it was enabled.
 *  6. A function that returns an error has changed nothing: no session, event, number or count is more or
 *     less than before.
 *  7. Two programs never share a session: not after their PID was used again (the start time differs), not
 *     across users (the credentials differ). Nor do two recordings of one program, which the owner numbers.
 *
 * Threads: everything here may be called by any thread at any time, with two exceptions. Inside a callback
 * hw_registry_add() and hw_registry_remove() return -EDEADLK. A thread that holds a lock which a callback
 * takes must not call hw_registry_remove(): it would wait for a callback that waits for it.
 */
#ifndef HW_SESSION_REGISTRY_H
#define HW_SESSION_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define HW_REGISTRY_SESSIONS_MAX 64

struct hw_registry;
struct hw_session_event;

/* Whose session it is. Two owners are the same if all of it is. */
struct hw_owner {
	pid_t pid;           /* of the thread-group leader */
	uint64_t start_time; /* of that process, in clock ticks since boot: /proc/PID/stat, field 22 */
	uid_t uid;           /* effective, when it connected */
	gid_t gid;
	uint64_t recording; /* which of the program's: one that makes two at once has two sessions */
};

/*
 * What makes records arrive. Called with the registry's lock held: none of these may call the registry.
 *
 * begin: a session is to be created. Returns its number, which no live session has; or -errno, filling err.
 *        wish is what hw_registry_add was given.
 * end:   the session is gone, and no dispatch can give it anything any more. The number may be given out
 *        again once no record on its way can carry its bit: that is the source's to know.
 */
struct hw_request_source {
	void *context;
	int (*begin)(void *context, const struct hw_owner *owner, const void *wish, struct hw_error *err);
	void (*end)(void *context, int number);
};

/* Given to an event: one record, on the thread that dispatches. It must be quick and must not block. */
typedef void (*hw_deliver)(void *context, const void *record, size_t size);

struct hw_registry_counts {
	uint32_t sessions, events;
	uint64_t offered; /* one for each session in each record's mask */
	uint64_t delivered;
	uint64_t lost_no_event;   /* the session has none on that CPU */
	uint64_t lost_no_session; /* no session has that number, or the CPU is beyond the table */
};

/*
 * A registry for CPU ids 0 to cpu_ids - 1. cpu_ids is the highest possible id plus one, not how many CPUs
 * there are: ids may have holes (hw_cpu_ids tells it). 0, -EINVAL or -ENOMEM.
 */
int hw_registry_new(uint32_t cpu_ids, const struct hw_request_source *source, struct hw_registry **registry);

/* Free it. -EBUSY, and nothing is freed, while it has events. Waits for what removals have left to RCU. */
int hw_registry_free(struct hw_registry *registry);

/*
 * Add an event for owner on cpu, creating the owner's session if this is its first; wish (may be NULL) goes
 * to the source then. -EINVAL: cpu is below 0 or beyond the table; -ENOMEM; -EDEADLK: inside a callback; or
 * what the source's begin returned. The event is the caller's until it is removed.
 */
int hw_registry_add(struct hw_registry *registry, const struct hw_owner *owner, int cpu, const void *wish,
                    hw_deliver deliver, void *context, struct hw_session_event **event, struct hw_error *err);

/* The same on each of count CPUs, with one context: all of them, or none. */
int hw_registry_add_all(struct hw_registry *registry, const struct hw_owner *owner, const int *cpus,
                        size_t count, const void *wish, hw_deliver deliver, void *context,
                        struct hw_session_event **events, struct hw_error *err);

/*
 * Remove an event; see the guarantees. Waits until no dispatch on its CPU can still see it. -EDEADLK inside
 * a callback: the event is still there.
 */
int hw_registry_remove(struct hw_registry *registry, struct hw_session_event *event);

/* The record of size bytes arrived on cpu for the sessions whose bits are set. Never waits. */
void hw_registry_dispatch(struct hw_registry *registry, int cpu, uint64_t sessions, const void *record,
                          size_t size);

/*
 * The number of the event's session; how many CPUs the session has events on; how many records it lost, on
 * any CPU, because there was no event for them.
 */
int hw_session_number(const struct hw_session_event *event);
uint32_t hw_session_occupied_cpus(struct hw_registry *registry, const struct hw_session_event *event);
uint64_t hw_session_lost(const struct hw_session_event *event);

void hw_registry_counts(struct hw_registry *registry, struct hw_registry_counts *counts);

/* The highest possible CPU id plus one (/sys/devices/system/cpu/possible), or -errno. */
int hw_cpu_ids(void);
/* The same from a list such as "0,2-3,64": public for its tests. -EINVAL if it is none. */
int hw_cpu_ids_of(const char *list);

#endif
