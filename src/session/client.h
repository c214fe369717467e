/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A source of samples that is the daemon: a capture like any other, for a program without rights. */
#ifndef HW_SESSION_CLIENT_H
#define HW_SESSION_CLIENT_H

#include "capture/capture.h"

/*
 * Connect to the daemon at path and ask for what options say (event, rate, filter, user_only). -ENOENT or
 * -ECONNREFUSED: no daemon is there; other errors are the daemon's refusal, in its words. What the daemon has
 * for all its clients (tables, cache, how to walk) cannot be asked for.
 */
int hw_daemon_open(const char *path, const struct hw_capture_options *options,
                   const struct hw_capture_sink *sink, struct hw_capture **capture, struct hw_error *err);

#endif
