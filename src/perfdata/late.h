/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Late samples: those taken after the walk of their stay, on the way back to user space. They carry the
 * cookie of a callchain that came before them. Our own readers merge by cookie, whatever the order; perf 7.3
 * sorts by time and merges a callchain only with samples before it, so for its sake the callchain is repeated
 * with the time of the late sample.
 *
 * Recent stays are remembered by (tid, cookie), within bounds; what had to be forgotten is counted.
 */
#ifndef HW_PERFDATA_LATE_H
#define HW_PERFDATA_LATE_H

#include "perfdata/format.h"

struct hw_late;

/* Of records as attr has them, which must outlive it; bytes: how much to remember. NULL: out of memory. */
struct hw_late *hw_late_new(const struct perf_event_attr *attr, size_t bytes);
void hw_late_free(struct hw_late *late);
/*
 * Look at a record that goes into the file. Where it makes a repeat necessary, *repeat is the record that has
 * to follow it (valid until the next call), else NULL. 0 or -ENOMEM.
 */
int hw_late_look(struct hw_late *late, const struct perf_event_header *record,
                 const struct perf_event_header **repeat);
/* Callchains that were forgotten for lack of room. If a late sample came for one, perf did not get it. */
uint64_t hw_late_forgotten(const struct hw_late *late);
uint64_t hw_late_bytes(const struct hw_late *late);

#endif
