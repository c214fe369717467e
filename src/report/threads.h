/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A profile's points by thread, for formats that show each thread's samples in the order of time. */
#ifndef HW_REPORT_THREADS_H
#define HW_REPORT_THREADS_H

#include "report/profile.h"

/* One context's samples: hw_threads.points from first on. */
struct hw_thread {
	uint32_t context;
	size_t first, count;
};

struct hw_threads {
	array_of(struct hw_thread) threads; /* those with samples, the busiest first */
	const struct hw_point **points;     /* of the profile; by thread, then by time */
};

/* profile: built with HW_PROFILE_POINTS. 0 or -ENOMEM; the caller calls hw_threads_free in either case. */
int hw_threads_build(struct hw_threads *threads, const struct hw_profile *profile);
void hw_threads_free(struct hw_threads *threads);

/* "comm-pid/tid", as folded stacks begin with --prefix tid; made printable by whoever writes it. */
void hw_thread_name(const struct hw_profile *profile, uint32_t context, char *name, size_t size);

#endif
