/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What homeward record says about itself: one line while it runs on a terminal, one at the end. */
#ifndef HW_CLI_RECORD_STATUS_H
#define HW_CLI_RECORD_STATUS_H

#include "capture/capture.h"

/* Of the deferred callchains that came by. */
struct hw_tally {
	uint64_t callchains, complete;
};

void hw_tally_count(struct hw_tally *tally, const struct perf_event_header *record);

/* Seconds, samples, complete, lost, over the line that stands there. */
void hw_status_show(double seconds, const struct hw_capture_status *status, const struct hw_tally *tally);
void hw_status_clear(void);
void hw_status_summary(const struct hw_capture_status *status, const struct hw_tally *tally, uint64_t bytes,
                       const char *output);

#endif
