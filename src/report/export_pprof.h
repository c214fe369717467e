/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * pprof's format: a gzip'd protocol buffer (profile.proto), read by "go tool pprof", speedscope, Parca,
 * Pyroscope, Grafana and others.
 *
 * Sample types are samples/count and, for clocks, cpu/nanoseconds (else EVENT/count). Each sample has the
 * labels comm, pid and tid; where the user stack is missing or ends early it has the label end, which says
 * why, and a frame that says so at its outer end. Locations have absolute addresses in mappings with build
 * IDs, and the lines and inlined functions that debug information knows.
 */
#ifndef HW_REPORT_EXPORT_PPROF_H
#define HW_REPORT_EXPORT_PPROF_H

#include <stdio.h>

#include "report/profile.h"

/* profile: built with HW_PROFILE_LOCATIONS; event: what it counts. 0 or -ENOMEM; write errors are out's. */
int hw_export_pprof(FILE *out, const struct hw_profile *profile, const struct hw_recording_event *event,
                    struct hw_error *err);

#endif
