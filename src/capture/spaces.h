/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Address spaces: what each process has mapped that can run, kept up to date by its process events, with the
 * tables for it. For backends that walk in user space. One thread.
 */
#ifndef HW_CAPTURE_SPACES_H
#define HW_CAPTURE_SPACES_H

#include <linux/perf_event.h>

#include "capture/store.h"
#include "walk/walker.h"

enum hw_space_state {
	HW_SPACE_UNTRIED, /* nobody has walked through it yet */
	HW_SPACE_TRIED,   /* the table is there, or the file has none */
	HW_SPACE_NO_FILE, /* the file could not be opened */
};

/* Beside each struct hw_walker_mapping: where its file is. */
struct hw_space_file {
	char *name; /* as in /proc/PID/maps; owned */
	uint64_t inode;
	uint32_t major, minor;
	uint8_t build_id[20];
	uint8_t build_id_size; /* 0: not known, then inode, major and minor are */
	uint8_t state;         /* enum hw_space_state */
};

struct hw_space {
	uint32_t pid;
	bool in_exec; /* the program was replaced, and no sample has shown it in user mode since */
	struct hw_walker_mapping *mappings; /* sorted by start, not overlapping */
	struct hw_space_file *files;
	size_t count, capacity;
};

struct hw_spaces {
	struct hw_store *store;
	struct hw_space **by_pid[1024]; /* [pid / 4096][pid % 4096] */
	uint32_t gone[512];             /* processes that ended, the oldest is forgotten first */
	size_t next_gone;
};

void hw_spaces_init(struct hw_spaces *spaces, struct hw_store *store);
void hw_spaces_free(struct hw_spaces *spaces);

/* Take in one process event: MMAP2, COMM, FORK or EXIT, as the kernel writes them or records.h builds them.
 */
void hw_spaces_event(struct hw_spaces *spaces, const struct perf_event_header *record);

/* The space of a process; one that is not known yet is read from /proc. NULL: not to be had. */
struct hw_space *hw_spaces_find(struct hw_spaces *spaces, uint32_t pid);
/* Read /proc/PID/maps anew. Returns true if anything is different from before. */
bool hw_spaces_read(struct hw_spaces *spaces, uint32_t pid);

/* The mapping that holds address, or -1. */
ssize_t hw_space_mapping(const struct hw_space *space, uint64_t address);
/* See that the table of a mapping is there, if it can be had. */
void hw_space_load(struct hw_spaces *spaces, struct hw_space *space, size_t mapping);

#endif
