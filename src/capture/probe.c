/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Up to size - 1 bytes of a small file, NUL-terminated. Returns their number or -errno. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	text[0] = 0;
	if (fd < 0)
		return -errno;
	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			got = -errno;
			close(fd);
			return got;
		}
		length += (size_t)got;
	}
	text[length] = 0;
	close(fd);
	return (ssize_t)length;
}

static int read_sysctl(const char *path)
{
	char text[64];

	if (read_file(path, text, sizeof(text)) <= 0)
		return HW_PROBE_UNREADABLE;
	return atoi(text);
}

static uint64_t effective_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

/* The file marks the level in force: "none [integrity] confidentiality". No file: no lockdown in this kernel.
 */
static enum hw_lockdown lockdown_level(void)
{
	char text[256];

	if (read_file("/sys/kernel/security/lockdown", text, sizeof(text)) <= 0)
		return HW_LOCKDOWN_NONE;
	if (strstr(text, "[confidentiality]"))
		return HW_LOCKDOWN_CONFIDENTIALITY;
	return strstr(text, "[integrity]") ? HW_LOCKDOWN_INTEGRITY : HW_LOCKDOWN_NONE;
}

/* ---- BTF ---- */

static bool function_has(const struct btf *btf, const char *name, uint32_t argument_count)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	const struct btf_type *type;

	if (id < 0)
		return false;
	type = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	return type && btf_is_func_proto(type) && btf_vlen(type) == argument_count;
}

static bool struct_has(const struct btf *btf, const char *name, const char *member_name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	const struct btf_type *type;
	const struct btf_member *member;

	if (id < 0)
		return false;
	type = btf__type_by_id(btf, (uint32_t)id);
	member = btf_members(type);
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const char *text = btf__name_by_offset(btf, member[i].name_off);

		if (text && !strcmp(text, member_name))
			return true;
	}
	return false;
}

int hw_probe_btf(struct hw_probe *probe, const char *path)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct btf *btf;

	errno = 0;
	btf = btf__parse(path, NULL);
	libbpf_set_print(print);
	probe->kfunc = HW_KFUNC_NONE;
	probe->vma_iterator = false;
	probe->btf_error = btf ? 0 : errno ? -errno : -EINVAL;
	if (!btf)
		return probe->btf_error == -ENOMEM ? -ENOMEM : 0;
	if (function_has(btf, "bpf_task_work_schedule_resume", 4))
		probe->kfunc = HW_KFUNC_4;
	else if (function_has(btf, "bpf_task_work_schedule_resume_impl", 5))
		probe->kfunc = HW_KFUNC_5;
	probe->vma_iterator = struct_has(btf, "bpf_iter_task_vma_kern_data", "snapshot");
	btf__free(btf);
	return 0;
}

/* ---- trying ---- */

static int try_map(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "hw_probe", sizeof(uint32_t), sizeof(uint64_t), 1, NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int try_program(void)
{
	const struct bpf_insn instructions[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	int fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "hw_probe", "GPL", instructions, 2, NULL);
	libbpf_set_print(print);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Open, disabled, an event that samples everything on this CPU, as a recording does. */
static int try_event(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = {
	    .type = type,
	    .size = sizeof(attr),
	    .config = config,
	    .sample_period = 10000000,
	    .disabled = 1,
	};
	int cpu = sched_getcpu(), fd;

	fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu < 0 ? 0 : cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* The first symbols may stand at 0 in truth (per-CPU variables), so look at more than one line. */
static bool shows_kernel_addresses(void)
{
	const size_t size = 1 << 18;
	char *text = malloc(size);
	bool shown = false;

	if (!text)
		return false;
	if (read_file("/proc/kallsyms", text, size) > 0)
		for (char *line = text; line && !shown; line = strchr(line, '\n')) {
			line += *line == '\n';
			shown = strtoull(line, NULL, 16) != 0;
		}
	free(text);
	return shown;
}

bool hw_probe_own_pids(void)
{
	const ino_t machines = 0xeffffffc; /* PROC_PID_INIT_INO of linux/proc_ns.h */
	struct stat ours;

	return !stat("/proc/self/ns/pid", &ours) && ours.st_ino != machines;
}

int hw_probe(struct hw_probe *probe)
{
	struct utsname name;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	memset(probe, 0, sizeof(*probe));
	if (!uname(&name)) {
		snprintf(probe->release, sizeof(probe->release), "%s", name.release);
		snprintf(probe->machine, sizeof(probe->machine), "%s", name.machine);
		sscanf(name.release, "%u.%u", &probe->version_major, &probe->version_minor);
	}
	probe->cpu_count = cpus > 0 ? (uint32_t)cpus : 1;
	r = hw_probe_btf(probe, "/sys/kernel/btf/vmlinux");
	if (r)
		return r;
	probe->capabilities = effective_capabilities();
	probe->lockdown = lockdown_level();
	probe->map_error = try_map();
	probe->program_error = try_program();
	probe->perf_event_paranoid = read_sysctl("/proc/sys/kernel/perf_event_paranoid");
	probe->kptr_restrict = read_sysctl("/proc/sys/kernel/kptr_restrict");
	probe->cycles_error = try_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);
	probe->clock_error = try_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);
	probe->own_pids = hw_probe_own_pids();
	probe->kernel_symbols = shows_kernel_addresses();
	probe->debug_files = access("/usr/lib/debug/.build-id", R_OK | X_OK) == 0;
	return 0;
}
