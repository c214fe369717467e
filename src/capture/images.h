/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Process images, held back. A session that may see only some tasks, or wants only those of a user or a
 * cgroup, must not learn of others from process events (command names, mapped files). So these are kept by
 * process image, and a session gets those of an image with the first sample that it gets of it: a sample is
 * the kernel's word that it may.
 *
 * An image begins at fork or exec. The few before are kept too: samples of them may still be on their way.
 * A sample is matched by time, so a process that took over a PID never answers for the one before.
 */
#ifndef HW_CAPTURE_IMAGES_H
#define HW_CAPTURE_IMAGES_H

#include <stdint.h>

#include "base/error.h"
#include "perfdata/format.h"

struct hw_images;
typedef void (*hw_image_give)(void *context, uint64_t sessions, const struct perf_event_header *record);

int hw_images_new(struct hw_images **images);
void hw_images_free(struct hw_images *images);

/* Keep a process event, and give it to the sessions that know its image already. */
void hw_images_take(struct hw_images *images, const struct perf_event_header *record, hw_image_give give,
                    void *context);
/* A sample of pid at time_ns is given to sessions: give those that do not know the image what is kept of it.
 */
void hw_images_reveal(struct hw_images *images, uint32_t pid, uint64_t time_ns, uint64_t sessions,
                      hw_image_give give, void *context);
/* The session is gone: its bit will be another's. */
void hw_images_forget(struct hw_images *images, uint64_t sessions);
/* Forget processes that exited a while ago. */
void hw_images_sweep(struct hw_images *images, uint64_t now_ns);
/* Bytes kept; process events that were not, for lack of room. */
uint64_t hw_images_bytes(const struct hw_images *images);
uint64_t hw_images_dropped(const struct hw_images *images);

#endif
