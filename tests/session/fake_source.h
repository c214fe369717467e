/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A source of requests that only gives out numbers, and remembers which are out. */
#ifndef FAKE_SOURCE_H
#define FAKE_SOURCE_H

#include "session/registry.h"

struct fake_source {
	uint64_t numbers; /* given out */
	int refuse;       /* what begin returns instead, if not 0 */
	unsigned int begun, ended;
	const void *last_wish;
};

static inline int fake_begin(void *context, const struct hw_owner *owner, const void *wish,
                             struct hw_error *err)
{
	struct fake_source *source = context;
	int number = source->numbers == UINT64_MAX ? -1 : __builtin_ctzll(~source->numbers);

	(void)owner;
	source->last_wish = wish;
	if (source->refuse)
		return hw_fail(err, source->refuse, "the source refuses");
	if (number < 0)
		return hw_fail(err, -EBUSY, "all numbers are out");
	source->numbers |= 1ull << number;
	source->begun++;
	return number;
}

static inline void fake_end(void *context, int number)
{
	struct fake_source *source = context;

	source->numbers &= ~(1ull << number);
	source->ended++;
}

static inline struct hw_request_source fake_request_source(struct fake_source *source)
{
	return (struct hw_request_source){.context = source, .begin = fake_begin, .end = fake_end};
}

#endif
