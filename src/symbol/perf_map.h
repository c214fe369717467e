/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Perf maps: text files in which runtimes with a JIT compiler say what they put where, one line a function:
 * START SIZE NAME, both numbers hexadecimal (linux/tools/perf/Documentation/jit-interface.txt). They are
 * only ever appended to, so where lines overlap the later one holds.
 */
#ifndef HW_SYMBOL_PERF_MAP_H
#define HW_SYMBOL_PERF_MAP_H

#include "symbol/symtab.h"

/* Read the map in the file open at fd; lines that are none are left out. 0, -E2BIG, -ENOMEM or -errno. */
int hw_perf_map_read(int fd, struct hw_symtab *symtab);

/*
 * Open the map that process pid wrote: within its own root under the number it has there, else in /tmp. It
 * must belong to the process's user or to root; once the process is gone, to root or to us, and root takes
 * anybody's. alive: whether /proc/PID is still that process. The descriptor or -errno.
 */
int hw_perf_map_open(unsigned pid, bool alive, const char *root);

#endif
