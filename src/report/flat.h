/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Flat lists: one row for each thing that the sort keys tell apart, with what it ran itself (self) and what
 * it and everything it called ran (total). In a total, a sample counts once however often the row's
 * function stands in its stack, so recursion does not exceed 100 %.
 */
#ifndef HW_REPORT_FLAT_H
#define HW_REPORT_FLAT_H

#include "report/profile.h"

enum hw_sort_key {
	HW_SORT_COMM = 1, /* thread name */
	HW_SORT_PID = 2,
	HW_SORT_TID = 4,
	HW_SORT_DSO = 8, /* file */
	HW_SORT_SYM = 16,
};

#define HW_SORT_CONTEXT (HW_SORT_COMM | HW_SORT_PID | HW_SORT_TID)
#define HW_SORT_FRAME   (HW_SORT_DSO | HW_SORT_SYM)

#define HW_FLAT_NONE UINT32_MAX /* in what a row does not tell apart */

struct hw_flat_row {
	uint32_t comm, pid, tid; /* name id, numbers */
	uint32_t file, function; /* name ids in hw_flat.names; HW_FLAT_NONE as function: no symbol */
	uint32_t frame;          /* one of the row's frames: its kind; HW_NO_FRAME: none */
	uint32_t context;        /* one of the row's contexts */
	struct hw_weight self, total;
};

struct hw_flat {
	unsigned keys; /* enum hw_sort_key, or-ed */
	array_of(struct hw_flat_row) rows;
	struct hw_names names;
	struct hw_weight total; /* of what was counted */
	struct hw_index by_key;
};

struct hw_flat_options {
	unsigned keys;
	bool by_total; /* sort rows by total, else by self */
	bool no_idle;  /* leave the idle task out */
};

/* Sort keys of a list such as "comm,dso,sym", as in perf. -EINVAL: err says what is unknown. */
int hw_flat_parse_keys(const char *text, unsigned *keys, struct hw_error *err);

/* 0 or -ENOMEM; the caller calls hw_flat_free in either case. The heaviest row comes first. */
int hw_flat_build(struct hw_flat *flat, const struct hw_profile *profile,
                  const struct hw_flat_options *options, struct hw_error *err);
void hw_flat_free(struct hw_flat *flat);

#endif
