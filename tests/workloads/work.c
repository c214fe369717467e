/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * work KIND AMOUNT: a fixed amount of work of one kind, for measuring what sampling adds to it. Prints the
 *time that it took. Built twice: work without frame pointers, work_fp with them.
 *
 *	cpu        AMOUNT milliseconds or so of computing below 35 frames
 *	kernel     AMOUNT reads of 16 KiB from /dev/zero, below 35 frames
 *	processes  AMOUNT children, one after the other, each of which computes a little and exits
 *	threads    AMOUNT milliseconds or so of computing, spread over 64 threads that take turns
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"
#include "clock.h"

#define DEPTH   30      /* with the bottom, main, two callers in libc and _start: 35 */
#define ROUNDS  1000000 /* about a millisecond */
#define THREADS 64

static volatile uint64_t sink;
static int zero;

static void compute(uint64_t amount)
{
	for (uint64_t i = 0; i < amount; i++)
		sink = chain_call(DEPTH, chain_burn, ROUNDS);
}

static uint64_t read_zeros(uint64_t count)
{
	static char block[16384];
	uint64_t total = 0;

	for (uint64_t i = 0; i < count; i++)
		total += (uint64_t)read(zero, block, sizeof(block));
	return total;
}

static void in_kernel(uint64_t amount)
{
	zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	sink = chain_call(DEPTH, read_zeros, amount);
	close(zero);
}

static void processes(uint64_t amount)
{
	for (uint64_t i = 0; i < amount; i++) {
		pid_t child = fork();

		if (!child) {
			sink = chain_call(DEPTH, chain_burn, ROUNDS / 10);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
}

static void *one_thread(void *share)
{
	for (uint64_t i = 0; i < 4 * *(uint64_t *)share; i++)
		sink = chain_call(DEPTH, chain_burn, ROUNDS / 4);
	return NULL;
}

static void many_threads(uint64_t amount)
{
	uint64_t share = amount / THREADS + 1;
	pthread_t ids[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, one_thread, &share))
			_exit(1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(uint64_t amount);
	} kinds[] = {
	    {"cpu", compute}, {"kernel", in_kernel}, {"processes", processes}, {"threads", many_threads}};
	uint64_t start = clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		kinds[i].run((uint64_t)argument_or(argc, argv, 2, 1000));
		printf("elapsed_ns %llu\n", (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - start));
		return 0;
	}
	fprintf(stderr, "usage: work cpu|kernel|processes|threads AMOUNT\n");
	return 2;
}
