/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The process behind walk/opener.h, and what is said to it and by it. */
#ifndef HW_WALK_OPENER_PROCESS_H
#define HW_WALK_OPENER_PROCESS_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Open path, or, if there is a descriptor (O_PATH) with it, what that names. */
struct hw_opener_request {
	uint32_t serial;
	char path[8192];
};

/* With a descriptor where code and copying are 0. */
struct hw_opener_answer {
	uint32_t serial;
	int32_t code;    /* 0 or -errno */
	uint8_t copying; /* it is open, a second answer follows */
	uint8_t copied;
	uint64_t page;  /* see struct hw_opened */
	uint64_t mount; /* 0: it has no number */
	struct stat st;
};

/* Answer requests from control until the recorder, parent, is gone. */
_Noreturn void hw_opener_serve(int control, pid_t parent);

/* Is what name (O_PATH) names a regular file, and on which mount? Asks no file system. 0 or -errno. */
int hw_opener_look(int name, uint64_t *mount);
/* A descriptor for reading of what name names, or -errno. */
int hw_opener_reopen(int name);

#endif
