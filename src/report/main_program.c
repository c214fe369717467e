/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/main_program.h"

#include <stdlib.h>

#define TRIES 16
#define FEW   10 /* one of so many */

/* A process while it had one name: an exec makes it another program. */
struct share {
	uint32_t pid, name;
	uint64_t samples;
};

static int by_program(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* That with most samples in user space; samples 0: there is none. */
static int find_heaviest(const struct hw_profile *profile, struct share *heaviest)
{
	array_of(struct share) shares = {0};
	struct share sum = {0};

	if (array_reserve(&shares, profile->entries.count + 1))
		return -ENOMEM;
	array_for_each (&profile->entries, entry) {
		const struct hw_context *context = &profile->contexts.items[entry->context];

		if (profile->stacks.stacks.items[entry->stack].user)
			shares.items[shares.count++] = (struct share){
			    .pid = context->pid, .name = context->process, .samples = entry->weight.samples};
	}
	qsort(shares.items, shares.count, sizeof(*shares.items), by_program);
	array_for_each (&shares, share) {
		uint64_t before = by_program(share, &sum) ? 0 : sum.samples;

		sum = *share;
		sum.samples += before;
		if (sum.samples > heaviest->samples)
			*heaviest = sum;
	}
	array_free(&shares);
	return 0;
}

/* Where its files are mapped: the lowest place above after, and how many samples have a frame there. */
struct place {
	const struct hw_process_event *mapping; /* NULL: there is none */
	uint64_t samples;
};

static int find_lowest(const struct hw_profile *profile, const struct share *program, uint64_t after,
                       struct hw_frame_list *path, struct place *lowest)
{
	*lowest = (struct place){0};
	array_for_each (&profile->entries, entry) {
		const struct hw_context *context = &profile->contexts.items[entry->context];
		bool there = false;

		if (context->pid != program->pid || context->process != program->name)
			continue;
		if (hw_stacks_path_ids(&profile->stacks, entry->stack, path))
			return -ENOMEM;
		for (size_t i = 0; i < path->count; i++) {
			const struct hw_process_event *mapping =
			    profile->stacks.locations.items[path->items[i]].mapping;

			if (!mapping || mapping->kernel || mapping->name[0] != '/' || mapping->start <= after)
				continue;
			if (!lowest->mapping || mapping->start < lowest->mapping->start)
				*lowest = (struct place){.mapping = mapping};
			there = there || mapping == lowest->mapping;
		}
		if (there)
			lowest->samples += entry->weight.samples;
	}
	return 0;
}

/*
 * A program stands below its libraries. What few stacks have is of the image before: a sample inside of
 * execve may have the new name already, and the old stack.
 */
int hw_main_program(const struct hw_profile *profile, const struct hw_process_event **mapping)
{
	struct hw_frame_list path = {0};
	struct share program = {0};
	struct place place = {0};
	uint64_t after = 0;
	int code = find_heaviest(profile, &program);

	*mapping = NULL;
	for (int tries = 0; tries < TRIES && program.samples && !*mapping && !code; tries++) {
		code = find_lowest(profile, &program, after, &path, &place);
		if (code || !place.mapping)
			break;
		if (place.samples * FEW >= program.samples)
			*mapping = place.mapping;
		after = place.mapping->start;
	}
	array_free(&path);
	return code;
}
