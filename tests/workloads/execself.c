/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * execself [TIMES]: exec this program again and again, each time from a thread that is not the leader (which
 * then takes over the leader's tid), while the leader and a third thread are busy. Ends when TIMES is used
 * up.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "chain.h"
#include "clock.h"

static unsigned left;

static void *busy(void *unused)
{
	for (;;)
		chain_call(12, chain_burn, 100000);
	return unused;
}

static uint64_t exec_again(uint64_t argument)
{
	char number[16];

	chain_burn(3000000);
	snprintf(number, sizeof(number), "%u", left - 1);
	execl("/proc/self/exe", "execself", number, (char *)NULL);
	return argument;
}

static void *exec_from_here(void *unused)
{
	chain_call(20, exec_again, 0);
	perror("execself: exec");
	_exit(1);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t other, execer;

	left = (unsigned)argument_or(argc, argv, 1, 100);
	if (!left) {
		printf("done\n");
		return 0;
	}
	if (pthread_create(&other, NULL, busy, NULL) || pthread_create(&execer, NULL, exec_from_here, NULL))
		return 1;
	busy(NULL);
	return 0;
}
