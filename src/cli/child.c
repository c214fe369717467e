/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/child.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void run_child(char **command, int go, int result)
{
	char byte;
	int error;

	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (read(go, &byte, 1) != 1)
		_exit(125); /* the recorder gave up before it began */
	signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	error = errno;
	if (write(result, &error, sizeof(error)) < 0)
		_exit(126);
	_exit(error == ENOENT ? 127 : 126);
}

static int cannot_run(struct hw_child *child, int error, struct hw_error *err)
{
	child->failure = error == ENOENT ? 127 : 126;
	return hw_fail(err, -error, "cannot run '%s': %s", child->name,
	               error == ENOENT ? "no such command" : strerror(error));
}

/* 0 or why path cannot be executed. */
static int try_path(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) ? errno : 0;
}

int hw_child_find(struct hw_child *child, char **command, struct hw_error *err)
{
	const char *each = getenv("PATH"), *end;
	char path[PATH_MAX];
	int error = ENOENT, r;

	child->name = command[0];
	if (strchr(command[0], '/')) {
		error = try_path(command[0]);
		return error ? cannot_run(child, error, err) : 0;
	}
	for (; each && *command[0]; each = *end ? end + 1 : NULL) {
		end = strchrnul(each, ':');
		r = snprintf(path, sizeof(path), "%.*s%s%s", (int)(end - each), each, end == each ? "" : "/",
		             command[0]);
		r = r > 0 && (size_t)r < sizeof(path) ? try_path(path) : ENAMETOOLONG;
		if (!r)
			return 0;
		if (r == EACCES)
			error = EACCES;
	}
	return getenv("PATH") ? cannot_run(child, error, err)
	                      : 0; /* else the C library knows where to look */
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
	return cannot_run(child, error, err);
}

/* Is it traced, so that its end is somebody else's to take in? */
static bool is_traced(struct hw_child *child)
{
	int taken_in = child->taken_in && !child->ended
	                   ? child->taken_in(child->context, child->pid, &child->wait_status)
	                   : -1;

	child->ended = child->ended || taken_in == 1;
	return taken_in == 0;
}

bool hw_child_ended(struct hw_child *child)
{
	if (!is_traced(child) && !child->ended &&
	    waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid)
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
	while (is_traced(child) && !nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL))
		;
	if (!child->ended && waitpid(child->pid, &child->wait_status, 0) == child->pid)
		child->ended = true;
	if (!child->ended)
		return 128 + (signal ? signal : SIGINT);
	return WIFEXITED(child->wait_status) ? WEXITSTATUS(child->wait_status)
	                                     : 128 + WTERMSIG(child->wait_status);
}
