/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Adding, removing and dispatch at random, from many threads, with every record accounted for.
 *
 *	stress DISPATCHES [SEED]
 *
 * 64 owners, CPU ids with holes. Each event has a context of its own, which the remover turns to DEAD (and
 * frees) once hw_registry_remove has returned: a callback after that meets it. Each record carries who it
 * is for; the callback notes who got it, so nobody gets it twice, and nobody else gets it. In the end the
 * registry's own counts must be what the dispatchers offered and the callbacks saw.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_source.h"

#define CPU_IDS     9
#define OWNERS      64
#define DISPATCHERS 4
#define CHANGERS    4
#define HELD        48 /* events that one changer has at a time, at most */
#define ALIVE       0x600d600du
#define DEAD        0xdeaddeadu

static const int cpus[] = {0, 1, 4, 8}; /* records arrive there; events may be anywhere */

struct record {
	uint64_t sessions; /* for whom */
	uint64_t got;      /* who has it */
	int cpu;
};

struct listener {
	uint32_t state;
	int cpu, number;
	uint64_t count;
};

struct held {
	struct hw_session_event *event;
	struct listener *listener;
};

static struct hw_registry *registry;
static uint64_t wanted, dispatched, offered, delivered, mistakes, changes;
static unsigned int seed;

static void mistake(const char *what)
{
	if (__atomic_fetch_add(&mistakes, 1, __ATOMIC_RELAXED) < 5)
		fprintf(stderr, "stress: %s\n", what);
}

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33);
}

/* The record is the dispatching thread's own; the listener's count is shared by dispatchers of one CPU. */
static void receive(void *context, const void *data, size_t size)
{
	struct listener *listener = context;
	struct record *record = (struct record *)data;
	int number;

	if (size != sizeof(*record) || __atomic_load_n(&listener->state, __ATOMIC_RELAXED) != ALIVE) {
		mistake("a callback after its removal");
		return;
	}
	number = __atomic_load_n(&listener->number, __ATOMIC_ACQUIRE);
	if (listener->cpu != record->cpu)
		mistake("a record of another CPU");
	if (number >= 0) { /* else it is given something before its adder knows the number */
		if (!(record->sessions >> number & 1))
			mistake("a record for another session");
		if (record->got >> number & 1)
			mistake("a record given twice");
		record->got |= 1ull << number;
	}
	__atomic_fetch_add(&listener->count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&delivered, 1, __ATOMIC_RELAXED);
}

static void *dispatch(void *context)
{
	uint64_t random = (uint64_t)(uintptr_t)context * 7919 + seed, mine = 0;

	while (__atomic_load_n(&dispatched, __ATOMIC_RELAXED) < wanted) {
		for (int i = 0; i < 64; i++) {
			struct record record = {.cpu = cpus[next_random(&random) % 4]};

			record.sessions = (uint64_t)next_random(&random) << 32 | next_random(&random);
			record.sessions &= (uint64_t)next_random(&random) << 32 | next_random(&random);
			mine += (uint64_t)__builtin_popcountll(record.sessions);
			hw_registry_dispatch(registry, record.cpu, record.sessions, &record, sizeof(record));
		}
		__atomic_fetch_add(&dispatched, 64, __ATOMIC_RELAXED);
		sched_yield(); /* else few changes fall between few CPUs' dispatches */
	}
	__atomic_fetch_add(&offered, mine, __ATOMIC_RELAXED);
	return NULL;
}

static void take(struct held *held, uint64_t *random)
{
	struct hw_owner owner = {.pid = 1 + (pid_t)(next_random(random) % OWNERS), .start_time = 7};
	struct listener *listener = calloc(1, sizeof(*listener));

	listener->state = ALIVE;
	listener->cpu = (int)(next_random(random) % CPU_IDS);
	listener->number = -1;
	if (hw_registry_add(registry, &owner, listener->cpu, NULL, receive, listener, &held->event, NULL)) {
		mistake("an event could not be added");
		free(listener);
		return;
	}
	__atomic_store_n(&listener->number, hw_session_number(held->event), __ATOMIC_RELEASE);
	held->listener = listener;
}

static void let_go(struct held *held)
{
	if (hw_registry_remove(registry, held->event))
		mistake("an event could not be removed");
	__atomic_store_n(&held->listener->state, DEAD, __ATOMIC_RELAXED);
	free(held->listener);
	held->listener = NULL;
}

static void *change(void *context)
{
	uint64_t random = (uint64_t)(uintptr_t)context * 104729 + seed, mine = 0;
	struct held held[HELD] = {0};

	for (; __atomic_load_n(&dispatched, __ATOMIC_RELAXED) < wanted; mine++) {
		struct held *one = &held[next_random(&random) % HELD];

		if (one->listener)
			let_go(one);
		else
			take(one, &random);
	}
	for (int i = 0; i < HELD; i++)
		if (held[i].listener)
			let_go(&held[i]);
	__atomic_fetch_add(&changes, mine, __ATOMIC_RELAXED);
	return NULL;
}

static void check(const struct fake_source *source)
{
	struct hw_registry_counts counts;

	hw_registry_counts(registry, &counts);
	printf("%llu dispatches, %llu changes, %u sessions begun: %llu offered = %llu delivered + %llu "
	       "without event + %llu without session\n",
	       (unsigned long long)dispatched, (unsigned long long)changes, source->begun,
	       (unsigned long long)counts.offered, (unsigned long long)counts.delivered,
	       (unsigned long long)counts.lost_no_event, (unsigned long long)counts.lost_no_session);
	if (counts.offered != offered || counts.delivered != delivered)
		mistake("the registry counted otherwise than its users");
	if (counts.offered != counts.delivered + counts.lost_no_event + counts.lost_no_session)
		mistake("the counts do not add up");
	if (counts.sessions || counts.events || source->numbers || source->begun != source->ended)
		mistake("something was left over");
	if (!delivered || !counts.lost_no_event || !counts.lost_no_session)
		mistake("something never happened");
}

int main(int argc, char **argv)
{
	struct fake_source fake = {0};
	struct hw_request_source source = fake_request_source(&fake);
	pthread_t threads[DISPATCHERS + CHANGERS];

	wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	seed = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 1;
	if (hw_registry_new(CPU_IDS, &source, &registry))
		return 1;
	for (uintptr_t i = 0; i < DISPATCHERS + CHANGERS; i++)
		if (pthread_create(&threads[i], NULL, i < DISPATCHERS ? dispatch : change, (void *)(i + 1)))
			return 1;
	for (int i = 0; i < DISPATCHERS + CHANGERS; i++)
		pthread_join(threads[i], NULL);
	check(&fake);
	if (hw_registry_free(registry))
		mistake("the registry could not be freed");
	if (mistakes)
		fprintf(stderr, "stress: %llu mistakes\n", (unsigned long long)mistakes);
	return mistakes ? 1 : 0;
}
