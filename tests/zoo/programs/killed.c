/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Tasks that are killed in the middle of a long stay in the kernel: they come home only to die. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zoo.h"

#define BYTES (64u << 20)

STEP static void read_long(int fd, char *buffer)
{
	while (read(fd, buffer, BYTES) > 0)
		STAY;
}

int main(int argc, char **argv)
{
	char *buffer = malloc(BYTES);
	int fd = open("/dev/zero", O_RDONLY), status;
	unsigned long count = 0;

	zoo_begin(argc, argv);
	while (zoo_goes_on()) {
		pid_t child = fork();

		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* it would read for ever */
			read_long(fd, buffer);
			_exit(0);
		}
		usleep(30000);
		kill(child, SIGKILL);
		if (waitpid(child, &status, 0) != child)
			zoo_fail("waitpid");
		count++;
	}
	printf("killed %lu\n", count);
	return 0;
}
