/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One table of stays in the kernel, by (tid, cookie). A stay either has samples that wait or a callchain;
 * each kind is in a list of its own, oldest first, so that the oldest can be let go.
 */
#include "merge/live.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define HASH_NONFATAL_OOM                1
#define HASH_FUNCTION(key, length, hash) ((hash) = (unsigned)XXH3_64bits(key, length))
#include <uthash.h>
#include <utlist.h>

#include "merge/recording.h"
#include "perfdata/decode.h"

struct waiting {
	struct waiting *next;
	struct hw_live_sample sample; /* kernel_ips point behind */
	uint64_t ips[];
};

struct stay_key {
	uint64_t cookie, tid;
};

struct stay {
	struct stay_key key;
	struct waiting *first, *last;
	size_t waiting_count;
	uint64_t *ips; /* of the callchain; NULL: it has not come */
	size_t count;
	uint8_t end;
	struct stay *prev, *next; /* in one of the lists */
	UT_hash_handle hh;
};

struct hw_live {
	struct perf_event_attr attr;
	hw_live_function *function;
	void *context;
	struct stay *by_key;
	struct stay *open, *answered; /* lists, oldest first */
	size_t waiting_count, answered_count;
};

struct hw_live *hw_live_new(const struct perf_event_attr *attr, hw_live_function *function, void *context)
{
	struct hw_live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	live->attr = *attr;
	live->function = function;
	live->context = context;
	return live;
}

/* Take a stay out of the table and its list, and free it with what waits in it. */
static void drop(struct hw_live *live, struct stay *stay)
{
	struct waiting *waiting = stay->first, *next;

	if (stay->ips) {
		DL_DELETE(live->answered, stay);
		live->answered_count--;
	} else {
		DL_DELETE(live->open, stay);
	}
	live->waiting_count -= stay->waiting_count;
	HASH_DEL(live->by_key, stay);
	for (; waiting; waiting = next) {
		next = waiting->next;
		free(waiting);
	}
	free(stay->ips);
	free(stay);
}

void hw_live_free(struct hw_live *live)
{
	if (!live)
		return;
	while (live->open)
		drop(live, live->open);
	while (live->answered)
		drop(live, live->answered);
	free(live);
}

/* The stay, made if it is not there: then it is open. NULL: out of memory. */
static struct stay *find_stay(struct hw_live *live, uint32_t tid, uint64_t cookie)
{
	struct stay_key key = {.cookie = cookie, .tid = tid};
	struct stay *stay;

	HASH_FIND(hh, live->by_key, &key, sizeof(key), stay);
	if (stay)
		return stay;
	stay = calloc(1, sizeof(*stay));
	if (!stay)
		return NULL;
	stay->key = key;
	HASH_ADD(hh, live->by_key, key, sizeof(stay->key), stay);
	if (!stay->hh.tbl) {
		free(stay);
		return NULL;
	}
	DL_APPEND(live->open, stay);
	return stay;
}

/* Give out all samples that wait in a stay, with its callchain or without. */
static int give_out(struct hw_live *live, struct stay *stay)
{
	struct waiting *waiting;
	int code = 0;

	while ((waiting = stay->first)) {
		stay->first = waiting->next;
		stay->waiting_count--;
		live->waiting_count--;
		waiting->sample.state = stay->ips ? HW_SAMPLE_ANSWERED : HW_SAMPLE_UNANSWERED;
		waiting->sample.unanswered = HW_UNANSWERED_IN_KERNEL;
		waiting->sample.end = stay->end;
		waiting->sample.user_ips = stay->ips;
		waiting->sample.user_count = stay->count;
		if (!code)
			code = live->function(live->context, &waiting->sample);
		free(waiting);
	}
	return code < 0 ? code : 0;
}

static int give_up(struct hw_live *live, struct stay *stay)
{
	int code = give_out(live, stay);

	drop(live, stay);
	return code;
}

/* Keep a copy of the sample until its callchain comes. */
static int wait_for_callchain(struct hw_live *live, struct stay *stay, const struct hw_live_sample *sample)
{
	size_t bytes = sample->kernel_count * sizeof(uint64_t);
	struct waiting *waiting = malloc(sizeof(*waiting) + bytes);

	if (!waiting)
		return -ENOMEM;
	waiting->sample = *sample;
	waiting->sample.kernel_ips = waiting->ips;
	waiting->next = NULL;
	if (bytes)
		memcpy(waiting->ips, sample->kernel_ips, bytes);
	if (stay->first)
		stay->last->next = waiting;
	else
		stay->first = waiting;
	stay->last = waiting;
	stay->waiting_count++;
	return ++live->waiting_count > HW_LIVE_WAITING_MOST ? give_up(live, live->open) : 0;
}

#define CONTEXT_FIRST ((uint64_t)-4095) /* PERF_CONTEXT_MAX: markers are above it */

/* The parts of the callchain; what comes before any marker belongs to where the sample hit. */
static void split_callchain(const struct hw_decoded *d, uint16_t cpumode, struct hw_live_sample *sample)
{
	uint64_t context = cpumode == PERF_RECORD_MISC_KERNEL ? PERF_CONTEXT_KERNEL : PERF_CONTEXT_USER;

	for (uint64_t i = 0; i < d->nr; i++) {
		if (d->callchain[i] >= CONTEXT_FIRST) {
			context = d->callchain[i];
		} else if (context == PERF_CONTEXT_USER_DEFERRED) {
			sample->cookie = d->callchain[i];
		} else if (context == PERF_CONTEXT_KERNEL) {
			if (!sample->kernel_count)
				sample->kernel_ips = d->callchain + i;
			sample->kernel_count++;
		} else if (context == PERF_CONTEXT_USER) {
			if (!sample->user_count)
				sample->user_ips = d->callchain + i;
			sample->user_count++;
		}
	}
}

static int add_sample(struct hw_live *live, const struct perf_event_header *record)
{
	unsigned int refusal = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct hw_live_sample sample = {0};
	struct hw_decoded d;
	struct stay *stay;

	if (hw_decode_sample(&live->attr, record, &d))
		return -EINVAL;
	sample.time_ns = d.time_ns;
	sample.ip = d.ip;
	sample.period = d.period;
	sample.pid = d.pid;
	sample.tid = d.tid;
	sample.cpu = d.cpu;
	split_callchain(&d, record->misc & PERF_RECORD_MISC_CPUMODE_MASK, &sample);
	if (!sample.cookie) {
		sample.refusal = refusal < HW_REFUSAL_COUNT ? (uint8_t)refusal : 0;
		sample.state = sample.refusal      ? HW_SAMPLE_REFUSED
		               : sample.user_count ? HW_SAMPLE_DIRECT
		                                   : HW_SAMPLE_KERNEL_ONLY;
		return live->function(live->context, &sample);
	}
	stay = find_stay(live, sample.tid, sample.cookie);
	if (!stay)
		return -ENOMEM;
	if (!stay->ips)
		return wait_for_callchain(live, stay, &sample);
	sample.state = HW_SAMPLE_ANSWERED;
	sample.end = stay->end;
	sample.user_ips = stay->ips;
	sample.user_count = stay->count;
	return live->function(live->context, &sample);
}

static int add_callchain(struct hw_live *live, const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;
	unsigned int end = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct hw_decoded d;
	struct stay *stay;
	int code;

	if (hw_decode_other(&live->attr, record, &d) || d.body_size < 24 || words[2] > (d.body_size - 24) / 8)
		return -EINVAL;
	stay = find_stay(live, d.tid, words[1]);
	if (!stay)
		return -ENOMEM;
	if (stay->ips) /* a repeat */
		return 0;
	stay->ips = calloc(words[2] + 1, sizeof(*stay->ips));
	if (!stay->ips)
		return -ENOMEM;
	memcpy(stay->ips, words + 3, words[2] * sizeof(*stay->ips));
	stay->count = words[2];
	stay->end = end < HW_END_REASON_COUNT ? (uint8_t)end : HW_END_UNSAID;
	DL_DELETE(live->open, stay);
	DL_APPEND(live->answered, stay);
	live->answered_count++;
	code = give_out(live, stay);
	if (live->answered_count > HW_LIVE_REMEMBERED_MOST)
		drop(live, live->answered);
	return code;
}

int hw_live_add(struct hw_live *live, const struct perf_event_header *record)
{
	if (record->type == PERF_RECORD_SAMPLE)
		return add_sample(live, record);
	return record->type == PERF_RECORD_CALLCHAIN_DEFERRED ? add_callchain(live, record) : 0;
}

int hw_live_finish(struct hw_live *live)
{
	int code = 0, more;

	while (live->open) {
		more = give_up(live, live->open);
		code = code ? code : more;
	}
	return code;
}
