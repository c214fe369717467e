/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The few functions that GCC's start files (crti.o, crtbegin.o, crtn.o) bring into every program and library
 * without an unwind entry: _init, _fini, frame_dummy, __do_global_dtors_aux and what those call. They run
 * when a library comes and goes, so at every exec and exit. Their frame pointer is their caller's or none:
 * guessing by it finds nothing, or skips a frame.
 *
 * They are known by where they are registered and by their bytes, and only then; anything else stays a gap.
 */
#ifndef HW_WALK_START_CODE_H
#define HW_WALK_START_CODE_H

#include <stddef.h>
#include <stdint.h>

#define HW_START_RULES_MAX 24

/* A rule for the code at [address, address + size). */
struct hw_start_rule {
	uint64_t address, size, rule;
};

struct hw_start_code {
	struct hw_start_rule rules[HW_START_RULES_MAX];
	size_t count;
};

/* Reads up to size bytes of the file at a virtual address; returns how many there were. */
typedef size_t (*hw_read_by_address)(const void *context, uint64_t address, uint8_t *bytes, size_t size);

/* Find them through the dynamic section, size bytes at address `dynamic`; size 0: there is none. */
void hw_start_code_find(struct hw_start_code *code, uint64_t dynamic, uint64_t size, hw_read_by_address read,
                        const void *context);

#endif
