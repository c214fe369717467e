/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Giving a record to those who are owed it. What orders what stands at the top of registry.c. */
#include "session/registry_internal.h"

__thread bool hw_in_dispatch;

static inline void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* The first event that is not going away gets it. False: there is none. Under RCU. */
static bool give(struct hw_session_cpu *entry, const void *record, size_t size)
{
	struct hw_session_event *event;
	bool outer = hw_in_dispatch, given = false;
	unsigned int by = hw_gate_enter(&entry->gate);

	cds_list_for_each_entry_rcu(event, &entry->events, node)
	{
		if (__atomic_load_n(&event->going, __ATOMIC_SEQ_CST))
			continue;
		hw_in_dispatch = true;
		event->deliver(event->context, record, size);
		hw_in_dispatch = outer;
		given = true;
		break;
	}
	hw_gate_leave(&entry->gate, by);
	return given;
}

void hw_registry_dispatch(struct hw_registry *registry, int cpu, uint64_t sessions, const void *record,
                          size_t size)
{
	bool known = cpu >= 0 && (uint32_t)cpu < registry->cpu_ids;
	struct hw_dispatch_counts *counts = &registry->counts[known ? (uint32_t)cpu : registry->cpu_ids];
	struct hw_session *session;

	hw_rcu_read_lock();
	for (uint64_t left = sessions; left; left &= left - 1) {
		count(&counts->offered);
		session = known ? rcu_dereference(registry->sessions[__builtin_ctzll(left)]) : NULL;
		if (!session) {
			count(&counts->lost_no_session);
		} else if (give(&session->cpus[cpu], record, size)) {
			count(&counts->delivered);
		} else {
			count(&session->cpus[cpu].lost);
			count(&counts->lost_no_event);
		}
	}
	hw_rcu_read_unlock();
}
