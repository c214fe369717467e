/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A task's slot: who it belongs to, the request, and serving it.
 *
 *	idle       state 0
 *	requested  HW_OPEN and the bits of the sessions that asked; the task work is scheduled
 *	walking    the same word: a sample that hits now sets its bit, and serve() looks again before it
 *leaves
 *
 * Whoever turns state from 0 to HW_OPEN schedules; whoever turns it back to 0 has emitted for every bit it
 * saw. Between the two there is one cookie. The kernel refuses to schedule (-EBUSY) while the callback still
 * runs or has not been put to rest: then this stay's walk has just been made, and its cookie is taken.
 *
 * Only the task itself deletes its slot: deleting frees memory that a sleeping callback may still use.
 */
#ifndef HW_BPF_SLOT_H
#define HW_BPF_SLOT_H

#include "bpf/emit.bpf.h"

#ifdef HW_KFUNC_4ARGS
extern int bpf_task_work_schedule_resume(struct task_struct *task, struct bpf_task_work *tw, void *map__map,
                                         bpf_task_work_callback_t callback) __ksym;
#define SCHEDULE(task, slot, callback) bpf_task_work_schedule_resume(task, &(slot)->work, &slots, callback)
#else
extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *tw,
                                              void *map__map, bpf_task_work_callback_t callback,
                                              void *aux__prog) __ksym;
#define SCHEDULE(task, slot, callback)                                                                       \
	bpf_task_work_schedule_resume_impl(task, &(slot)->work, &slots, callback, NULL)
#endif

#define EBUSY                 16
#define SERVES_MAX            8
#define SLOT_IS_OURS(slot, t) ((slot)->task == (hw_u64)(t) && (slot)->start == (t)->start_boottime)

/* The current task's slot, or NULL; one left by another task of the same tid is not it. */
static __always_inline struct hw_slot *find_slot(struct task_struct *task)
{
	hw_u32 tid = (hw_u32)task->pid;
	struct hw_slot *slot = bpf_map_lookup_elem(&slots, &tid);

	return slot && SLOT_IS_OURS(slot, task) ? slot : NULL;
}

static __always_inline struct hw_slot *make_slot(struct task_struct *task)
{
	hw_u32 tid = (hw_u32)task->pid;
	struct hw_slot *slot = bpf_map_lookup_elem(&slots, &tid);

	if (slot && SLOT_IS_OURS(slot, task))
		return slot;
	if (slot) /* its task is dead, so nothing of it runs any more */
		bpf_map_delete_elem(&slots, &tid);
	if (bpf_map_update_elem(&slots, &tid, &zero_slot, BPF_NOEXIST))
		return NULL;
	slot = bpf_map_lookup_elem(&slots, &tid);
	if (!slot)
		return NULL;
	slot->task = (hw_u64)task;
	slot->start = task->start_boottime;
	return slot;
}

static __always_inline void delete_slot(hw_u32 tid)
{
	bpf_map_delete_elem(&slots, &tid);
}

/* Emit for every session that asked and has not been served, until nobody new has come. */
static __always_inline void serve_all(struct hw_slot *slot, hw_u32 reason)
{
	hw_u64 sessions;

	for (int i = 0; i < SERVES_MAX; i++) {
		sessions = __sync_lock_test_and_set(&slot->state, HW_OPEN) & ~HW_OPEN & ~slot->served;
		if (sessions) {
			emit_callchain(&slot->scratch, slot->cookie, sessions, reason, HW_RING_TASK);
			slot->served |= sessions;
		}
		if (__sync_val_compare_and_swap(&slot->state, HW_OPEN, 0) == HW_OPEN)
			return;
	}
	slot->state = 0;
}

/* The walk went to user space: it answers for all who asked until now; later ones get it under their bit. */
static __always_inline void hand_over_all(struct hw_slot *slot, struct task_struct *task)
{
	hw_u64 sessions;

	for (int i = 0; i < 2; i++) {
		sessions = __sync_lock_test_and_set(&slot->state, HW_OPEN) & ~HW_OPEN & ~slot->served;
		if (sessions) {
			COUNT(unfinished, 1);
			if (emit_unfinished(&slot->scratch, task, slot->cookie, sessions, HW_RING_UNFINISHED))
				emit_callchain(&slot->scratch, slot->cookie, sessions, HW_END_MISS,
				               HW_RING_TASK);
			slot->served |= sessions;
		}
		if (__sync_val_compare_and_swap(&slot->state, HW_OPEN, 0) == HW_OPEN)
			return;
	}
	serve_all(slot, HW_END_MISS);
}

static __always_inline void count_walk(const struct hw_slot *slot)
{
	struct hw_counters *c = counter();

	if (!c)
		return;
	c->walks++;
	c->frames += slot->scratch.walk.depth;
}

/* The task comes home: the task work. May sleep. */
static int come_home(struct bpf_map *map, void *key, void *value)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct hw_slot *slot = value;
	int r;

	if (!(*(volatile hw_u64 *)&slot->state & HW_OPEN))
		return 0;
	if (!SLOT_IS_OURS(slot, task))
		return 0;
	slot->scratch.walk.depth = 0;
	if (slot->exec_id != task->self_exec_id) {
		serve_all(slot, HW_END_EXEC);
		return 0;
	}
	if (!task->mm) {
		serve_all(slot, HW_END_NO_MM);
		return 0;
	}
	r = drive_asleep(&slot->scratch, task);
	count_walk(slot);
	if (config.truth && r >= HW_FRAME_DONE) {
		hw_u32 depth = slot->scratch.walk.depth;
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

		/* the frames found, then registers as at the start, mappings and stack */
		TAKE_REGISTERS(&slot->scratch.walk, regs);
		slot->scratch.walk.guess_reason = (hw_u32)(r - HW_FRAME_DONE);
		if (emit_unfinished(&slot->scratch, task, slot->cookie, 0, HW_RING_TRUTH))
			COUNT(lost_truth, 1);
		slot->scratch.walk.depth = depth;
	}
	if (r == HW_FRAME_NEED_TABLE)
		hand_over_all(slot, task);
	else
		serve_all(slot, (hw_u32)(r - HW_FRAME_DONE));
	return 0;
}

/* Answer an open request on the spot, without faulting: the task exits, or its image goes. */
static __always_inline void serve_now(struct hw_slot *slot, struct task_struct *task)
{
	int r;

	if (!(*(volatile hw_u64 *)&slot->state & HW_OPEN))
		return;
	slot->scratch.walk.depth = 0;
	if (slot->exec_id != task->self_exec_id) {
		serve_all(slot, HW_END_EXEC);
		return;
	}
	if (!task->mm) {
		serve_all(slot, HW_END_NO_MM);
		return;
	}
	r = drive_awake(&slot->scratch, task);
	count_walk(slot);
	serve_all(slot, r == HW_FRAME_NEED_TABLE ? HW_END_MISS : (hw_u32)(r - HW_FRAME_DONE));
}

/* What a sample gets: a cookie, or 0 and the refusal. */
static __always_inline hw_u64 request(struct task_struct *task, hw_u64 session, hw_u32 *refusal)
{
	struct hw_slot *slot = make_slot(task);
	hw_u64 old;
	int r;

	if (!slot) {
		COUNT(refused_slot, 1);
		*refusal = HW_REFUSE_NO_SLOT;
		return 0;
	}
	if (slot->in_exec) { /* the old image is gone: share its walk, or say so */
		if (slot->in_exec == 1) {
			slot->in_exec = 2;
			if (slot->cookie == 0 || slot->exec_id != task->self_exec_id || !slot->served) {
				slot->cookie = new_cookie();
				slot->served = 0;
			}
		}
		if (!(slot->served & session)) {
			slot->scratch.walk.depth = 0;
			emit_callchain(&slot->scratch, slot->cookie, session, HW_END_EXEC, HW_RING_INTERRUPT);
			slot->served |= session;
		}
		COUNT(shared, 1);
		return slot->cookie;
	}
	old = __sync_fetch_and_or(&slot->state, HW_OPEN | session);
	if (old & HW_OPEN) {
		COUNT(shared, 1);
		return slot->cookie;
	}
	r = SCHEDULE(task, slot, come_home);
	if (!r) {
		slot->cookie = new_cookie();
		slot->served = 0;
		slot->exec_id = task->self_exec_id;
		COUNT(requests, 1);
		return slot->cookie;
	}
	slot->state = 0;
	if (r == -EBUSY && slot->cookie) {
		COUNT(late, 1);
		if (!(slot->served & session)) {
			emit_callchain(&slot->scratch, slot->cookie, session, HW_END_MISS, HW_RING_INTERRUPT);
			slot->served |= session;
		}
		return slot->cookie;
	}
	COUNT(refused_schedule, 1);
	*refusal = HW_REFUSE_SCHEDULE;
	return 0;
}

#endif
