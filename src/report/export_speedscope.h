/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * speedscope's own format (https://www.speedscope.app/file-format-schema.json): one sampled profile a
 * thread, the busiest first, its stacks in the order of time. Equal stacks in a row are one with their
 * weights added.
 */
#ifndef HW_REPORT_EXPORT_SPEEDSCOPE_H
#define HW_REPORT_EXPORT_SPEEDSCOPE_H

#include <stdio.h>

#include "report/profile.h"

/*
 * profile: built with HW_PROFILE_POINTS; event: what it counts. period: weights are sums of periods (of a
 * clock: nanoseconds), else counts of samples. 0 or -ENOMEM; write errors are out's.
 */
int hw_export_speedscope(FILE *out, const struct hw_profile *profile, const struct hw_recording_event *event,
                         bool period, struct hw_error *err);

#endif
