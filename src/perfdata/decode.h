/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What an attribute's sample_type says about its samples and about the sample_id of other records:
 * include/uapi/ linux/perf_event.h, PERF_RECORD_SAMPLE and struct sample_id. Fields that come after the stack
 * copy (weights and later) are not looked at, whatever they are.
 */
#ifndef HW_PERFDATA_DECODE_H
#define HW_PERFDATA_DECODE_H

#include "perfdata/format.h"

/* A record's fields that do not depend on its type, and a sample's. Pointers are into the record. */
struct hw_decoded {
	uint64_t time_ns, ip, period, address;
	uint64_t event_id; /* of the kernel's event; 0: not said */
	uint32_t pid, tid, cpu;
	uint64_t nr;
	const uint64_t *callchain;
	size_t event;                       /* index of its attribute */
	const struct perf_event_attr *attr; /* NULL: not a record of the kernel's */
	size_t body_size;                   /* bytes before the sample_id, header included */
	/* PERF_SAMPLE_REGS_USER: abi 0: the task has no user part */
	uint64_t regs_mask, regs_abi;
	const uint64_t *regs; /* NULL: none */
	/* PERF_SAMPLE_STACK_USER */
	const uint8_t *stack; /* NULL: none */
	uint64_t stack_size;  /* bytes that were really copied */
	bool has_stack;       /* the event asks for stack copies */
};

/* 0, or -EINVAL where the record is too short for what it should hold. */
int hw_decode_sample(const struct perf_event_attr *attr, const struct perf_event_header *record,
                     struct hw_decoded *decoded);
int hw_decode_other(const struct perf_event_attr *attr, const struct perf_event_header *record,
                    struct hw_decoded *decoded);

/*
 * The bytes that a record of the kernel's really has if its sample_id takes id_bytes. The kernel lets KSYMBOL
 * and BPF_EVENT grow by a sample_id with each event that it tells of the same thing (kernel/events/core.c,
 * perf_event_ksymbol_output(): header.size is never set back): behind the first one is stale memory of the
 * ring.
 */
size_t hw_decode_size(const struct perf_event_header *record, size_t id_bytes);
/* The same record where it is right, else in buffer (as large as the record is said to be) without the rest.
 */
const struct perf_event_header *hw_decode_trim(const struct perf_event_header *record, size_t id_bytes,
                                               void *buffer);

/* Where in a record of the kernel's its time stands, bytes from the record's start; 0: nowhere. */
size_t hw_decode_time_at(const struct perf_event_attr *attr, const struct perf_event_header *record);

/* The words of a sample_id. */
size_t hw_decode_id_words(uint64_t sample_type);
/* In which word of a sample its event's id stands, the header being word 0; 0: nowhere. */
size_t hw_decode_id_word(uint64_t sample_type);
/* The same for other records, counted from their end, the last word being 1. */
size_t hw_decode_id_word_from_end(uint64_t sample_type);

#endif
