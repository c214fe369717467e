/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/finished.h"

#include <stdlib.h>
#include <string.h>

#include "walk/walk.h"

#define KEPT    128
#define WAITING 128

struct hw_finished {
	struct {
		uint64_t cookie;
		uint64_t record[HW_FRAMES_MAX + 16];
	} kept[KEPT];
	struct {
		uint64_t cookie, sessions;
	} waiting[WAITING];
	unsigned next_kept, next_waiting;
};

struct hw_finished *hw_finished_new(void)
{
	return calloc(1, sizeof(struct hw_finished));
}

uint64_t hw_finished_keep(struct hw_finished *finished, uint64_t cookie, const void *record, size_t size)
{
	unsigned at = finished->next_kept++ % KEPT;
	uint64_t sessions = 0;

	if (size <= sizeof(finished->kept[at].record)) {
		finished->kept[at].cookie = cookie;
		memcpy(finished->kept[at].record, record, size);
	}
	for (unsigned i = 0; i < WAITING; i++)
		if (finished->waiting[i].cookie == cookie) {
			sessions |= finished->waiting[i].sessions;
			finished->waiting[i].cookie = 0;
		}
	return sessions;
}

const struct perf_event_header *hw_finished_find(struct hw_finished *finished, uint64_t cookie,
                                                 uint64_t sessions)
{
	unsigned at;

	for (unsigned i = 0; i < KEPT; i++)
		if (finished->kept[i].cookie == cookie)
			return (const void *)finished->kept[i].record;
	at = finished->next_waiting++ % WAITING;
	finished->waiting[at].cookie = cookie;
	finished->waiting[at].sessions = sessions;
	return NULL;
}
