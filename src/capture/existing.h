/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Process events made up from /proc, for what was there before the recording; their time is 0. */
#ifndef HW_CAPTURE_EXISTING_H
#define HW_CAPTURE_EXISTING_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "perfdata/format.h"

typedef int (*hw_emit)(void *context, const struct perf_event_header *record, struct hw_error *err);

/* The build ID of the file mapped at (pid, start), if it is known: its size, or 0. */
typedef uint8_t (*hw_build_id_of)(const void *context, pid_t pid, uint64_t start, uint8_t build_id[20]);

/* Maps and names of running processes (those for which wanted says so) and the kernel's own map. */
int hw_existing(bool (*wanted)(void *context, pid_t pid), hw_build_id_of build_id,
                const void *build_id_context, hw_emit emit, void *context, struct hw_error *err);

/*
 * The same in steps, each of a millisecond or 20 KiB at most, for those who have other things to do: begin,
 * step until it is not positive (0: that was all; negative: a failure), end.
 */
struct hw_existing_walk;
struct hw_kernel_symbols; /* NULL: read for this walk alone */
int hw_existing_begin(bool (*wanted)(void *context, pid_t pid), struct hw_kernel_symbols *symbols,
                      hw_build_id_of build_id, const void *build_id_context, hw_emit emit, void *context,
                      struct hw_existing_walk **walk, struct hw_error *err);
int hw_existing_step(struct hw_existing_walk *walk, struct hw_error *err);
void hw_existing_end(struct hw_existing_walk *walk); /* may be NULL */

/* The same of one process, without build IDs. */
int hw_existing_process(uint32_t pid, hw_emit emit, void *context, struct hw_error *err);

#endif
