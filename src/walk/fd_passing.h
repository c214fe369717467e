/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Messages with file descriptors, over sockets of type SOCK_SEQPACKET (unix(7), SCM_RIGHTS). */
#ifndef HW_WALK_FD_PASSING_H
#define HW_WALK_FD_PASSING_H

#include <stddef.h>

#define HW_FDS_MAX 2

/* Send one message with count (at most HW_FDS_MAX) descriptors. 0 or -errno; never SIGPIPE. */
int hw_send_fds(int socket, const void *data, size_t size, const int *fds, size_t count);

/*
 * Receive one message of exactly size bytes and at most fds_max descriptors, which become the caller's,
 * closed on exec. How many descriptors came; or -EPIPE: the other end is closed; -EPROTO: another message;
 * -ETIMEDOUT after timeout_ms (-1: never); or -errno.
 */
int hw_receive_fds(int socket, void *data, size_t size, int *fds, size_t fds_max, int timeout_ms);

#endif
