/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Threads that die at once, some of them hit while they do. */
#include <pthread.h>

#include "zoo.h"

STEP static void *brief(void *argument)
{
	burn(2000);
	STAY;
	return argument;
}

int main(int argc, char **argv)
{
	unsigned long count = 0;

	zoo_begin(argc, argv);
	while (zoo_goes_on()) {
		pthread_t threads[8];

		for (int i = 0; i < 8; i++, count++)
			if (pthread_create(&threads[i], NULL, brief, NULL))
				zoo_fail("pthread_create");
		for (int i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
	}
	printf("threads %lu\n", count);
	return 0;
}
