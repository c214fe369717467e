/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sessions a sample is for, and who may see a task. A few look-ups whatever the number of sessions:
 * every answer is a mask.
 */
#ifndef HW_BPF_SESSION_H
#define HW_BPF_SESSION_H

#include "bpf/maps.bpf.h"

#define SUID_DUMP_USER     1 /* include/linux/sched/coredump.h */
#define DUMPABLE_MASK      3
#define CGROUP_LEVELS_MAX  16
#define PLAIN_SESSIONS(of) ((of) & ~(masks.by_process | masks.by_uid | masks.by_cgroup))

static __always_inline hw_u64 mm_flags(struct mm_struct *mm)
{
	struct mm_struct___bitmap *bitmap = (void *)mm;
	struct mm_struct___word *word = (void *)mm;

	if (bpf_core_field_exists(bitmap->flags.__mm_flags))
		return BPF_CORE_READ(bitmap, flags.__mm_flags[0]);
	if (bpf_core_field_exists(word->flags))
		return BPF_CORE_READ(word, flags);
	return 0; /* not known: not dumpable */
}

/*
 * Of these sessions, those whose viewer may see the task: what ptrace would allow without capabilities
 * (kernel/ptrace.c, __ptrace_may_access), no more.
 */
__noinline hw_u64 may_see(hw_u64 sessions)
{
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u64 free = sessions & ~masks.limited, *allowed;
	struct hw_viewer viewer = {};
	const struct cred *cred;
	struct mm_struct *mm;

	if (free == sessions)
		return free;
	cred = task->real_cred;
	mm = task->mm;
	if (!mm)
		return free;
	viewer.uid = cred->uid.val;
	viewer.gid = cred->gid.val;
	if (cred->euid.val != viewer.uid || cred->suid.val != viewer.uid || cred->egid.val != viewer.gid ||
	    cred->sgid.val != viewer.gid || (mm_flags(mm) & DUMPABLE_MASK) != SUID_DUMP_USER)
		return free;
	allowed = bpf_map_lookup_elem(&viewers, &viewer);
	return free | (allowed ? sessions & masks.limited & *allowed : 0);
}

static __always_inline hw_u64 by_process(hw_u32 tgid)
{
	struct hw_target *target = bpf_map_lookup_elem(&targets, &tgid);

	return target ? target->live : 0;
}

static __always_inline hw_u64 by_uid(struct task_struct *task)
{
	hw_u32 uid = task->real_cred->euid.val;
	hw_u64 *found = bpf_map_lookup_elem(&uids, &uid);

	return found ? *found : 0;
}

static __always_inline hw_u64 by_cgroup(void)
{
	hw_u64 id, *found, all = 0;

	for (int level = 0; level < CGROUP_LEVELS_MAX; level++) {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			break;
		found = bpf_map_lookup_elem(&cgroups, &id);
		if (found)
			all |= *found;
	}
	return all;
}

__noinline hw_u64 wanted_by_filtered(hw_u64 sessions)
{
	struct task_struct *task = bpf_get_current_task_btf();
	hw_u64 wanted = PLAIN_SESSIONS(sessions);

	if (sessions & masks.by_process)
		wanted |= by_process((hw_u32)task->tgid) & masks.by_process;
	if (sessions & masks.by_uid)
		wanted |= by_uid(task) & masks.by_uid;
	if (sessions & masks.by_cgroup)
		wanted |= by_cgroup() & masks.by_cgroup;
	return may_see(wanted & sessions);
}

/* Of these sessions, those that want samples of the current task and whose viewers may see it. */
static __always_inline hw_u64 wanted_by(hw_u64 sessions)
{
	return sessions & (masks.by_process | masks.by_uid | masks.by_cgroup | masks.limited)
	           ? wanted_by_filtered(sessions)
	           : sessions;
}

/* A record for these sessions did not fit its ring. */
__noinline int count_loss(hw_u64 sessions, int callchain)
{
	struct hw_losses *loss;

	for (hw_u32 bit = 0; bit < 64; bit++) {
		hw_u32 key = 64 * bpf_get_smp_processor_id() + bit;

		if (!(sessions >> bit & 1))
			continue;
		loss = bpf_map_lookup_elem(&losses, &key);
		if (loss && callchain)
			loss->callchains++;
		else if (loss)
			loss->samples++;
	}
	return 0;
}

#endif
