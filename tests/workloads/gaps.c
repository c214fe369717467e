/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * gaps [SECONDS]: reads the time stamp counter without end below 35 frames, and prints how often and for how
 * long it was kept from doing so: the number of gaps above half a microsecond, and their quantiles in
 * nanoseconds. Each interrupt is such a gap, from its entry to the return to user mode, whatever ran in
 * between. The short work between two reads makes no memory access, so what a gap does to the caches is not
 * in it. Built twice: gaps without frame pointers, gaps_fp with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#include "chain.h"
#include "clock.h"

#define DEPTH    30 /* with the bottom, main, two callers in libc and _start: 35 */
#define GAPS_MAX 4000000

static uint32_t *gaps;
static uint64_t count, end_tsc, least_tsc;

static uint64_t watch(uint64_t unused)
{
	uint64_t last = __rdtsc(), now;

	(void)unused;
	while (last < end_tsc) {
		now = __rdtsc();
		if (now - last > least_tsc && count < GAPS_MAX)
			gaps[count++] = now - last < UINT32_MAX ? (uint32_t)(now - last) : UINT32_MAX;
		last = now;
	}
	return count;
}

static double tsc_per_ns(void)
{
	uint64_t ns = clock_ns(CLOCK_MONOTONIC), tsc = __rdtsc();

	while (clock_ns(CLOCK_MONOTONIC) - ns < 50000000)
		;
	return (double)(__rdtsc() - tsc) / (double)(clock_ns(CLOCK_MONOTONIC) - ns);
}

static int by_length(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	double per_ns = tsc_per_ns();
	int seconds = (int)argument_or(argc, argv, 1, 2);

	gaps = calloc(GAPS_MAX, sizeof(*gaps));
	if (!gaps)
		return 1;
	least_tsc = (uint64_t)(500 * per_ns);
	end_tsc = __rdtsc() + (uint64_t)((double)seconds * 1e9 * per_ns);
	chain_call(DEPTH, watch, 0);
	qsort(gaps, count, sizeof(*gaps), by_length);
	printf("gaps %llu", (unsigned long long)count);
	for (unsigned int percent = 10; percent < 100 && count; percent += 10) {
		uint64_t at = count * percent / 100;

		printf(" p%u %.0f", percent, (double)gaps[at] / per_ns);
	}
	printf("\n");
	free(gaps);
	return 0;
}
