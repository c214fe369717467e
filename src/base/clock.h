/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The clock of all times in recordings: CLOCK_MONOTONIC. */
#ifndef HW_BASE_CLOCK_H
#define HW_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t hw_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

#endif
