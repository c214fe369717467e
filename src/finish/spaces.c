/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "finish/spaces.h"

#include <string.h>

struct hw_finish_space_of_pid {
	uint32_t pid;
	struct hw_finish_space *space;
	UT_hash_handle hh;
};

static void drop(struct hw_finish_space *space)
{
	if (!space || --space->users)
		return;
	array_free(&space->mappings);
	array_free(&space->files);
	free(space);
}

void hw_finish_spaces_free(struct hw_finish_spaces *spaces)
{
	struct hw_finish_space_of_pid *entry, *next;

	HASH_ITER (hh, spaces->by_pid, entry, next) {
		HASH_DEL(spaces->by_pid, entry);
		drop(entry->space);
		free(entry);
	}
}

static struct hw_finish_space_of_pid *entry_of(const struct hw_finish_spaces *spaces, uint32_t pid)
{
	struct hw_finish_space_of_pid *entry;

	HASH_FIND(hh, spaces->by_pid, &pid, sizeof(pid), entry);
	return entry;
}

struct hw_finish_space *hw_finish_spaces_find(const struct hw_finish_spaces *spaces, uint32_t pid)
{
	struct hw_finish_space_of_pid *entry = entry_of(spaces, pid);

	return entry ? entry->space : NULL;
}

/* Give pid this space, whose user count it takes over. */
static int set(struct hw_finish_spaces *spaces, uint32_t pid, struct hw_finish_space *space)
{
	struct hw_finish_space_of_pid *entry = entry_of(spaces, pid);

	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		entry->pid = pid;
		HASH_ADD(hh, spaces->by_pid, pid, sizeof(entry->pid), entry);
	}
	drop(entry->space);
	entry->space = space;
	return 0;
}

static int push(struct hw_finish_space *space, const struct hw_walker_mapping *mapping,
                struct hw_finish_file *file)
{
	if (array_reserve(&space->files, space->files.count + 1) || array_push(&space->mappings, *mapping))
		return -ENOMEM;
	return array_push(&space->files, file);
}

/* What is left of an old mapping between from and to. */
static int push_part(struct hw_finish_space *space, const struct hw_walker_mapping *old,
                     struct hw_finish_file *file, uint64_t from, uint64_t to)
{
	struct hw_walker_mapping part = *old;

	if (from > part.start) {
		part.offset += from - part.start;
		part.start = from;
	}
	if (to < part.end)
		part.end = to;
	return part.start < part.end ? push(space, &part, file) : 0;
}

static int copy_with(const struct hw_finish_space *old, const struct hw_walker_mapping *mapping,
                     struct hw_finish_file *file, bool executable, struct hw_finish_space *made)
{
	size_t count = old ? old->mappings.count : 0, i = 0;
	int r = 0;

	for (; i < count && old->mappings.items[i].start < mapping->start && !r; i++)
		r = push_part(made, &old->mappings.items[i], old->files.items[i], 0, mapping->start);
	if (i && !r && old->mappings.items[i - 1].end > mapping->end) {
		i--; /* it surrounds the new one: its upper part comes behind */
	}
	if (!r && executable)
		r = push(made, mapping, file);
	for (; i < count && !r; i++)
		r = push_part(made, &old->mappings.items[i], old->files.items[i], mapping->end, UINT64_MAX);
	return r;
}

int hw_finish_spaces_map(struct hw_finish_spaces *spaces, uint32_t pid,
                         const struct hw_walker_mapping *mapping, struct hw_finish_file *file,
                         bool executable)
{
	struct hw_finish_space *old = hw_finish_spaces_find(spaces, pid), *made;

	if (mapping->end <= mapping->start || (!executable && !old))
		return 0;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->users = 1;
	if (copy_with(old, mapping, file, executable, made) || set(spaces, pid, made)) {
		drop(made);
		return -ENOMEM;
	}
	return 0;
}

int hw_finish_spaces_fork(struct hw_finish_spaces *spaces, uint32_t pid, uint32_t parent)
{
	struct hw_finish_space *space = hw_finish_spaces_find(spaces, parent);

	if (space)
		space->users++;
	if (!set(spaces, pid, space))
		return 0;
	if (space)
		space->users--;
	return -ENOMEM;
}

void hw_finish_spaces_drop(struct hw_finish_spaces *spaces, uint32_t pid)
{
	struct hw_finish_space_of_pid *entry = entry_of(spaces, pid);

	if (!entry)
		return;
	HASH_DEL(spaces->by_pid, entry);
	drop(entry->space);
	free(entry);
}

size_t hw_finish_space_at(const struct hw_finish_space *space, uint64_t address)
{
	size_t low = 0, high = space->mappings.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->mappings.items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < space->mappings.items[low - 1].end ? low - 1 : (size_t)-1;
}
