/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* .gnu_debuglink: the name and the checksum of a file that holds a program's symbols. */
#ifndef HW_SYMBOL_DEBUG_LINK_H
#define HW_SYMBOL_DEBUG_LINK_H

#include "symbol/elf_file.h"

/*
 * Open the file that a program, found at path within root (NULL: ours), names so: beside it, in .debug
 * beside it, or below each of the directories. It must have the program's build ID, or, where one of them
 * has none, the checksum. 0 or -ENOENT. (GDB manual, "Separate Debug Files".)
 */
int hw_debug_link_open(const struct hw_elf_file *program, const char *root, const char *path,
                       const char *directories, struct hw_elf_file *debug);

#endif
