/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* libhomeward: recording, with a callback for each merged sample. See homeward-recorder(3). */
#ifndef HOMEWARD_RECORDER_H
#define HOMEWARD_RECORDER_H

#include <sys/types.h>

#include <homeward/error.h>
#include <homeward/sample.h>

#ifdef __cplusplus
extern "C" {
#endif

struct homeward_recorder;

struct homeward_recorder_options {
	size_t size;         /* sizeof(struct homeward_recorder_options) */
	const char *backend; /* "bpf", "dump", "daemon" …; NULL: the daemon, where there is
	                        one, else the best one that works here */
	const char *event;   /* NULL: cycles, or cpu-clock where there are none */
	uint64_t rate_hz;    /* 0: 999 */
	const pid_t *pids;   /* only these processes and their descendants; NULL: the whole machine */
	size_t pid_count;
	int user_only; /* no samples of kernel mode */
};

struct homeward_recorder_counts {
	size_t size;         /* sizeof(struct homeward_recorder_counts) */
	uint64_t samples;    /* given to the callback */
	uint64_t unanswered; /* of them, those whose user stack never came */
	uint64_t lost;       /* samples and user stacks that got lost on the way */
};

/*
 * Called for each sample when its user stack is there, or will not come; so not in the order of time. The
 * sample is valid until the callback returns. A negative result ends the recording: the function that called
 * returns it.
 */
typedef int homeward_sample_function(void *context, const struct homeward_sample *sample);

/* Load what recording needs; nothing is sampled yet. options may be NULL. */
int homeward_recorder_open(const struct homeward_recorder_options *options,
                           homeward_sample_function *function, void *context,
                           struct homeward_recorder **recorder);
void homeward_recorder_close(struct homeward_recorder *recorder); /* may be NULL */

int homeward_recorder_start(struct homeward_recorder *recorder);
/* Wait up to timeout_ms for samples and give all there are to the callback. */
int homeward_recorder_poll(struct homeward_recorder *recorder, int timeout_ms);
/* Stop sampling, give user stacks a short time to come, and give what is left to the callback. */
int homeward_recorder_stop(struct homeward_recorder *recorder);

const char *homeward_recorder_backend(const struct homeward_recorder *recorder);
/* counts->size must be set. */
int homeward_recorder_counts(const struct homeward_recorder *recorder,
                             struct homeward_recorder_counts *counts);

#ifdef __cplusplus
}
#endif
#endif
