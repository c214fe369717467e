/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From words on the command line to a filter by user or cgroup. */
#ifndef HW_CLI_RECORD_WHOSE_H
#define HW_CLI_RECORD_WHOSE_H

#include "capture/capture.h"

/* A user by name or number. -EINVAL: there is none; or a filter by cgroup was chosen before. */
int hw_whose_uid(const char *text, struct hw_capture_options *options, struct hw_error *err);
/* A directory of the cgroup file system, version 2. -EINVAL: it is none; or a filter by uid was chosen
 * before. */
int hw_whose_cgroup(const char *path, struct hw_capture_options *options, struct hw_error *err);

#endif
