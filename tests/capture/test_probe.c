/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <cmocka.h>

#include "capture/probe.h"

/* A machine where everything is there. */
static struct hw_probe good_machine(void)
{
	return (struct hw_probe){
	    .release = "6.18.1",
	    .machine = "x86_64",
	    .version_major = 6,
	    .version_minor = 18,
	    .cpu_count = 2,
	    .kfunc = HW_KFUNC_5,
	    .vma_iterator = true,
	    .capabilities = UINT64_MAX,
	    .kernel_symbols = true,
	    .debug_files = true,
	};
}

static void nothing_blocks_a_good_machine(void **state)
{
	struct hw_probe probe = good_machine();
	struct hw_finding findings[HW_FINDINGS_MAX];
	struct hw_error err;

	(void)state;
	assert_int_equal(hw_probe_blocker(&probe, &err), 0);
	for (size_t i = hw_probe_findings(&probe, findings); i--;) {
		assert_int_equal(findings[i].state, HW_FINDING_OK);
		assert_string_equal(findings[i].remedy, "");
	}
}

/* Break one thing of a good machine and see that the one line names it. */
struct fault {
	void (*apply)(struct hw_probe *probe);
	int code;
	const char *told;
};

static void old_kernel(struct hw_probe *p)
{
	strcpy(p->release, "6.12.9");
	p->version_minor = 12;
	p->kfunc = HW_KFUNC_NONE;
}

static void other_machine(struct hw_probe *p)
{
	strcpy(p->machine, "aarch64");
}

static void no_btf(struct hw_probe *p)
{
	p->btf_error = -ENOENT;
	p->kfunc = HW_KFUNC_NONE;
}

static void no_kfunc(struct hw_probe *p)
{
	p->kfunc = HW_KFUNC_NONE;
}

static void no_rights(struct hw_probe *p)
{
	p->capabilities = 0;
	p->map_error = p->program_error = -EPERM;
	p->cycles_error = p->clock_error = -EACCES;
}

static void no_perfmon(struct hw_probe *p)
{
	p->capabilities = 1ull << CAP_BPF;
	p->program_error = -EPERM;
	p->cycles_error = p->clock_error = -EACCES;
}

static void locked_down(struct hw_probe *p)
{
	p->lockdown = HW_LOCKDOWN_CONFIDENTIALITY;
}

static void bpf_blocked(struct hw_probe *p)
{
	p->map_error = p->program_error = -ENOSYS;
}

static void in_container(struct hw_probe *p)
{
	p->map_error = p->program_error = -EPERM;
}

static void pids_of_its_own(struct hw_probe *p)
{
	p->own_pids = true;
}

static void no_events(struct hw_probe *p)
{
	p->cycles_error = p->clock_error = -ENOSYS;
}

static const struct fault faults[] = {
    {old_kernel, -EOPNOTSUPP, "Linux 6.12.9 is too old: boot Linux 6.18 or newer"},
    {other_machine, -EOPNOTSUPP, "aarch64 is not supported"},
    {no_btf, -EOPNOTSUPP, "/sys/kernel/btf/vmlinux: No such file or directory"},
    {no_kfunc, -EOPNOTSUPP, "does not offer bpf_task_work_schedule_resume"},
    {no_rights, -EPERM, "CAP_BPF and CAP_PERFMON missing: run as root"},
    {no_perfmon, -EPERM, ": CAP_PERFMON missing"},
    {locked_down, -EOPNOTSUPP, "lockdown"},
    {bpf_blocked, -EOPNOTSUPP, "BPF map: Function not implemented"},
    {in_container, -EOPNOTSUPP, "outside of the container"},
    {pids_of_its_own, -EOPNOTSUPP, "PID namespace"},
    {no_events, -EOPNOTSUPP, "no event can sample a CPU"},
};

static void each_fault_is_told_in_one_line_with_its_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct hw_probe probe = good_machine();
		struct hw_finding findings[HW_FINDINGS_MAX];
		struct hw_error err;

		faults[i].apply(&probe);
		assert_int_equal(hw_probe_blocker(&probe, &err), faults[i].code);
		if (!strstr(err.text, faults[i].told))
			fail_msg("'%s' does not say '%s'", err.text, faults[i].told);
		assert_null(strchr(err.text, '\n'));
		for (size_t j = hw_probe_findings(&probe, findings); j--;)
			assert_int_equal(findings[j].state == HW_FINDING_OK, findings[j].remedy[0] == 0);
	}
}

static void a_lesser_lack_does_not_block(void **state)
{
	struct hw_probe probe = good_machine();

	(void)state;
	probe.capabilities = 1ull << CAP_BPF | 1ull << CAP_PERFMON;
	probe.cycles_error = -ENOENT;
	probe.vma_iterator = probe.kernel_symbols = probe.debug_files = false;
	assert_int_equal(hw_probe_blocker(&probe, NULL), 0);
}

/* ---- BTF ---- */

/* Write the BTF of a kernel that has one function of this name and number of arguments (NULL: none). */
static void write_btf(const char *path, const char *function, int arguments, bool snapshot)
{
	struct btf *btf = btf__new_empty();
	const void *raw;
	uint32_t size;
	FILE *file;
	int integer, prototype;

	assert_non_null(btf);
	integer = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	if (function) {
		prototype = btf__add_func_proto(btf, integer);
		for (int i = 0; i < arguments; i++)
			assert_int_equal(btf__add_func_param(btf, "argument", integer), 0);
		assert_true(btf__add_func(btf, function, BTF_FUNC_STATIC, prototype) > 0);
	}
	assert_true(btf__add_struct(btf, "bpf_iter_task_vma_kern_data", 8) > 0);
	assert_int_equal(btf__add_field(btf, "task", integer, 0, 0), 0);
	if (snapshot)
		assert_int_equal(btf__add_field(btf, "snapshot", integer, 32, 0), 0);
	raw = btf__raw_data(btf, &size);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(raw, 1, size, file), size);
	fclose(file);
	btf__free(btf);
}

static void the_kfunc_is_told_by_name_and_number_of_arguments(void **state)
{
	static const struct {
		const char *name;
		int arguments;
		enum hw_kfunc kfunc;
	} cases[] = {
	    {NULL, 0, HW_KFUNC_NONE},
	    {"bpf_task_work_schedule_resume", 4, HW_KFUNC_4},
	    {"bpf_task_work_schedule_resume", 5, HW_KFUNC_NONE},
	    {"bpf_task_work_schedule_resume_impl", 5, HW_KFUNC_5},
	    {"bpf_task_work_schedule_resume_impl", 4, HW_KFUNC_NONE},
	    {"bpf_task_work_schedule_signal", 4, HW_KFUNC_NONE},
	};
	char path[] = "/tmp/homeward-btf-XXXXXX";
	struct hw_probe probe = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_btf(path, cases[i].name, cases[i].arguments, i % 2);
		assert_int_equal(hw_probe_btf(&probe, path), 0);
		assert_int_equal(probe.btf_error, 0);
		assert_int_equal(probe.kfunc, cases[i].kfunc);
		assert_int_equal(probe.vma_iterator, i % 2);
	}
	close(fd);
	unlink(path);
}

static void missing_or_broken_btf_is_an_answer(void **state)
{
	char path[] = "/tmp/homeward-btf-XXXXXX";
	struct hw_probe probe = {.kfunc = HW_KFUNC_4, .vma_iterator = true};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(hw_probe_btf(&probe, "/nowhere/vmlinux"), 0);
	assert_int_equal(probe.btf_error, -ENOENT);
	assert_int_equal(probe.kfunc, HW_KFUNC_NONE);
	assert_false(probe.vma_iterator);
	write_btf(path, "bpf_task_work_schedule_resume", 4, true);
	for (off_t length = 60; length >= 0; length -= 5) {
		assert_int_equal(ftruncate(fd, length), 0);
		assert_int_equal(hw_probe_btf(&probe, path), 0);
		assert_true(probe.btf_error < 0);
		assert_int_equal(probe.kfunc, HW_KFUNC_NONE);
	}
	close(fd);
	unlink(path);
}

/* ---- probing, on this machine, with less and less ---- */

/* Run check in a child; 0 if it returned true. */
static int in_child(bool (*check)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		_exit(check() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static bool unprivileged_probe_is_refused(void)
{
	struct hw_probe probe;
	struct hw_error err;

	if (!geteuid() && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		return false;
	if (hw_probe(&probe) || probe.capabilities || !probe.program_error || !probe.release[0])
		return false;
	return hw_probe_blocker(&probe, &err) < 0 && err.text[0];
}

static void probing_without_rights_finds_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(in_child(unprivileged_probe_is_refused), 0);
}

static bool refuse_by_seccomp(void)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool probe_below_seccomp(void)
{
	struct hw_probe probe;

	return refuse_by_seccomp() && !hw_probe(&probe) && probe.map_error == -ENOSYS &&
	       probe.program_error == -ENOSYS && probe.cycles_error == -ENOSYS &&
	       probe.clock_error == -ENOSYS && hw_probe_blocker(&probe, NULL) < 0;
}

static void probing_below_seccomp_finds_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(in_child(probe_below_seccomp), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_blocks_a_good_machine),
	    cmocka_unit_test(each_fault_is_told_in_one_line_with_its_remedy),
	    cmocka_unit_test(a_lesser_lack_does_not_block),
	    cmocka_unit_test(the_kfunc_is_told_by_name_and_number_of_arguments),
	    cmocka_unit_test(missing_or_broken_btf_is_an_answer),
	    cmocka_unit_test(probing_without_rights_finds_what_is_missing),
	    cmocka_unit_test(probing_below_seccomp_finds_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
