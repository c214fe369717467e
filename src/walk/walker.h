/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The user-space walker: the same frames and steps as in BPF, over registers and a copy of the stack.
 * It finishes walks that met a missing table, and serves backends that copy stacks.
 */
#ifndef HW_WALK_WALKER_H
#define HW_WALK_WALKER_H

#include <stddef.h>
#include <stdint.h>

#include "walk/table.h"
#include "walk/walk.h"

/* Where code comes from: one executable mapping. */
struct hw_walker_mapping {
	uint64_t start, end;          /* end exclusive */
	uint64_t offset;              /* file offset of start, bytes */
	const struct hw_table *table; /* NULL: none to be had */
	uint8_t anonymous;            /* no file: JIT code */
};

struct hw_walker_input {
	const struct hw_walker_mapping *mappings; /* executable ones, sorted by start */
	size_t mapping_count;
	/*
	 * Of the copy's first byte: best 128 bytes below the stack pointer. Until a function has returned,
	 * the registers that it has popped already are still found there, in the red zone (psABI, 3.2.2).
	 */
	uint64_t stack_address;
	const uint8_t *stack;
	size_t stack_size;
	uint64_t stack_limit; /* end of the mapping that the stack is in; 0: not known */
	/* A copy of the stack that a signal handler's alternate stack interrupted; size 0: none. */
	uint64_t other_address;
	const uint8_t *other_stack;
	size_t other_size;
	/* Read a word of stack outside of the copy, 0 or -1; may be NULL. */
	int (*read_stack)(void *context, uint64_t address, uint64_t *word);
	/* Read 8 bytes of code at address in the process, 0 or -1; may be NULL (then guesses fail). */
	int (*read_code)(void *context, uint64_t address, uint64_t *eight_bytes);
	/* Fill in mappings[mapping].table, which is NULL, if it can be had: asked when it is needed; may be
	 * NULL. */
	void (*load_table)(void *context, size_t mapping);
	void *context;
};

/*
 * Go on with the walk in *state (its registers, flags and depth; its mappings are not used) until it ends.
 * New frames are written to ips[state->depth …], up to state->depth_max in all. Returns enum hw_end_reason;
 * where the copy is too short, HW_END_SHORT_COPY. Reads nothing outside of what it was given. *state is left
 * as of the last frame.
 */
enum hw_end_reason hw_walker_walk(struct hw_walk *state, const struct hw_walker_input *input, uint64_t *ips);

#endif
