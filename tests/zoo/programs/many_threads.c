/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* many_threads [SECONDS [COUNT]]: 10,000 threads that take turns. */
#include <pthread.h>
#include <unistd.h>

#include "zoo.h"

static pthread_barrier_t all_there;

STEP static void work(void)
{
	while (zoo_goes_on()) {
		burn(100000);
		usleep(200000);
	}
	STAY;
}

static void *run(void *argument)
{
	pthread_barrier_wait(&all_there);
	work();
	return argument;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10000;
	pthread_t *threads = calloc(count, sizeof(*threads));
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_barrier_init(&all_there, NULL, count + 1);
	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&threads[i], &small, run, NULL))
			zoo_fail("pthread_create");
	zoo_begin(argc, argv);
	pthread_barrier_wait(&all_there);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("threads %u\n", count);
	return 0;
}
