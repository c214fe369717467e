/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The threads that the backend ptrace traces, and what is read of them. One thread: the tracer's. */
#ifndef HW_CAPTURE_TRACEE_H
#define HW_CAPTURE_TRACEE_H

#include <stdbool.h>
#include <sys/types.h>
#include <uthash.h>

#include "capture/finisher.h"

struct hw_tracee {
	pid_t tid, pid; /* pid 0: not known yet */
	bool asked;     /* to stop, for a sample */
	uint64_t asked_ns;
	uint64_t cpu_ns;  /* used, when it was looked at last */
	uint64_t owed_ns; /* of CPU time that no sample stands for yet */
	UT_hash_handle hh;
};

/* A traced process: its mappings as told last. */
struct hw_traced_process {
	pid_t pid;
	uint64_t size_pages; /* of its memory, when its mappings were read */
	uint64_t maps_hash;  /* of /proc/PID/maps; 0: never read */
	uint64_t maps_ns;    /* when */
	UT_hash_handle hh;
};

/* The thread group and the parent of a thread; false: it is gone. */
bool hw_tracee_ids(pid_t tid, pid_t *pid, pid_t *parent);
/* CPU time used, ns; false: it is gone. */
bool hw_tracee_cpu_ns(pid_t pid, pid_t tid, uint64_t *ns);
/* Is it running, or ready to? */
bool hw_tracee_runs(pid_t pid, pid_t tid);
/* Fill in registers, pc and refusal of a stopped thread. False: it is gone. */
bool hw_tracee_registers(pid_t tid, struct hw_stack_copy *copy);
/*
 * Copy up to size bytes of the stack of a stopped thread, by its registers in *copy, and behind them as many
 * of the stack that it left for a signal handler's alternate one, if the copy shows that it did; stack has
 * room for both. Fills in where they are in *copy.
 */
void hw_tracee_stacks(pid_t pid, struct hw_stack_copy *copy, uint8_t *stack, size_t size);
/* Might the mappings have changed since they were told? Takes note that they are told now. */
bool hw_tracee_maps_changed(struct hw_traced_process *process, uint64_t now_ns);

#endif
