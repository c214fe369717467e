/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* libhomeward: reading recordings, homeward's and perf's. See homeward-recording(3). */
#ifndef HOMEWARD_RECORDING_H
#define HOMEWARD_RECORDING_H

#include <homeward/error.h>
#include <homeward/sample.h>

#ifdef __cplusplus
extern "C" {
#endif

struct homeward_recording;

struct homeward_recording_options {
	size_t size; /* sizeof(struct homeward_recording_options) */
	/* called now and then while a long file is read; may be NULL */
	void (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total);
	void *context;
};

/*
 * Read a recording whole and merge its samples with their user stacks. options may be NULL. A damaged file
 * gives what is readable: see homeward_recording_damage. -EINVAL: it is no recording; -errno of open(2).
 */
int homeward_recording_open(const char *path, const struct homeward_recording_options *options,
                            struct homeward_recording **recording);
void homeward_recording_close(struct homeward_recording *recording); /* may be NULL */

/* The next sample, in order of time: 1, or 0 at the end. *sample is valid until the next call. */
int homeward_recording_next(struct homeward_recording *recording, const struct homeward_sample **sample);
/* Begin again with the first sample. */
void homeward_recording_rewind(struct homeward_recording *recording);

uint64_t homeward_recording_count(const struct homeward_recording *recording); /* of samples */
/* "cpu-clock"; NULL: there is no such event. */
const char *homeward_recording_event(const struct homeward_recording *recording, uint32_t event);
/* What could not be read, in one line; "": nothing is missing. */
const char *homeward_recording_damage(const struct homeward_recording *recording);

#ifdef __cplusplus
}
#endif
#endif
