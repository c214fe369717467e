/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/late.h"

#include <errno.h>
#include <stdlib.h>
#include <uthash.h>

#include "perfdata/decode.h"
#include "walk/cookie.h"

/* Without padding: it is hashed as bytes. */
struct stay_key {
	uint64_t tid, cookie;
};

struct stay {
	struct stay_key key;
	uint64_t sample_ns;    /* of its youngest sample; 0: none yet */
	uint64_t callchain_ns; /* of its callchain, or of the last repeat */
	size_t size;           /* of the callchain's record, bytes; 0: it did not come yet */
	UT_hash_handle hh;
	uint64_t record[]; /* the callchain */
};

struct hw_late {
	const struct perf_event_attr *attr;
	struct stay *stays; /* in the order in which they were used last */
	size_t bytes, bytes_max;
	uint64_t forgotten;
	uint64_t repeat[65536 / 8];
};

struct hw_late *hw_late_new(const struct perf_event_attr *attr, size_t bytes)
{
	struct hw_late *late = calloc(1, sizeof(*late));

	if (!late)
		return NULL;
	late->attr = attr;
	late->bytes_max = bytes;
	return late;
}

static void drop(struct hw_late *late, struct stay *stay)
{
	HASH_DEL(late->stays, stay);
	late->bytes -= sizeof(*stay) + stay->size;
	free(stay);
}

void hw_late_free(struct hw_late *late)
{
	struct stay *stay, *next;

	if (!late)
		return;
	HASH_ITER (hh, late->stays, stay, next)
		drop(late, stay);
	free(late);
}

static void make_room(struct hw_late *late, const struct stay *needed)
{
	struct stay *stay, *next;

	HASH_ITER (hh, late->stays, stay, next) {
		if (late->bytes <= late->bytes_max)
			return;
		if (stay == needed)
			continue;
		late->forgotten += stay->size > 0;
		drop(late, stay);
	}
}

/* The stay, as the one used last, with room for a callchain of size bytes (0: what it has). */
static struct stay *use(struct hw_late *late, uint32_t tid, uint64_t cookie, size_t size)
{
	struct stay_key key = {.tid = tid, .cookie = cookie};
	struct stay *stay, *grown;

	HASH_FIND(hh, late->stays, &key, sizeof(key), stay);
	if (stay)
		HASH_DEL(late->stays, stay);
	grown = stay;
	if (!stay || size > stay->size) {
		grown = realloc(stay, sizeof(*stay) + size);
		if (!grown) {
			late->bytes -= stay ? sizeof(*stay) + stay->size : 0;
			free(stay);
			return NULL;
		}
		if (!stay)
			memset(grown, 0, sizeof(*grown));
		late->bytes += stay ? size - grown->size : sizeof(*grown) + size;
		grown->size = size;
		grown->key = key;
	}
	HASH_ADD(hh, late->stays, key, sizeof(grown->key), grown);
	make_room(late, grown);
	return grown;
}

/* The callchain again, at the time of the sample that came after it. */
static const struct perf_event_header *repeat_at(struct hw_late *late, struct stay *stay, uint64_t time_ns)
{
	size_t at;

	memcpy(late->repeat, stay->record, stay->size);
	at = hw_decode_time_at(late->attr, (const struct perf_event_header *)late->repeat);
	if (!at)
		return NULL;
	memcpy((char *)late->repeat + at, &time_ns, sizeof(time_ns));
	stay->callchain_ns = time_ns;
	return (const struct perf_event_header *)late->repeat;
}

static int look_at_sample(struct hw_late *late, const struct perf_event_header *record,
                          const struct perf_event_header **repeat)
{
	struct hw_decoded d = {0};
	struct stay *stay;

	if (hw_decode_sample(late->attr, record, &d) || d.nr < 2 ||
	    d.callchain[d.nr - 2] != PERF_CONTEXT_USER_DEFERRED ||
	    !HW_COOKIE_IS_SHARED(d.callchain[d.nr - 1]))
		return 0;
	stay = use(late, d.tid, d.callchain[d.nr - 1], 0);
	if (!stay)
		return -ENOMEM;
	if (d.time_ns > stay->sample_ns)
		stay->sample_ns = d.time_ns;
	if (stay->size && d.time_ns >= stay->callchain_ns)
		*repeat = repeat_at(late, stay, d.time_ns);
	return 0;
}

static int look_at_callchain(struct hw_late *late, const struct perf_event_header *record,
                             const struct perf_event_header **repeat)
{
	struct hw_decoded d = {0};
	struct stay *stay;
	uint64_t cookie;

	if (hw_decode_other(late->attr, record, &d) || d.body_size < 24)
		return 0;
	memcpy(&cookie, record + 1, sizeof(cookie));
	if (!HW_COOKIE_IS_SHARED(cookie))
		return 0;
	stay = use(late, d.tid, cookie, record->size);
	if (!stay)
		return -ENOMEM;
	if (stay->callchain_ns || stay->size != record->size)
		return 0; /* a second one, which is not ours to judge */
	memcpy(stay->record, record, record->size);
	stay->callchain_ns = d.time_ns;
	if (stay->sample_ns > d.time_ns)
		*repeat = repeat_at(late, stay, stay->sample_ns);
	return 0;
}

int hw_late_look(struct hw_late *late, const struct perf_event_header *record,
                 const struct perf_event_header **repeat)
{
	*repeat = NULL;
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		return look_at_sample(late, record, repeat);
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		return look_at_callchain(late, record, repeat);
	default:
		return 0;
	}
}

uint64_t hw_late_forgotten(const struct hw_late *late)
{
	return late->forgotten;
}

uint64_t hw_late_bytes(const struct hw_late *late)
{
	return late->bytes;
}
