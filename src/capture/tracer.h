/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The tracer: the thread of the backend ptrace that makes all ptrace calls. */
#ifndef HW_CAPTURE_TRACER_H
#define HW_CAPTURE_TRACER_H

#include <sys/types.h>

#include "capture/finisher.h"

struct hw_tracer;

/* period_ns: of CPU time, from one sample of a thread to its next. Samples go to the finisher. */
int hw_tracer_new(struct hw_finisher *finisher, uint64_t period_ns, uint32_t stack_bytes,
                  struct hw_tracer **tracer, struct hw_error *err);
/* Let go of everything, if that has not been done, and free. */
void hw_tracer_free(struct hw_tracer *tracer);
/* Trace all threads of a process, and all that they start. */
int hw_tracer_add(struct hw_tracer *tracer, pid_t pid, struct hw_error *err);
void hw_tracer_start(struct hw_tracer *tracer);
/* Let go of everything; after this a child can be waited for as usual. */
void hw_tracer_stop(struct hw_tracer *tracer);
/* Wait up to timeout_ms, less if a process that was added ends. */
void hw_tracer_wait(struct hw_tracer *tracer, int timeout_ms);
/* 1: this process, a child of ours, has ended, and was taken in; 0: it is traced; -1: it is not (any more).
 */
int hw_tracer_ended(struct hw_tracer *tracer, pid_t pid, int *wait_status);
/* How often a thread was stopped, and for how long in all. */
void hw_tracer_cost(struct hw_tracer *tracer, uint64_t *stops, uint64_t *stopped_ns);
/* Put a record of lost samples into the recording. */
int hw_tracer_tell_lost(struct hw_tracer *tracer, uint64_t count);

#endif
