/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Who is inside, and waiting until all who could have seen something are gone.
 *
 * Those who enter never wait. One waits at a time (the caller sees to it). Two counters, used in turn, as in
 * sleepable RCU: the waiter lets the few stragglers of the other counter leave, turns, and waits for those of
 * the counter in use until then. New ones enter by the other counter, so a gate that is never empty cannot
 * keep the waiter for ever.
 *
 * What orders what: whoever enters counts itself (a read-modify-write) and reads the mark afterwards;
 * whoever waits has set the mark (a store) and reads the counters afterwards. All four are sequentially
 * consistent, so either the entering one reads the mark, or the waiting one reads its count and waits for it.
 */
#ifndef HW_SESSION_GATE_H
#define HW_SESSION_GATE_H

#include <stdbool.h>
#include <time.h>

struct hw_gate {
	unsigned long inside[2];
	unsigned int turn;
};

static inline unsigned int hw_gate_enter(struct hw_gate *gate)
{
	unsigned int by = __atomic_load_n(&gate->turn, __ATOMIC_SEQ_CST) & 1;

	__atomic_fetch_add(&gate->inside[by], 1, __ATOMIC_SEQ_CST);
	return by;
}

static inline void hw_gate_leave(struct hw_gate *gate, unsigned int by)
{
	__atomic_fetch_sub(&gate->inside[by], 1, __ATOMIC_SEQ_CST);
}

static inline void hw_gate_drain(struct hw_gate *gate, unsigned int by)
{
	struct timespec pause = {.tv_nsec = 20000};

	while (__atomic_load_n(&gate->inside[by], __ATOMIC_SEQ_CST))
		nanosleep(&pause, NULL);
}

/* Return when all who entered before the call have left. One caller at a time. */
static inline void hw_gate_wait(struct hw_gate *gate)
{
	unsigned int by = __atomic_load_n(&gate->turn, __ATOMIC_SEQ_CST) & 1;

	hw_gate_drain(gate, by ^ 1);
	__atomic_store_n(&gate->turn, by ^ 1, __ATOMIC_SEQ_CST);
	hw_gate_drain(gate, by);
}

#endif
