/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The Firefox Profiler's processed-profile JSON (https://profiler.firefox.com, docs-developer there): each
 * thread with its samples in the order of time, kernel, user and JIT code in categories of their own.
 *
 * Written as version 48 of that format, which its readers bring up to date by themselves.
 */
#ifndef HW_REPORT_EXPORT_FIREFOX_H
#define HW_REPORT_EXPORT_FIREFOX_H

#include <stdio.h>

#include "report/profile.h"

/* profile: built with HW_PROFILE_POINTS; event: what it counts. 0 or -ENOMEM; write errors are out's. */
int hw_export_firefox(FILE *out, const struct hw_profile *profile, const struct hw_recording_event *event,
                      struct hw_error *err);

#endif
