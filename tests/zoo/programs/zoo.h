/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the programs of the zoo share: each runs for argv[1] seconds and burns its time in burn(). */
#ifndef ZOO_H
#define ZOO_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Stands on the stack under its own name. */
#define STEP __attribute__((noinline, noclone))
/* After a call: so that it is no tail call. */
#define STAY __asm__ volatile("" : : : "memory")

static double zoo_deadline;

static inline double zoo_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline void zoo_begin(int argc, char **argv)
{
	zoo_deadline = zoo_now() + (argc > 1 ? strtod(argv[1], NULL) : 2);
}

static inline int zoo_goes_on(void)
{
	return zoo_now() < zoo_deadline;
}

/* About a nanosecond a round, no call, no memory. */
STEP static uint64_t burn(uint64_t rounds)
{
	uint64_t value = rounds;

	for (uint64_t i = 0; i < rounds; i++) {
		value = value * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(value));
	}
	return value;
}

STEP static void burn_until_the_end(void)
{
	while (zoo_goes_on())
		burn(1000000);
	STAY;
}

static inline void zoo_fail(const char *what)
{
	perror(what);
	exit(1);
}

#endif
