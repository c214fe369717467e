/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * An ELF file that somebody else made: opened by libelf, never mapped (its owner may truncate it at any
 * time), its sections read by pread, with every size checked and bounded before it is used.
 */
#ifndef HW_SYMBOL_ELF_FILE_H
#define HW_SYMBOL_ELF_FILE_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HW_ELF_LOADS_MAX 64

struct hw_elf_load { /* a PT_LOAD segment; bytes */
	uint64_t offset, size, address, memory_size;
	bool executable;
};

struct hw_elf_file {
	Elf *elf;
	int fd; /* -1: an image in memory */
	uint8_t *image;
	uint64_t size;        /* bytes */
	size_t section_names; /* index of their string table; 0: sections have no names */
	uint8_t build_id[20];
	uint8_t build_id_size; /* 0: none */
	bool is_64;
	uint16_t machine; /* EM_… */
	struct hw_elf_load loads[HW_ELF_LOADS_MAX];
	size_t load_count;
};

/* Both take over what they are given, also when they fail. 0, -ENOEXEC, -ENOMEM or another -errno. */
int hw_elf_file_open(struct hw_elf_file *file, int fd);
int hw_elf_file_open_image(struct hw_elf_file *file, void *image, size_t size);
void hw_elf_file_close(struct hw_elf_file *file);

/* All size bytes at offset, or -EINVAL, or -errno. */
int hw_elf_file_read(const struct hw_elf_file *file, uint64_t offset, void *buffer, size_t size);
/*
 * The content of a section, with room for one byte more; the caller frees it. -EINVAL: not in the file;
 * -E2BIG: larger than size_max.
 */
int hw_elf_file_read_section(const struct hw_elf_file *file, const GElf_Shdr *header, size_t size_max,
                             char **content);
/* The header of a section that is in the file (not SHT_NOBITS), by number or by name. 0 or -ENOENT. */
int hw_elf_file_section(const struct hw_elf_file *file, size_t index, GElf_Shdr *header);
int hw_elf_file_find(const struct hw_elf_file *file, const char *name, GElf_Shdr *header);
/* Whether the section's name is this. */
int hw_elf_file_is_named(const struct hw_elf_file *file, const GElf_Shdr *header, const char *name);

/* The virtual address of what stands at an offset of the file. 0 or -ENOENT. */
int hw_elf_file_address(const struct hw_elf_file *file, uint64_t offset, uint64_t *address);

#endif
