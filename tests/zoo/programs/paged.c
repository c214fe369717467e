/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * paged [SECONDS [anonymous|file]]: a thread deep in calls on a stack of its own (anonymous memory or a
 * mapped file) whose older pages another thread sends out again and again (MADV_PAGEOUT): walking it takes
 * real page-ins.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zoo.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define STACK_BYTES (1 << 20)
#define FRAME_BYTES 2000
#define DEPTH       200

static char *stack;

STEP static int deep(int depth)
{
	volatile char frame[FRAME_BYTES];
	int result;

	frame[0] = (char)depth;
	if (depth)
		result = deep(depth - 1);
	else {
		burn_until_the_end();
		result = 0;
	}
	STAY;
	return result + frame[0];
}

static void *run(void *argument)
{
	(void)argument;
	deep(DEPTH);
	return NULL;
}

static char *file_memory(void)
{
	char path[] = "zoo-stack-XXXXXX";
	int fd = mkstemp(path);
	char *memory;

	if (fd < 0 || ftruncate(fd, STACK_BYTES))
		zoo_fail(path);
	unlink(path);
	memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return memory;
}

int main(int argc, char **argv)
{
	int file = argc > 2 && !strcmp(argv[2], "file");
	struct timespec pause = {0, 20000000};
	pthread_attr_t attributes;
	pthread_t thread;

	zoo_begin(argc, argv);
	stack = file ? file_memory()
	             : mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		zoo_fail("mmap");
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, STACK_BYTES);
	if (pthread_create(&thread, &attributes, run, NULL))
		zoo_fail("pthread_create");
	while (zoo_goes_on()) {
		nanosleep(&pause, NULL);
		if (file)
			msync(stack, STACK_BYTES, MS_SYNC);
		madvise(stack + STACK_BYTES / 2, STACK_BYTES / 2, MADV_PAGEOUT);
	}
	pthread_join(thread, NULL);
	return 0;
}
