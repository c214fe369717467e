/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* How the processes that parse files of unknown origin give up what they do not need. */
#ifndef HW_WALK_SANDBOX_H
#define HW_WALK_SANDBOX_H

#include <stdint.h>

/* Close every descriptor but keep, which becomes 3; the standard ones become /dev/null. Returns 3. */
int hw_sandbox_keep_only(int keep);

/* Of all capabilities keep, if they are there, those that opening and reading other users' files needs; for
 * good. */
void hw_sandbox_keep_reading(void);

/*
 * For good and as far as the kernel lets us: all capabilities, the user (root becomes nobody), core dumps,
 * gaining rights by exec, being traced; files and network (Landlock); every file descriptor but keep, and the
 * terminal. Returns the number
 * that keep has afterwards.
 */
int hw_sandbox_drop_rights(int keep);

/* Limits for one file: address space, CPU seconds, bytes of a file written, open files. */
struct hw_sandbox_limits {
	uint64_t memory_bytes;
	uint32_t cpu_seconds;
	uint64_t file_bytes;
	uint32_t open_files;
};

/*
 * Set the limits and allow only the system calls that compiling takes: memory, reading, one memfd, one
 * socket. Any other kills the process. 0 or -errno.
 */
int hw_sandbox_enter(const struct hw_sandbox_limits *limits);

/* Address space of this process now, bytes. */
uint64_t hw_sandbox_address_space(void);

#endif
