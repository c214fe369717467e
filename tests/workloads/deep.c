/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * deep [DEPTH [THREADS [SECONDS]]]: each thread goes down a chain of DEPTH functions, burns CPU at its
 * bottom, comes back, and starts again. Built without frame pointers.
 */
#include <pthread.h>
#include <stdio.h>

#include "chain.h"
#include "clock.h"

#define THREADS_MAX 4096
#define ROUNDS      200000 /* about 0.2 ms at the bottom for each way down */

static unsigned depth;
static struct deadline deadline;
static volatile uint64_t sink;

static void *run(void *loops)
{
	uint64_t done = 0;

	while (!is_over(&deadline)) {
		sink = chain_call(depth, chain_burn, ROUNDS);
		done++;
	}
	*(uint64_t *)loops = done;
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned threads = (unsigned)argument_or(argc, argv, 2, 2);
	static pthread_t ids[THREADS_MAX];
	static uint64_t loops[THREADS_MAX];
	uint64_t total = 0, start = clock_ns(CLOCK_MONOTONIC);

	depth = (unsigned)argument_or(argc, argv, 1, 30);
	deadline = deadline_after(argument_or(argc, argv, 3, 5));
	if (threads < 1 || threads > THREADS_MAX || depth > CHAIN_MAX) {
		fprintf(stderr, "usage: deep [DEPTH (up to %d) [THREADS (1 to %d) [SECONDS]]]\n", CHAIN_MAX,
		        THREADS_MAX);
		return 2;
	}
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, run, &loops[i]))
			return 1;
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		total += loops[i];
	}
	printf("loops %llu elapsed_ns %llu cpu_ns %llu\n", (unsigned long long)total,
	       (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - start),
	       (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
