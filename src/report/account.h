/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The account of a recording in words, line by line, the way it is told at the end of a report, by
 * "homeward stats" and on the flame graph page.
 */
#ifndef HW_REPORT_ACCOUNT_H
#define HW_REPORT_ACCOUNT_H

#include "merge/recording.h"

#define HW_ACCOUNT_LINES_MAX 48

struct hw_account_line {
	unsigned level; /* 0: outermost; a line's parts follow it one level deeper */
	uint64_t count;
	uint64_t whole;    /* what count is a share of; 0: of nothing */
	const char *name;  /* as in the output of stats, or NULL */
	bool reason;       /* name is a reason, to be shown beside the words */
	const char *words; /* what it counts */
};

/* Fill lines; returns how many. Lines that would only say 0 are left out. */
size_t hw_account_lines(const struct hw_account *account, struct hw_account_line lines[HW_ACCOUNT_LINES_MAX]);

/* Names as in stats: by enum value; NULL beyond the last. */
const char *hw_end_reason_name(unsigned reason);
const char *hw_refusal_name(unsigned refusal);
const char *hw_unanswered_name(unsigned unanswered);

#endif
