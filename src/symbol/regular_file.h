/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Opening files whose paths somebody else chose. */
#ifndef HW_SYMBOL_REGULAR_FILE_H
#define HW_SYMBOL_REGULAR_FILE_H

#include <sys/stat.h>

/*
 * Open path for reading if it is a regular file, and only then: a device or a FIFO is not even opened. With
 * a root, path and every symbolic link in it are taken inside of that directory (where the kernel can:
 * Linux 5.6). The descriptor, and *st of it; or -errno, -ENOEXEC for what is no regular file.
 */
int hw_open_regular(const char *root, const char *path, struct stat *st);

#endif
