/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* record --truth FILE, for tests only: what every walk began with and found, to be compared (tests/truth). */
#ifndef HW_CLI_TRUTH_H
#define HW_CLI_TRUTH_H

#include <stdio.h>

#include "capture/capture.h"

/* One walk: its size as u64, then the record of the ring. For hw_capture_sink.truth. */
void hw_truth_keep(FILE *file, const struct hw_unfinished *walk, size_t size);
/* The end: 0, then how many walks were lost; close the file. 0, or -EIO: it is not complete. NULL is none. */
int hw_truth_end(FILE *file, const struct hw_capture *capture);

#endif
