/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/main_program.h"

#include <stdlib.h>

struct share {
	uint32_t pid;
	uint64_t samples;
};

static int by_pid(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* The process with most samples in user space; false: there is none. */
static int find_heaviest(const struct hw_profile *profile, uint32_t *pid, bool *found)
{
	array_of(struct share) shares = {0};
	uint64_t most = 0, sum = 0;

	*found = false;
	if (array_reserve(&shares, profile->entries.count + 1))
		return -ENOMEM;
	array_for_each (&profile->entries, entry)
		if (profile->stacks.stacks.items[entry->stack].user)
			shares.items[shares.count++] =
			    (struct share){.pid = profile->contexts.items[entry->context].pid,
			                   .samples = entry->weight.samples};
	qsort(shares.items, shares.count, sizeof(*shares.items), by_pid);
	for (size_t i = 0; i < shares.count; i++) {
		sum = i && shares.items[i].pid == shares.items[i - 1].pid ? sum : 0;
		sum += shares.items[i].samples;
		if (sum > most) {
			most = sum;
			*pid = shares.items[i].pid;
			*found = true;
		}
	}
	array_free(&shares);
	return 0;
}

/* Its own file: programs stand below their libraries. */
static int find_lowest(const struct hw_profile *profile, uint32_t pid, struct hw_frame_list *path,
                       const struct hw_process_event **lowest)
{
	array_for_each (&profile->entries, entry) {
		if (profile->contexts.items[entry->context].pid != pid)
			continue;
		if (hw_stacks_path_ids(&profile->stacks, entry->stack, path))
			return -ENOMEM;
		for (size_t k = 0; k < path->count; k++) {
			const struct hw_process_event *mapping =
			    profile->stacks.locations.items[path->items[k]].mapping;

			if (mapping && !mapping->kernel && mapping->name[0] == '/' &&
			    (!*lowest || mapping->start < (*lowest)->start))
				*lowest = mapping;
		}
	}
	return 0;
}

int hw_main_program(const struct hw_profile *profile, const struct hw_process_event **mapping)
{
	struct hw_frame_list path = {0};
	uint32_t pid = 0;
	bool found;
	int code = find_heaviest(profile, &pid, &found);

	*mapping = NULL;
	if (!code && found)
		code = find_lowest(profile, pid, &path, mapping);
	array_free(&path);
	return code;
}
