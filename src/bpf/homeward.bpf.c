/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel side of homeward: the programs.
 *
 * on_sample runs at every hit of a per-CPU perf event. It emits the sample and, where the task has a user
 * part, a cookie: either of a walk made at once (a hit in user mode whose code and stack are at hand), or of
 * a request that the task answers on its way home (slot.bpf.h). The hooks on exit and exec answer for tasks
 * that will not come home; the hook on fork lets children of processes asked for be profiled too.
 */
#include "bpf/kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "bpf/slot.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int is_target(hw_u32 tgid)
{
	hw_u32 *target = config.filter ? bpf_map_lookup_elem(&targets, &tgid) : NULL;

	return !config.filter || (target && *target == HW_TARGET_LIVE);
}

/* Why this task cannot be asked; HW_REFUSE_NONE if it can. */
static __always_inline hw_u32 refusal_of(struct task_struct *task, struct pt_regs *regs)
{
	hw_u64 cs;

	if (task->flags & PF_EXITING)
		return HW_REFUSE_EXITING;
	if (task->flags & PF_USER_WORKER)
		return HW_REFUSE_IO_WORKER;
	if (!task->mm)
		return HW_REFUSE_NO_MM;
	cs = regs->cs;
	if ((cs & 3) != 3)
		return HW_REFUSE_NO_USER_REGS;
	if ((cs & 0xffff) != USER_CS)
		return HW_REFUSE_COMPAT;
	return HW_REFUSE_NONE;
}

/* A hit in user mode: walk here and now, if nothing has to be waited for. A cookie, or 0. */
static __always_inline hw_u64 walk_at_once(struct bpf_perf_event_data *ctx, struct task_struct *task,
                                           hw_u64 sessions)
{
	struct hw_scratch *s;
	hw_u32 zero = 0;
	hw_u64 cookie;
	int r;

	s = bpf_map_lookup_elem(&interrupt_scratch, &zero);
	if (!s)
		return 0;
	TAKE_REGISTERS(&s->walk, &ctx->regs);
	walk_begin(s, task);
	r = walk_run(s);
	if (r < HW_FRAME_DONE) {
		COUNT(not_at_once, 1);
		return 0;
	}
	cookie = new_cookie();
	emit_callchain(s, cookie, sessions, (hw_u32)(r - HW_FRAME_DONE), HW_RING_INTERRUPT);
	COUNT(at_once, 1);
	COUNT(frames, s->walk.depth);
	return cookie;
}

SEC("perf_event")
int on_sample(struct bpf_perf_event_data *ctx)
{
	hw_u64 pid_tgid = bpf_get_current_pid_tgid();
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u64 cs = *(volatile __u64 *)&ctx->regs.cs;
	hw_u64 sessions = 1, cookie = 0, bytes;
	struct hw_sample_record *record;
	hw_u32 refusal = 0, zero = 0, nr = 0;
	long stack;

	if (!(hw_u32)pid_tgid) {
		COUNT(idle, 1);
		return 0;
	}
	if (!is_target((hw_u32)(pid_tgid >> 32))) {
		COUNT(filtered, 1);
		return 0;
	}
	record = bpf_map_lookup_elem(&sample_scratch, &zero);
	if (!record)
		return 0;
	record->ip = ctx->regs.ip;
	record->pid = (hw_u32)(pid_tgid >> 32);
	record->tid = (hw_u32)pid_tgid;
	record->time_ns = bpf_ktime_get_ns();
	record->cpu = bpf_get_smp_processor_id();
	record->period = ctx->sample_period;
	record->misc = PERF_RECORD_MISC_USER;
	if ((cs & 3) != 3) {
		record->misc = PERF_RECORD_MISC_KERNEL;
		record->ips[0] = PERF_CONTEXT_KERNEL;
		nr = 1;
		stack = bpf_get_stack(ctx, &record->ips[1], HW_KERNEL_FRAMES_MAX * 8, 0);
		if (stack > 0)
			nr += (hw_u32)stack / 8;
		else {
			record->ips[1] = record->ip;
			nr = 2;
		}
	}
	if (!(task->flags & PF_KTHREAD)) {
		refusal = refusal_of(task, (struct pt_regs *)bpf_task_pt_regs(task));
		if (!refusal && (cs & 3) == 3 && !config.deferred_only)
			cookie = walk_at_once(ctx, task, sessions);
		if (!refusal && !cookie)
			cookie = request(task, sessions, &refusal);
	}
	if (nr > HW_KERNEL_FRAMES_MAX + 1)
		nr = HW_KERNEL_FRAMES_MAX + 1;
	if (cookie) {
		record->ips[nr] = PERF_CONTEXT_USER_DEFERRED;
		record->ips[nr + 1] = cookie;
		nr += 2;
	}
	record->misc |= (hw_u16)(refusal << HW_MISC_REASON_SHIFT);
	record->prefix.kind = HW_RING_PERF;
	record->prefix.sessions = sessions;
	record->type = PERF_RECORD_SAMPLE;
	record->nr = nr;
	bytes = __builtin_offsetof(struct hw_sample_record, ips) + 8 * (hw_u64)nr;
	record->size = (hw_u16)(bytes - sizeof(struct hw_ring_prefix));
	if (bytes > sizeof(*record))
		return 0;
	if (ring_output(HW_RING_INTERRUPT, record, bytes))
		COUNT(lost_samples, 1);
	else
		COUNT(samples, 1);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u32 tgid = (hw_u32)task->tgid;
	struct hw_slot *slot = find_slot(task);

	if (slot) {
		serve_now(slot, task);
		delete_slot((hw_u32)task->pid);
	}
	if (config.filter && task->signal->live.counter == 0) {
		hw_u32 *target = bpf_map_lookup_elem(&targets, &tgid);

		if (target)
			*target = HW_TARGET_GONE;
	}
	return 0;
}

/* The old image is still there: answer for it, and mark the slot until the new one is. */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec, struct task_struct *p, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct hw_slot *slot;

	if (!is_target((hw_u32)task->tgid))
		return 0;
	slot = make_slot(task);
	if (!slot)
		return 0;
	if (*(volatile hw_u64 *)&slot->state & HW_OPEN) {
		serve_now(slot, task);
	} else {
		slot->cookie = 0;
		slot->served = 0;
	}
	slot->in_exec = 1;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u32 old = (hw_u32)old_pid;
	struct hw_slot *slot = find_slot(task);

	if (slot)
		slot->in_exec = 0;
	if (old !=
	    (hw_u32)task->pid) { /* a thread took over the leader's tid: its old slot is its own still */
		slot = bpf_map_lookup_elem(&slots, &old);
		if (slot && SLOT_IS_OURS(slot, task))
			delete_slot(old);
	}
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	hw_u32 live = HW_TARGET_LIVE, tgid = (hw_u32)parent->tgid, new_tgid = (hw_u32)child->tgid;

	if (!config.filter || tgid == new_tgid)
		return 0;
	if (is_target(tgid))
		bpf_map_update_elem(&targets, &new_tgid, &live, BPF_ANY);
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
