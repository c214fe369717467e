/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* libhomeward: one sample with its merged user stack. See homeward-sample(3). */
#ifndef HOMEWARD_SAMPLE_H
#define HOMEWARD_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum homeward_sample_state {
	HOMEWARD_SAMPLE_KERNEL_ONLY, /* the task has no user part: kernel thread, idle task */
	HOMEWARD_SAMPLE_REFUSED,     /* it has one, which was not asked for: see reason */
	HOMEWARD_SAMPLE_UNANSWERED,  /* it was asked for and never came: see reason */
	HOMEWARD_SAMPLE_ANSWERED,    /* it is there */
	HOMEWARD_SAMPLE_DIRECT,      /* it came with the sample (recordings of other programs) */
};

/* Owned by the library; read through pointers only: later versions append fields. */
struct homeward_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC, unless another program made the recording with another clock */
	uint64_t ip;      /* where the sample hit */
	uint64_t period;  /* events that it stands for; of clocks: nanoseconds */
	uint32_t pid, tid, cpu;
	uint32_t event; /* index of the event in the recording; 0 while recording */
	const uint64_t *kernel_ips,
	    *user_ips; /* leaf first: the first may be ip, the others are return addresses */
	size_t kernel_count, user_count;
	enum homeward_sample_state state;
	/*
	 * ANSWERED: why the walk ended, "complete" or a reason such as "gap"; REFUSED, UNANSWERED: why there
	 * is no user stack. As "homeward stats" names them; "" otherwise.
	 */
	const char *reason;
};

#ifdef __cplusplus
}
#endif
#endif
