/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The compiler process: whatever parses ELF files does so in a child without rights, with a limit on
 * memory and on time per file, so that a hostile file costs one table and nothing else.
 *
 * The child is started once and again after each crash or time-out. File descriptors go to it over a
 * socket pair (SCM_RIGHTS), tables come back in a memfd. Not thread-safe: one owner.
 */
#ifndef HW_WALK_COMPILER_H
#define HW_WALK_COMPILER_H

#include "walk/table.h"

struct hw_compiler;

struct hw_compiler_options {
	uint32_t time_ms;	  /* per file; 0: 5000 */
	uint64_t memory_bytes;	  /* address space of the child; 0: 1 GiB */
	const char *cache_directory; /* NULL: no disk cache; made (mode 0700) if missing */
	struct hw_compile_limits limits; /* zeros: 2 GiB, 16 Mi rows */
};

int hw_compiler_new(const struct hw_compiler_options *options, struct hw_compiler **compiler, struct hw_error *err);
void hw_compiler_free(struct hw_compiler *compiler);

/*
 * The table of the file open at fd: from the disk cache by build ID, else compiled in the child and put
 * into the cache. Errors as hw_table_compile, and -ETIMEDOUT, -EPROTO (the child died: err says of what).
 * A cache entry is believed only if its checksum, its build ID and the ELF file's size agree, and it and
 * its directory belong to the user who runs us.
 */
int hw_compiler_table(struct hw_compiler *compiler, int fd, struct hw_table *table, struct hw_error *err);

#endif
