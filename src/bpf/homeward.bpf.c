/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel side of homeward: the programs.
 *
 * on_sample runs at every hit of a per-CPU perf event. It emits the sample and, where the task has a user
 * part, a cookie: either of a walk made at once (a hit whose code and stack are at hand, in user mode, or in
 * kernel mode as kernel_hit.bpf.h says), or of a request that the task answers on its way home (slot.bpf.h).
 * The hooks on exit and exec answer for tasks that will not come home; the hook on fork lets children of
 * processes asked for be profiled too.
 */
#include "bpf/kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "bpf/kernel_hit.bpf.h"
#include "bpf/slot.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Why this task cannot be asked; HW_REFUSE_NONE if it can. */
static __always_inline hw_u32 refusal_of(struct task_struct *task, hw_u64 cs)
{
	if (task->flags & PF_EXITING)
		return HW_REFUSE_EXITING;
	if (task->flags & PF_USER_WORKER)
		return HW_REFUSE_IO_WORKER;
	if (!task->mm)
		return HW_REFUSE_NO_MM;
	if ((cs & 3) != 3)
		return HW_REFUSE_NO_USER_REGS;
	if ((cs & 0xffff) != USER_CS)
		return HW_REFUSE_COMPAT;
	return HW_REFUSE_NONE;
}

static __always_inline hw_u64 saved_cs(struct task_struct *task)
{
	return ((struct pt_regs *)bpf_task_pt_regs(task))->cs;
}

/* One hit, as far as it is known before a stack is walked. */
struct hit {
	struct bpf_perf_event_data *ctx;
	struct task_struct *task;
	hw_u64 sessions;
	hw_u64 time_ns;
	hw_u64 skip; /* 8, where samples carry no period, or 0: where their head begins, bytes */
};

/* Fill words, HW_SAMPLE_WORDS of them; bytes: of the sample with its prefix. */
static __always_inline void put_head(const struct hit *hit, hw_u64 *words, hw_u32 misc, hw_u64 bytes)
{
	struct hw_sample_head *head = (struct hw_sample_head *)((char *)words + hit->skip);

	words[HW_SAMPLE_WORDS - 1] = hit->ctx->sample_period; /* the head may be written over it */
	barrier();
	head->prefix.kind = HW_RING_PERF;
	head->prefix.zero = 0;
	head->prefix.sessions = hit->sessions;
	head->type = PERF_RECORD_SAMPLE;
	head->misc = (hw_u16)misc;
	head->size = (hw_u16)(bytes - sizeof(struct hw_ring_prefix));
	head->ip = hit->ctx->regs.ip;
	head->pid = (hw_u32)hit->task->tgid;
	head->tid = (hw_u32)hit->task->pid;
	head->time_ns = hit->time_ns;
	head->cpu = bpf_get_smp_processor_id();
	head->zero = 0;
}

static __always_inline void sample_to_ring(const struct hit *hit, hw_u64 *words, hw_u64 bytes)
{
	if (ring_output(HW_RING_INTERRUPT, (char *)words + hit->skip, bytes)) {
		COUNT(lost_samples, 1);
		count_loss(hit->sessions, 0);
	} else {
		COUNT(samples, 1);
	}
}

/* In the scratch, nr of a sample without a kernel part and its two words stand right before the callchain. */
_Static_assert(__builtin_offsetof(struct hw_scratch, sample) + (HW_SAMPLE_WORDS + 3) * 8 ==
                   __builtin_offsetof(struct hw_scratch, record.type),
               "a sample ends where its callchain begins");

/*
 * Walk here and now, if nothing has to be waited for: HW_FRAME_DONE + reason, or less if not. From kernel
 * mode, what could not be read may be what is being faulted in: only a whole walk counts.
 */
static __always_inline int walk_now(const struct hit *hit, struct hw_scratch *s, int user_mode)
{
	struct hw_counters *c;
	int r;

	walk_begin(s, hit->task, hit->time_ns);
	keep_mappings(s, hit->task);
	s->at_once = 1;
	s->walked_ns = hit->time_ns + 1; /* sorted by time, it comes after its sample */
	r = walk_run(s);
	if (!user_mode && r != HW_FRAME_DONE + HW_END_COMPLETE && r != HW_FRAME_DONE + HW_END_TRUNCATED)
		r = 0;
	if (r < HW_FRAME_DONE) {
		COUNT(not_at_once, 1);
		return r;
	}
	c = counter();
	if (c) {
		c->at_once++;
		c->frames += s->walk.depth;
	}
	return r;
}

/* A hit in user mode: walk at once, emit sample and callchain as one. 0, or -1: nothing was emitted. */
static __always_inline int sample_and_walk(const struct hit *hit)
{
	hw_u64 cookie, callchain_bytes, sample_bytes;
	struct hw_scratch *s;
	hw_u32 zero = 0;
	hw_u64 *end;
	int r;

	s = bpf_map_lookup_elem(&interrupt_scratch, &zero);
	if (!s)
		return -1;
	TAKE_REGISTERS(&s->walk, &hit->ctx->regs);
	r = walk_now(hit, s, 1);
	if (r < HW_FRAME_DONE)
		return -1;
	cookie = new_cookie(0);
	callchain_bytes = build_callchain(s, cookie, (hw_u32)(r - HW_FRAME_DONE));
	sample_bytes = (HW_SAMPLE_WORDS + 3) * 8 - hit->skip;
	put_head(hit, s->sample, PERF_RECORD_MISC_USER, sample_bytes);
	s->sample[HW_SAMPLE_WORDS] = 2; /* nr */
	end = (hw_u64 *)&s->record;
	end[0] = PERF_CONTEXT_USER_DEFERRED;
	end[1] = cookie;
	if (callchain_bytes > sizeof(s->record))
		return -1;
	sample_to_ring(hit, s->sample, sample_bytes + callchain_bytes);
	if (config.truth)
		keep_truth(s, hit->task, (hw_u32)(r - HW_FRAME_DONE));
	return 0;
}

/* A hit in kernel mode, with nr words of callchain in the sample's scratch: a cookie, or 0: to be deferred.
 */
static __always_inline hw_u64 walk_from_kernel(const struct hit *hit, hw_u32 nr)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(hit->task);
	struct hw_slot *slot = find_slot(hit->task);
	hw_u64 cookie, orig_ax = regs->orig_ax;
	struct hw_scratch *s;
	hw_u32 zero = 0;
	int r;

	/* Open already: share it. perf 7.3.4 takes any callchain of a thread for the end of what it waits
	 * for. */
	if (slot && *(volatile hw_u64 *)&slot->state & HW_OPEN)
		return 0;

	s = bpf_map_lookup_elem(&interrupt_scratch, &zero);
	if (!s || !registers_are_whole(hit->ctx, orig_ax, nr))
		return 0;
	TAKE_REGISTERS(&s->walk, regs);
	if (!stay_seems_short(hit->task, hash_registers(&s->walk, orig_ax)))
		return 0;
	r = walk_now(hit, s, 0);
	if (r < HW_FRAME_DONE)
		return 0;
	cookie = new_cookie(0);
	emit_callchain(s, cookie, hit->sessions, (hw_u32)(r - HW_FRAME_DONE), HW_RING_INTERRUPT);
	if (config.truth)
		keep_truth(s, hit->task, (hw_u32)(r - HW_FRAME_DONE));
	return cookie;
}

static __always_inline hw_u32 put_kernel_frames(struct bpf_perf_event_data *ctx,
                                                struct hw_sample_record *record)
{
	long bytes;

	record->ips[0] = PERF_CONTEXT_KERNEL;
	bytes = bpf_get_stack(ctx, &record->ips[1], HW_KERNEL_FRAMES_MAX * 8, 0);
	if (bytes > 0)
		return 1 + (hw_u32)bytes / 8;
	record->ips[1] = ctx->regs.ip;
	return 2;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	struct hit hit = {.ctx = ctx, .task = bpf_get_current_task_btf()};
	hw_u64 cookie = 0, event = bpf_get_attach_cookie(ctx), bytes;
	hw_u32 refusal = 0, zero = 0, nr = 0;
	struct hw_sample_record *record;
	int user_mode = (*(volatile __u64 *)&ctx->regs.cs & 3) == 3;

	if (!hit.task->pid) {
		COUNT(idle, 1);
		return 0;
	}
	hit.sessions = wanted_by(masks.events[event & (HW_EVENTS_MAX - 1)]);
	if (!hit.sessions) {
		COUNT(filtered, 1);
		return 0;
	}
	hit.time_ns = bpf_ktime_get_ns();
	hit.skip = (~event / HW_EVENT_PERIOD_VARIES & 1) * 8;
	if (!(hit.task->flags & PF_KTHREAD)) {
		refusal = refusal_of(hit.task, user_mode ? ctx->regs.cs : saved_cs(hit.task));
		if (!refusal && user_mode && !config.deferred_only && !sample_and_walk(&hit))
			return 0;
	}
	record = bpf_map_lookup_elem(&sample_scratch, &zero);
	if (!record)
		return 0;
	if (!user_mode)
		nr = put_kernel_frames(ctx, record);
	if (!refusal && !user_mode && !config.deferred_only && !(hit.task->flags & PF_KTHREAD))
		cookie = walk_from_kernel(&hit, nr);
	if (!refusal && !cookie && !(hit.task->flags & PF_KTHREAD))
		cookie = request(hit.task, hit.sessions, &refusal);
	if (nr > HW_KERNEL_FRAMES_MAX + 1)
		nr = HW_KERNEL_FRAMES_MAX + 1;
	if (cookie) {
		record->ips[nr] = PERF_CONTEXT_USER_DEFERRED;
		record->ips[nr + 1] = cookie;
		nr += 2;
	}
	record->nr = nr;
	bytes = __builtin_offsetof(struct hw_sample_record, ips) + 8 * (hw_u64)nr - hit.skip;
	put_head(&hit, record->head,
	         (user_mode ? PERF_RECORD_MISC_USER : PERF_RECORD_MISC_KERNEL) | refusal
	                                                                             << HW_MISC_REASON_SHIFT,
	         bytes);
	if (bytes <= sizeof(*record) - 8)
		sample_to_ring(&hit, record->head, bytes);
	return 0;
}

static __always_inline void leave_by_exit(struct task_struct *task)
{
	hw_u64 key = (hw_u64)task;
	hw_u32 tid, tgid = (hw_u32)task->tgid;
	struct hw_slot *slot = find_slot(task);
	struct hw_target *target;

	if (slot) {
		serve_now(slot, task);
		if (slot->in_exec)
			bpf_map_delete_elem(&thread_execs, &key);
		tid = slot->tid;
		bpf_map_delete_elem(&slots, &tid);
	}
	if (masks.by_process && task->signal->live.counter == 0) {
		target = bpf_map_lookup_elem(&targets, &tgid);
		if (target) {
			__sync_fetch_and_or(&target->gone, target->live);
			target->live = 0;
		}
	}
}

/* The old image is still there: walk it, and mark the slot until the new one is. */
static __always_inline void leave_by_exec(struct task_struct *task)
{
	hw_u64 key = (hw_u64)task;
	struct hw_slot *slot;
	hw_u32 tid = (hw_u32)task->pid;

	if (!masks.active || !wanted_by(masks.active) || !task->mm)
		return;
	slot = make_slot(task);
	if (!slot)
		return;
	if (tid != (hw_u32)task->tgid) {
		*(volatile hw_u32 *)&threads_exec = 1;
		bpf_map_update_elem(&thread_execs, &key, &tid, BPF_ANY);
	}
	begin_exec(slot, task);
}

/*
 * A task that will not come home: at sched_process_exit, and at sched_prepare_exec. One program for both,
 * which the verifier walks through once (0.06 s).
 */
SEC("raw_tp")
int on_leave(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->flags & PF_EXITING)
		leave_by_exit(task);
	else
		leave_by_exec(task);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u64 key = (hw_u64)task;
	hw_u32 old = (hw_u32)old_pid;
	struct hw_slot *slot = find_slot(task);

	if (!slot)
		return 0;
	slot->in_exec = 0;
	slot->scratch.walked_ns = 0;
	if (slot->tid != (hw_u32)task->pid) { /* it has taken the leader's tid over */
		bpf_map_delete_elem(&slots, &old);
		bpf_map_delete_elem(&thread_execs, &key);
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	hw_u32 tgid = (hw_u32)parent->tgid, new_tgid = (hw_u32)child->tgid;
	struct hw_target target = {};

	if (!masks.by_process || tgid == new_tgid)
		return 0;
	target.live = by_process(tgid);
	if (target.live)
		bpf_map_update_elem(&targets, &new_tgid, &target, BPF_ANY);
	else
		bpf_map_delete_elem(&targets, &new_tgid); /* the number of one that is gone */
	return 0;
}

/* Every executable file mapping of the tasks iterated over, for the first load and to check a file's key. */
SEC("iter/task_vma")
int list_files(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct hw_iterated_mapping out;
	struct hw_vma_copy copy;

	if (!task || !vma)
		return 0;
	__builtin_memset(&copy, 0, sizeof(copy));
	read_vma(vma, &copy);
	if (!copy.file)
		return 0;
	__builtin_memset(&out, 0, sizeof(out));
	out.key = copy.key;
	out.start = copy.start;
	out.end = copy.end;
	out.offset = copy.offset;
	out.pid = (hw_u32)task->tgid;
	out.executable = !!(copy.flags & VM_EXEC);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

/* Take sessions that ended out of every slot, and count what others are owed (struct hw_slot_look). */
SEC("iter/bpf_map_elem")
int look_at_slots(struct bpf_iter__bpf_map_elem *ctx)
{
	struct hw_slot *slot = ctx->value;
	hw_u64 keep = ~look.forget, state, asked;

	if (!slot)
		return 0;
	state = __sync_fetch_and_and(&slot->state, keep | ~HW_IN_STATE);
	asked = (state & HW_IN_STATE) | __sync_fetch_and_and(&slot->more, keep);
	__sync_fetch_and_and(&slot->served, keep);
	if (*(volatile hw_u64 *)&slot->taking & look.forget)
		look.taking++;
	if (state & HW_OPEN && asked & look.ask & ~*(volatile hw_u64 *)&slot->served)
		look.owed++;
	return 0;
}

/* Take sessions that ended out of every process asked for; write those that nobody asks for any more. */
SEC("iter/bpf_map_elem")
int look_at_targets(struct bpf_iter__bpf_map_elem *ctx)
{
	struct hw_target *target = ctx->value;
	hw_u32 *key = ctx->key, tgid;
	hw_u64 keep = ~look.forget;

	if (!target || !key)
		return 0;
	__sync_fetch_and_and(&target->live, keep);
	__sync_fetch_and_and(&target->gone, keep);
	tgid = *key;
	if (!target->live && !target->gone)
		bpf_seq_write(ctx->meta->seq, &tgid, sizeof(tgid));
	return 0;
}
