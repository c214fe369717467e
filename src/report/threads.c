/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/threads.h"

#include <stdio.h>
#include <stdlib.h>

static int busiest_first(const void *a, const void *b)
{
	const struct hw_thread *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->context < y->context ? -1 : x->context > y->context;
}

/* Put each point where its thread's next one belongs: first is the place of a context's next point. */
static void distribute(struct hw_threads *threads, const struct hw_profile *profile)
{
	array_for_each (&profile->points, point) {
		uint32_t context = profile->entries.items[point->entry].context;
		struct hw_thread *thread = &threads->threads.items[context];

		threads->points[thread->first + thread->count++] = point;
	}
}

int hw_threads_build(struct hw_threads *threads, const struct hw_profile *profile)
{
	size_t first = 0, used = 0;

	*threads = (struct hw_threads){.points = calloc(profile->points.count + 1, sizeof(void *))};
	if (!threads->points || array_reserve(&threads->threads, profile->contexts.count + 1))
		return -ENOMEM;
	for (uint32_t i = 0; i < profile->contexts.count; i++)
		threads->threads.items[i] = (struct hw_thread){.context = i};
	array_for_each (&profile->points, point)
		threads->threads.items[profile->entries.items[point->entry].context].count++;
	for (size_t i = 0; i < profile->contexts.count; i++) {
		threads->threads.items[i].first = first;
		first += threads->threads.items[i].count;
		threads->threads.items[i].count = 0;
	}
	distribute(threads, profile);
	for (size_t i = 0; i < profile->contexts.count; i++)
		if (threads->threads.items[i].count)
			threads->threads.items[used++] = threads->threads.items[i];
	threads->threads.count = used;
	if (used)
		qsort(threads->threads.items, used, sizeof(struct hw_thread), busiest_first);
	return 0;
}

void hw_threads_free(struct hw_threads *threads)
{
	array_free(&threads->threads);
	free(threads->points);
}

void hw_thread_name(const struct hw_profile *profile, uint32_t context, char *name, size_t size)
{
	const struct hw_context *of = &profile->contexts.items[context];

	snprintf(name, size, "%s-%u/%u", hw_names_text(&profile->names, of->thread), of->pid, of->tid);
}
