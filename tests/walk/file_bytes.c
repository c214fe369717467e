/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "file_bytes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct file_bytes read_file(const char *path)
{
	struct file_bytes file;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		fail_msg("cannot open %s", path);
	file.size = (size_t)st.st_size;
	file.bytes = malloc(file.size);
	assert_non_null(file.bytes);
	assert_int_equal(read(fd, file.bytes, file.size), file.size);
	close(fd);
	return file;
}

void free_file(struct file_bytes *file)
{
	free(file->bytes);
	memset(file, 0, sizeof(*file));
}

int file_of_bytes(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("bytes", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	return fd;
}

Elf64_Shdr *section_of(const struct file_bytes *file, const char *name)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)file->bytes;
	Elf64_Shdr *sections = (Elf64_Shdr *)(file->bytes + header->e_shoff);
	const char *names = (const char *)file->bytes + sections[header->e_shstrndx].sh_offset;

	for (int i = 0; i < header->e_shnum; i++) {
		if (!strcmp(names + sections[i].sh_name, name))
			return &sections[i];
	}
	fail_msg("no section %s", name);
	return NULL;
}
