/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Clocks and arguments for the workloads. */
#ifndef WORKLOAD_CLOCK_H
#define WORKLOAD_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
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

static inline uint64_t deadline_after(double seconds)
{
	return clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
}

#endif
