/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A recording as a perf.data file that every perf and every viewer of its files reads: each sample has its
 * user stack in its own callchain, behind PERF_CONTEXT_USER, and nothing in the file is newer than Linux
 * 5.12 (build IDs in MMAP2). There are no deferred records, no attribute bits for them, no end reasons and
 * no compression. Records are in the order of their times.
 */
#ifndef HW_REPORT_EXPORT_PERF_H
#define HW_REPORT_EXPORT_PERF_H

#include "report/filter.h"

struct hw_export_perf_result {
	uint64_t samples;  /* written */
	uint64_t filtered; /* that the filter left out */
	uint64_t cut;      /* whose stack was too long for a record of 64 KiB, and lost its outer end */
};

/*
 * Write path, as hw_writer_open does: an older file is kept as PATH.old. The filter's patterns (of files and
 * functions) are not looked at. result may be NULL. 0 or -errno.
 */
int hw_export_perf(const char *path, const struct hw_recording *recording, struct hw_symbolizer *symbolizer,
                   const struct hw_filter *filter, struct hw_export_perf_result *result,
                   struct hw_error *err);

#endif
