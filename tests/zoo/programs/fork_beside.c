/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Threads fork all the time, with many mappings, which are locked for writing meanwhile. Beside them another
 * maps the program's own code anew, works in there, and unmaps it: no walk has met that mapping before.
 */
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zoo.h"

#define PAGE     4096
#define MAPPINGS 4000
#define THREADS  3

static void *forks(void *argument)
{
	while (zoo_goes_on()) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		if (child < 0 || waitpid(child, NULL, 0) != child)
			zoo_fail("fork");
	}
	return argument;
}

/* burn() lies within one page: see main. It neither calls nor uses data, so it works anywhere. */
STEP static void work_in_copy(int fd, off_t offset, size_t skip)
{
	static char *next = (char *)0x10000000000; /* each time elsewhere: the same place would be known */
	char *copy = mmap(next, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);

	if (copy == MAP_FAILED)
		zoo_fail("mmap");
	((uint64_t(*)(uint64_t))(uintptr_t)(copy + skip))(3000000);
	munmap(copy, PAGE);
	next += 16 * PAGE;
}

static int file_offset(struct dl_phdr_info *info, size_t size, void *result)
{
	uintptr_t at = (uintptr_t)burn;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_LOAD && at - info->dlpi_addr - header->p_vaddr < header->p_memsz)
			*(off_t *)result = (off_t)(at - info->dlpi_addr - header->p_vaddr + header->p_offset);
	}
	return 1; /* the program itself comes first */
}

int main(int argc, char **argv)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	pthread_t threads[THREADS];
	off_t offset = 0;

	zoo_begin(argc, argv);
	dl_iterate_phdr(file_offset, &offset);
	if (fd < 0 || !offset || offset % PAGE > PAGE - 64)
		zoo_fail("burn is not where it can be mapped");
	for (int i = 0; i < MAPPINGS; i++) /* no two may become one */
		if (mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		         -1, 0) == MAP_FAILED)
			zoo_fail("mmap");
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, forks, NULL))
			zoo_fail("pthread_create");
	while (zoo_goes_on())
		work_in_copy(fd, offset & ~(off_t)(PAGE - 1), (size_t)(offset % PAGE));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
