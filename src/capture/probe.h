/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What this machine, kernel and user allow. Probing tries things (a map, a program, an event) rather than
 * believing version numbers, leaves nothing behind, and works without any right: what cannot be found out
 * is an answer too. Judging what was found is a function of the answers alone, so every verdict can be
 * tested on any machine.
 */
#ifndef HW_CAPTURE_PROBE_H
#define HW_CAPTURE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define HW_PROBE_UNREADABLE (-1000) /* a sysctl that could not be read */

/* The form of bpf_task_work_schedule_resume that the kernel offers to BPF programs. */
enum hw_kfunc {
	HW_KFUNC_NONE,
	HW_KFUNC_5, /* bpf_task_work_schedule_resume_impl, 5 arguments: Linux 6.18 and 6.19 */
	HW_KFUNC_4, /* bpf_task_work_schedule_resume, 4 arguments: from 7.0 */
};

enum hw_lockdown {
	HW_LOCKDOWN_NONE,
	HW_LOCKDOWN_INTEGRITY,
	HW_LOCKDOWN_CONFIDENTIALITY, /* BPF may not read kernel memory */
};

struct hw_probe {
	char release[65];                      /* uname -r */
	char machine[65];                      /* uname -m */
	uint32_t version_major, version_minor; /* of the kernel */
	uint32_t cpu_count;                    /* online */

	int btf_error; /* of reading the kernel's BTF: 0 or -errno; the next two need it */
	enum hw_kfunc kfunc;
	bool vma_iterator; /* bpf_iter_task_vma in the form that is not refused */

	uint64_t capabilities; /* effective: bit n is capability n of linux/capability.h */
	enum hw_lockdown lockdown;
	int map_error;                          /* of creating a BPF map: 0 or -errno */
	int program_error;                      /* of loading a BPF program for perf events: 0 or -errno */
	int perf_event_paranoid, kptr_restrict; /* or HW_PROBE_UNREADABLE */

	int cycles_error; /* of a hardware cycles event on one CPU: 0 or -errno */
	int clock_error;  /* of a cpu-clock event on one CPU: 0 or -errno */

	bool own_pids;       /* we are in a PID namespace of our own */
	bool kernel_symbols; /* /proc/kallsyms shows addresses */
	bool debug_files;    /* /usr/lib/debug/.build-id exists */
};

/* Probe. Returns 0, or -ENOMEM. */
int hw_probe(struct hw_probe *probe);

/*
 * Whether we are in a PID namespace of our own, as in most containers. Processes have other numbers there
 * than those that BPF, or a daemon outside, knows them by.
 */
bool hw_probe_own_pids(void);

/* The part of it that reads BTF, from the file at path: fills btf_error, kfunc and vma_iterator. */
int hw_probe_btf(struct hw_probe *probe, const char *path);

enum hw_finding_state {
	HW_FINDING_OK,
	HW_FINDING_LIMITED, /* recording works, with less in it */
	HW_FINDING_MISSING, /* recording cannot work */
};

struct hw_finding {
	const char *name; /* "kernel", "rights" … */
	enum hw_finding_state state;
	char found[160];  /* what is there, or what is missing */
	char remedy[200]; /* how to get what is missing; empty if nothing is */
};

#define HW_FINDINGS_MAX 12

/* Judge: the findings in order, those that matter most for recording first. Returns their number. */
size_t hw_probe_findings(const struct hw_probe *probe, struct hw_finding findings[HW_FINDINGS_MAX]);

/*
 * Why the BPF backend cannot run here: 0 if it can, else -EOPNOTSUPP (kernel) or -EPERM (rights), with the
 * first missing thing and its remedy in err.
 */
int hw_probe_blocker(const struct hw_probe *probe, struct hw_error *err);

#endif
