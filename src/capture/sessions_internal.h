/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the parts of capture/sessions.h share. */
#ifndef HW_CAPTURE_SESSIONS_INTERNAL_H
#define HW_CAPTURE_SESSIONS_INTERNAL_H

#include <pthread.h>

#include "capture/cpus.h"
#include "capture/sessions.h"
#include "capture/shared_event.h"

struct session {
	bool used;
	bool started;
	struct hw_session_options options;
	unsigned event;         /* index of the shared event */
	struct hw_losses *told; /* by CPU: losses already delivered */
};

struct hw_sessions {
	struct hw_sessions_options options;
	struct hw_sessions_sink sink;
	struct hw_kernel_side side;
	struct hw_tables tables;
	struct hw_loader *loader;
	struct hw_side_band *band;
	struct hw_shared_events events;
	struct hw_cpus *cpus;
	struct session sessions[HW_SESSIONS_MAX];
	uint64_t live;      /* bits whose records are delivered */
	uint64_t ended;     /* removed, at step 1 */
	uint64_t unread;    /* removed, at step 4 */
	uint64_t unhandled; /* removed, at step 5 */
	uint64_t handled_at;
	bool band_enabled;
	struct hw_kernel_symbols *symbols; /* read last and kept up with since; NULL: to be read */
	uint64_t symbols_lost;             /* process events lost until they were read */
	pthread_mutex_t sink_lock;
	struct hw_counters counted; /* when losses were looked at last */
	struct hw_error error;      /* of the sink, inside a callback */
	int failed;
};

/* Deliver the records that stand in size bytes. */
/* After every ring was read once: bits of sessions that were removed come nearer to being free. */
void hw_sessions_advance_ended(struct hw_sessions *sessions);

#endif
