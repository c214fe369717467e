/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* vdso [SECONDS]: ask for the time without end, so that samples hit the vDSO. */
#include <stdio.h>

#include "chain.h"
#include "clock.h"

static uint64_t ask_often(uint64_t times)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < times; i++)
		sum ^= clock_ns(CLOCK_MONOTONIC);
	return sum;
}

int main(int argc, char **argv)
{
	struct deadline deadline = deadline_after(argument_or(argc, argv, 1, 5));
	uint64_t sum = 0;

	while (!is_over(&deadline))
		sum ^= chain_call(10, ask_often, 10000);
	printf("sum %llu\n", (unsigned long long)sum);
	return 0;
}
