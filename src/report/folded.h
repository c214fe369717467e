/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Folded stacks, one line each: "comm;root;…;leaf count", as stackcollapse-perf.pl writes them. A ';' in
 * a name becomes ':', and what is not printable is escaped (report/text.h), so that a line is a stack
 * whatever the names are. Code without a symbol is told by its file: "[libfoo.so]".
 */
#ifndef HW_REPORT_FOLDED_H
#define HW_REPORT_FOLDED_H

#include "report/profile.h"

struct hw_folded_options {
	bool pid, tid; /* "comm-pid" or "comm-pid/tid" in front, as stackcollapse-perf.pl --pid, --tid */
	bool annotate; /* "_[k]" after kernel functions, "_[j]" after JIT ones, as its --all */
	bool period;   /* counts are sums of periods, not of samples */
};

/* 0 or -ENOMEM. Write errors are out's (ferror). */
int hw_folded_write(FILE *out, const struct hw_profile *profile, const struct hw_folded_options *options,
                    struct hw_error *err);

#endif
