/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the tracer tells the recording about processes: nobody else does where only ptrace is allowed. */
#ifndef HW_CAPTURE_TRACER_TELL_H
#define HW_CAPTURE_TRACER_TELL_H

#include <stdatomic.h>

#include "capture/tracee.h"

struct hw_teller {
	struct hw_finisher *finisher;
	struct hw_traced_process *processes;
	atomic_bool telling; /* before that, nobody takes records; what is there then is told at the start */
};

void hw_tell_free(struct hw_teller *teller);
/* Names and mappings of a process, as it is at the start. */
void hw_tell_existing(struct hw_teller *teller, pid_t pid);
/* The mappings of a process, if they are not those that were told. */
void hw_tell_maps(struct hw_teller *teller, pid_t pid, uint64_t time_ns);
/* PERF_RECORD_FORK or _EXIT (type). */
void hw_tell_task(struct hw_teller *teller, uint32_t type, pid_t pid, pid_t tid, pid_t ppid);
void hw_tell_exec(struct hw_teller *teller, pid_t pid);
/* The process is gone, or is another program now. */
void hw_tell_forget(struct hw_teller *teller, pid_t pid);

#endif
