/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Counting verdicts, and showing examples of those that want an explanation. */
#ifndef HW_TESTS_TRUTH_TALLY_H
#define HW_TESTS_TRUTH_TALLY_H

#include "peer.h"

enum verdict {
	VERDICT_EQUAL,
	VERDICT_BOTH_STOP,
	VERDICT_CANNOT, /* libdwfl */
	VERDICT_OURS_SHORT,
	VERDICT_UNDECIDED,
	VERDICT_WRONG,
	VERDICT_COUNT,
	VERDICT_WALKER = VERDICT_COUNT, /* only for examples: the user-space walker differs */
};

#define TALLY_REASONS_MAX 32

struct tally {
	uint64_t walks, at_once, frames, lost, walker_differs;
	uint64_t verdicts[VERDICT_COUNT];
	struct {
		enum verdict verdict;
		const char *reason;
		uint64_t count;
	} reasons[TALLY_REASONS_MAX];
	int examples[VERDICT_COUNT + 1];
};

const char *tally_reason(uint32_t end_reason);
void tally_add(struct tally *tally, enum verdict verdict, uint32_t frames, const char *reason);
/* Show a few of each verdict on stderr: both walks around the frame where they part. */
void tally_example(struct tally *tally, enum verdict verdict, const struct truth_walk *truth,
                   const struct peer_walk *peer, uint32_t frame, const struct module *const *modules,
                   const char *thread_name);
void tally_print(const struct tally *tally);

#endif
