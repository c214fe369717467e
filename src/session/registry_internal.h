/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What adding and removing (registry.c) and dispatch (dispatch.c) share. */
#ifndef HW_SESSION_REGISTRY_INTERNAL_H
#define HW_SESSION_REGISTRY_INTERNAL_H

#include <pthread.h>

#include "session/gate.h"
#include "session/rcu.h"
#include "session/registry.h"

#define HW_CACHE_LINE 64

/* A session's entry for one CPU id. */
struct hw_session_cpu {
	struct cds_list_head events; /* written under the registry's lock, read under RCU */
	struct hw_gate gate;         /* dispatch that may be reading events */
	uint64_t lost;               /* records for which events had nobody */
} __attribute__((aligned(HW_CACHE_LINE)));

struct hw_session {
	struct hw_registry *registry;
	struct hw_owner owner;
	int number;
	uint32_t occupied_cpus; /* entries whose list is not empty */
	struct rcu_head rcu;
	struct hw_session_cpu cpus[]; /* one per CPU id */
};

struct hw_session_event {
	struct cds_list_head node;
	struct hw_session *session;
	int cpu;
	bool going; /* the mark */
	hw_deliver deliver;
	void *context;
	struct rcu_head rcu;
};

/* Counted by the CPU of arrival. */
struct hw_dispatch_counts {
	uint64_t offered, delivered, lost_no_event, lost_no_session;
} __attribute__((aligned(HW_CACHE_LINE)));

struct hw_registry {
	pthread_mutex_t lock; /* adding and removing; dispatch does not know it */
	struct hw_request_source source;
	uint32_t cpu_ids;
	uint32_t session_count, event_count;
	struct hw_session *sessions[HW_REGISTRY_SESSIONS_MAX]; /* by number; read under RCU */
	struct hw_dispatch_counts counts[];                    /* one per CPU id, and one for CPUs beyond */
};

/* Is this thread inside a callback of a registry? */
extern __thread bool hw_in_dispatch;

#endif
