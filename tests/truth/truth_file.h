/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What record --truth FILE wrote: registers, stack and mappings of every walk, and the frames it found. */
#ifndef HW_TESTS_TRUTH_FILE_H
#define HW_TESTS_TRUTH_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

struct truth_walk {
	const struct hw_unfinished *walk; /* registers as of the start; guess_reason is the end reason */
	const uint64_t *ips;
	const uint8_t *stack;
	const struct hw_mapping *mappings; /* executable ones, sorted by start */
};

struct truth_file {
	struct truth_walk *walks; /* by time */
	size_t count;
	uint64_t lost; /* walks that found no room in the ring */
	void *bytes;
	size_t size;
};

/* 0, or -1 with a line on stderr: not readable, or not whole. */
int truth_file_read(struct truth_file *file, const char *path);
void truth_file_clear(struct truth_file *file);

#endif
