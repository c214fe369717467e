/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * storm SECONDS THREADS fork|vfork|spawn|exec CHILD: processes that come and go as fast as they can. With
 * fork they exit at once; else they become CHILD, which had better be small.
 */
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "zoo.h"

static const char *how;
static char *child_path;
static unsigned long count;

static pid_t start(void)
{
	char *arguments[] = {child_path, NULL}, *environment[] = {NULL};
	pid_t child = -1;

	if (*how == 's')
		return posix_spawn(&child, child_path, NULL, NULL, arguments, environment) ? -1 : child;
	child = *how == 'v' ? vfork() : fork();
	if (!child) {
		if (strcmp(how, "fork"))
			execve(child_path, arguments, environment);
		_exit(strcmp(how, "fork") ? 127 : 0);
	}
	return child;
}

STEP static void spawn_one(void)
{
	pid_t child = start();
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status)
		zoo_fail(how);
	__atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
}

static void *run(void *argument)
{
	while (zoo_goes_on())
		spawn_one();
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t threads[16];
	int thread_count = argc > 2 ? atoi(argv[2]) : 0;

	if (argc != 5 || thread_count < 1 || thread_count > 16)
		zoo_fail("usage: storm SECONDS THREADS fork|vfork|spawn|exec CHILD");
	how = argv[3];
	child_path = argv[4];
	zoo_begin(argc, argv);
	for (int i = 0; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, run, NULL))
			zoo_fail("pthread_create");
	for (int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	printf("processes %lu\n", count);
	return 0;
}
