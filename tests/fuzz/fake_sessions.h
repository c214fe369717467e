/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* capture/sessions.h without a kernel: gives out bits, and delivers what it is told to. */
#ifndef HW_TESTS_FUZZ_FAKE_SESSIONS_H
#define HW_TESTS_FUZZ_FAKE_SESSIONS_H

#include "capture/sessions.h"

struct hw_sessions {
	struct hw_sessions_sink sink;
	uint64_t bits;      /* given out */
	volatile int *stop; /* made 1 after polls_left polls */
	int polls_left;
	int ready; /* an eventfd that is always readable: nobody waits */
	bool refuse;
};

extern struct hw_sessions fake_sessions;

#endif
