/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Eight coroutines on stacks of their own, taking turns by swapcontext in the middle of calls. */
#include <ucontext.h>

#include "zoo.h"

#define COUNT       8
#define STACK_BYTES 65536

static ucontext_t home, each[COUNT];

STEP static void turn(int index)
{
	burn(20000);
	swapcontext(&each[index], &home);
	burn(20000);
	STAY;
}

STEP static void deeper(int index, int depth)
{
	if (depth)
		deeper(index, depth - 1);
	else
		turn(index);
	STAY;
}

static void body(int index)
{
	for (;;)
		deeper(index, 10);
}

int main(int argc, char **argv)
{
	zoo_begin(argc, argv);
	for (int i = 0; i < COUNT; i++) {
		getcontext(&each[i]);
		each[i].uc_stack.ss_sp = malloc(STACK_BYTES);
		each[i].uc_stack.ss_size = STACK_BYTES;
		each[i].uc_link = NULL;
		makecontext(&each[i], (void (*)(void))body, 1, i);
	}
	while (zoo_goes_on())
		for (int i = 0; i < COUNT; i++)
			swapcontext(&home, &each[i]);
	return 0;
}
