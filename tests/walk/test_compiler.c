/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The compiler process: its tables are those of a direct compile, it has no rights, and it may crash, hang or
 * be killed without harm to anything but the file at hand. Arguments: the library made of endless.S, then
 * those whose unwind information lies elsewhere.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "processes.h"
#include "walk/compiler.h"

static const char *endless;

static const char *const files[] = {"/proc/self/exe", "/lib64/ld-linux-x86-64.so.2",
                                    "/usr/lib/x86_64-linux-gnu/libc.so.6", "/bin/sh"};

static struct hw_compiler *new_compiler(uint32_t time_ms)
{
	struct hw_compiler_options options = {.time_ms = time_ms};
	struct hw_compiler *compiler;
	struct hw_error err;

	if (hw_compiler_new(&options, &compiler, &err))
		fail_msg("%s", err.text);
	return compiler;
}

static void assert_same(const struct hw_table *a, const struct hw_table *b)
{
	assert_int_equal(a->block_count, b->block_count);
	assert_int_equal(a->row_blocks, b->row_blocks);
	assert_int_equal(a->row_count, b->row_count);
	assert_int_equal(a->rule_count, b->rule_count);
	assert_int_equal(a->build_id_size, b->build_id_size);
	assert_memory_equal(a->build_id, b->build_id, sizeof(a->build_id));
	assert_memory_equal(a->words, b->words, (size_t)a->block_count * HW_BLOCK_WORDS * 8);
}

/* Compile by process and directly: the same. */
static void check_file(struct hw_compiler *compiler, const char *path)
{
	struct hw_table direct, table;
	struct hw_error err = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (hw_compiler_table(compiler, fd, &table, &err))
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(hw_table_compile(fd, NULL, &direct, NULL), 0);
	assert_same(&table, &direct);
	hw_table_clear(&table);
	hw_table_clear(&direct);
	close(fd);
}

static char **elsewhere; /* libraries whose unwind information is not in .eh_frame */

static void tables_are_those_of_a_direct_compile(void **state)
{
	struct hw_compiler *compiler = new_compiler(0);

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		check_file(compiler, files[i]);
	for (char **each = elsewhere; *each; each++) /* libdw asks for more of the system there */
		check_file(compiler, *each);
	assert_null(hw_compiler_cache_error(compiler));
	hw_compiler_free(compiler);
}

static void refusals_come_through_with_their_reason(void **state)
{
	struct hw_compiler_options options = {.limits.row_count = 100};
	struct hw_compiler *compiler;
	struct hw_error err = {0};
	struct hw_table table;
	int text = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	int shell = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	int directory = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(hw_compiler_new(&options, &compiler, NULL), 0);
	assert_int_equal(hw_compiler_table(compiler, text, &table, &err), -ENOEXEC);
	assert_string_equal(err.text, "not an ELF file");
	assert_int_equal(hw_compiler_table(compiler, shell, &table, &err), -E2BIG);
	assert_string_equal(err.text, "its unwind table has more rows than the limit");
	assert_int_equal(hw_compiler_table(compiler, shell, &table, NULL), -E2BIG);
	assert_int_equal(hw_compiler_table(compiler, directory, &table, &err), -ENOEXEC);
	assert_int_equal(hw_compiler_table(compiler, -1, &table, &err), -EBADF);
	assert_null(table.words);
	hw_compiler_free(compiler);
	close(text);
	close(shell);
	close(directory);
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* Have the file that never ends compiled, and expect this result. */
static long compile_endless(struct hw_compiler *compiler, int expected, const char *reason)
{
	struct hw_error err = {0};
	struct hw_table table;
	struct timespec start;
	int fd = open(endless, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(hw_compiler_table(compiler, fd, &table, &err), expected);
	if (!strstr(err.text, reason))
		fail_msg("\"%s\" does not say: %s", err.text, reason);
	assert_null(table.words);
	close(fd);
	return ms_since(&start);
}

static void a_file_that_takes_too_long_is_given_up(void **state)
{
	struct hw_compiler *compiler = new_compiler(1500);
	pid_t nursery = child_of(getpid());
	long ms = compile_endless(compiler, -ETIMEDOUT, "longer than 1500 ms");

	(void)state;
	assert_true(ms >= 1500);
	assert_true(ms < 30000); /* without a limit it takes a minute of CPU time */
	assert_int_equal(child_of(nursery), 0);
	check_file(compiler, files[0]);
	assert_int_equal(child_of(getpid()), nursery);
	hw_compiler_free(compiler);
}

#ifdef __SANITIZE_ADDRESS__
#define EXPECTED_FILTER "0"
#else
#define EXPECTED_FILTER "2"
#endif

/* From another thread, once the worker is at work. */
struct killer {
	pid_t nursery;
	bool kill_worker;
	int signal;
	pid_t worker;
	bool had_filter, had_no_new_privs;
	char user[64];
	int files;
};

static void *kill_at_work(void *context)
{
	struct killer *killer = context;

	killer->worker = await_child_of(killer->nursery);
	for (int i = 0; i < 10000 && strcmp(status_line(killer->worker, "Seccomp"), EXPECTED_FILTER); i++)
		usleep(1000);
	usleep(50000);
	killer->had_filter = !strcmp(status_line(killer->worker, "Seccomp"), "2");
	killer->had_no_new_privs = !strcmp(status_line(killer->worker, "NoNewPrivs"), "1");
	killer->files = open_files(killer->worker);
	kill(killer->kill_worker ? killer->worker : killer->nursery, killer->signal);
	return NULL;
}

static void compile_and_kill(struct hw_compiler *compiler, struct killer *killer, const char *reason)
{
	pthread_t thread;

	killer->nursery = child_of(getpid());
	assert_int_not_equal(killer->nursery, 0);
	assert_int_equal(pthread_create(&thread, NULL, kill_at_work, killer), 0);
	compile_endless(compiler, -EPROTO, reason);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(is_gone_soon(killer->worker));
}

static void a_crash_costs_one_file(void **state)
{
	struct hw_compiler *compiler = new_compiler(60000);
	struct killer crash = {.kill_worker = true, .signal = SIGSEGV};
	struct killer killed = {.kill_worker = true, .signal = SIGKILL};

	(void)state;
	compile_and_kill(compiler, &crash, "signal 11 (Segmentation fault)");
	check_file(compiler, files[0]);
	compile_and_kill(compiler, &killed, "signal 9");
	check_file(compiler, files[0]);
	hw_compiler_free(compiler);
}

static void a_file_at_which_no_work_is_done_is_given_up_soon(void **state)
{
	struct hw_compiler *compiler = new_compiler(1000);
	struct killer stopped = {.kill_worker = true, .signal = SIGSTOP};
	pthread_t thread;

	(void)state;
	stopped.nursery = child_of(getpid());
	assert_int_equal(pthread_create(&thread, NULL, kill_at_work, &stopped), 0);
	assert_true(compile_endless(compiler, -ETIMEDOUT, "longer than 1000 ms") < 9000);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(is_gone_soon(stopped.worker));
	hw_compiler_free(compiler);
}

static void a_killed_child_is_started_again(void **state)
{
	struct hw_compiler *compiler = new_compiler(60000);
	struct killer at_work = {.signal = SIGKILL};
	pid_t nursery;

	(void)state;
	compile_and_kill(compiler, &at_work, "killed while at it");
	check_file(compiler, files[0]);
	nursery = child_of(getpid());
	assert_int_not_equal(nursery, at_work.nursery);
	kill(nursery, SIGKILL);
	assert_true(is_gone_soon(nursery));
	check_file(compiler, files[0]);
	assert_int_not_equal(child_of(getpid()), nursery);
	hw_compiler_free(compiler);
}

static void a_stopped_child_does_not_stop_us(void **state)
{
	struct hw_compiler *compiler = new_compiler(300);
	pid_t nursery = child_of(getpid());
	struct hw_error err;
	struct hw_table table;
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	(void)state;
	kill(nursery, SIGSTOP);
	assert_true(hw_compiler_table(compiler, fd, &table, &err) < 0);
	assert_true(is_gone_soon(nursery));
	check_file(compiler, files[0]);
	hw_compiler_free(compiler);
	close(fd);
}

static void the_processes_have_no_rights(void **state)
{
	struct hw_compiler *compiler = new_compiler(60000);
	struct killer killer = {.kill_worker = true, .signal = SIGKILL};
	pid_t nursery = child_of(getpid());

	(void)state;
	check_file(compiler, files[0]);
	assert_string_equal(status_line(nursery, "CapEff"), "0000000000000000");
	assert_string_equal(status_line(nursery, "CapPrm"), "0000000000000000");
	assert_string_equal(status_line(nursery, "CapBnd"),
	                    geteuid() ? status_line(getpid(), "CapBnd") : "0000000000000000");
	assert_string_equal(status_line(nursery, "NoNewPrivs"), "1");
	if (!geteuid()) {
		assert_string_equal(status_line(nursery, "Uid"), "65534\t65534\t65534\t65534");
		assert_string_equal(status_line(nursery, "Gid"), "65534\t65534\t65534\t65534");
		assert_string_equal(status_line(nursery, "Groups"), "");
		assert_int_equal(open_files(nursery), 4);
	}
	compile_and_kill(compiler, &killer, "signal 9");
	assert_true(killer.had_no_new_privs);
#ifndef __SANITIZE_ADDRESS__
	assert_true(killer.had_filter);
#endif
	if (!geteuid())
		assert_int_equal(killer.files, 5); /* three of /dev/null, the file, the channel */
	hw_compiler_free(compiler);
}

static void nothing_is_left_behind(void **state)
{
	struct hw_compiler *compiler = new_compiler(0);
	pid_t nursery = child_of(getpid());
	int before = open_files(getpid());

	(void)state;
	for (int i = 0; i < 20; i++)
		check_file(compiler, files[0]);
	assert_int_equal(open_files(getpid()), before);
	assert_int_equal(child_of(nursery), 0);
	hw_compiler_free(compiler);
	hw_compiler_free(NULL);
	assert_int_equal(kill(nursery, 0), -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* A process with a compiler at work on the endless file dies; so must the compiler's processes. */
static void the_processes_die_with_their_owner(void **state)
{
	struct hw_compiler_options options = {.time_ms = 60000};
	struct hw_compiler *compiler;
	struct hw_table table;
	pid_t owner = fork(), nursery, worker;

	(void)state;
	if (!owner) {
		int fd = open(endless, O_RDONLY | O_CLOEXEC);

		if (!hw_compiler_new(&options, &compiler, NULL))
			hw_compiler_table(compiler, fd, &table, NULL);
		_exit(1);
	}
	nursery = await_child_of(owner);
	assert_int_not_equal(nursery, 0);
	worker = await_child_of(nursery);
	assert_int_not_equal(worker, 0);
	kill(owner, SIGKILL);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	assert_true(is_gone_soon(nursery));
	assert_true(is_gone_soon(worker));
}

static void an_owner_that_ignores_its_children_does_no_harm(void **state)
{
	struct hw_compiler *compiler;
	void (*old)(int) = signal(SIGCHLD, SIG_IGN);

	(void)state;
	compiler = new_compiler(0);
	check_file(compiler, files[0]);
	hw_compiler_free(compiler);
	signal(SIGCHLD, old);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_are_those_of_a_direct_compile),
	    cmocka_unit_test(refusals_come_through_with_their_reason),
	    cmocka_unit_test(a_file_that_takes_too_long_is_given_up),
	    cmocka_unit_test(a_crash_costs_one_file),
	    cmocka_unit_test(a_file_at_which_no_work_is_done_is_given_up_soon),
	    cmocka_unit_test(a_killed_child_is_started_again),
	    cmocka_unit_test(a_stopped_child_does_not_stop_us),
	    cmocka_unit_test(the_processes_have_no_rights),
	    cmocka_unit_test(nothing_is_left_behind),
	    cmocka_unit_test(the_processes_die_with_their_owner),
	    cmocka_unit_test(an_owner_that_ignores_its_children_does_no_harm),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: %s LIBENDLESS [LIBRARY…]\n", argv[0]);
		return 2;
	}
	endless = argv[1];
	elsewhere = argv + 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
