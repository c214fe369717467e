/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The account of a recording as one JSON object:
 *
 *	{"backend","duration_ns","bytes","samples","user_samples","asked","answered","callchains","complete",
 *	 "ended":{REASON:n,…},"unanswered":{REASON:n,…},"refused":{REASON:n,…},"lost":{"samples","callchains"}}
 *
 * Reasons that did not occur are left out. The values of ended sum to answered, those of unanswered to
 * asked - answered, those of refused to user_samples - asked; there, "direct" are the samples that did not
 * need to ask, because their user stack came with them (recordings of other programs). backend is null
 * where the recording does not say.
 */
#ifndef HW_REPORT_STATS_H
#define HW_REPORT_STATS_H

#include <stdio.h>

#include "merge/recording.h"

/* 0 or -ENOMEM. */
int hw_stats_write_json(FILE *out, const struct hw_recording *recording, struct hw_error *err);

#endif
