/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The command that is being recorded: started stopped, let go once everything listens. */
#ifndef HW_CLI_CHILD_H
#define HW_CLI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct hw_child {
	pid_t pid;
	const char *name; /* the command's, not owned */
	int go;           /* the write end of the pipe that holds it back; -1: gone */
	int result;       /* the read end of the pipe on which a failed exec tells why; -1: gone */
	bool ended;
	int wait_status;
	/* Whoever may have waited for it before us: as hw_capture_wait_child; NULL: nobody. */
	int (*taken_in)(void *context, pid_t pid, int *wait_status);
	void *context;
	int failure; /* 126 or 127 where the command could not be run */
};

/* See, before anything else is done, whether there is such a command; child->failure as for hw_child_start.
 */
int hw_child_find(struct hw_child *child, char **command, struct hw_error *err);
/* Fork a process that will run command; it waits for hw_child_start. */
int hw_child_prepare(struct hw_child *child, char **command, struct hw_error *err);
/* Let it go; fails where the command cannot be executed (child->failure says with which exit status). */
int hw_child_start(struct hw_child *child, struct hw_error *err);
bool hw_child_ended(struct hw_child *child);
/*
 * Wait for its end (a signal is passed on first; 0: none) and return the exit status to pass on. A further
 * signal ends the waiting, and the command goes on alone.
 */
int hw_child_finish(struct hw_child *child, int signal);

#endif
