/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Clocks and arguments for the workloads. */
#ifndef WORKLOAD_CLOCK_H
#define WORKLOAD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Argument number index as a number, or fallback where it is not given. Seconds may have a fraction. */
static inline double argument_or(int argc, char **argv, int index, double fallback)
{
	return argc > index ? strtod(argv[index], NULL) : fallback;
}

/*
 * When a workload ends: after so long, and not before it (its threads and the children that it has waited
 * for) was on a CPU for half of that. On a busy machine it runs longer, so that it is sampled as often as on
 * an idle one.
 */
struct deadline {
	uint64_t time_ns, cpu_ns;
};

static inline uint64_t cpu_ns_of(int who)
{
	struct rusage used;

	getrusage(who, &used);
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
}

static inline struct deadline deadline_after(double seconds)
{
	return (struct deadline){.time_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9),
	                         .cpu_ns = (uint64_t)(seconds * 1e9 / 2)};
}

/*
 * CPU time is not asked for each time: getrusage has the scheduler look whether the thread's turn is over, so
 * that it would be there that most threads are preempted, and that ptrace finds them.
 */
static inline bool is_over(const struct deadline *deadline)
{
	static _Thread_local uint64_t ask_after_ns;
	const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);

	if (now_ns < deadline->time_ns || now_ns < ask_after_ns)
		return false;
	ask_after_ns = now_ns + 20000000;
	return cpu_ns_of(RUSAGE_SELF) + cpu_ns_of(RUSAGE_CHILDREN) >= deadline->cpu_ns;
}

#endif
