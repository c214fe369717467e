/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/decode.h"

#include <errno.h>
#include <string.h>

#define FORMAT_LOST         (1u << 4)  /* PERF_FORMAT_LOST, Linux 6.0 */
#define BRANCH_HW_INDEX     (1u << 17) /* PERF_SAMPLE_BRANCH_HW_INDEX */
#define BRANCH_COUNTERS     (1u << 19) /* PERF_SAMPLE_BRANCH_COUNTERS, Linux 6.8 */
#define WORDS_OF_ONE_BRANCH 3

/* The words of a record that were not read yet. */
struct words {
	const uint64_t *at, *end;
	bool short_of;
};

static uint64_t word(struct words *w)
{
	if (w->at >= w->end) {
		w->short_of = true;
		return 0;
	}
	return *w->at++;
}

static const uint64_t *skip(struct words *w, uint64_t count)
{
	const uint64_t *from = w->at;

	if (count > (uint64_t)(w->end - w->at))
		w->short_of = true;
	else
		w->at += count;
	return from;
}

static void split(uint64_t both, uint32_t *low, uint32_t *high)
{
	*low = (uint32_t)both;
	*high = (uint32_t)(both >> 32);
}

static void skip_read(struct words *w, uint64_t format)
{
	uint64_t count = format & PERF_FORMAT_GROUP ? word(w) : 1;
	uint64_t each = 1 + !!(format & PERF_FORMAT_ID) + !!(format & FORMAT_LOST);

	skip(w, !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) + !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING));
	if (count > HW_RECORD_SIZE_MAX)
		w->short_of = true;
	else
		skip(w, each * count);
}

static void skip_raw(struct words *w)
{
	uint64_t first = word(w); /* u32 size, and the first four bytes */
	uint64_t bytes = 4 + (first & UINT32_MAX);

	skip(w, (bytes + 7) / 8 - 1);
}

static void skip_branches(struct words *w, const struct perf_event_attr *attr)
{
	uint64_t count = word(w);

	if (attr->branch_sample_type & BRANCH_HW_INDEX)
		word(w);
	if (count > HW_RECORD_SIZE_MAX) {
		w->short_of = true;
		return;
	}
	skip(w, count * WORDS_OF_ONE_BRANCH);
	if (attr->branch_sample_type & BRANCH_COUNTERS)
		skip(w, count);
}

static void take_registers(struct words *w, const struct perf_event_attr *attr, struct hw_decoded *d)
{
	d->regs_abi = word(w);
	d->regs_mask = attr->sample_regs_user;
	if (d->regs_abi != PERF_SAMPLE_REGS_ABI_NONE)
		d->regs = skip(w, (uint64_t)__builtin_popcountll(d->regs_mask));
}

static void take_stack(struct words *w, struct hw_decoded *d)
{
	uint64_t bytes = word(w), copied;
	const uint64_t *stack;

	d->has_stack = true;
	if (!bytes)
		return;
	if (bytes > HW_RECORD_SIZE_MAX) {
		w->short_of = true;
		return;
	}
	stack = skip(w, (bytes + 7) / 8);
	copied = word(w);
	if (copied > bytes)
		w->short_of = true;
	if (w->short_of)
		return;
	d->stack = (const uint8_t *)stack;
	d->stack_size = copied;
}

static void begin(const struct perf_event_header *record, struct words *w, struct hw_decoded *d)
{
	const uint64_t *all = (const uint64_t *)record;

	w->at = all + 1;
	w->end = all + record->size / 8;
	w->short_of = false;
	d->body_size = record->size;
}

int hw_decode_sample(const struct perf_event_attr *attr, const struct perf_event_header *record,
                     struct hw_decoded *d)
{
	uint64_t type = attr->sample_type;
	struct words words, *w = &words;

	begin(record, w, d);
	if (type & PERF_SAMPLE_IDENTIFIER)
		d->event_id = word(w);
	if (type & PERF_SAMPLE_IP)
		d->ip = word(w);
	if (type & PERF_SAMPLE_TID)
		split(word(w), &d->pid, &d->tid);
	if (type & PERF_SAMPLE_TIME)
		d->time_ns = word(w);
	if (type & PERF_SAMPLE_ADDR)
		d->address = word(w);
	if (type & PERF_SAMPLE_ID)
		d->event_id = word(w);
	if (type & PERF_SAMPLE_STREAM_ID)
		word(w);
	if (type & PERF_SAMPLE_CPU)
		d->cpu = (uint32_t)word(w);
	d->period = type & PERF_SAMPLE_PERIOD ? word(w) : attr->freq ? 1 : attr->sample_period;
	if (type & PERF_SAMPLE_READ)
		skip_read(w, attr->read_format);
	if (type & PERF_SAMPLE_CALLCHAIN) {
		d->nr = word(w);
		d->callchain = skip(w, d->nr);
	}
	if (type & PERF_SAMPLE_RAW)
		skip_raw(w);
	if (type & PERF_SAMPLE_BRANCH_STACK)
		skip_branches(w, attr);
	if (type & PERF_SAMPLE_REGS_USER)
		take_registers(w, attr, d);
	if (type & PERF_SAMPLE_STACK_USER)
		take_stack(w, d);
	return w->short_of ? -EINVAL : 0;
}

size_t hw_decode_size(const struct perf_event_header *record, size_t id_bytes)
{
	const char *name =
	    (const char *)record + 24; /* both have as many bytes before: a name, or the sample_id */
	size_t size = 24 + id_bytes, length;

	if (record->type == PERF_RECORD_KSYMBOL && record->size > 24) {
		length = strnlen(name, record->size - 24u);
		size += (length / 8 + 1) * 8;
	} else if (record->type != PERF_RECORD_BPF_EVENT) {
		return record->size;
	}
	return size < record->size ? size : record->size;
}

const struct perf_event_header *hw_decode_trim(const struct perf_event_header *record, size_t id_bytes,
                                               void *buffer)
{
	size_t size = hw_decode_size(record, id_bytes);
	struct perf_event_header *trimmed = buffer;

	if (size == record->size)
		return record;
	memmove(buffer, record, size);
	trimmed->size = (uint16_t)size;
	return trimmed;
}

#define ID_MASK                                                                                              \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU |     \
	 PERF_SAMPLE_IDENTIFIER)

int hw_decode_other(const struct perf_event_attr *attr, const struct perf_event_header *record,
                    struct hw_decoded *d)
{
	uint64_t type = attr->sample_type & ID_MASK;
	size_t count = hw_decode_id_words(type), size;
	struct words words, *w = &words;

	begin(record, w, d);
	if (!attr->sample_id_all)
		return 0;
	size = hw_decode_size(record, count * 8);
	w->end -= (record->size - size) / 8;
	if (count > (size_t)(w->end - w->at))
		return -EINVAL;
	w->at = w->end - count;
	d->body_size = size - count * 8;
	if (type & PERF_SAMPLE_TID)
		split(word(w), &d->pid, &d->tid);
	if (type & PERF_SAMPLE_TIME)
		d->time_ns = word(w);
	if (type & PERF_SAMPLE_ID)
		d->event_id = word(w);
	if (type & PERF_SAMPLE_STREAM_ID)
		word(w);
	if (type & PERF_SAMPLE_CPU)
		d->cpu = (uint32_t)word(w);
	if (type & PERF_SAMPLE_IDENTIFIER)
		d->event_id = word(w);
	return 0;
}

size_t hw_decode_id_words(uint64_t type)
{
	return (size_t)(!!(type & PERF_SAMPLE_TID) + !!(type & PERF_SAMPLE_TIME) + !!(type & PERF_SAMPLE_ID) +
	                !!(type & PERF_SAMPLE_STREAM_ID) + !!(type & PERF_SAMPLE_CPU) +
	                !!(type & PERF_SAMPLE_IDENTIFIER));
}

size_t hw_decode_id_word(uint64_t type)
{
	if (type & PERF_SAMPLE_IDENTIFIER)
		return 1;
	if (!(type & PERF_SAMPLE_ID))
		return 0;
	return 1 + !!(type & PERF_SAMPLE_IP) + !!(type & PERF_SAMPLE_TID) + !!(type & PERF_SAMPLE_TIME) +
	       !!(type & PERF_SAMPLE_ADDR);
}

size_t hw_decode_id_word_from_end(uint64_t type)
{
	if (type & PERF_SAMPLE_IDENTIFIER)
		return 1;
	if (!(type & PERF_SAMPLE_ID))
		return 0;
	return 1 + !!(type & PERF_SAMPLE_CPU) + !!(type & PERF_SAMPLE_STREAM_ID);
}

size_t hw_decode_time_at(const struct perf_event_attr *attr, const struct perf_event_header *record)
{
	uint64_t type = attr->sample_type;
	size_t words = hw_decode_size(record, 8 * hw_decode_id_words(type)) / 8, at;

	if (!(type & PERF_SAMPLE_TIME) || record->type >= PERF_RECORD_USER_TYPE_START)
		return 0;
	if (record->type == PERF_RECORD_SAMPLE) {
		at = 1 + !!(type & PERF_SAMPLE_IDENTIFIER) + !!(type & PERF_SAMPLE_IP) +
		     !!(type & PERF_SAMPLE_TID);
	} else {
		size_t behind = !!(type & PERF_SAMPLE_ID) + !!(type & PERF_SAMPLE_STREAM_ID) +
		                !!(type & PERF_SAMPLE_CPU) + !!(type & PERF_SAMPLE_IDENTIFIER);

		if (!attr->sample_id_all || words < 2 + behind)
			return 0;
		at = words - 1 - behind;
	}
	return at < words ? at * 8 : 0;
}
