/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A source of samples that is the daemon: a capture like any other, for a program without rights. */
#ifndef HW_SESSION_CLIENT_H
#define HW_SESSION_CLIENT_H

#include "capture/capture.h"

/*
 * Connect to the daemon at path and ask for what options say (event, rate, filter, user_only). -ENOENT,
 * -ECONNREFUSED or -EACCES: no daemon is there for us; other errors are the daemon's refusal, in its words.
 * What the daemon has for all its clients (tables, cache, how to walk) cannot be asked for.
 */
int hw_daemon_open(const char *path, const struct hw_capture_options *options,
                   const struct hw_capture_sink *sink, struct hw_capture **capture, struct hw_error *err);
/* Would the daemon record for us? 0, or why not. limited: processes of this user only. */
int hw_daemon_try(const char *path, bool *limited, struct hw_error *err);
/* Where the daemon is looked for by default: what HOMEWARD_SOCKET says (empty: nowhere), or the usual place.
 */
const char *hw_daemon_socket(void);
/* Does this result of it mean that there is no daemon for us: that we are on our own? */
bool hw_daemon_is_absent(int result);

#endif
