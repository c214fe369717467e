/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A handler on the alternate stack, in it a nested one, in that a third on a fault (SIGSEGV) that it leaves
 * by siglongjmp. */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "zoo.h"

static sigjmp_buf back;
static volatile unsigned long handled;

STEP static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info, (void)context;
	burn(150000);
	siglongjmp(back, 1);
}

STEP static void touch(volatile char *address)
{
	*address = 1;
	STAY;
}

STEP static void on_user(int number)
{
	(void)number;
	if (!sigsetjmp(back, 1))
		touch((volatile char *)8);
	burn(150000);
	handled++;
}

STEP static void on_timer(int number)
{
	(void)number;
	burn(150000);
	raise(SIGUSR1);
	STAY;
}

STEP static void work(void)
{
	while (zoo_goes_on())
		burn(20000);
	STAY;
}

int main(int argc, char **argv)
{
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	struct sigaction user = {.sa_handler = on_user, .sa_flags = SA_ONSTACK};
	struct sigaction timer = {.sa_handler = on_timer, .sa_flags = SA_ONSTACK | SA_RESTART};
	struct itimerval every = {{0, 2000}, {0, 2000}};
	stack_t other = {.ss_sp = malloc(1 << 18), .ss_size = 1 << 18};

	zoo_begin(argc, argv);
	if (sigaltstack(&other, NULL) || sigaction(SIGSEGV, &fault, NULL) ||
	    sigaction(SIGUSR1, &user, NULL) || sigaction(SIGALRM, &timer, NULL) ||
	    setitimer(ITIMER_REAL, &every, NULL))
		zoo_fail("signals");
	work();
	return handled ? 0 : 1;
}
