/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * spin [LOOPS]: a fixed amount of work below 35 frames, for measuring what sampling adds to it. Prints the
 * CPU time that it took. Built twice: spin without frame pointers, spin_fp with them.
 */
#include <stdio.h>

#include "chain.h"
#include "clock.h"

#define DEPTH  30 /* with the bottom, main, two callers in libc and _start: 35 */
#define ROUNDS 1000000

int main(int argc, char **argv)
{
	uint64_t loops = (uint64_t)argument_or(argc, argv, 1, 3000);
	uint64_t start = clock_ns(CLOCK_MONOTONIC), sum = 0;

	for (uint64_t i = 0; i < loops; i++)
		sum += chain_call(DEPTH, chain_burn, ROUNDS);
	printf("loops %llu elapsed_ns %llu cpu_ns %llu sum %llu\n", (unsigned long long)loops,
	       (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - start),
	       (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID), (unsigned long long)sum);
	return 0;
}
