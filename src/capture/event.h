/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The event that samples: its attribute for the kernel, and for the file. */
#ifndef HW_CAPTURE_EVENT_H
#define HW_CAPTURE_EVENT_H

#include <sys/types.h>

#include "capture/event_name.h"

struct hw_event_options {
	bool frequency; /* rate is in Hz, else a period */
	uint64_t rate;
	bool user_only;
};

/* The attribute of this event at this rate, still disabled, without anything that its samples carry. */
void hw_event_set(struct perf_event_attr *attr, const struct hw_event_kind *kind,
                  const struct hw_event_options *options);

/* The attribute as it stands in a file whose samples are of HW_SAMPLE_TYPE, with deferred callchains. */
void hw_event_for_file(struct perf_event_attr *attr, const struct hw_event_options *options);

/* Let the event tell what processes do: mappings (with build IDs), names, forks and exits, by
 * CLOCK_MONOTONIC. */
void hw_event_follow(struct perf_event_attr *attr);
/* An event that does nothing else, disabled; its records end in TID, TIME, CPU. */
void hw_event_set_side_band(struct perf_event_attr *attr);

/* Whether the kernel changes the period as it goes, to keep to a rate. */
bool hw_event_period_varies(const struct perf_event_attr *attr);

/* perf_event_open: a file descriptor or -errno. */
int hw_event_open(const struct perf_event_attr *attr, pid_t pid, int cpu);

#endif
