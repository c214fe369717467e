/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The finisher: from samples that carry registers and a copy of the stack to samples and deferred callchains
 * as every recording has them. A thread of its own takes things in the order in which they were handed over,
 * which must be that of time: process events first change what is known of an address space, then samples
 * are walked in it.
 *
 * hw_finisher_push_* may be called from any one thread at a time.
 */
#ifndef HW_CAPTURE_FINISHER_H
#define HW_CAPTURE_FINISHER_H

#include "capture/capture.h"

struct hw_finisher;

struct hw_finisher_options {
	uint64_t table_memory_bytes; /* 0: 256 MiB */
	const char *cache_directory; /* NULL: none */
	struct hw_capture_sink sink; /* called from the finisher's thread only */
};

/* A sample with what is needed to walk its user stack. */
struct hw_stack_copy {
	uint32_t pid, tid, cpu;
	uint16_t cpumode; /* PERF_RECORD_MISC_KERNEL or _USER: where ip is */
	uint8_t refusal;  /* enum hw_refusal; not NONE: no walk */
	bool user_part;   /* there are registers: walk, unless refused */
	uint64_t time_ns, ip, period;
	uint64_t pc, regs[16]; /* of user mode, by DWARF number */
	uint64_t stack_address;
	uint64_t other_address; /* of the stack that a handler on an alternate stack interrupted */
	uint32_t stack_size;    /* bytes */
	uint32_t other_size;    /* bytes; 0: there is no other stack, or no copy of it */
	uint32_t kernel_count;  /* ips */
};

struct hw_finisher_status {
	uint64_t samples, walks, frames; /* done */
	uint64_t lost;                   /* samples for which there was no room */
	uint64_t tables, table_rows, table_bytes, table_failures;
};

int hw_finisher_new(const struct hw_finisher_options *options, struct hw_finisher **finisher,
                    struct hw_error *err);
void hw_finisher_free(struct hw_finisher *finisher);

/* Hand over a record: process events are taken in, all are delivered. */
int hw_finisher_push_record(struct hw_finisher *finisher, const struct perf_event_header *record);
/*
 * Hand over a sample; -ENOSPC: too many are waiting already, it is counted as lost. stack: stack_size bytes,
 * then other_size bytes of the other one.
 */
int hw_finisher_push_copy(struct hw_finisher *finisher, const struct hw_stack_copy *copy,
                          const uint64_t *kernel_ips, const void *stack);
/* Wait until everything handed over is done. */
void hw_finisher_drain(struct hw_finisher *finisher);
/* The first error of the sink: 0 or -errno. */
int hw_finisher_failure(struct hw_finisher *finisher, struct hw_error *err);
void hw_finisher_status(struct hw_finisher *finisher, struct hw_finisher_status *status);
/* Make *status that of a capture whose walks all are the finisher's. */
void hw_finisher_capture_status(struct hw_finisher *finisher, struct hw_capture_status *status);

#endif
