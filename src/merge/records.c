/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From records to samples, callchains and process events. */
#include <stdlib.h>
#include <string.h>

#include "merge/internal.h"

int hw_recording_keep_name(struct hw_recording *recording, const char *text, size_t max, const char **name)
{
	char *copy = strndup(text, max);

	if (!copy || array_push(&recording->names, copy)) {
		free(copy);
		return -ENOMEM;
	}
	*name = copy;
	return 0;
}

/* ---- samples and callchains ---- */

#define CONTEXT_FIRST ((uint64_t)-4095) /* PERF_CONTEXT_MAX: markers are above it */

static int split_callchain(struct hw_recording *recording, struct hw_sample *sample,
                           const struct hw_decoded *d)
{
	uint64_t context =
	    sample->cpumode == PERF_RECORD_MISC_KERNEL ? PERF_CONTEXT_KERNEL : PERF_CONTEXT_USER;
	size_t from = 0;
	int r = 0;

	for (size_t i = 0; i <= d->nr && !r; i++) {
		if (i < d->nr && d->callchain[i] < CONTEXT_FIRST)
			continue;
		if (i > from && context == PERF_CONTEXT_KERNEL)
			r = hw_intern_add(&recording->stacks, d->callchain + from, i - from,
			                  &sample->kernel_stack);
		else if (i > from && context == PERF_CONTEXT_USER)
			r = hw_intern_add(&recording->stacks, d->callchain + from, i - from,
			                  &sample->user_stack);
		if (i == d->nr)
			break;
		context = d->callchain[i];
		from = i + 1;
		if (context == PERF_CONTEXT_USER_DEFERRED && from < d->nr)
			sample->cookie = d->callchain[from];
	}
	return r;
}

/* A sample with registers and a stack copy asked for its user stack too: it is walked here (stacks.c). */
static void set_state(struct hw_sample *sample, const struct hw_decoded *d, unsigned int refusal)
{
	bool copied = d->has_stack && d->regs && !sample->user_stack;

	if (copied && !refusal && d->regs_abi != PERF_SAMPLE_REGS_ABI_64)
		refusal = HW_REFUSE_COMPAT;
	if (sample->cookie) {
		sample->state = HW_SAMPLE_UNANSWERED;
	} else if (refusal && refusal < HW_REFUSAL_COUNT) {
		sample->state = HW_SAMPLE_REFUSED;
		sample->refusal = (uint8_t)refusal;
	} else if (sample->user_stack) {
		sample->state = HW_SAMPLE_DIRECT;
	} else {
		sample->state = copied ? HW_SAMPLE_ANSWERED : HW_SAMPLE_KERNEL_ONLY;
	}
}

static int add_sample(struct hw_recording *recording, const struct perf_event_header *record,
                      const struct hw_decoded *d)
{
	unsigned int refusal = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct hw_sample sample = {
	    .time_ns = d->time_ns,
	    .ip = d->ip,
	    .period = d->period,
	    .pid = d->pid,
	    .tid = d->tid,
	    .cpu = d->cpu,
	    .event = (uint16_t)d->event,
	    .cpumode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK,
	};
	int r = split_callchain(recording, &sample, d);

	if (r)
		return r;
	if (!d->nr && !d->has_stack && sample.cpumode != PERF_RECORD_MISC_KERNEL && sample.ip)
		r = hw_intern_add(&recording->stacks, &sample.ip, 1, &sample.user_stack);
	set_state(&sample, d, refusal);
	if (r || array_push(&recording->samples, sample))
		return -ENOMEM;
	if (sample.state == HW_SAMPLE_UNANSWERED)
		hw_recording_await(recording);
	return sample.state == HW_SAMPLE_ANSWERED ? hw_recording_keep_stack(recording, record) : 0;
}

static int add_unmerged(struct hw_recording *recording, const struct hw_callchain *callchain,
                        const struct hw_decoded *d)
{
	struct hw_sample sample = {
	    .time_ns = callchain->time_ns,
	    .cookie = callchain->cookie,
	    .pid = d->pid,
	    .tid = callchain->tid,
	    .cpu = d->cpu,
	    .user_stack = callchain->stack,
	    .event = (uint16_t)d->event,
	    .state = HW_SAMPLE_CALLCHAIN,
	    .end = callchain->end,
	    .cpumode = PERF_RECORD_MISC_USER,
	};

	return array_push(&recording->samples, sample);
}

static int add_callchain(struct hw_recording *recording, const struct perf_event_header *record,
                         const struct hw_decoded *d)
{
	const uint64_t *words = (const uint64_t *)record;
	unsigned int end = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct hw_callchain callchain = {.tid = d->tid, .time_ns = d->time_ns};

	if (d->body_size < 24 || words[2] > (d->body_size - 24) / 8)
		return -EINVAL;
	callchain.cookie = words[1];
	callchain.end = end < HW_END_REASON_COUNT ? (uint8_t)end : HW_END_UNSAID;
	if (hw_intern_add(&recording->stacks, words + 3, words[2], &callchain.stack))
		return -ENOMEM;
	if (recording->unmerged)
		return add_unmerged(recording, &callchain, d);
	return hw_recording_join_nearby(recording, &callchain)
	           ? 0
	           : array_push(&recording->callchains, callchain);
}

/* ---- process events ---- */

#define MISC_MMAP_BUILD_ID (1u << 14) /* PERF_RECORD_MISC_MMAP_BUILD_ID */

/*
 * Does a PERF_RECORD_MMAP2 carry a build ID? Linux (6.18 at least) sets the bit that says so in the records
 * of every event once one event has asked for build IDs, so where another profiler does, the bit is there and
 * the bytes are device and inode.
 */
static bool has_build_id(const struct perf_event_header *record, const struct perf_event_attr *attr)
{
	const uint8_t *bytes = (const uint8_t *)record + 40; /* size, three bytes of zero, 20 of the ID */

	if (!(record->misc & MISC_MMAP_BUILD_ID) || !bytes[0] || bytes[0] > 20 || bytes[1] || bytes[2] ||
	    bytes[3])
		return false;
	return (attr && attr->build_id) || bytes[0] == 20;
}

static int add_map(struct hw_recording *recording, const struct perf_event_header *record, size_t size,
                   uint64_t time_ns, const struct perf_event_attr *attr)
{
	const char *bytes = (const char *)record;
	size_t name_at = record->type == PERF_RECORD_MMAP2 ? 72 : 40;
	struct hw_process_event event = {.time_ns = time_ns, .type = HW_PROCESS_MMAP};
	unsigned int mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;

	if (size <= name_at ||
	    (record->type == PERF_RECORD_MMAP && record->misc & PERF_RECORD_MISC_MMAP_DATA))
		return 0;
	memcpy(&event.pid, bytes + 8, 4);
	memcpy(&event.tid, bytes + 12, 4);
	memcpy(&event.start, bytes + 16, 8);
	memcpy(&event.length, bytes + 24, 8);
	memcpy(&event.offset, bytes + 32, 8);
	event.kernel = mode == PERF_RECORD_MISC_KERNEL;
	event.protection = 4;
	if (record->type == PERF_RECORD_MMAP2) {
		memcpy(&event.protection, bytes + 64, 4);
		if (has_build_id(record, attr)) {
			event.build_id_size = (uint8_t)bytes[40];
			memcpy(event.build_id, bytes + 44, 20);
		} else {
			memcpy(&event.major, bytes + 40, 4);
			memcpy(&event.minor, bytes + 44, 4);
			memcpy(&event.inode, bytes + 48, 8);
		}
	}
	if (hw_recording_keep_name(recording, bytes + name_at, size - name_at, &event.name))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

/* Kernel code that came at run time: as a mapping of the kernel with the name of the function. */
static int add_ksymbol(struct hw_recording *recording, const struct perf_event_header *record, size_t size,
                       uint64_t time_ns)
{
	struct hw_process_event event = {.time_ns = time_ns,
	                                 .type = HW_PROCESS_MMAP,
	                                 .pid = (uint32_t)-1,
	                                 .kernel = true,
	                                 .protection = 4};
	const char *bytes = (const char *)record;
	uint32_t length;
	uint16_t flags;

	if (size <= 24)
		return 0;
	memcpy(&event.start, bytes + 8, 8);
	memcpy(&length, bytes + 16, 4);
	memcpy(&flags, bytes + 22, 2);
	if (flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER) /* samples of it may still come */
		return 0;
	event.length = length;
	if (hw_recording_keep_name(recording, bytes + 24, size - 24, &event.name))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

static int add_comm(struct hw_recording *recording, const struct perf_event_header *record, size_t size,
                    uint64_t time_ns)
{
	struct hw_process_event event = {.time_ns = time_ns, .type = HW_PROCESS_COMM};
	const char *bytes = (const char *)record;

	if (size <= 16)
		return 0;
	memcpy(&event.pid, bytes + 8, 4);
	memcpy(&event.tid, bytes + 12, 4);
	event.exec = record->misc >> 13 & 1; /* PERF_RECORD_MISC_COMM_EXEC */
	if (hw_recording_keep_name(recording, bytes + 16, size - 16, &event.name))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

static int add_task(struct hw_recording *recording, const struct perf_event_header *record, size_t size)
{
	struct hw_process_event event = {.type = record->type == PERF_RECORD_FORK ? HW_PROCESS_FORK
	                                                                          : HW_PROCESS_EXIT};
	struct hw_task_end end;
	uint32_t ids[4];

	if (size < 32)
		return 0;
	memcpy(ids, record + 1, sizeof(ids));
	memcpy(&event.time_ns, (const char *)record + 24, 8);
	event.pid = ids[0];
	event.ppid = ids[1];
	event.tid = ids[2];
	event.ptid = ids[3];
	end.time_ns = event.time_ns;
	end.tid = event.tid;
	if (event.type == HW_PROCESS_EXIT && array_push(&recording->exits, end))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

static struct hw_lost_on_cpu *lost_on_cpu(struct hw_recording *recording, uint32_t cpu)
{
	struct hw_lost_on_cpu none = {.cpu = cpu};

	array_for_each (&recording->lost_on, it)
		if (it->cpu == cpu)
			return it;
	if (array_push(&recording->lost_on, none))
		return NULL;
	recording->account.lost_on = recording->lost_on.items;
	recording->account.lost_on_count = recording->lost_on.count;
	return &recording->lost_on.items[recording->lost_on.count - 1];
}

static int add_lost(struct hw_recording *recording, const struct perf_event_header *record,
                    const struct hw_decoded *d)
{
	const uint64_t *words = (const uint64_t *)record;
	struct hw_account *account = &recording->account;
	bool samples = record->type == PERF_RECORD_LOST_SAMPLES;
	uint32_t what = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct hw_lost_on_cpu *on;

	if (d->body_size < (samples ? 16 : 24))
		return 0;
	if (!samples && what != HW_LOST_CALLCHAINS) {
		account->lost_other += words[2];
		return 0;
	}
	on = lost_on_cpu(recording, d->cpu);
	if (!on)
		return -ENOMEM;
	*(samples ? &account->lost_samples : &account->lost_callchains) += words[samples ? 1 : 2];
	*(samples ? &on->samples : &on->callchains) += words[samples ? 1 : 2];
	return 0;
}

int hw_recording_add(struct hw_recording *recording, const struct perf_event_header *record)
{
	struct hw_decoded d;

	if (hw_reader_decode(recording->reader, record, &d))
		return -EINVAL;
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		return add_sample(recording, record, &d);
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		return add_callchain(recording, record, &d);
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return add_map(recording, record, d.body_size, d.time_ns, d.attr);
	case PERF_RECORD_KSYMBOL:
		return add_ksymbol(recording, record, d.body_size, d.time_ns);
	case PERF_RECORD_COMM:
		return add_comm(recording, record, d.body_size, d.time_ns);
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return add_task(recording, record, d.body_size);
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		return add_lost(recording, record, &d);
	default:
		return 0;
	}
}
