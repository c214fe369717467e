/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/table_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* To be raised whenever rows, rules or what they are compiled to mean something else. */
#define FORMAT 3u

static const char magic[8] = {'h', 'w', 't', 'a', 'b', 'l', 'e', '\n'};

struct header {
	char magic[8];
	uint32_t format;
	uint32_t row_count, rule_count;
	uint32_t row_blocks, block_count;
	uint32_t zero;
	struct hw_table_identity identity;
	uint64_t checksum; /* XXH3 of the words, seeded with that of the header up to here */
};

static uint64_t checksum(const struct header *header, const uint64_t *words, size_t size)
{
	return XXH3_64bits_withSeed(words, size, XXH3_64bits(header, offsetof(struct header, checksum)));
}

static int write_all(int fd, const void *from, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = write(fd, (const uint8_t *)from + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *to, size_t size, off_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(fd, (uint8_t *)to + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EINVAL;
		done += (size_t)n;
	}
	return 0;
}

int hw_table_write(int fd, const struct hw_table *table, const struct hw_table_identity *identity)
{
	size_t size = (size_t)table->block_count * HW_BLOCK_WORDS * sizeof(uint64_t);
	struct header header;
	int r;

	memset(&header, 0, sizeof(header));
	memcpy(header.magic, magic, sizeof(magic));
	header.format = FORMAT;
	header.row_count = table->row_count;
	header.rule_count = table->rule_count;
	header.row_blocks = table->row_blocks;
	header.block_count = table->block_count;
	header.identity = *identity;
	header.checksum = checksum(&header, table->words, size);
	r = write_all(fd, &header, sizeof(header));
	return r ? r : write_all(fd, table->words, size);
}

/* The header's own claims: enough to know how much to read. */
static bool is_credible(const struct header *header, const struct hw_table_identity *identity,
                        uint32_t row_count_max, off_t file_size)
{
	uint64_t blocks_max = row_count_max / HW_BLOCK_WORDS + 1 + HW_RULES_MAX / HW_BLOCK_WORDS;

	return !memcmp(header->magic, magic, sizeof(magic)) && header->format == FORMAT && !header->zero &&
	       !memcmp(&header->identity, identity, sizeof(*identity)) &&
	       header->row_count <= row_count_max && header->block_count <= blocks_max &&
	       (uint64_t)file_size == sizeof(*header) + header->block_count * (uint64_t)HW_BLOCK_WORDS * 8;
}

int hw_table_read(int fd, const struct hw_table_identity *identity, uint32_t row_count_max,
                  struct hw_table *table)
{
	struct header header;
	struct stat st;
	size_t size;
	int r;

	memset(table, 0, sizeof(*table));
	if (fstat(fd, &st))
		return -errno;
	r = read_all(fd, &header, sizeof(header), 0);
	if (r)
		return r;
	if (!is_credible(&header, identity, row_count_max, st.st_size))
		return -EINVAL;
	size = (size_t)header.block_count * HW_BLOCK_WORDS * sizeof(uint64_t);
	table->words = malloc(size ? size : 1);
	if (!table->words)
		return -ENOMEM;
	table->block_count = header.block_count;
	table->row_blocks = header.row_blocks;
	table->row_count = header.row_count;
	table->rule_count = header.rule_count;
	table->build_id_size = identity->build_id_size;
	memcpy(table->build_id, identity->build_id, sizeof(table->build_id));
	r = read_all(fd, table->words, size, sizeof(header));
	if (!r && (header.checksum != checksum(&header, table->words, size) || !hw_table_is_sound(table)))
		r = -EINVAL;
	if (r)
		hw_table_clear(table);
	return r;
}
