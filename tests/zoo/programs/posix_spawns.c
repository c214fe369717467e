/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* posix_spawn as fast as it goes, from two threads; the children exit at once. */
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "zoo.h"

static char self[] = "/proc/self/exe", child_word[] = "child";
static unsigned long count;

STEP static void spawn_one(void)
{
	char *arguments[] = {self, child_word, NULL}, *environment[] = {NULL};
	pid_t child;
	int status;

	if (posix_spawn(&child, self, NULL, NULL, arguments, environment) ||
	    waitpid(child, &status, 0) != child || status)
		zoo_fail("posix_spawn");
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
	pthread_t other;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 0;
	zoo_begin(argc, argv);
	if (pthread_create(&other, NULL, run, NULL))
		zoo_fail("pthread_create");
	run(NULL);
	pthread_join(other, NULL);
	printf("processes %lu\n", count);
	return 0;
}
