/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * spawn [SECONDS [WORKERS [fork|exec|vfork]]]: processes that come and go as fast as they can. "fork"
 * children exit at once, "exec" children exec this program with the argument "child", "vfork" does the same
 * without copying page tables first. The workers end with the process that was started: a storm that outlives
 * its recording slows everything that follows.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"
#include "clock.h"

static const char self[] = "/proc/self/exe";

static uint64_t exec_child(uint64_t argument)
{
	execl(self, "spawn-child", "child", (char *)NULL);
	return argument;
}

static int spawn_one(const char *how)
{
	pid_t child = *how == 'v' ? vfork() : fork(); /* NOLINT(clang-analyzer-*): vfork is what is tested */
	int status;

	if (child < 0)
		return -1;
	if (!child) {
		if (*how == 'v')
			execl(self, "spawn-child", "child", (char *)NULL);
		else if (*how == 'e')
			chain_call(10, exec_child, 0);
		_exit(*how == 'f' ? 0 : 127);
	}
	if (waitpid(child, &status, 0) != child || status)
		return -1;
	return 0;
}

static int storm(const struct deadline *deadline, const char *how)
{
	unsigned long count = 0;

	while (!is_over(deadline)) {
		if (spawn_one(how))
			return 1;
		count++;
	}
	printf("spawned %lu\n", count);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct deadline deadline = deadline_after(argument_or(argc, argv, 1, 5));
	unsigned workers = (unsigned)argument_or(argc, argv, 2, 2);
	const char *how = argc > 3 ? argv[3] : "exec";
	int status, failed = 0;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 0;
	if (!strchr("fev", *how) || workers < 1 || workers > 64) {
		fprintf(stderr, "usage: spawn [SECONDS [WORKERS (1 to 64) [fork|exec|vfork]]]\n");
		return 2;
	}
	for (unsigned i = 0; i < workers; i++) {
		pid_t worker = fork();

		if (worker < 0)
			return 1;
		if (!worker) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(storm(&deadline, how));
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed ? 1 : 0;
}
