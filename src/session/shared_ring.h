/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A ring of records in memory that the daemon and one client share. The daemon writes, the client reads.
 *
 * The writer believes nothing that stands in the memory but the reader's tail, and that only after checking
 * it against its own head: a client that writes nonsense there loses its own records, and nothing else. The
 * memory cannot shrink under the writer (it is sealed). The reader checks sizes as well: the daemon may have
 * died between two stores.
 */
#ifndef HW_SESSION_SHARED_RING_H
#define HW_SESSION_SHARED_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "perfdata/format.h"

#define HW_SHARED_RING_MIN ((uint64_t)64 << 10)
#define HW_SHARED_RING_MAX ((uint64_t)256 << 20)

struct hw_shared_ring_page {
	uint64_t head; /* bytes ever written; the writer's */
	char apart[120];
	uint64_t tail; /* bytes ever read; the reader's */
};

struct hw_shared_ring {
	struct hw_shared_ring_page *page;
	char *data;
	uint64_t size; /* bytes of data, a power of two */
	uint64_t head; /* writer: what it knows; not what stands in the page */
	int fd;        /* the memfd */
	void *record;  /* reader: a record that wraps around */
};

/* Make one of size bytes (a power of two between the limits). 0, -EINVAL, -ENOMEM or -errno. */
int hw_shared_ring_create(uint64_t size, struct hw_shared_ring *ring);
/* Map the one behind fd, which becomes the ring's. -EPROTO: it is not what was said. */
int hw_shared_ring_open(int fd, uint64_t size, struct hw_shared_ring *ring);
void hw_shared_ring_close(struct hw_shared_ring *ring); /* all zero is allowed */

/* Bytes that fit now, by the reader's tail; 0 if the tail is nonsense. */
uint64_t hw_shared_ring_room(const struct hw_shared_ring *ring);
/* Write one record whole. False: no room. */
bool hw_shared_ring_put(struct hw_shared_ring *ring, const struct perf_event_header *record);

/*
 * Hand every record that is there to take; stops at its first negative return, which is returned. -EPROTO:
 * what stands in the ring is no record.
 */
int hw_shared_ring_read(struct hw_shared_ring *ring,
                        int (*take)(void *context, const struct perf_event_header *record,
                                    struct hw_error *err),
                        void *context, struct hw_error *err);

#endif
