/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A process that is stepped through, instruction by instruction, and what it knows of its own stack. */
#ifndef HW_TESTS_TRUTH_TRACEE_H
#define HW_TESTS_TRUTH_TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#define SHADOW_MAX 1024

/* A return address: the word at slot, as long as the stack pointer is not above it. */
struct shadow_entry {
	uint64_t slot, address;
};

struct tracee {
	pid_t pid;
	struct user_regs_struct regs;
	struct shadow_entry shadow[SHADOW_MAX]; /* outermost first */
	size_t depth;
	int signal; /* to be delivered with the next step */
	bool mappings_changed;
	int exit_status; /* once it is gone */
};

/* Start a program, stopped before its first instruction. 0 or -1. */
int tracee_start(struct tracee *tracee, char *const *command);
/* Run up to the program's own entry point, past the dynamic linker; the stack has no callers there. 0 or -1.
 */
int tracee_run_to_entry(struct tracee *tracee);
/*
 * One instruction, or the delivery of a signal. Calls are put on the shadow stack as they are executed; what
 * lies below the stack pointer is taken off, whether by a return, a longjmp or an exception. Returns 1 when
 * the process is gone.
 */
int tracee_step(struct tracee *tracee);
int tracee_read(const struct tracee *tracee, uint64_t address, void *to, size_t size);

#endif
