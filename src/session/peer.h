/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Who is at the other end of a socket, and what that means for what may be shown. */
#ifndef HW_SESSION_PEER_H
#define HW_SESSION_PEER_H

#include "session/registry.h"

struct hw_peer {
	struct hw_owner owner;
	bool sees_all; /* root, or a member of the group homeward */
};

/*
 * The peer of a connected Unix socket: as the kernel noted it at connect, with the start time of the very
 * process (its PID may have been used again since). group: whose members see everything; (gid_t)-1: none.
 * -ESRCH: the process is gone, or not in our PID namespace.
 */
int hw_peer_of(int socket, gid_t group, struct hw_peer *peer, struct hw_error *err);

/* The id of the group called name, or (gid_t)-1. */
gid_t hw_group_called(const char *name);

#endif
