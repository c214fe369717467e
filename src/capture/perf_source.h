/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What the backends without BPF share: perf events on every CPU, of the whole machine or of some processes
 * and all that they start, with process events beside them; their rings; the finisher behind them.
 */
#ifndef HW_CAPTURE_PERF_SOURCE_H
#define HW_CAPTURE_PERF_SOURCE_H

#include "capture/backend.h"
#include "capture/event.h"
#include "capture/finisher.h"
#include "capture/perf_ring.h"

typedef array_of(int) hw_fd_list;

struct hw_perf_source {
	struct hw_capture capture; /* first */
	struct hw_capture_options options;
	struct hw_finisher *finisher;
	struct hw_perf_rings rings;
	struct perf_event_attr attr, band_attr; /* of sampling and of process events */
	struct hw_event_kind kind;
	array_of(int) cpus; /* online; CPU cpus.items[i] has rings 2 i (samples) and 2 i + 1 */
	hw_fd_list sampling, band;
	/*
	 * With options.filter: events of the whole machine are filtered here where there is the right to open
	 * them, because an event of a process begins a new period in every child, and those that live shorter
	 * are never seen.
	 */
	bool whole_machine;
	uint64_t *wanted; /* a bit for each process ID */
	uint64_t told_lost;
	/* Add to attr what the backend's samples carry, and to band_attr what it wants beside them. */
	void (*set_event)(struct hw_perf_source *source);
	/* What is done with each record, oldest first. */
	int (*take)(void *source, const struct perf_event_header *record, struct hw_error *err);
};

/*
 * Open: rings, finisher, and the event on the whole machine, if that is what the options say. Without the
 * right to see the kernel it samples user mode only. The backend has filled in the functions and
 * capture.backend of *source, which is malloc'ed: it belongs to *result, or is freed.
 */
int hw_perf_source_open(struct hw_perf_source *source, const struct hw_capture_options *options,
                        const struct hw_capture_sink *sink, size_t ring_bytes_default,
                        struct hw_capture **result, struct hw_error *err);
void hw_perf_source_close(struct hw_capture *capture);

/* Functions of struct hw_backend. */
const char *hw_perf_source_event(const struct hw_capture *capture, struct perf_event_attr *attr);
int hw_perf_source_add_process(struct hw_capture *capture, pid_t pid, struct hw_error *err);
int hw_perf_source_start(struct hw_capture *capture, struct hw_error *err);
int hw_perf_source_poll(struct hw_capture *capture, int timeout_ms, struct hw_error *err);
void hw_perf_source_status(const struct hw_capture *capture, struct hw_capture_status *status);

/* The parts of stopping. */
void hw_perf_source_disable(struct hw_perf_source *source);
/* Read all there is, finish it, tell what was lost. */
int hw_perf_source_finish(struct hw_perf_source *source, struct hw_error *err);

#endif
