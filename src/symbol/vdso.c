/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/vdso.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define VDSO_BYTES_MAX (1u << 20)

static size_t mapped_size(uintptr_t start)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t from, to;
	size_t size = 0;
	char line[512];

	while (maps && !size && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2 && from == start)
			size = to - from;
	if (maps)
		fclose(maps);
	return size;
}

int hw_vdso_open(struct hw_elf_file *file)
{
	uintptr_t start = getauxval(AT_SYSINFO_EHDR);
	size_t size = start ? mapped_size(start) : 0;
	uint8_t *image;

	if (!size || size > VDSO_BYTES_MAX)
		return -ENOENT;
	image = malloc(size);
	if (!image)
		return -ENOMEM;
	memcpy(image, (const void *)start, size);
	return hw_elf_file_open_image(file, image, size);
}
