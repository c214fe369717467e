/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The processes behind walk/compiler.h, and what is said to them.
 *
 *	recorder ──control──▶ nursery ──fork──▶ worker, one a file
 *	   └──────────────channel───────────────────┘
 *
 * The nursery never looks into a file. It forks a worker for each, sees that its time is kept, and reports
 * how it ended. A file that takes its worker over thus has no other file's table to spoil. The worker first
 * says what the file is, and goes on to compile only if it is told to, as its table may be in the cache.
 */
#ifndef HW_WALK_COMPILER_PROCESS_H
#define HW_WALK_COMPILER_PROCESS_H

#include <sys/types.h>

#include "walk/table_file.h"

/*
 * A worker's time is what it had on a CPU; by the clock on the wall it may take so many times as long, as
 * long as it is at work: on a machine that is busy with other things it waits for its turn.
 */
#define HW_COMPILER_WALL_FACTOR 10

struct hw_compiler_settings {
	uint32_t time_ms;      /* per file */
	uint64_t memory_bytes; /* of a worker, beyond what it has from the start */
	struct hw_compile_limits limits;
	uint8_t key[HW_DIGEST_KEY_BYTES]; /* of digests */
};

/* recorder → nursery, with two descriptors: the ELF file and the worker's end of the channel */
struct hw_compiler_request {
	uint32_t serial;
};

/* nursery → recorder, when the worker is gone */
struct hw_compiler_outcome {
	uint32_t serial;
	int32_t wait_status; /* wait(2) */
	int32_t timed_out;
	int32_t fork_error; /* -errno: there was no worker */
};

/*
 * worker → recorder: what file this is; later, with the descriptor of a sealed memfd, that the table is
 * there. If code is not 0, text says why, and nothing follows.
 */
struct hw_compiler_answer {
	int32_t code; /* -errno */
	struct hw_table_identity identity;
	char text[256];
};

/* recorder → worker: compile. If the channel closes instead, the worker leaves. */
struct hw_compiler_go {
	uint32_t serial;
};

/* What the nursery runs after fork, with parent its parent's process ID. */
_Noreturn void hw_compiler_nursery(int control, const struct hw_compiler_settings *settings, pid_t parent);

#endif
