/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#ifndef HW_PERFDATA_CREATE_H
#define HW_PERFDATA_CREATE_H

#include <sys/types.h>

#include "base/error.h"

/*
 * Create path for writing, as hw_writer_open says: a recorder often runs as root and in directories that
 * others can write to, so nothing is opened through a link and nothing is overwritten. Returns the file
 * descriptor or -errno.
 */
int hw_create_recording(const char *path, mode_t mode, uid_t uid, gid_t gid, struct hw_error *err);

#endif
