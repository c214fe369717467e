/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/child.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_child(char **command, int go, int result)
{
	char byte;
	int error;

	if (read(go, &byte, 1) != 1)
		_exit(125); /* the recorder gave up before it began */
	signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	error = errno;
	if (write(result, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(error == ENOENT ? 127 : 126);
}

int hw_child_prepare(struct hw_child *child, char **command, struct hw_error *err)
{
	int go[2], result[2];

	child->go = child->result = -1;
	child->name = command[0];
	if (pipe2(go, O_CLOEXEC))
		return hw_fail(err, -errno, "cannot make a pipe: %s", strerror(errno));
	if (pipe2(result, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return hw_fail(err, -errno, "cannot make a pipe: %s", strerror(errno));
	}
	child->pid = fork();
	if (!child->pid) {
		close(go[1]);
		run_child(command, go[0], result[1]);
	}
	close(go[0]);
	close(result[1]);
	child->go = go[1];
	child->result = result[0];
	return child->pid < 0 ? hw_fail(err, -errno, "cannot fork: %s", strerror(errno)) : 0;
}

int hw_child_start(struct hw_child *child, struct hw_error *err)
{
	int error = 0;

	if (write(child->go, "", 1) != 1)
		return hw_fail(err, -errno, "cannot start the command: %s", strerror(errno));
	close(child->go);
	child->go = -1;
	if (read(child->result, &error, sizeof(error)) != sizeof(error))
		return 0; /* exec closed it: the command runs */
	child->failure = error == ENOENT ? 127 : 126;
	return hw_fail(err, -error, "cannot run %s: %s", child->name,
	               error == ENOENT ? "no such command" : strerror(error));
}

bool hw_child_ended(struct hw_child *child)
{
	if (!child->ended && waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid)
		child->ended = true;
	return child->ended;
}

int hw_child_finish(struct hw_child *child, int signal)
{
	if (child->go >= 0)
		close(child->go);
	if (child->result >= 0)
		close(child->result);
	if (!child->ended && signal)
		kill(child->pid, signal);
	if (!child->ended && waitpid(child->pid, &child->wait_status, 0) == child->pid)
		child->ended = true;
	return WIFEXITED(child->wait_status) ? WEXITSTATUS(child->wait_status)
	                                     : 128 + WTERMSIG(child->wait_status);
}
