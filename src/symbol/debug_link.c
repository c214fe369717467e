/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/debug_link.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "symbol/regular_file.h"

#define LINK_BYTES_MAX    4096
#define CHECKED_BYTES_MAX (1ull << 30) /* a larger file is not read for its checksum */
#define CHUNK_BYTES       (256u << 10)

struct link {
	char name[LINK_BYTES_MAX];
	uint32_t checksum;
};

static int read_link(const struct hw_elf_file *program, struct link *link)
{
	GElf_Shdr header;
	size_t length, at;
	char *content;
	int r = hw_elf_file_find(program, ".gnu_debuglink", &header);

	if (!r)
		r = hw_elf_file_read_section(program, &header, LINK_BYTES_MAX, &content);
	if (r)
		return r;
	length = strnlen(content, header.sh_size);
	at = (length + 4) / 4 * 4;
	r = -EINVAL;
	/* A name, no path: the directories are ours to choose. */
	if (length && at + 4 <= header.sh_size && !memchr(content, '/', length)) {
		memcpy(link->name, content, length);
		link->name[length] = '\0';
		memcpy(&link->checksum, content + at, 4);
		r = 0;
	}
	free(content);
	return r;
}

static bool has_checksum(const struct hw_elf_file *file, uint32_t checksum)
{
	uint8_t *chunk = file->size <= CHECKED_BYTES_MAX ? malloc(CHUNK_BYTES) : NULL;
	uLong sum = crc32(0, NULL, 0);
	bool read = chunk != NULL;

	for (uint64_t at = 0; read && at < file->size; at += CHUNK_BYTES) {
		size_t size = file->size - at < CHUNK_BYTES ? (size_t)(file->size - at) : CHUNK_BYTES;

		read = !hw_elf_file_read(file, at, chunk, size);
		if (read)
			sum = crc32(sum, chunk, (uInt)size);
	}
	free(chunk);
	return read && sum == checksum;
}

static int try_file(const struct hw_elf_file *program, const struct link *link, const char *root,
                    const char *path, struct hw_elf_file *debug)
{
	struct stat st;
	int fd = hw_open_regular(root, path, &st);
	bool same;

	if (fd < 0 || hw_elf_file_open(debug, fd))
		return -ENOENT;
	if (program->build_id_size && debug->build_id_size)
		same = program->build_id_size == debug->build_id_size &&
		       !memcmp(program->build_id, debug->build_id, program->build_id_size);
	else
		same = has_checksum(debug, link->checksum);
	if (same)
		return 0;
	hw_elf_file_close(debug);
	return -ENOENT;
}

int hw_debug_link_open(const struct hw_elf_file *program, const char *root, const char *path,
                       const char *directories, struct hw_elf_file *debug)
{
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) : 0;
	char candidate[2 * PATH_MAX];
	struct link link;

	if (!slash || slash - path >= PATH_MAX || read_link(program, &link))
		return -ENOENT;
	snprintf(candidate, sizeof(candidate), "%.*s/%s", length, path, link.name);
	if (strcmp(candidate, path) != 0 && !try_file(program, &link, root, candidate, debug))
		return 0;
	snprintf(candidate, sizeof(candidate), "%.*s/.debug/%s", length, path, link.name);
	if (!try_file(program, &link, root, candidate, debug))
		return 0;
	while (*directories) {
		int size = (int)strcspn(directories, ":");

		if ((size_t)snprintf(candidate, sizeof(candidate), "%.*s%.*s/%s", size, directories, length,
		                     path, link.name) < sizeof(candidate) &&
		    !try_file(program, &link, root, candidate, debug))
			return 0;
		directories += size + (directories[size] == ':');
	}
	return -ENOENT;
}
