/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Raw records as text, in the layout of "perf script -D" (tools/perf/util/session.c, event.c of 7.3). */
#ifndef HW_PERFDATA_DUMP_H
#define HW_PERFDATA_DUMP_H

#include <stdio.h>

#include "perfdata/reader.h"

/*
 * Print the record that hw_reader_next returned last: its bytes, then what they say. Names in it are made
 * harmless for a terminal. Records of types that we do not decode have their bytes and the type's name.
 */
void hw_dump_record(FILE *out, const char *file_name, struct hw_reader *reader,
                    const struct perf_event_header *record);

#endif
