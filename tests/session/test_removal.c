/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Removal against dispatch: the mark, the wait and the grace period, each seen at work. What happens between
 * two steps is reached by compiling registry.c in here.
 */
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "session/registry_internal.h"

static void (*before_unlink)(void);
#define cds_list_del_rcu(node)                                                                               \
	do {                                                                                                 \
		if (before_unlink)                                                                           \
			before_unlink();                                                                     \
		(cds_list_del_rcu)(node);                                                                    \
	} while (0)
#include "session/registry.c" /* NOLINT(bugprone-suspicious-include): to get between two of its steps */

#include "world.h"

/* Has this been freed? */
static const void *watched;
static bool watched_freed;
void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
	if (memory && memory == __atomic_load_n(&watched, __ATOMIC_SEQ_CST))
		__atomic_store_n(&watched_freed, true, __ATOMIC_SEQ_CST);
	__real_free(memory);
}

/* What a callback may not do. */
struct meddler {
	struct world *world;
	struct hw_session_event *self;
	int removed, added, freed;
};

static void meddle(void *context, const void *record, size_t size)
{
	struct meddler *m = context;
	struct hw_session_event *event;

	(void)record;
	(void)size;
	m->removed = hw_registry_remove(m->world->registry, m->self);
	m->added = hw_registry_add(m->world->registry, &alice, 0, NULL, count_it, NULL, &event, NULL);
	m->freed = hw_registry_free(m->world->registry);
}

static void inside_a_callback_adding_and_removing_are_refused(void **state)
{
	struct meddler m = {.world = *state};

	assert_int_equal(hw_registry_add(m.world->registry, &alice, 0, NULL, meddle, &m, &m.self, NULL), 0);
	arrive(m.world, 0, hw_session_number(m.self));
	assert_int_equal(m.removed, -EDEADLK);
	assert_int_equal(m.added, -EDEADLK);
	assert_int_equal(m.freed, -EDEADLK);
	arrive(m.world, 0, hw_session_number(m.self));
	assert_int_equal(counts_of(m.world).delivered, 2);
	drop(m.world, m.self);
}

/* The mark: between it and the unlinking, a record goes to the next event already. */
static struct world *between_world;
static int between_number;

static void record_between(void)
{
	arrive(between_world, 0, between_number);
}

static void from_the_mark_on_records_go_to_the_next_event(void **state)
{
	struct world *world = *state;
	unsigned int going = 0, staying = 0;
	struct hw_session_event *a = add(world, &alice, 0, &going), *b = add(world, &alice, 0, &staying);

	between_world = world;
	between_number = hw_session_number(a);
	before_unlink = record_between;
	drop(world, a);
	before_unlink = NULL;
	assert_int_equal(going, 0);
	assert_int_equal(staying, 1);
	drop(world, b);
}

/* The wait: a removal does not return while the event's callback runs. */
struct slow {
	struct world *world;
	struct hw_session_event *event;
	sem_t inside, go_on;
	bool finished, finished_when_removed;
};

static void take_time(void *context, const void *record, size_t size)
{
	struct slow *slow = context;

	(void)record;
	(void)size;
	sem_post(&slow->inside);
	sem_wait(&slow->go_on);
	__atomic_store_n(&slow->finished, true, __ATOMIC_SEQ_CST);
}

static void *dispatch_one(void *context)
{
	struct slow *slow = context;

	arrive(slow->world, 0, 0);
	return NULL;
}

static void *remove_it(void *context)
{
	struct slow *slow = context;

	hw_registry_remove(slow->world->registry, slow->event);
	slow->finished_when_removed = __atomic_load_n(&slow->finished, __ATOMIC_SEQ_CST);
	return NULL;
}

static void removal_waits_for_a_callback_that_runs(void **state)
{
	struct slow slow = {.world = *state};
	pthread_t dispatcher, remover;

	sem_init(&slow.inside, 0, 0);
	sem_init(&slow.go_on, 0, 0);
	assert_int_equal(
	    hw_registry_add(slow.world->registry, &alice, 0, NULL, take_time, &slow, &slow.event, NULL), 0);
	pthread_create(&dispatcher, NULL, dispatch_one, &slow);
	sem_wait(&slow.inside);
	pthread_create(&remover, NULL, remove_it, &slow);
	/* the remover marks and unlinks while the callback runs: others see it gone, and do not wait */
	while (rcu_dereference(slow.world->registry->sessions[0]))
		usleep(1000);
	arrive(slow.world, 0, 0);
	usleep(20000); /* time in which a removal that does not wait would return */
	sem_post(&slow.go_on);
	pthread_join(remover, NULL);
	pthread_join(dispatcher, NULL);
	assert_true(slow.finished_when_removed);
	assert_int_equal(counts_of(slow.world).delivered, 1);
	assert_int_equal(counts_of(slow.world).lost_no_session, 1);
}

/* The grace period: dispatch may still stand on what was unlinked. */
static void memory_stays_while_somebody_reads(void **state)
{
	struct world *world = *state;

	for (int session = 0; session < 2; session++) {
		struct hw_session_event *event = add(world, &alice, 0, NULL);

		watched_freed = false;
		__atomic_store_n(&watched, session ? (void *)event->session : (void *)event,
		                 __ATOMIC_SEQ_CST);
		hw_rcu_read_lock();
		drop(world, event);
		usleep(20000); /* time in which one that does not wait would free */
		assert_false(__atomic_load_n(&watched_freed, __ATOMIC_SEQ_CST));
		hw_rcu_read_unlock();
		rcu_barrier();
		assert_true(__atomic_load_n(&watched_freed, __ATOMIC_SEQ_CST));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(inside_a_callback_adding_and_removing_are_refused),
	    TEST(from_the_mark_on_records_go_to_the_next_event),
	    TEST(removal_waits_for_a_callback_that_runs),
	    TEST(memory_stays_while_somebody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
