/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deferred callchains to the ring, as complete perf.data records; and what a walk that met a missing table
 * sends instead: its registers, the frames it found, a bounded stack copy and the task's code mappings.
 */
#ifndef HW_BPF_EMIT_H
#define HW_BPF_EMIT_H

#include "bpf/drive.bpf.h"
#include "bpf/session.bpf.h"
#include "walk/cookie.h"

extern int bpf_probe_read_user_dynptr(struct bpf_dynptr *dptr, __u32 off, __u32 size,
                                      const void *unsafe_ptr) __ksym;

#define PERF_RECORD_SAMPLE             9
#define PERF_RECORD_CALLCHAIN_DEFERRED 22
#define PERF_RECORD_MISC_KERNEL        1
#define PERF_RECORD_MISC_USER          2
#define PERF_CONTEXT_KERNEL            ((hw_u64)-128)
#define PERF_CONTEXT_USER_DEFERRED     ((hw_u64)-640)

#define EBUSY               16
#define COPIED_MAPPINGS_MAX 4096
#define RED_ZONE            128 /* below rsp: what has been popped is still there (psABI, 3.2.2) */

/* Unique on the machine. shared: samples that come may carry it too. */
static __always_inline hw_u64 new_cookie(int shared)
{
	hw_u32 zero = 0, *count = bpf_map_lookup_elem(&cookie_counter, &zero);

	if (!count)
		return 0;
	return HW_COOKIE(__sync_fetch_and_add(count, 2) + (shared ? 1 : 2), bpf_get_smp_processor_id());
}

/* A callchain without frames, for viewers that may not see the task any more. */
static __always_inline void emit_forbidden(hw_u64 cookie, hw_u64 sessions, hw_u32 which)
{
	struct {
		struct hw_ring_prefix prefix;
		hw_u32 type;
		hw_u16 misc, size;
		hw_u64 cookie, nr;
		hw_u32 pid, tid;
		hw_u64 time_ns, cpu;
	} record = {
	    .prefix = {.kind = HW_RING_PERF, .sessions = sessions},
	    .type = PERF_RECORD_CALLCHAIN_DEFERRED,
	    .misc = PERF_RECORD_MISC_USER | HW_END_FORBIDDEN << HW_MISC_REASON_SHIFT,
	    .size = sizeof(record) - sizeof(record.prefix),
	    .cookie = cookie,
	    .time_ns = bpf_ktime_get_ns(),
	    .cpu = bpf_get_smp_processor_id(),
	};
	hw_u64 pid_tgid = bpf_get_current_pid_tgid();

	record.pid = (hw_u32)(pid_tgid >> 32);
	record.tid = (hw_u32)pid_tgid;
	COUNT(forbidden, 1);
	if (ring_output(which, &record, sizeof(record))) {
		COUNT(lost_callchains, 1);
		count_loss(sessions, 1);
	}
}

/* Of these sessions, those that may see the current task still; the others are told that they may not. */
static __noinline hw_u64 still_seen(hw_u64 cookie, hw_u64 sessions, hw_u32 which)
{
	hw_u64 seen = may_see(sessions);

	if (seen != sessions)
		emit_forbidden(cookie, sessions & ~seen, which);
	return seen;
}

/* Make the perf.data record of the walk in *s, all but the prefix. Its size in bytes. */
static __always_inline hw_u64 build_callchain(struct hw_scratch *s, hw_u64 cookie, hw_u32 reason)
{
	struct hw_callchain_record *record = &s->record;
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u32 depth = s->walk.depth;
	hw_u64 size;

	if (depth > HW_FRAMES_MAX)
		depth = HW_FRAMES_MAX;
	size = 24 + 8 * (hw_u64)depth + HW_SAMPLE_ID_BYTES;
	record->type = PERF_RECORD_CALLCHAIN_DEFERRED;
	record->misc = (hw_u16)(PERF_RECORD_MISC_USER | reason << HW_MISC_REASON_SHIFT);
	record->size = (hw_u16)size;
	record->cookie = cookie;
	record->nr = depth;
	record->ips[depth] = (hw_u32)task->tgid | (hw_u64)(hw_u32)task->pid << 32;
	record->ips[depth + 1] = s->walked_ns ? s->walked_ns : bpf_ktime_get_ns();
	record->ips[depth + 2] = bpf_get_smp_processor_id();
	return size;
}

/* Emit the walk in *s. 0, or negative (counted) where the ring had no room. */
__noinline int emit_callchain(struct hw_scratch *s, hw_u64 cookie, hw_u64 sessions, hw_u32 reason,
                              hw_u32 which)
{
	struct hw_callchain_record *record;
	hw_u64 bytes;

	if (!s)
		return -1;
	if (sessions & masks.limited)
		sessions = still_seen(cookie, sessions, which);
	if (!sessions)
		return 0;
	record = &s->record;
	bytes = sizeof(struct hw_ring_prefix) + build_callchain(s, cookie, reason);
	record->prefix.kind = HW_RING_PERF;
	record->prefix.zero = 0;
	record->prefix.sessions = sessions;
	if (bytes > sizeof(*record))
		return -1;
	if (ring_output(which, record, bytes)) {
		COUNT(lost_callchains, 1);
		count_loss(sessions, 1);
		return -1;
	}
	return 0;
}

/* These sessions get the walk too that was handed over before. */
static __noinline void emit_late(hw_u64 cookie, hw_u64 sessions)
{
	struct hw_late late = {.prefix = {.kind = HW_RING_LATE}, .cookie = cookie};
	hw_u64 pid_tgid = bpf_get_current_pid_tgid();

	if (sessions & masks.limited)
		sessions = still_seen(cookie, sessions, HW_RING_INTERRUPT);
	late.prefix.sessions = sessions;
	late.time_ns = bpf_ktime_get_ns();
	late.pid = (hw_u32)(pid_tgid >> 32);
	late.tid = (hw_u32)pid_tgid;
	late.cpu = bpf_get_smp_processor_id();
	if (sessions && ring_output(HW_RING_INTERRUPT, &late, sizeof(late))) {
		COUNT(lost_callchains, 1);
		count_loss(sessions, 1);
	}
}

/*
 * One more mapping: counted, or where there is a record, written to it. The count stands in the scratch,
 * where the verifier does not follow it. The window serves as scratch paper: nobody needs it any more then.
 */
static __always_inline void list_one(struct hw_scratch *s, struct vm_area_struct *vma,
                                     struct bpf_dynptr *record, hw_u64 at)
{
	struct hw_mapping *m = (struct hw_mapping *)s->window;
	struct hw_vma_copy *copy = &s->copy;
	hw_u32 count = s->unfinished.mapping_count;

	s->vma_count++;
	if (!(vma->vm_flags & VM_EXEC) || count >= s->mapping_room)
		return;
	if (record) {
		read_vma(vma, copy);
		set_mapping(m, copy->start, copy->end, copy->offset, table_of(s, copy));
		if (bpf_dynptr_write(record, (hw_u32)(at + count * sizeof(*m)), m, sizeof(*m), 0))
			return;
	}
	s->unfinished.mapping_count = count + 1;
}

/*
 * Count the task's code mappings, or write at most mapping_room of them to the record from at on. 0, or
 * -EBUSY: they cannot be looked up just now, all of them.
 */
static __always_inline int list_mappings(struct hw_scratch *s, struct task_struct *task,
                                         struct bpf_dynptr *record, hw_u64 at)
{
	struct bpf_iter_task_vma it;
	struct vm_area_struct *vma;
	int r;

	s->unfinished.mapping_count = 0;
	s->vma_count = 0;
	r = bpf_iter_task_vma_new(&it, task, 0);
	if (!r)
		while ((vma = bpf_iter_task_vma_next(&it)))
			list_one(s, vma, record, at);
	bpf_iter_task_vma_destroy(&it);
	return !r && vmas_of(task) > s->vma_count ? -EBUSY : r;
}

struct extent {
	hw_u64 address, end;
	hw_u32 bytes;
};

/* How far the stack can be read from address on: page by page, faulting in where the task may sleep. */
static long extend_asleep(hw_u32 index, struct extent *e)
{
	hw_u64 word;
	hw_u64 next = (e->address + e->bytes + 4096) & ~4095ull;

	if (e->address + e->bytes >= e->end) /* from the start: nothing there that may be read */
		return 1;
	if (bpf_copy_from_user(&word, 8, (void *)((e->address + e->bytes) & ~7ull)))
		return 1;
	if (next > e->end)
		next = e->end;
	e->bytes = (hw_u32)(next - e->address);
	return next >= e->end;
}

static __always_inline void stack_extent(struct extent *e, struct task_struct *task, hw_u64 rsp)
{
	struct vm_area_struct *vma;
	struct bpf_iter_task_vma it;

	e->address = rsp & ~7ull;
	e->end = e->address;
	e->bytes = 0;
	if (!bpf_iter_task_vma_new(&it, task, e->address)) {
		vma = bpf_iter_task_vma_next(&it);
		if (vma && vma->vm_start <= e->address && fault_ends_soon(vma)) {
			e->end = vma->vm_end;
			e->address -= RED_ZONE;
			if (e->address < vma->vm_start)
				e->address = vma->vm_start;
		}
	}
	bpf_iter_task_vma_destroy(&it);
	if (e->end - e->address > config.stack_copy_bytes)
		e->end = e->address + config.stack_copy_bytes;
}

/*
 * Get ready to send the walk in *s to user space: touch its stack, count its mappings. May sleep. 0, or
 * -EBUSY, as list_mappings.
 */
static __noinline int prepare_unfinished(struct hw_scratch *s, struct task_struct *task)
{
	struct hw_unfinished *u = &s->unfinished;
	struct extent e;

	stack_extent(&e, task, s->walk.reg[HW_REG_RSP]);
	bpf_loop(HW_STACK_COPY_MAX / 4096 + 1, extend_asleep, &e, 0);
	s->mapping_room = COPIED_MAPPINGS_MAX;
	if (list_mappings(s, task, NULL, 0))
		return -EBUSY;
	u->stack_address = e.address;
	u->stack_size = e.bytes & ~7u;
	u->ip_count = s->walk.depth;
	u->walk = s->walk;
	return 0;
}

/*
 * Send what was prepared: never sleeps, least of all while the record is reserved. 0, or it was not sent:
 * -EBUSY, as list_mappings, or -1.
 */
static __noinline int emit_unfinished(struct hw_scratch *s, struct task_struct *task, hw_u64 cookie,
                                      hw_u64 sessions, hw_u32 kind)
{
	hw_u64 pid_tgid = bpf_get_current_pid_tgid(), at = sizeof(struct hw_unfinished), ips_bytes, bytes,
	       wake;
	struct hw_unfinished *u = &s->unfinished;
	hw_u32 ip_count = u->ip_count, mapping_count = u->mapping_count, stack_size = u->stack_size;
	struct bpf_dynptr record;
	void *ring;

	if (ip_count > HW_FRAMES_MAX || mapping_count > COPIED_MAPPINGS_MAX || stack_size > HW_STACK_COPY_MAX)
		return -1;
	u->prefix.kind = kind;
	u->prefix.zero = 0;
	u->prefix.sessions = sessions;
	u->cookie = cookie;
	u->time_ns = bpf_ktime_get_ns();
	u->pid = (hw_u32)(pid_tgid >> 32);
	u->tid = (hw_u32)pid_tgid;
	u->cpu = bpf_get_smp_processor_id();
	ips_bytes = ip_count * 8;
	ring = ring_of(HW_RING_TASK);
	if (!ring)
		return -1;
	bytes = at + ips_bytes + stack_size + mapping_count * sizeof(struct hw_mapping);
	/* a walk can wait: its table has been asked for */
	wake = kind == HW_RING_UNFINISHED ? wake_flags(ring, bytes) : BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_reserve_dynptr(ring, (hw_u32)bytes, 0, &record)) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return -1;
	}
	if (ips_bytes)
		bpf_dynptr_write(&record, (hw_u32)at, s->record.ips, (hw_u32)ips_bytes, 0);
	at += ips_bytes;
	if (stack_size &&
	    bpf_probe_read_user_dynptr(&record, (hw_u32)at, stack_size, (void *)u->stack_address))
		stack_size = 0;
	at += stack_size;
	s->mapping_room = mapping_count;
	if (list_mappings(s, task, &record, at)) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return -EBUSY;
	}
	u->stack_size = stack_size;
	bpf_dynptr_write(&record, 0, u, sizeof(*u), 0);
	bpf_ringbuf_submit_dynptr(&record, wake);
	return 0;
}

#endif
