/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The main thread is gone first; another goes on. */
#include <pthread.h>

#include "zoo.h"

STEP static void *go_on(void *argument)
{
	burn_until_the_end();
	exit(0);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	zoo_begin(argc, argv);
	if (pthread_create(&thread, NULL, go_on, NULL))
		zoo_fail("pthread_create");
	pthread_exit(NULL);
}
