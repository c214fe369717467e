/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Address spaces by process, as the user-space walker wants them. Shared between a process and its forks
 * until one of them changes.
 */
#ifndef HW_FINISH_SPACES_H
#define HW_FINISH_SPACES_H

#include "base/array.h"
#include "finish/files.h"
#include "walk/walker.h"

struct hw_finish_space {
	size_t users;
	array_of(struct hw_walker_mapping) mappings; /* sorted, disjoint; tables are filled in by who walks */
	array_of(struct hw_finish_file *) files;     /* of each mapping; NULL: none */
};

struct hw_finish_spaces {
	struct hw_finish_space_of_pid *by_pid;
};

void hw_finish_spaces_free(struct hw_finish_spaces *spaces);
/* The space of pid, or NULL. */
struct hw_finish_space *hw_finish_spaces_find(const struct hw_finish_spaces *spaces, uint32_t pid);
/* Put a mapping in, over what was there; executable false: only take away what was there. 0 or -ENOMEM. */
int hw_finish_spaces_map(struct hw_finish_spaces *spaces, uint32_t pid,
                         const struct hw_walker_mapping *mapping, struct hw_finish_file *file,
                         bool executable);
int hw_finish_spaces_fork(struct hw_finish_spaces *spaces, uint32_t pid, uint32_t parent);
void hw_finish_spaces_drop(struct hw_finish_spaces *spaces, uint32_t pid);
/* The index of the mapping that holds address; (size_t)-1: none. */
size_t hw_finish_space_at(const struct hw_finish_space *space, uint64_t address);

#endif
