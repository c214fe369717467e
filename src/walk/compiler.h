/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The compiler process: whatever parses ELF files does so in a child without rights, with a limit on
 * memory and on time per file, so that a hostile file costs one table and nothing else.
 *
 * One child is started with the compiler and started again when it is gone; it forks one of its own for each
 * file (walk/compiler_process.h). File descriptors go there over a socket pair (SCM_RIGHTS), tables come back
 * in a memfd. The child dies with the thread that made it. Its process is waited for here: a program that
 * waits for any child, or ignores SIGCHLD, does no harm. Not thread-safe: one owner, which is blocked while
 * a file is compiled, up to its time limit.
 *
 * Make it early: the child keeps a copy of what is in memory then, shared mappings included.
 */
#ifndef HW_WALK_COMPILER_H
#define HW_WALK_COMPILER_H

#include "walk/table.h"

struct hw_compiler;

struct hw_compiler_options {
	uint32_t time_ms; /* per file, on a CPU; 0: 5000 */
	uint64_t
	    memory_bytes; /* address space for one file, beyond what the child has from the start; 0: 1 GiB */
	const char *cache_directory;     /* NULL: no disk cache; made (mode 0700) if missing */
	struct hw_compile_limits limits; /* zeros: 2 GiB, 16 Mi rows */
};

int hw_compiler_new(const struct hw_compiler_options *options, struct hw_compiler **compiler,
                    struct hw_error *err);
void hw_compiler_free(struct hw_compiler *compiler);
/* Why there is no disk cache although one was asked for: compiling goes on without. NULL: there is. */
const struct hw_error *hw_compiler_cache_error(const struct hw_compiler *compiler);

/*
 * The table of the file open at fd: from the disk cache by build ID, else compiled in the child and put
 * into the cache. Errors as hw_table_compile, and -ETIMEDOUT, -EPROTO (the child died: err says of what),
 * -EAGAIN (there could be no child). A cache entry is believed only if its checksum, its build ID, the ELF
 * file's size and a keyed hash of what the table depends on agree, and it and its directory belong to the
 * user who runs us. The caller clears *table.
 */
int hw_compiler_table(struct hw_compiler *compiler, int fd, struct hw_table *table, struct hw_error *err);

#endif
