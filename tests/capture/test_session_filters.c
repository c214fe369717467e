/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Filters of sessions, and what a viewer with limits may see. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "one_side.h"

/* A user whom nobody else on this machine is. */
static uid_t nobody;

static void become_nobody(void)
{
	if (setresgid(nobody, nobody, nobody) || setresuid(nobody, nobody, nobody))
		_exit(1);
}

static void burn_as_nobody(void)
{
	if (getuid() != nobody) {
		become_nobody();
		prctl(PR_SET_DUMPABLE, 1); /* as after an exec */
	}
	burn();
}

static void burn_undumpable(void)
{
	if (getuid() != nobody)
		become_nobody(); /* which makes it undumpable */
	burn();
}

static void burn_half_nobody(void)
{
	if (geteuid() != nobody) {
		if (setresgid(nobody, nobody, nobody) || setresuid(nobody, nobody, 0))
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1);
	}
	burn();
}

static void a_limited_viewer_sees_only_what_ptrace_would_allow(void **state)
{
	struct child open = child_new(burn_as_nobody), closed = child_new(burn_undumpable),
	             half = child_new(burn_half_nobody), root = child_new(burn);
	struct hw_session_options options = {.event = "cpu-clock",
	                                     .frequency = true,
	                                     .rate = 999,
	                                     .limited = true,
	                                     .viewer_uid = nobody,
	                                     .viewer_gid = nobody};
	unsigned limited = gathered_add(&g, &options, 0), all;
	struct share seen;

	(void)state;
	options.limited = false;
	all = gathered_add(&g, &options, 0);
	child_go(&open);
	child_go(&closed);
	child_go(&half);
	child_go(&root);
	gather_samples(&g, limited, 150);
	/* the others did run, and who may see all saw them */
	gather_samples_of(&g, all, closed.pid, 50);
	gather_samples_of(&g, all, half.pid, 50);
	gather_samples_of(&g, all, root.pid, 50);
	gather_rest(&g, 1ull << limited | 1ull << all);
	seen = share_of(&g, limited, open.pid);
	assert_exact(&seen);
	remove_and_wait(&g, limited);
	remove_and_wait(&g, all);
	child_end(&open);
	child_end(&closed);
	child_end(&half);
	child_end(&root);
}

static void *close_soon(void *unused)
{
	usleep(2000);
	prctl(PR_SET_DUMPABLE, 0);
	return unused;
}

/* While one thread is long in the kernel, another makes the process undumpable. */
static void close_while_reading(void)
{
	pthread_t thread;

	if (getuid() != nobody)
		become_nobody();
	prctl(PR_SET_DUMPABLE, 1);
	if (pthread_create(&thread, NULL, close_soon, NULL))
		_exit(1);
	long_reads();
	pthread_join(thread, NULL);
}

static void what_may_not_be_seen_any_more_comes_without_frames(void **state)
{
	struct child child = child_new(close_while_reading);
	struct hw_session_options options = {.event = "cpu-clock",
	                                     .frequency = true,
	                                     .rate = 9999,
	                                     .limited = true,
	                                     .viewer_uid = nobody,
	                                     .viewer_gid = nobody};
	unsigned limited = gathered_add(&g, &options, 0);
	struct share share;

	(void)state;
	child_go(&child);
	for (int i = 0; i < 1000; i++) {
		gather_for(&g, 200);
		share = share_of(&g, limited, 0);
		if (share.forbidden > 2)
			break;
	}
	gather_rest(&g, 1ull << limited);
	share = share_of(&g, limited, child.pid);
	assert_exact(&share);
	assert_true(share.forbidden > 2);
	assert_int_equal(share.frames_forbidden, 0);
	remove_and_wait(&g, limited);
	child_end(&child);
}

static void a_uid_filter_takes_that_users_tasks_only(void **state)
{
	struct child other = child_new(burn_as_nobody), root = child_new(burn);
	struct hw_session_options options = {
	    .event = "cpu-clock", .frequency = true, .rate = 999, .filter = HW_SESSION_UID, .uid = nobody};
	unsigned bit = gathered_add(&g, &options, 0);
	struct share share;

	(void)state;
	child_go(&other);
	child_go(&root);
	gather_samples(&g, bit, 100);
	gather_rest(&g, 1ull << bit);
	share = share_of(&g, bit, other.pid);
	assert_exact(&share);
	remove_and_wait(&g, bit);
	child_end(&other);
	child_end(&root);
}

static char cgroup[128];

static int find_cgroup(const char *root)
{
	snprintf(cgroup, sizeof(cgroup), "%s/cgroup.procs", root);
	if (access(cgroup, R_OK))
		return -1;
	snprintf(cgroup, sizeof(cgroup), "%s/homeward-test-%d", root, (int)getpid());
	return mkdir(cgroup, 0755);
}

static void burn_in_cgroup(void)
{
	static bool moved;
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/below/cgroup.procs", cgroup);
	file = moved ? NULL : fopen(path, "we");
	if (file) {
		fprintf(file, "%d\n", (int)getpid());
		fclose(file);
	}
	moved = true;
	burn();
}

static void a_cgroup_filter_takes_what_is_in_it_or_below_it_only(void **state)
{
	struct hw_session_options options = {
	    .event = "cpu-clock", .frequency = true, .rate = 999, .filter = HW_SESSION_CGROUP};
	struct child inside, outside;
	struct share share;
	struct stat found;
	char below[192];
	unsigned bit;

	(void)state;
	if (find_cgroup("/sys/fs/cgroup/unified") && find_cgroup("/sys/fs/cgroup"))
		skip();
	snprintf(below, sizeof(below), "%s/below", cgroup);
	assert_int_equal(mkdir(below, 0755), 0);
	assert_int_equal(stat(cgroup, &found), 0);
	options.cgroup = found.st_ino;
	inside = child_new(burn_in_cgroup);
	outside = child_new(burn);
	bit = gathered_add(&g, &options, 0);
	child_go(&inside);
	child_go(&outside);
	gather_samples(&g, bit, 100);
	gather_rest(&g, 1ull << bit);
	share = share_of(&g, bit, inside.pid);
	assert_exact(&share);
	remove_and_wait(&g, bit);
	child_end(&inside);
	child_end(&outside);
	rmdir(below);
	rmdir(cgroup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_limited_viewer_sees_only_what_ptrace_would_allow),
	    TEST(what_may_not_be_seen_any_more_comes_without_frames),
	    TEST(a_uid_filter_takes_that_users_tasks_only),
	    TEST(a_cgroup_filter_takes_what_is_in_it_or_below_it_only),
	};

	need_recording();
	nobody = 100000 + (uid_t)getpid();
	return cmocka_run_group_tests(tests, open_once, close_once);
}
