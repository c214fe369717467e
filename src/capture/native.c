/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The backend "native": the kernel's own deferral, Linux 6.19 or newer. It walks by frame pointers only, so
 * it serves programs that are built with them. Samples and callchains come as they go into the file; the
 * finisher adds how each walk ended, as far as tables tell.
 *
 * One event a CPU takes all callchains (defer_output); without a side-band bit the kernel would give it none.
 * At the end sampling stops first: what is owed comes while the other event still listens.
 */
#include <string.h>
#include <time.h>

#include "capture/perf_source.h"

#define RING_BYTES_DEFAULT (2u << 20)
#define OPEN_SLOTS         65536u

struct native {
	struct hw_perf_source source; /* first */
	/* Cookies that wait for their callchain, each at its hash; one that is displaced is not waited for.
	 */
	uint64_t open[OPEN_SLOTS];
	uint32_t open_count;
};

static void set_event(struct hw_perf_source *source)
{
	struct perf_event_attr *attr = &source->attr;

	attr->sample_type = HW_SAMPLE_TYPE;
	attr->exclude_idle = 1;
	attr->sample_id_all = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
	hw_attr_set_flag(attr, HW_ATTR_FLAG_DEFER_CALLCHAIN, true);
	hw_attr_set_flag(&source->band_attr, HW_ATTR_FLAG_DEFER_OUTPUT, true);
}

static uint64_t *slot_of(struct native *native, uint64_t cookie)
{
	return &native->open[cookie * 0x9e3779b97f4a7c15ull >> 48];
}

/* The cookie is the last entry of the callchain, after its marker. */
static void note_sample(struct native *native, const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;
	const uint64_t count = record->size >= 56 ? words[6] : 0;
	uint64_t *slot;

	if (count < 2 || count > record->size / 8u - 7 || words[7 + count - 2] != PERF_CONTEXT_USER_DEFERRED)
		return;
	slot = slot_of(native, words[7 + count - 1]);
	native->open_count += !*slot;
	*slot = words[7 + count - 1];
}

static void note_callchain(struct native *native, const struct perf_event_header *record)
{
	const uint64_t cookie = record->size >= 16 ? ((const uint64_t *)record)[1] : 0;
	uint64_t *slot = slot_of(native, cookie);

	if (cookie && *slot == cookie) {
		*slot = 0;
		native->open_count--;
	}
}

static int take(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct native *native = context;

	if (record->type == PERF_RECORD_SAMPLE)
		note_sample(native, record);
	else if (record->type == PERF_RECORD_CALLCHAIN_DEFERRED)
		note_callchain(native, record);
	if (hw_finisher_push_record(native->source.finisher, record))
		return hw_fail(err, -ENOMEM, "out of memory");
	return 0;
}

static int open_native(const struct hw_capture_options *options, const struct hw_capture_sink *sink,
                       struct hw_capture **result, struct hw_error *err)
{
	struct native *native = calloc(1, sizeof(*native));
	struct hw_perf_source *source = &native->source;
	int r;

	if (!native)
		return hw_fail(err, -ENOMEM, "out of memory");
	source->capture.backend = &hw_backend_native;
	source->set_event = set_event;
	source->take = take;
	r = hw_perf_source_open(source, options, sink, RING_BYTES_DEFAULT, result, err);
	return r == -EINVAL ? hw_fail(err, -EOPNOTSUPP,
	                              "this kernel cannot defer user callchains by itself: Linux 6.19 or "
	                              "newer is needed")
	                    : r;
}

static int stop(struct hw_capture *capture, int grace_ms, struct hw_error *err)
{
	struct native *native = (struct native *)capture;
	const struct timespec pause = {.tv_nsec = 10000000};
	int r = 0;

	hw_perf_source_disable(&native->source);
	for (int waited = 0; waited <= grace_ms && !r; waited += 10) {
		r = hw_perf_source_poll(capture, 0, err);
		if (!native->open_count)
			break;
		nanosleep(&pause, NULL);
	}
	return r ? r : hw_perf_source_finish(&native->source, err);
}

const struct hw_backend hw_backend_native = {
    .name = "native",
    .open = open_native,
    .close = hw_perf_source_close,
    .event = hw_perf_source_event,
    .add_process = hw_perf_source_add_process,
    .start = hw_perf_source_start,
    .poll = hw_perf_source_poll,
    .stop = stop,
    .status = hw_perf_source_status,
};
