/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the parts of the daemon share. */
#ifndef HW_SESSION_SERVER_INTERNAL_H
#define HW_SESSION_SERVER_INTERNAL_H

#include <pthread.h>

#include "base/array.h"
#include "capture/images.h"
#include "session/peer.h"
#include "session/protocol.h"
#include "session/registry.h"
#include "session/server.h"
#include "session/shared_ring.h"

enum hw_client_state {
	HW_CLIENT_NEW,      /* has not said what it wants */
	HW_CLIENT_WAITING,  /* for a bit that is about to become free; meanwhile it is not listened to */
	HW_CLIENT_READY,    /* has a session, silent */
	HW_CLIENT_STARTING, /* is being told what there is */
	HW_CLIENT_RUNNING,
	HW_CLIENT_COMING,    /* stopped; callchains are owed */
	HW_CLIENT_FINISHING, /* the loader still has walks of before the stop */
	HW_CLIENT_STOPPED,
};

/* Records that found no room in the client's ring and were not told yet. */
struct hw_client_lost {
	uint64_t samples, callchains, other;
};

struct hw_client {
	struct hw_server *server;
	int fd;
	struct hw_peer peer;
	enum hw_client_state state;
	bool limited; /* only what ptrace would allow is shown */
	bool held;    /* process events are held back until a sample was seen (images.h) */
	bool kernel_shown;
	const struct hw_wish *wish;        /* while it begins */
	struct hw_wish waiting_wish;       /* while it waits */
	struct hw_existing_walk *existing; /* while it starts */
	uint32_t filter;                   /* enum hw_wish_filter */
	unsigned bit;
	unsigned processes; /* asked for by pid */
	uint64_t since_ms;  /* in this state */
	uint64_t loader_position;
	struct hw_session_event **events; /* one per CPU */
	size_t event_count;
	uint64_t told_no_event; /* of hw_session_lost */

	pthread_mutex_t lock; /* all below: the loader's thread delivers, too */
	struct hw_shared_ring ring;
	int wake; /* eventfd */
	bool woken;
	struct hw_client_lost lost;
	uint64_t lost_ever, put_ever;
};

struct hw_server {
	struct hw_server_options options;
	struct hw_sessions *sessions;
	struct hw_registry *registry;
	struct hw_images *images;  /* while there are sessions that are held back */
	struct hw_client *filling; /* whose start fills the images, until that is done */
	array_of(char) meanwhile;  /* process events that came since then, for the images */
	bool hurry;                /* somebody starts: the loop does not pause */
	int listener, epoll, lock_file;
	gid_t group;
	int *cpus; /* online */
	size_t cpu_count;
	uint64_t held; /* bits of sessions whose process events are held back */
	array_of(struct hw_client *) clients;
	struct hw_client *by_bit[HW_SESSIONS_MAX];
	uint64_t connections;                    /* so far: each is a recording */
	uint64_t lost_side_band, images_dropped; /* already told */
	uint64_t swept_ms;
	bool close_socket_path;
};

uint64_t hw_server_now_ms(void);
void hw_server_log(struct hw_server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* server_socket.c */
int hw_server_listen(struct hw_server *server, struct hw_error *err);
void hw_server_unlisten(struct hw_server *server);

/* client_ring.c: records to one client; never waits for it */
int hw_client_open_ring(struct hw_client *client, uint64_t bytes);
void hw_client_close_ring(struct hw_client *client);
void hw_client_put(struct hw_client *client, const struct perf_event_header *record);
void hw_client_lose(struct hw_client *client, struct hw_client_lost lost);
/* Tell what is lost, if there is room now. */
void hw_client_tell(struct hw_client *client);

/* server.c: listen to the client, or only for its end. */
void hw_server_hear(struct hw_server *server, struct hw_client *client, bool all);

/* client_state.c: what a client says, and what becomes of it. Negative: drop the client; err says why. */
int hw_client_hear(struct hw_client *client, struct hw_error *err);
int hw_client_advance(struct hw_client *client, struct hw_error *err);
/* Free it, with all that it has. err (may be NULL): told to it and to the log first. */
void hw_client_drop(struct hw_client *client, const struct hw_error *err);

/* client_session.c: from a wish to a session */
int hw_client_begin(struct hw_client *client, const struct hw_wish *wish, struct hw_error *err);
void hw_client_end(struct hw_client *client);
int hw_client_begin_source(void *context, const struct hw_owner *owner, const void *wish,
                           struct hw_error *err);
void hw_client_end_source(void *context, int number);

/* client_start.c: what was there before, told in steps; then the first sample */
int hw_client_start(struct hw_client *client, struct hw_error *err);
/* A few steps more: 1: not done; 0: it samples. */
int hw_client_start_more(struct hw_client *client, struct hw_error *err);
void hw_client_stop_starting(struct hw_client *client);
/* A process event, for the images. */
void hw_server_keep_image(struct hw_server *server, const struct perf_event_header *record,
                          hw_image_give give);

#endif
