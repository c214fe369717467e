/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What belongs to this boot and to living processes: kernel symbols, the vDSO, perf maps. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_recording.h"
#include "symbol/kernel.h"

#define CODE 0x10000000ull

static const char *name_at(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t address, bool kernel)
{
	uint32_t id = hw_symbolizer_frame(symbolizer, pid, address, kernel);
	const char *name = hw_symbolizer_frame_by_id(symbolizer, id)->function;

	return name ? name : "";
}

/* ---- the kernel ---- */

static struct hw_process_event kernel_map(uint64_t start)
{
	return (struct hw_process_event){.type = HW_PROCESS_MMAP,
	                                 .pid = (uint32_t)-1,
	                                 .kernel = true,
	                                 .start = start,
	                                 .length = 1u << 20,
	                                 .name = "[kernel.kallsyms]_text"};
}

static void kernel_symbols_are_used_for_this_kernel_only(void **state)
{
	struct hw_kernel kernel = {.text = 0xffffffff81000000, .text_end = 0xffffffff82000000};
	struct hw_process_event map = kernel_map(0xffffffff81000000);
	struct hw_recording *recording = NULL; /* there is only one */
	uint64_t moved_by;

	(void)state;
	fake_reset();
	assert_int_equal(hw_kernel_match(&kernel, recording, &moved_by), HW_KERNEL_UNKNOWN);
	fake_event(map);
	assert_int_equal(hw_kernel_match(&kernel, recording, &moved_by), HW_KERNEL_SAME);
	fake_info()->os_release = "2.4.18-newpmac";
	assert_int_equal(hw_kernel_match(&kernel, recording, &moved_by), HW_KERNEL_OTHER);

	fake_reset(); /* moved, and no build ID: it could be any */
	map.start = 0xffffffff91000000;
	fake_event(map);
	assert_int_equal(hw_kernel_match(&kernel, recording, &moved_by), HW_KERNEL_OTHER);

	fake_reset(); /* moved, but built alike */
	map.build_id_size = (uint8_t)hw_kernel_build_id(map.build_id);
	assert_true(map.build_id_size > 0);
	fake_event(map);
	assert_int_equal(hw_kernel_match(&kernel, recording, &moved_by), HW_KERNEL_MOVED);
	assert_true(map.start + moved_by == kernel.text);

	fake_reset(); /* at the same place, but another build */
	map.start = kernel.text;
	map.build_id[7] ^= 1;
	fake_event(map);
	assert_int_equal(hw_kernel_match(&kernel, recording, &moved_by), HW_KERNEL_OTHER);
}

static uint64_t kernel_address(const char *wanted)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long long address = 0;
	char line[512], name[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %*c %255s", &address, name) == 2 && !strcmp(name, wanted))
			break;
	if (file)
		fclose(file);
	return address;
}

static void kernel_functions_of_another_boot_are_named_where_they_were(void **state)
{
	uint64_t text = kernel_address("_text"), function = kernel_address("schedule");
	struct hw_process_event map = kernel_map(text - 0x3000000);
	struct hw_symbolizer *symbolizer;
	struct hw_gap gaps[HW_GAP_COUNT];

	(void)state;
	if (!text)
		skip();
	fake_reset();
	map.build_id_size = (uint8_t)hw_kernel_build_id(map.build_id);
	fake_event(map);
	symbolizer = fake_symbolizer(NULL);
	assert_string_equal(name_at(symbolizer, 1, function - 0x3000000 + 1, true), "schedule");
	hw_symbolizer_free(symbolizer);

	fake_reset();
	map.build_id[0] ^= 1;
	fake_event(map);
	symbolizer = fake_symbolizer(NULL);
	assert_string_equal(name_at(symbolizer, 1, function + 1, true), "");
	assert_int_equal(hw_symbolizer_gaps(symbolizer, gaps), 1);
	assert_non_null(strstr(gaps[0].words, "another kernel"));
	hw_symbolizer_free(symbolizer);
}

static void a_copy_of_kallsyms_can_be_given(void **state)
{
	struct hw_symbolizer_options options = {.kallsyms = "kallsyms"};
	struct hw_symbolizer *symbolizer;
	FILE *file = fopen("kallsyms", "w");
	uint32_t id;

	(void)state;
	fputs("ffffffff81000000 T _text\nffffffff81000400 T do_it\nffffffff82000000 T _etext\n"
	      "ffffffffc0000000 t in_module\t[mod]\n",
	      file);
	fclose(file);
	fake_reset();
	fake_info()->os_release = "2.4.18-newpmac";
	fake_event(kernel_map(0xffffffff81000000));
	symbolizer = fake_symbolizer(&options);
	assert_string_equal(name_at(symbolizer, 1, 0xffffffff81000401, true), "do_it");
	id = hw_symbolizer_frame(symbolizer, 1, 0xffffffffc0000010, true);
	assert_string_equal(hw_symbolizer_frame_by_id(symbolizer, id)->file, "[mod]");
	hw_symbolizer_free(symbolizer);
	unlink("kallsyms");
}

static void a_bpf_program_of_the_recording_is_named(void **state)
{
	struct hw_process_event program = kernel_map(0xffffffffc7000000);
	struct hw_symbolizer *symbolizer;
	uint32_t id;

	(void)state;
	program.length = 0x100;
	program.name = "bpf_prog_0123456789abcdef_walk";
	fake_reset();
	fake_event(program);
	symbolizer = fake_symbolizer(NULL);
	id = hw_symbolizer_frame(symbolizer, 1, 0xffffffffc70000ff, true);
	assert_string_equal(hw_symbolizer_frame_by_id(symbolizer, id)->function, program.name);
	assert_string_equal(hw_symbolizer_frame_by_id(symbolizer, id)->file, "[bpf]");
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc7000100, true), "");
	hw_symbolizer_free(symbolizer);
}

static void bpf_programs_are_named_by_the_recording_not_by_what_is_there_now_or_was_before(void **state)
{
	struct hw_symbolizer_options options = {.kallsyms = "kallsyms"};
	struct hw_process_event program = kernel_map(0xffffffffc0202000);
	struct hw_symbolizer *symbolizer;
	FILE *file = fopen("kallsyms", "w");

	(void)state;
	fputs("ffffffff81000000 T _text\nffffffff82000000 T _etext\n"
	      "ffffffffc0201000 t ftrace_trampoline\t[__builtin__ftrace]\n"
	      "ffffffffc0201f00 t in_module\t[mod]\n"
	      "ffffffffc0210000 t bpf_prog_now\t[bpf]\n",
	      file);
	fclose(file);
	fake_reset();
	program.length = 0x100;
	program.name = "bpf_prog_first";
	program.time_ns = fake_time(10);
	fake_event(program);
	program.start += 0x40;
	program.name = "bpf_prog_second";
	program.time_ns = fake_time(20);
	fake_event(program);
	symbolizer = fake_symbolizer(&options);
	hw_symbolizer_advance(symbolizer, fake_time(15));
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc0202050, true), "bpf_prog_first");
	hw_symbolizer_advance(symbolizer, fake_time(25));
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc0202050, true), "bpf_prog_second");
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc0202010, true), "bpf_prog_first");
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc0201010, true), "");
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc0201f10, true), "in_module");
	assert_string_equal(name_at(symbolizer, 1, 0xffffffffc0210010, true), "");
	hw_symbolizer_free(symbolizer);
	unlink("kallsyms");
}

/* ---- the vDSO ---- */

static void the_vdso_is_named_by_this_machines_own(void **state)
{
	struct hw_process_event map = {
	    .type = HW_PROCESS_MMAP, .pid = 1, .tid = 1, .start = CODE, .length = 0x4000, .name = "[vdso]"};
	struct hw_symbolizer *symbolizer;
	bool found = false;

	(void)state;
	if (!getauxval(AT_SYSINFO_EHDR))
		skip();
	fake_reset();
	fake_event(map);
	symbolizer = fake_symbolizer(NULL);
	for (uint64_t at = 0; at < map.length; at += 16)
		found |= strstr(name_at(symbolizer, 1, CODE + at, false), "clock_gettime") != NULL;
	assert_true(found);
	hw_symbolizer_free(symbolizer);

	fake_reset(); /* of another kernel */
	map.build_id_size = 20;
	fake_event(map);
	symbolizer = fake_symbolizer(NULL);
	for (uint64_t at = 0; at < map.length; at += 16)
		assert_string_equal(name_at(symbolizer, 1, CODE + at, false), "");
	hw_symbolizer_free(symbolizer);
}

/* ---- perf maps ---- */

static const char *write_map(unsigned pid, const char *text)
{
	static char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", pid);
	file = fopen(path, "w");
	if (!file)
		return NULL;
	fputs(text, file);
	fclose(file);
	return path;
}

static struct hw_symbolizer *jit_symbolizer(pid_t pid)
{
	struct hw_process_event map = {.type = HW_PROCESS_MMAP,
	                               .pid = (uint32_t)pid,
	                               .tid = (uint32_t)pid,
	                               .start = CODE,
	                               .length = 0x10000,
	                               .name = "//anon"};

	fake_reset();
	fake_event(map);
	return fake_symbolizer(NULL);
}

/* A process that waits to be killed, after prepare. */
static pid_t start_process(int (*prepare)(void))
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = (char)prepare();
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(byte, 1);
	return pid;
}

static int become_nobody(void)
{
	return !setresuid(65534, 65534, 65534) &&
	       !prctl(PR_SET_PDEATHSIG, SIGKILL); /* it was forgotten with the rights */
}

static void a_perf_map_must_belong_to_its_process(void **state)
{
	struct hw_symbolizer *symbolizer;
	const char *path;
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	pid = start_process(become_nobody);
	path = write_map((unsigned)pid, "10000000 100 jitted\n");
	assert_int_equal(chown(path, 65534, 65534), 0);
	symbolizer = jit_symbolizer(pid);
	assert_string_equal(name_at(symbolizer, (uint32_t)pid, CODE + 1, false), "jitted");
	hw_symbolizer_free(symbolizer);
	assert_int_equal(chown(path, 1, 1), 0); /* anybody's */
	symbolizer = jit_symbolizer(pid);
	assert_string_equal(name_at(symbolizer, (uint32_t)pid, CODE + 1, false), "");
	hw_symbolizer_free(symbolizer);
	unlink(path);
	assert_int_equal(mkfifo(path, 0666), 0);
	symbolizer = jit_symbolizer(pid);
	assert_string_equal(name_at(symbolizer, (uint32_t)pid, CODE + 1, false), "");
	hw_symbolizer_free(symbolizer);
	unlink(path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int enter_container(void)
{
	static pid_t inside;
	int ready[2];
	char byte = 0;

	if (pipe(ready) || unshare(CLONE_NEWNS | CLONE_NEWPID) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/tmp", "tmpfs", 0, NULL))
		return 0;
	inside = fork();
	if (!inside) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		byte = getpid() == 1 && write_map(1, "10000000 100 contained\n");
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	return read(ready[0], &byte, 1) == 1 && byte == 1;
}

static pid_t child_of(pid_t pid)
{
	char path[64];
	FILE *file;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%d", &child) != 1)
		child = 0;
	if (file)
		fclose(file);
	return child;
}

static void a_containers_perf_map_is_read_through_its_root(void **state)
{
	struct hw_symbolizer *symbolizer;
	pid_t pid, inside;

	(void)state;
	if (geteuid())
		skip();
	pid = start_process(enter_container);
	inside = child_of(pid);
	assert_true(inside > 0);
	symbolizer = jit_symbolizer(inside);
	assert_string_equal(name_at(symbolizer, (uint32_t)inside, CODE + 1, false), "contained");
	hw_symbolizer_free(symbolizer);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_perf_map_of_another_machine_is_not_used(void **state)
{
	struct hw_symbolizer *symbolizer;
	const char *path = write_map((unsigned)getpid(), "10000000 100 mine\n");

	(void)state;
	symbolizer = jit_symbolizer(getpid());
	assert_string_equal(name_at(symbolizer, (uint32_t)getpid(), CODE + 1, false), "mine");
	hw_symbolizer_free(symbolizer);
	symbolizer = jit_symbolizer(getpid());
	hw_symbolizer_free(symbolizer);
	fake_info()->hostname = "elsewhere";
	symbolizer = fake_symbolizer(NULL);
	assert_string_equal(name_at(symbolizer, (uint32_t)getpid(), CODE + 1, false), "");
	hw_symbolizer_free(symbolizer);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kernel_symbols_are_used_for_this_kernel_only),
	    cmocka_unit_test(kernel_functions_of_another_boot_are_named_where_they_were),
	    cmocka_unit_test(a_copy_of_kallsyms_can_be_given),
	    cmocka_unit_test(a_bpf_program_of_the_recording_is_named),
	    cmocka_unit_test(bpf_programs_are_named_by_the_recording_not_by_what_is_there_now_or_was_before),
	    cmocka_unit_test(the_vdso_is_named_by_this_machines_own),
	    cmocka_unit_test(a_perf_map_must_belong_to_its_process),
	    cmocka_unit_test(a_containers_perf_map_is_read_through_its_root),
	    cmocka_unit_test(a_perf_map_of_another_machine_is_not_used),
	};
	char directory[] = "/tmp/homeward-moments-XXXXXX";
	int failed;

	if (!mkdtemp(directory) || chdir(directory))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return rmdir(directory) || failed;
}
