/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a process that parses files cannot do any more. Each test asks in a child, as there is no way back. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "walk/landlock.h"
#include "walk/sandbox.h"

/* What ask() says in a child without rights. */
static int in_sandbox(int (*ask)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		int pipe_ends[2];

		if (pipe(pipe_ends))
			_exit(255);
		hw_sandbox_drop_rights(pipe_ends[1]);
		_exit(ask());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_a_public_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int make_a_file(void)
{
	return open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int run_a_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int connect_to_a_port(void)
{
	struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(fd, (struct sockaddr *)&loopback, sizeof(loopback)) ? errno : 0;
}

static int signal_the_parent(void)
{
	return kill(getppid(), 0) ? errno : 0;
}

static int gain_rights(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && geteuid() ? 0 : 1;
}

static void need_landlock(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(hw_landlock_forbid_all() ? 1 : 0);
	}
	waitpid(child, &status, 0);
	if (status) {
		printf("the running kernel has no Landlock\n");
		_exit(77);
	}
}

static void no_file_can_be_opened_made_or_executed(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(open_a_public_file), EACCES);
	assert_int_equal(in_sandbox(make_a_file), EACCES);
	assert_int_equal(in_sandbox(run_a_program), EACCES);
}

static void no_port_can_be_reached(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(connect_to_a_port), EACCES);
}

static void no_other_process_can_be_signalled(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(signal_the_parent), EPERM);
}

static void rights_are_gone_for_good(void **state)
{
	(void)state;
	if (geteuid() == 0)
		assert_int_equal(in_sandbox(gain_rights), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_file_can_be_opened_made_or_executed),
	    cmocka_unit_test(no_port_can_be_reached),
	    cmocka_unit_test(no_other_process_can_be_signalled),
	    cmocka_unit_test(rights_are_gone_for_good),
	};

	need_landlock();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
