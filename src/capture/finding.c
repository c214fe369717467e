/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Judging what probe.c found: each finding is one function of the answers. */
#include "capture/probe.h"

#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Newer than some headers that we are built with. */
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define AS_ROOT "run as root (sudo homeward …), or give the program the right: "

static bool has(const struct hw_probe *probe, int capability)
{
	return probe->capabilities >> capability & 1;
}

__attribute__((format(printf, 3, 4))) static void found(struct hw_finding *finding,
                                                        enum hw_finding_state state, const char *format, ...)
{
	va_list args;

	finding->state = state;
	va_start(args, format);
	vsnprintf(finding->found, sizeof(finding->found), format, args);
	va_end(args);
}

static void remedy(struct hw_finding *finding, const char *text)
{
	snprintf(finding->remedy, sizeof(finding->remedy), "%s", text);
}

static void judge_kernel(const struct hw_probe *probe, struct hw_finding *finding)
{
	uint32_t version = probe->version_major << 16 | (probe->version_minor & 0xffff);

	finding->name = "kernel";
	if (strcmp(probe->machine, "x86_64")) {
		found(finding, HW_FINDING_MISSING, "%s is not supported", probe->machine);
		remedy(finding, "homeward records on x86_64 only; recordings can be read anywhere");
	} else if (version < (6 << 16 | 18) && probe->kfunc == HW_KFUNC_NONE) {
		found(finding, HW_FINDING_MISSING, "Linux %s is too old", probe->release);
		remedy(finding, "boot Linux 6.18 or newer");
	} else {
		found(finding, HW_FINDING_OK, "Linux %s on %s, %u CPU%s", probe->release, probe->machine,
		      probe->cpu_count, probe->cpu_count == 1 ? "" : "s");
	}
}

static void judge_btf(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "BTF";
	if (!probe->btf_error) {
		found(finding, HW_FINDING_OK, "/sys/kernel/btf/vmlinux");
		return;
	}
	found(finding, HW_FINDING_MISSING,
	      "the kernel's type information cannot be read: /sys/kernel/btf/vmlinux: %s",
	      strerror(-probe->btf_error));
	remedy(finding, probe->btf_error == -ENOENT
	                    ? "mount sysfs on /sys, or boot a kernel built with CONFIG_DEBUG_INFO_BTF=y"
	                    : "make it readable and whole: it is a plain file of sysfs with mode 0444");
}

static void judge_kfunc(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "task work";
	switch (probe->kfunc) {
	case HW_KFUNC_4:
		found(finding, HW_FINDING_OK, "bpf_task_work_schedule_resume (4 arguments)");
		break;
	case HW_KFUNC_5:
		found(finding, HW_FINDING_OK, "bpf_task_work_schedule_resume_impl (5 arguments)");
		break;
	case HW_KFUNC_NONE:
		found(finding, HW_FINDING_MISSING, "%s",
		      probe->btf_error ? "not known, because the kernel's BTF is missing"
		                       : "the kernel does not offer bpf_task_work_schedule_resume to BPF");
		remedy(
		    finding,
		    "boot Linux 6.18 or newer, built with CONFIG_BPF_SYSCALL=y and CONFIG_DEBUG_INFO_BTF=y");
		break;
	}
}

static void judge_mappings(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "mappings";
	if (probe->vma_iterator) {
		found(finding, HW_FINDING_OK, "bpf_iter_task_vma, which is never refused");
		return;
	}
	found(finding, HW_FINDING_LIMITED,
	      "only bpf_find_vma: walks fail while their process changes its mappings");
	remedy(finding, "boot a kernel whose bpf_iter_task_vma takes a snapshot");
}

static void judge_rights(const struct hw_probe *probe, struct hw_finding *finding)
{
	bool admin = has(probe, CAP_SYS_ADMIN);
	bool bpf = admin || has(probe, CAP_BPF), perfmon = admin || has(probe, CAP_PERFMON);

	finding->name = "rights";
	if (bpf && perfmon) {
		found(finding, HW_FINDING_OK, "%s",
		      admin ? "CAP_SYS_ADMIN, which includes CAP_BPF and CAP_PERFMON"
		            : "CAP_BPF and CAP_PERFMON");
		return;
	}
	found(finding, HW_FINDING_MISSING, "no right to sample the machine: %s%s%s missing",
	      bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ", perfmon ? "" : "CAP_PERFMON");
	remedy(finding, AS_ROOT "setcap cap_bpf,cap_perfmon+ep FILE");
}

static void judge_lockdown(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "lockdown";
	if (probe->lockdown != HW_LOCKDOWN_CONFIDENTIALITY) {
		found(finding, HW_FINDING_OK, "BPF may read kernel memory");
		return;
	}
	found(finding, HW_FINDING_MISSING,
	      "kernel lockdown (confidentiality) forbids BPF to read kernel memory");
	remedy(finding, "boot with lockdown=integrity or without lockdown");
}

static void judge_bpf(const struct hw_probe *probe, struct hw_finding *finding)
{
	int error = probe->map_error ? probe->map_error : probe->program_error;

	finding->name = "BPF";
	if (probe->own_pids) {
		found(finding, HW_FINDING_MISSING,
		      "in a PID namespace of its own: BPF knows processes by other numbers");
		remedy(finding,
		       "run outside of the container, or in one with the PIDs of the machine (--pid=host)");
		return;
	}
	if (!error) {
		found(finding, HW_FINDING_OK, "maps and programs load");
		return;
	}
	found(finding, HW_FINDING_MISSING, "the kernel refuses a BPF %s: %s",
	      probe->map_error ? "map" : "program", strerror(-error));
	if (error == -ENOSYS)
		remedy(finding,
		       "boot a kernel with CONFIG_BPF_SYSCALL=y, or allow the bpf system call (seccomp)");
	else if (has(probe, CAP_SYS_ADMIN) || has(probe, CAP_BPF))
		remedy(finding,
		       "run outside of the container or user namespace, or allow bpf there (seccomp, LSM)");
	else
		remedy(finding, AS_ROOT "setcap cap_bpf,cap_perfmon+ep FILE");
}

static void judge_events(const struct hw_probe *probe, struct hw_finding *finding)
{
	bool refused = probe->clock_error == -EPERM || probe->clock_error == -EACCES;

	finding->name = "events";
	if (!probe->cycles_error) {
		found(finding, HW_FINDING_OK, "cycles, counted by the CPU");
	} else if (!probe->clock_error) {
		found(finding, HW_FINDING_LIMITED, "cpu-clock: no hardware cycles here (%s)",
		      strerror(-probe->cycles_error));
		remedy(
		    finding,
		    "to sample where interrupts are off: a CPU with a PMU, or one for the virtual machine");
	} else {
		found(finding, HW_FINDING_MISSING,
		      "no event can sample a CPU: %s (perf_event_paranoid is %d)",
		      strerror(-probe->clock_error), probe->perf_event_paranoid);
		remedy(finding,
		       refused
		           ? AS_ROOT "setcap cap_bpf,cap_perfmon+ep FILE"
		           : "boot a kernel with CONFIG_PERF_EVENTS=y, or allow perf_event_open (seccomp)");
	}
}

static void judge_files(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "programs";
	if (has(probe, CAP_SYS_PTRACE) && has(probe, CAP_DAC_READ_SEARCH) &&
	    (has(probe, CAP_CHECKPOINT_RESTORE) || has(probe, CAP_SYS_ADMIN))) {
		found(finding, HW_FINDING_OK, "the files of all processes can be read");
		return;
	}
	found(finding, HW_FINDING_LIMITED,
	      "files of other users' processes cannot be read: their stacks stay short");
	remedy(finding, "add CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE and CAP_DAC_READ_SEARCH, or run as root");
}

static void judge_symbols(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "kernel symbols";
	if (probe->kernel_symbols) {
		found(finding, HW_FINDING_OK, "/proc/kallsyms");
		return;
	}
	found(finding, HW_FINDING_LIMITED,
	      "/proc/kallsyms shows no addresses: kernel functions stay unnamed");
	if (probe->kptr_restrict >= 2)
		remedy(finding, "sysctl kernel.kptr_restrict=1");
	else
		remedy(finding, "add CAP_SYSLOG, or run as root");
}

static void judge_debug_files(const struct hw_probe *probe, struct hw_finding *finding)
{
	finding->name = "debug files";
	if (probe->debug_files) {
		found(finding, HW_FINDING_OK, "/usr/lib/debug/.build-id");
		return;
	}
	found(finding, HW_FINDING_LIMITED,
	      "no separate debug files: stripped programs show only exported functions");
	remedy(finding, "install libc6-dbg and the -dbgsym packages of what you profile");
}

/* Only told: the rights above overrule them. */
static void judge_settings(const struct hw_probe *probe, struct hw_finding *finding)
{
	char paranoid[16] = "not readable", restricted[16] = "not readable";

	finding->name = "settings";
	if (probe->perf_event_paranoid != HW_PROBE_UNREADABLE)
		snprintf(paranoid, sizeof(paranoid), "%d", probe->perf_event_paranoid);
	if (probe->kptr_restrict != HW_PROBE_UNREADABLE)
		snprintf(restricted, sizeof(restricted), "%d", probe->kptr_restrict);
	found(finding, HW_FINDING_OK, "perf_event_paranoid %s, kptr_restrict %s", paranoid, restricted);
}

size_t hw_probe_findings(const struct hw_probe *probe, struct hw_finding findings[HW_FINDINGS_MAX])
{
	static void (*const judges[])(const struct hw_probe *, struct hw_finding *) = {
	    judge_kernel, judge_btf,      judge_kfunc, judge_rights,  judge_lockdown,    judge_bpf,
	    judge_events, judge_mappings, judge_files, judge_symbols, judge_debug_files, judge_settings,
	};
	const size_t count = sizeof(judges) / sizeof(judges[0]);

	_Static_assert(sizeof(judges) / sizeof(judges[0]) <= HW_FINDINGS_MAX, "findings");
	memset(findings, 0, HW_FINDINGS_MAX * sizeof(*findings));
	for (size_t i = 0; i < count; i++)
		judges[i](probe, &findings[i]);
	return count;
}

int hw_probe_blocker(const struct hw_probe *probe, struct hw_error *err)
{
	struct hw_finding findings[HW_FINDINGS_MAX];
	size_t count = hw_probe_findings(probe, findings);

	for (size_t i = 0; i < count; i++) {
		bool right = !strcmp(findings[i].name, "rights");

		if (findings[i].state == HW_FINDING_MISSING)
			return hw_fail(err, right ? -EPERM : -EOPNOTSUPP, "%s: %s", findings[i].found,
			               findings[i].remedy);
	}
	return 0;
}
