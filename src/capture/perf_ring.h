/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The kernel's own rings of perf events, read together in the order of time: what happened on one CPU (a file
 * mapped, a task moved away) comes before what depends on it on another. One thread.
 */
#ifndef HW_CAPTURE_PERF_RING_H
#define HW_CAPTURE_PERF_RING_H

#include <linux/perf_event.h>
#include <poll.h>
#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"

struct hw_perf_ring {
	int fd;        /* owned */
	bool sampling; /* its losses are samples */
	struct perf_event_mmap_page *page;
	size_t data_size; /* bytes, a power of two */
	uint64_t tail, head;
	const struct perf_event_header *next; /* at tail; NULL: none */
	size_t next_size;                     /* that it takes in the ring */
	uint64_t next_ns;
	uint64_t *wrapped; /* a record that wraps around is put together here */
};

struct hw_perf_rings {
	array_of(struct hw_perf_ring) rings;
	array_of(struct pollfd) ready;
	size_t page_size;
	uint64_t lost_samples, lost_side_band; /* so far */
};

/*
 * A dummy event of this process on a CPU, with a ring that other events of that CPU can write to
 * (PERF_EVENT_IOC_SET_OUTPUT): anyone may make one. data_bytes is a power of two of at least a page.
 * -ENODEV: the CPU is not online; -EPERM: more memory than this user may lock.
 */
int hw_perf_rings_add(struct hw_perf_rings *rings, int cpu, bool sampling, size_t data_bytes,
                      struct hw_error *err);
void hw_perf_rings_free(struct hw_perf_rings *rings);

/*
 * Give every record that is older than before_ns to take, oldest first. All events must have
 * sample_id_all, CLOCK_MONOTONIC, and a sample_type that begins with IP, TID, TIME where they sample, and
 * that is TID, TIME, CPU elsewhere. Records of losses are counted, not given.
 */
int hw_perf_rings_read(struct hw_perf_rings *rings, uint64_t before_ns,
                       int (*take)(void *context, const struct perf_event_header *record,
                                   struct hw_error *err),
                       void *context, struct hw_error *err);

#endif
