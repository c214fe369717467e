/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A registry on a source that only gives out numbers, and short words for what tests do with it. */
#ifndef WORLD_H
#define WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "fake_source.h"

#define CPU_IDS 65 /* of the list 0,2-3,64 */

struct world {
	struct fake_source source;
	struct hw_registry *registry;
};

static const struct hw_owner alice = {.pid = 100, .start_time = 5000, .uid = 1000, .gid = 1000};

static inline int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct hw_request_source source = fake_request_source(&world->source);

	*state = world;
	return hw_registry_new(CPU_IDS, &source, &world->registry);
}

static inline int tear_down(void **state)
{
	struct world *world = *state;
	int r = hw_registry_free(world->registry);

	free(world);
	return r;
}

static inline void count_it(void *context, const void *record, size_t size)
{
	(void)record;
	(void)size;
	++*(unsigned int *)context;
}

static inline struct hw_session_event *add(struct world *world, const struct hw_owner *owner, int cpu,
                                           unsigned int *count)
{
	struct hw_session_event *event = NULL;

	assert_int_equal(hw_registry_add(world->registry, owner, cpu, NULL, count_it, count, &event, NULL),
	                 0);
	return event;
}

static inline void drop(struct world *world, struct hw_session_event *event)
{
	assert_int_equal(hw_registry_remove(world->registry, event), 0);
}

static inline void arrive(struct world *world, int cpu, int number)
{
	hw_registry_dispatch(world->registry, cpu, 1ull << number, "record", 6);
}

static inline struct hw_registry_counts counts_of(struct world *world)
{
	struct hw_registry_counts counts;

	hw_registry_counts(world->registry, &counts);
	assert_int_equal(counts.offered, counts.delivered + counts.lost_no_event + counts.lost_no_session);
	return counts;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
