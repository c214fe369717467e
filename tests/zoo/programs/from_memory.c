/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* from_memory PROGRAM ARGUMENT...: run a copy of PROGRAM that stands in a memfd only. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zoo.h"

extern char **environ;

int main(int argc, char **argv)
{
	int from = argc > 1 ? open(argv[1], O_RDONLY) : -1, to = memfd_create("zoo", MFD_CLOEXEC);
	struct stat st;
	off_t at = 0;

	if (from < 0 || to < 0 || fstat(from, &st))
		zoo_fail("from_memory");
	while (at < st.st_size)
		if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
			zoo_fail("sendfile");
	fexecve(to, argv + 1, environ);
	zoo_fail("fexecve");
}
