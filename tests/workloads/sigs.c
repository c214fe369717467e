/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * sigs [SECONDS [here]]: CPU time spent inside signal handlers. A timer interrupts a chain of calls at any
 * instruction; its handler runs on the alternate stack and goes down a chain of its own, where it raises a
 * second signal, whose handler nests on the same alternate stack. So a full stack crosses two signal frames
 * and one change of stacks. With "here" the handlers stay on the stack that they interrupt.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "chain.h"
#include "clock.h"

#define ALTERNATE_BYTES (256 * 1024)

static volatile sig_atomic_t outer_count, inner_count;

static void inner(int number)
{
	(void)number;
	chain_call(5, chain_burn, 400000);
	inner_count++; /* after the call, so that it is no tail call */
}

static uint64_t raise_inner(uint64_t argument)
{
	chain_burn(200000);
	raise(SIGUSR1);
	return argument;
}

static void outer(int number)
{
	(void)number;
	chain_call(7, raise_inner, 0);
	outer_count++;
}

int main(int argc, char **argv)
{
	struct deadline deadline = deadline_after(argument_or(argc, argv, 1, 5));
	int flags = SA_RESTART | (argc > 2 ? 0 : SA_ONSTACK);
	struct sigaction on_timer = {.sa_handler = outer, .sa_flags = flags};
	struct sigaction on_user = {.sa_handler = inner, .sa_flags = flags};
	struct itimerval every = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};
	stack_t alternate = {.ss_sp = malloc(ALTERNATE_BYTES), .ss_size = ALTERNATE_BYTES};

	if (!alternate.ss_sp || sigaltstack(&alternate, NULL) || sigaction(SIGALRM, &on_timer, NULL) ||
	    sigaction(SIGUSR1, &on_user, NULL) || setitimer(ITIMER_REAL, &every, NULL)) {
		perror("sigs");
		return 1;
	}
	while (!is_over(&deadline))
		chain_call(20, chain_burn, 100000);
	every = (struct itimerval){0};
	setitimer(ITIMER_REAL, &every, NULL);
	printf("outer %d inner %d\n", (int)outer_count, (int)inner_count);
	return outer_count && inner_count ? 0 : 1;
}
