/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Adding and removing events.
 *
 * One lock orders all who add and remove. Dispatch does not know it: it reads the table of sessions and the
 * lists of events under RCU, and counts itself in at the gate of the entry (session, CPU) that it reads.
 *
 * An event comes into being unseen: allocated, put at the tail of its list, and, if its session is new, the
 * session published last, with the event in it. All that can fail comes before all that can be seen, so a
 * failure has nothing to take back but memory.
 *
 * Removal is four steps, and each is there for one promise:
 *
 *	mark    dispatch that comes to the event from now on passes it by: nothing is given to one that will
 *	        not read it, but to the next
 *	unlink  dispatch that begins from now on does not meet it at all
 *	wait    dispatch that could have read the event before the mark has left the gate: so its callback
 *	        does not run, and never will again, when remove returns
 *	free    after a grace period: dispatch may still stand on the unlinked event, to read where its list
 *	        goes on
 *
 * The wait sees every dispatch that missed the mark because both sides are sequentially consistent: dispatch
 * counts itself in, then reads the mark; removal sets the mark, then reads the count (gate.h). RCU gives no
 * such promise: it only keeps memory from being freed. tests/session/removal.pml is a model of this that a
 * checker goes through, and that fails without the mark, the barrier or the wait.
 *
 * The last event takes its session along: unpublished before the wait, so that whoever passes the gate later
 * cannot find it by its number, and freed after a grace period like the event. The number is the source's
 * again only after the wait.
 */
#include "session/registry_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HW_TSAN
char hw_rcu_grace_period;
#endif

int hw_registry_new(uint32_t cpu_ids, const struct hw_request_source *source, struct hw_registry **result)
{
	struct hw_registry *registry;
	size_t size;

	if (!cpu_ids || cpu_ids > INT32_MAX / sizeof(struct hw_session_cpu))
		return -EINVAL;
	size = sizeof(*registry) + ((size_t)cpu_ids + 1) * sizeof(registry->counts[0]);
	if (posix_memalign((void **)&registry, HW_CACHE_LINE, size))
		return -ENOMEM;
	memset(registry, 0, size);
	pthread_mutex_init(&registry->lock, NULL);
	registry->source = *source;
	registry->cpu_ids = cpu_ids;
	*result = registry;
	return 0;
}

int hw_registry_free(struct hw_registry *registry)
{
	if (!registry)
		return 0;
	if (hw_in_dispatch)
		return -EDEADLK;
	pthread_mutex_lock(&registry->lock);
	if (registry->event_count) {
		pthread_mutex_unlock(&registry->lock);
		return -EBUSY;
	}
	pthread_mutex_unlock(&registry->lock);
	rcu_barrier();
	pthread_mutex_destroy(&registry->lock);
	free(registry);
	return 0;
}

static bool same_owner(const struct hw_owner *a, const struct hw_owner *b)
{
	return a->pid == b->pid && a->start_time == b->start_time && a->uid == b->uid && a->gid == b->gid &&
	       a->recording == b->recording;
}

static struct hw_session *find_session(const struct hw_registry *registry, const struct hw_owner *owner)
{
	for (size_t i = 0; i < HW_REGISTRY_SESSIONS_MAX; i++) {
		struct hw_session *session = registry->sessions[i];

		if (session && same_owner(&session->owner, owner))
			return session;
	}
	return NULL;
}

/* A session with its number, not yet published. */
static int make_session(struct hw_registry *registry, const struct hw_owner *owner, const void *wish,
                        struct hw_session **result, struct hw_error *err)
{
	size_t size = sizeof(struct hw_session) + registry->cpu_ids * sizeof(struct hw_session_cpu);
	struct hw_session *session;
	int number;

	if (posix_memalign((void **)&session, HW_CACHE_LINE, size))
		return hw_fail(err, -ENOMEM, "no memory for a session");
	memset(session, 0, size);
	number = registry->source.begin(registry->source.context, owner, wish, err);
	if (number >= HW_REGISTRY_SESSIONS_MAX || (number >= 0 && registry->sessions[number]))
		number = hw_fail(err, -EINVAL, "session number %d is not to be had", number);
	if (number < 0) {
		free(session);
		return number;
	}
	session->registry = registry;
	session->owner = *owner;
	session->number = number;
	for (uint32_t cpu = 0; cpu < registry->cpu_ids; cpu++)
		CDS_INIT_LIST_HEAD(&session->cpus[cpu].events);
	*result = session;
	return 0;
}

/* Nothing below can fail. With the lock. */
static void link_event(struct hw_session_event *event, struct hw_session *session)
{
	struct hw_session_cpu *entry = &session->cpus[event->cpu];

	event->session = session;
	if (cds_list_empty(&entry->events))
		session->occupied_cpus++;
	cds_list_add_tail_rcu(&event->node, &entry->events);
	session->registry->event_count++;
}

static void publish(struct hw_registry *registry, struct hw_session *session)
{
	rcu_assign_pointer(registry->sessions[session->number], session);
	registry->session_count++;
}

int hw_registry_add(struct hw_registry *registry, const struct hw_owner *owner, int cpu, const void *wish,
                    hw_deliver deliver, void *context, struct hw_session_event **result, struct hw_error *err)
{
	struct hw_session_event *event;
	struct hw_session *session;
	int r = 0;

	if (hw_in_dispatch)
		return hw_fail(err, -EDEADLK, "an event cannot be added while a record is given out");
	if (cpu < 0 || (uint32_t)cpu >= registry->cpu_ids)
		return hw_fail(err, -EINVAL, "no CPU %d: ids go from 0 to %u", cpu, registry->cpu_ids - 1);
	event = calloc(1, sizeof(*event));
	if (!event)
		return hw_fail(err, -ENOMEM, "no memory for an event");
	event->cpu = cpu;
	event->deliver = deliver;
	event->context = context;
	pthread_mutex_lock(&registry->lock);
	session = find_session(registry, owner);
	if (session) {
		link_event(event, session);
	} else {
		r = make_session(registry, owner, wish, &session, err);
		if (!r) {
			link_event(event, session);
			publish(registry, session);
		}
	}
	pthread_mutex_unlock(&registry->lock);
	if (r)
		free(event);
	else
		*result = event;
	return r;
}

int hw_registry_add_all(struct hw_registry *registry, const struct hw_owner *owner, const int *cpus,
                        size_t count, const void *wish, hw_deliver deliver, void *context,
                        struct hw_session_event **events, struct hw_error *err)
{
	size_t added = 0;
	int r = 0;

	for (; added < count && !r; added++)
		r = hw_registry_add(registry, owner, cpus[added], wish, deliver, context, &events[added],
		                    err);
	if (!r)
		return 0;
	for (added--; added; added--)
		hw_registry_remove(registry, events[added - 1]);
	return r;
}

static void free_event(struct rcu_head *head)
{
	hw_rcu_callback_begins(head);
	free(caa_container_of(head, struct hw_session_event, rcu));
}

static void free_session(struct rcu_head *head)
{
	hw_rcu_callback_begins(head);
	free(caa_container_of(head, struct hw_session, rcu));
}

/* True: it was the last of its session, which is unpublished now. With the lock. */
static bool unlink_event(struct hw_registry *registry, struct hw_session_event *event)
{
	struct hw_session *session = event->session;

	cds_list_del_rcu(&event->node);
	registry->event_count--;
	if (!cds_list_empty(&session->cpus[event->cpu].events))
		return false;
	if (--session->occupied_cpus)
		return false;
	rcu_assign_pointer(registry->sessions[session->number], NULL);
	registry->session_count--;
	return true;
}

int hw_registry_remove(struct hw_registry *registry, struct hw_session_event *event)
{
	struct hw_session *session = event->session;
	bool last;

	if (hw_in_dispatch)
		return -EDEADLK;
	pthread_mutex_lock(&registry->lock);
	__atomic_store_n(&event->going, true, __ATOMIC_SEQ_CST);
	last = unlink_event(registry, event);
	hw_gate_wait(&session->cpus[event->cpu].gate);
	if (last)
		registry->source.end(registry->source.context, session->number);
	pthread_mutex_unlock(&registry->lock);
	hw_rcu_call(&event->rcu, free_event);
	if (last)
		hw_rcu_call(&session->rcu, free_session);
	return 0;
}

int hw_session_number(const struct hw_session_event *event)
{
	return event->session->number;
}

uint32_t hw_session_occupied_cpus(struct hw_registry *registry, const struct hw_session_event *event)
{
	uint32_t occupied;

	pthread_mutex_lock(&registry->lock);
	occupied = event->session->occupied_cpus;
	pthread_mutex_unlock(&registry->lock);
	return occupied;
}

uint64_t hw_session_lost(const struct hw_session_event *event)
{
	const struct hw_session *session = event->session;
	uint64_t lost = 0;

	for (uint32_t cpu = 0; cpu < session->registry->cpu_ids; cpu++)
		lost += __atomic_load_n(&session->cpus[cpu].lost, __ATOMIC_RELAXED);
	return lost;
}

void hw_registry_counts(struct hw_registry *registry, struct hw_registry_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	pthread_mutex_lock(&registry->lock);
	counts->sessions = registry->session_count;
	counts->events = registry->event_count;
	pthread_mutex_unlock(&registry->lock);
	for (uint32_t i = 0; i <= registry->cpu_ids; i++) {
		const struct hw_dispatch_counts *each = &registry->counts[i];

		counts->offered += __atomic_load_n(&each->offered, __ATOMIC_RELAXED);
		counts->delivered += __atomic_load_n(&each->delivered, __ATOMIC_RELAXED);
		counts->lost_no_event += __atomic_load_n(&each->lost_no_event, __ATOMIC_RELAXED);
		counts->lost_no_session += __atomic_load_n(&each->lost_no_session, __ATOMIC_RELAXED);
	}
}
