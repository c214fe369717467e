/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * pltcall [SECONDS]: call a tiny function of a shared library through the PLT, so that samples hit the stub
 * itself. Built twice: pltcall with the plain 16-byte stubs, pltcall_ibt with those that begin with endbr64.
 */
#include <stdio.h>

#include "chain.h"
#include "clock.h"
#include "plttarget.h"

static uint64_t call_often(uint64_t times)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < times; i++)
		sum += plt_target(i);
	return sum;
}

int main(int argc, char **argv)
{
	struct deadline deadline = deadline_after(argument_or(argc, argv, 1, 5));
	uint64_t sum = 0;

	while (!is_over(&deadline))
		sum += chain_call(10, call_often, 1000000);
	printf("sum %llu\n", (unsigned long long)sum);
	return 0;
}
