/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Looking at processes through /proc. */
#ifndef HW_TESTS_WALK_PROCESSES_H
#define HW_TESTS_WALK_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/* The first child of a process that is not a zombie, or 0. */
pid_t child_of(pid_t parent);
/* The same, waited for up to two seconds. */
pid_t await_child_of(pid_t parent);
/* Wait up to two seconds until there is no such process, or only its zombie. */
bool is_gone_soon(pid_t pid);
/* A line of /proc/PID/status by its name; the value, without what comes before it, or "". */
const char *status_line(pid_t pid, const char *name);
/* The number of open file descriptors, or -1. */
int open_files(pid_t pid);

#endif
