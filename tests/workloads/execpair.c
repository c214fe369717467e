/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * execpair TIMES OTHER: exec OTHER, which execs this one, and so on, TIMES times in all. Built twice, static
 * and at fixed addresses, so that the calling function of each stands where the other has one that never
 * runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SKIPPED ".skip 4096, 0x90"

#ifdef SECOND
void never_called_second(void);
__attribute__((noinline, section(".text.pair1"))) void never_called_second(void)
{
	__asm__ volatile(SKIPPED);
}
#define CALLER  called_second
#define SECTION ".text.pair2"
#else
void never_called_first(void);
#define CALLER  called_first
#define SECTION ".text.pair1"
#endif

void CALLER(int times, char **argv);
__attribute__((noinline, section(SECTION))) void CALLER(int times, char **argv)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", times - 1);
	execl(argv[2], argv[2], number, argv[0], (char *)NULL);
	perror(argv[2]);
	_exit(1);
}

#ifndef SECOND
__attribute__((noinline, section(".text.pair2"))) void never_called_first(void)
{
	__asm__ volatile(SKIPPED);
}
#endif

int main(int argc, char **argv)
{
	int times = argc == 3 ? atoi(argv[1]) : 0;

#ifdef SECOND
	if (times < 0)
		never_called_second();
#else
	if (times < 0)
		never_called_first();
#endif
	if (times > 0)
		CALLER(times, argv);
	return 0;
}
