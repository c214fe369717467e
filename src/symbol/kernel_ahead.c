/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Reading the kernel's symbols takes as long as 100,000 samples: a thread does it while these are read. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/kernel.h"
#include "symbol/symbol.h"

/* The thread's, until it is joined. */
struct hw_kernel_ahead {
	pthread_t thread;
	char *path;
	struct hw_kernel kernel;
	struct hw_strings strings;
	int result;
};

static void *read_ahead(void *argument)
{
	struct hw_kernel_ahead *ahead = argument;

	ahead->result = hw_kernel_read(&ahead->kernel, ahead->path, &ahead->strings);
	return NULL;
}

struct hw_kernel_ahead *hw_kernel_ahead_new(const char *kallsyms)
{
	struct hw_kernel_ahead *ahead = calloc(1, sizeof(*ahead));

	if (!ahead)
		return NULL;
	ahead->path = strdup(kallsyms ? kallsyms : HW_KALLSYMS);
	if (ahead->path && !pthread_create(&ahead->thread, NULL, read_ahead, ahead))
		return ahead;
	free(ahead->path);
	free(ahead);
	return NULL;
}

int hw_kernel_ahead_take(struct hw_kernel_ahead *ahead, struct hw_kernel *kernel, struct hw_strings *strings)
{
	int r;

	pthread_join(ahead->thread, NULL);
	*kernel = ahead->kernel;
	*strings = ahead->strings;
	r = ahead->result;
	free(ahead->path);
	free(ahead);
	return r;
}

void hw_kernel_ahead_drop(struct hw_kernel_ahead *ahead)
{
	struct hw_kernel kernel;
	struct hw_strings strings;

	if (!ahead)
		return;
	if (!hw_kernel_ahead_take(ahead, &kernel, &strings))
		hw_kernel_clear(&kernel);
	hw_strings_clear(&strings);
}
