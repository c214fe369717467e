/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The daemon: one kernel side, any number of clients, each stack walked once.
 *
 * One thread does everything but loading tables. It never waits for a client: what a client does not take
 * out of its ring in time is lost for that client, counted, and told in its own records. A client that is
 * gone is noticed by its socket.
 */
#ifndef HW_SESSION_SERVER_H
#define HW_SESSION_SERVER_H

#include "capture/sessions.h"

struct hw_server;

/* What one user may have at a time. Root is held to sessions (all there are) and rate only. */
struct hw_server_limits {
	unsigned sessions_per_user;   /* 0: 16 */
	uint64_t rate_per_user_hz;    /* of one session; 0: 10,000 */
	uint64_t ring_bytes_per_user; /* of all sessions; 0: 128 MiB */
};

struct hw_server_options {
	const char *socket_path; /* made here, and removed in the end */
	int socket;              /* or a listening socket from outside (socket activation); -1: none */
	const char *group;       /* its members see everything; NULL: "homeward" */
	struct hw_sessions_options capture;
	struct hw_server_limits limits;
	void (*log)(void *context, const char *line); /* one line, without newline */
	void *context;
};

/*
 * Load the kernel side, then listen. -EADDRINUSE: a daemon listens there already, or something that is no
 * socket stands there; other errors as hw_sessions_open.
 */
int hw_server_open(const struct hw_server_options *options, struct hw_server **server, struct hw_error *err);
/*
 * Serve until *stop is not 0. An error ends it. Whenever *tell is not 0 it is made 0, and one line about what
 * was done so far goes to the log.
 */
int hw_server_run(struct hw_server *server, const volatile int *stop, volatile int *tell,
                  struct hw_error *err);
void hw_server_close(struct hw_server *server);

/* Keep only the capabilities that serving needs, and no way to get more. */
int hw_server_drop_rights(struct hw_error *err);

#endif
