/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * dispatch CPUS SESSIONS: what it costs to give records to sessions on a machine of so many CPUs, which need
 * not be there: every session has an event on each of them, records for all sessions arrive on one CPU after
 * the other. Prints nanoseconds a record, and bytes of memory for each event.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "session/registry.h"

#define RECORDS    2000000 /* deliveries, or so */
#define EVENTS_MAX (HW_REGISTRY_SESSIONS_MAX * 4096)

static uint64_t delivered;
static int next_number;

static int begin(void *context, const struct hw_owner *owner, const void *wish, struct hw_error *err)
{
	(void)context;
	(void)owner;
	(void)wish;
	(void)err;
	return next_number++;
}

static void end(void *context, int number)
{
	(void)context;
	(void)number;
}

static void deliver(void *context, const void *record, size_t size)
{
	(void)context;
	(void)record;
	delivered += size;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct hw_session_event *events[EVENTS_MAX];

static int add_sessions(struct hw_registry *registry, int cpus, int sessions)
{
	static int list[4096];
	struct hw_error err = {0};
	int r = 0;

	for (int cpu = 0; cpu < cpus; cpu++)
		list[cpu] = cpu;
	for (int i = 0; i < sessions && !r; i++) {
		struct hw_owner owner = {.pid = i + 1, .start_time = 1};

		r = hw_registry_add_all(registry, &owner, list, (size_t)cpus, NULL, deliver, NULL,
		                        events + i * cpus, &err);
	}
	return r;
}

int main(int argc, char **argv)
{
	const struct hw_request_source source = {.begin = begin, .end = end};
	int cpus = argc == 3 ? atoi(argv[1]) : 0, sessions = argc == 3 ? atoi(argv[2]) : 0;
	struct hw_registry *registry;
	size_t before, memory;
	uint64_t mask, records;
	double start, ns;

	if (cpus < 1 || cpus > 4096 || sessions < 1 || sessions > HW_REGISTRY_SESSIONS_MAX) {
		fprintf(stderr, "usage: dispatch CPUS SESSIONS (at most 4096 and %d)\n",
		        HW_REGISTRY_SESSIONS_MAX);
		return 2;
	}
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	if (hw_registry_new((uint32_t)cpus, &source, &registry) || add_sessions(registry, cpus, sessions))
		return 1;
	memory = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	mask = sessions == 64 ? ~0ull : (1ull << sessions) - 1;
	records = RECORDS / (uint64_t)sessions;
	start = now_ns();
	for (uint64_t i = 0; i < records; i++)
		hw_registry_dispatch(registry, (int)(i % (uint64_t)cpus), mask, &i, 1);
	ns = now_ns() - start;
	if (delivered != records * (uint64_t)sessions)
		return 1;
	printf("%.1f ns a record, %.0f bytes an event\n", ns / (double)records,
	       (double)memory / cpus / sessions);
	for (int i = 0; i < cpus * sessions; i++)
		if (hw_registry_remove(registry, events[i]))
			return 1;
	return hw_registry_free(registry) ? 1 : 0;
}
