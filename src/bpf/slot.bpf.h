/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A task's slot: who it belongs to, the request, and serving it.
 *
 *	idle       state 0
 *	requested  HW_OPEN and the bits of the sessions that asked; the task work is scheduled
 *	walking    the same word: a sample that hits now sets its bits, and serve_all() looks again before
 *	           it leaves
 *
 * 64 sessions and HW_OPEN do not fit one word, so two sessions have their bits in a second one, more; HW_MORE
 * in state tells of it. State is set first and taken first. Samples interrupt whoever serves, never the other
 * way round, so a bit of more that is taken early belongs to this stay, and none is left without HW_MORE.
 *
 * Whoever turns state from 0 to HW_OPEN schedules; whoever turns it back to 0 has emitted for every bit it
 * saw. Between the two there is one cookie. The kernel refuses to schedule (-EBUSY) while the callback still
 * runs or has not been put to rest: then this stay's walk has just been made, and it is handed out again to
 * the sessions that have not got it.
 *
 * A sample that hits between the turn to HW_OPEN and the new cookie, in an NMI, would find the cookie of the
 * stay before. There is none: a task's samples are all on the CPU where it runs, and there the kernel runs
 * one program of a perf event at a time. Every sample comes through bpf_overflow_handler() of the kernel's
 * kernel/events/core.c, which counts bpf_prog_active up and drops the hit if it is not the only one; the
 * event's own count then tells that it was due. The task work and the hooks of exec and exit are not counted
 * there, so samples do interrupt those, and begin_exec() changes its cookie only if nobody has.
 *
 * Inside execve, from sched_prepare_exec on, the old image cannot be walked any more, so the hook walks it
 * before, whether somebody asked or not; in_exec makes samples share that walk until sched_process_exec.
 *
 * Ending a session takes its bit out of state and served of every slot, from outside (look_at_slots). A bit
 * that a task has taken from state but not yet put into a record stands in taking, which is set before state
 * is read: whoever clears state first and reads taking then misses nothing. Nothing sleeps in between.
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

#define SERVES_MAX 8

#define SLOT_IS_OURS(slot, t) ((slot)->task == (hw_u64)(t) && (slot)->start == (t)->start_boottime)

/* The slot of a thread that execve gives the leader's tid: it stands under the tid that it had. */
static __noinline struct hw_slot *find_slot_in_exec(struct task_struct *task)
{
	hw_u64 key = (hw_u64)task;
	hw_u32 *tid = *(volatile hw_u32 *)&threads_exec ? bpf_map_lookup_elem(&thread_execs, &key) : NULL;
	struct hw_slot *slot = tid ? bpf_map_lookup_elem(&slots, tid) : NULL;

	return slot && SLOT_IS_OURS(slot, task) ? slot : NULL;
}

/* The current task's slot, or NULL; one left by another task of the same tid is not it. */
static __always_inline struct hw_slot *find_slot(struct task_struct *task)
{
	hw_u32 tid = (hw_u32)task->pid;
	struct hw_slot *slot = bpf_map_lookup_elem(&slots, &tid);

	return slot && SLOT_IS_OURS(slot, task) ? slot : find_slot_in_exec(task);
}

static __always_inline struct hw_slot *make_slot(struct task_struct *task)
{
	hw_u32 tid = (hw_u32)task->pid;
	struct hw_slot *slot = bpf_map_lookup_elem(&slots, &tid);
	struct hw_slot *old;

	if (slot && SLOT_IS_OURS(slot, task))
		return slot;
	old = find_slot_in_exec(task);
	if (old)
		return old;
	if (slot) /* its task is dead, so nothing of it runs any more */
		bpf_map_delete_elem(&slots, &tid);
	if (bpf_map_update_elem(&slots, &tid, &zero_slot, BPF_NOEXIST))
		return NULL;
	slot = bpf_map_lookup_elem(&slots, &tid);
	if (!slot)
		return NULL;
	slot->task = (hw_u64)task;
	slot->start = task->start_boottime;
	slot->tid = tid;
	return slot;
}

/* Ask for these sessions, too. What state was before. */
static __always_inline hw_u64 put_asked(struct hw_slot *slot, hw_u64 sessions)
{
	hw_u64 more = sessions & ~HW_IN_STATE, old;

	old = __sync_fetch_and_or(&slot->state, HW_OPEN | (more ? HW_MORE : 0) | (sessions & HW_IN_STATE));
	if (more)
		__sync_fetch_and_or(&slot->more, more);
	return old;
}

static __always_inline hw_u64 take_asked(struct hw_slot *slot, hw_u64 leave)
{
	hw_u64 state = __sync_lock_test_and_set(&slot->state, leave), sessions = state & HW_IN_STATE;

	if (state & HW_MORE)
		sessions |= __sync_lock_test_and_set(&slot->more, 0);
	return sessions;
}

/* Take from state what is owed and not served. What comes back goes into a record before anything sleeps. */
static __always_inline hw_u64 take_owed(struct hw_slot *slot, hw_u64 leave)
{
	hw_u64 sessions;

	*(volatile hw_u64 *)&slot->taking = ~0ull;
	sessions = take_asked(slot, leave);
	sessions &= ~*(volatile hw_u64 *)&slot->served;
	*(volatile hw_u64 *)&slot->taking = sessions;
	return sessions;
}

static __always_inline void served(struct hw_slot *slot, hw_u64 sessions)
{
	__sync_fetch_and_or(&slot->served, sessions);
	*(volatile hw_u64 *)&slot->taking = 0;
}

static __always_inline void serve(struct hw_slot *slot, hw_u64 sessions, hw_u32 which)
{
	if (slot->ended == HW_HANDED_OVER)
		emit_late(slot->cookie, sessions);
	else
		emit_callchain(&slot->scratch, slot->cookie, sessions, slot->ended, which);
}

/* Emit for every session that asked and has not been served, until nobody new has come. */
static __always_inline void serve_all(struct hw_slot *slot, hw_u32 reason)
{
	hw_u64 sessions;

	slot->ended = reason;
	for (int i = 0; i < SERVES_MAX; i++) {
		sessions = take_owed(slot, HW_OPEN);
		if (sessions)
			serve(slot, sessions, HW_RING_TASK);
		served(slot, sessions);
		if (__sync_val_compare_and_swap(&slot->state, HW_OPEN, 0) == HW_OPEN)
			return;
	}
	sessions = take_owed(slot, 0);
	if (sessions)
		serve(slot, sessions, HW_RING_TASK);
	served(slot, sessions);
}

/* The walk ends at a frame that it only knows the pc of. */
static __always_inline void keep_pc(struct hw_scratch *s)
{
	hw_put_ip(&s->walk, s->walk.pc);
	if (s->walk.depth < s->walk.depth_max)
		s->walk.depth++;
}

/* The walk goes to user space, for all who asked until now; to later ones user space hands it out again. */
static __always_inline void hand_over(struct hw_slot *slot, struct task_struct *task)
{
	int r = prepare_unfinished(&slot->scratch, task);
	hw_u32 reason = HW_HANDED_OVER;
	hw_u64 sessions = take_owed(slot, HW_OPEN);

	if (sessions & masks.limited)
		sessions = still_seen(slot->cookie, sessions, HW_RING_TASK);
	COUNT(unfinished, 1);
	if (!r && sessions)
		r = emit_unfinished(&slot->scratch, task, slot->cookie, sessions, HW_RING_UNFINISHED);
	if (r) {
		reason = r == -EBUSY ? HW_END_BUSY : HW_END_MISS;
		keep_pc(&slot->scratch);
		emit_callchain(&slot->scratch, slot->cookie, sessions, reason, HW_RING_TASK);
	}
	served(slot, sessions);
	serve_all(slot, reason);
}

static __always_inline void count_walk(const struct hw_slot *slot)
{
	struct hw_counters *c = counter();

	if (!c)
		return;
	c->walks++;
	c->frames += slot->scratch.walk.depth;
}

/* The walk cannot be made any more: its end reason, else 0. */
static __always_inline hw_u32 too_late(struct hw_slot *slot, struct task_struct *task)
{
	slot->scratch.walk.depth = 0;
	if (slot->exec_id != task->self_exec_id)
		return HW_END_EXEC;
	return task->mm ? 0 : HW_END_NO_MM;
}

/* Test only: the frames found, then registers as at the start, mappings and stack. */
static __always_inline void send_truth(struct hw_slot *slot, struct task_struct *task, hw_u32 reason,
                                       hw_u32 kind)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct hw_walk *walk = &slot->scratch.walk;

	TAKE_REGISTERS(walk, regs);
	walk->guess_reason = reason;
	/* a stack without its mappings, while another thread changes them, says nothing */
	if (prepare_unfinished(&slot->scratch, task) ||
	    emit_unfinished(&slot->scratch, task, slot->cookie, 0, kind))
		COUNT(lost_truth, 1);
}

/* Test only: the walk that the interrupt made, now that its stack can be copied. */
static __noinline int send_kept_truth(struct hw_slot *slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct hw_callchain_record *kept;
	hw_u32 tid = (hw_u32)task->pid;

	kept = bpf_map_lookup_elem(&truth_at_once, &tid);
	if (!kept)
		return 0;
	if (kept->cookie != slot->cookie)
		goto out;
	if (kept->prefix.sessions != regs->ip || kept->nr != regs->sp) { /* it went on before it came here */
		COUNT(lost_truth, 1);
		goto out;
	}
	walk_begin(&slot->scratch, task, bpf_ktime_get_ns());
	forget_mappings(&slot->scratch.walk);
	bpf_probe_read_kernel(slot->scratch.record.ips, sizeof(kept->ips), kept->ips);
	slot->scratch.walk.depth = kept->size;
	send_truth(slot, task, kept->misc, HW_RING_TRUTH_AT_ONCE);
out:
	bpf_map_delete_elem(&truth_at_once, &tid);
	return 0;
}

/* The task comes home: the task work. May sleep. */
static int come_home(struct bpf_map *map, void *key, void *value)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct hw_slot *slot = value;
	hw_u64 state = *(volatile hw_u64 *)&slot->state;
	hw_u32 reason;
	int r;

	if (!(state & HW_OPEN) || !SLOT_IS_OURS(slot, task))
		return 0;
	reason = too_late(slot, task);
	if (config.truth && !reason)
		send_kept_truth(slot);
	if (reason || state == HW_OPEN /* whoever asked is gone */) {
		serve_all(slot, reason ? reason : HW_END_UNSAID);
		return 0;
	}
	r = drive_asleep(&slot->scratch, task);
	count_walk(slot);
	if (config.truth && r >= HW_FRAME_DONE)
		send_truth(slot, task, (hw_u32)(r - HW_FRAME_DONE), HW_RING_TRUTH);
	if (r == HW_FRAME_NEED_TABLE)
		hand_over(slot, task);
	else
		serve_all(slot, (hw_u32)(r - HW_FRAME_DONE));
	return 0;
}

/* Answer an open request on the spot, without faulting: the task exits, or its image goes. */
static __always_inline void serve_now(struct hw_slot *slot, struct task_struct *task)
{
	hw_u32 reason;
	int r;

	if (!(*(volatile hw_u64 *)&slot->state & HW_OPEN))
		return;
	reason = too_late(slot, task);
	if (!reason) {
		r = drive_awake(&slot->scratch, task);
		count_walk(slot);
		if (r == HW_FRAME_NEED_TABLE)
			keep_pc(&slot->scratch);
		reason = r == HW_FRAME_NEED_TABLE ? HW_END_MISS : (hw_u32)(r - HW_FRAME_DONE);
	}
	serve_all(slot, reason);
}

/* The image goes: walk it now, and let samples share that walk until the new one is there. */
static __always_inline void begin_exec(struct hw_slot *slot, struct task_struct *task)
{
	hw_u64 cookie = *(volatile hw_u64 *)&slot->cookie;
	hw_u64 state = *(volatile hw_u64 *)&slot->state;

	if (!(state & HW_OPEN)) { /* nobody asked yet; whoever interrupts here and asks has its cookie kept */
		slot->exec_id = task->self_exec_id;
		slot->served = 0;
		__sync_val_compare_and_swap(&slot->cookie, cookie, new_cookie(1));
		__sync_val_compare_and_swap(&slot->state, 0, HW_OPEN);
	}
	/* Handed out later, it still is of now: the new image may have other code at the same addresses. */
	slot->scratch.walked_ns = bpf_ktime_get_ns();
	slot->in_exec = 1;
	barrier();
	serve_now(slot, task);
}

/* This stay's walk has been made: hand it out again to the sessions that have not got it. */
static __always_inline hw_u64 share_made(struct hw_slot *slot, hw_u64 sessions)
{
	hw_u64 unserved = sessions & ~*(volatile hw_u64 *)&slot->served;

	if (unserved) {
		COUNT(again, 1);
		serve(slot, unserved, HW_RING_INTERRUPT);
		__sync_fetch_and_or(&slot->served, unserved);
	}
	return slot->cookie;
}

/* What a sample of these sessions gets: a cookie, or 0 and the refusal. */
static __always_inline hw_u64 request(struct task_struct *task, hw_u64 sessions, hw_u32 *refusal)
{
	struct hw_slot *slot = make_slot(task);
	hw_u64 old;
	int r;

	if (!slot) {
		COUNT(refused_slot, 1);
		*refusal = HW_REFUSE_NO_SLOT;
		return 0;
	}
	if (slot->in_exec && !(*(volatile hw_u64 *)&slot->state & HW_OPEN)) {
		COUNT(shared, 1);
		return share_made(slot, sessions);
	}
	old = put_asked(slot, sessions);
	if (old & HW_OPEN) {
		COUNT(shared, 1);
		return slot->cookie;
	}
	r = SCHEDULE(task, slot, come_home);
	if (!r) {
		slot->cookie = new_cookie(1);
		slot->served = 0;
		slot->exec_id = task->self_exec_id;
		COUNT(requests, 1);
		return slot->cookie;
	}
	sessions |= take_asked(slot, 0); /* of a sample that interrupted this one, too */
	if (r == -EBUSY && slot->cookie) {
		COUNT(late, 1);
		return share_made(slot, sessions);
	}
	COUNT(refused_schedule, 1);
	*refusal = HW_REFUSE_SCHEDULE;
	return 0;
}

/* Test only: keep a walk made at once, and have its task send it with its stack on the way home. */
static __always_inline void keep_truth(struct hw_scratch *s, struct task_struct *task, hw_u32 reason)
{
	struct hw_callchain_record *record = &s->record;
	struct hw_slot *slot = make_slot(task);
	hw_u32 tid = (hw_u32)task->pid;

	if (!slot || __sync_fetch_and_or(&slot->state, HW_OPEN) & HW_OPEN) {
		COUNT(lost_truth, 1);
		return;
	}
	if (SCHEDULE(task, slot, come_home)) {
		slot->state = 0;
		COUNT(lost_truth, 1);
		return;
	}
	slot->cookie = new_cookie(1);
	slot->served = 0;
	slot->exec_id = task->self_exec_id;
	record->prefix.sessions = ((struct pt_regs *)bpf_task_pt_regs(task))->ip;
	record->nr = ((struct pt_regs *)bpf_task_pt_regs(task))->sp;
	record->cookie = slot->cookie;
	record->size = (hw_u16)s->walk.depth;
	record->misc = (hw_u16)reason;
	if (bpf_map_update_elem(&truth_at_once, &tid, record, BPF_ANY))
		COUNT(lost_truth, 1);
}

#endif
