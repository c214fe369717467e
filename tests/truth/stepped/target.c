/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What is stepped through: every shape, signals on the same stack and on one of their own, exceptions. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "shapes.h"

static volatile int handled;

static __attribute__((noinline)) void inner(int number)
{
	handled += number;
	shapes_o2();
}

static __attribute__((noinline)) void handler(int number)
{
	handled += number;
	if (number == SIGUSR1)
		raise(SIGUSR2);
}

static void signals(int flags)
{
	static char alternate[65536];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct sigaction outer = {.sa_handler = handler, .sa_flags = flags};
	struct sigaction nested = {.sa_handler = inner, .sa_flags = flags};

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &outer, NULL);
	sigaction(SIGUSR2, &nested, NULL);
	kill(getpid(), SIGUSR1);
}

int main(void)
{
	uint64_t sum = 0;

#define X(name) sum += shapes_##name();
	SHAPES_LIST(X)
#undef X
	sum += assembly_shapes();
	sum += made_code();
	signals(0);
	signals(SA_ONSTACK);
	sum += (uint64_t)throws(3);
	return printf("%llu %d\n", (unsigned long long)sum, handled) < 0;
}
