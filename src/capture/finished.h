/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The last walks that user space finished, for sessions that come late to one: their sample took the cookie
 * when the walk had been handed over already. A latecomer may be read before the walk itself, which comes
 * through another ring.
 */
#ifndef HW_CAPTURE_FINISHED_H
#define HW_CAPTURE_FINISHED_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

struct hw_finished; /* to be freed with free() */

struct hw_finished *hw_finished_new(void);
/* Remember a record (copied). Returns the sessions that came before it, for whom it is too. */
uint64_t hw_finished_keep(struct hw_finished *finished, uint64_t cookie, const void *record, size_t size);
/* The record of this cookie, valid until the next call; NULL: it has not come, and the sessions wait for it.
 */
const struct perf_event_header *hw_finished_find(struct hw_finished *finished, uint64_t cookie,
                                                 uint64_t sessions);

#endif
