/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/elf_file.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTIONS_MAX    (1u << 17)
#define NOTES_BYTES_MAX (64u << 10)
#define OWN_DATA        (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

int hw_elf_file_read(const struct hw_elf_file *file, uint64_t offset, void *buffer, size_t size)
{
	size_t done = 0;

	if (offset > file->size || size > file->size - offset)
		return -EINVAL;
	if (file->fd < 0) {
		memcpy(buffer, file->image + offset, size);
		return 0;
	}
	while (done < size) {
		ssize_t r = pread(file->fd, (char *)buffer + done, size - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) /* truncated since it was opened */
			return r ? -errno : -EINVAL;
		done += (size_t)r;
	}
	return 0;
}

/* How many sections and segments the file says it has: libelf makes room for all of them at once. */
static uint64_t header_count(const struct hw_elf_file *file, bool is_64)
{
	uint64_t sections, segments;
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;
	Elf64_Shdr s64;
	Elf32_Shdr s32;

	if (is_64) {
		if (hw_elf_file_read(file, 0, &e64, sizeof(e64)))
			return UINT64_MAX;
		sections = e64.e_shnum;
		segments = e64.e_phnum;
		if (!sections && e64.e_shoff && !hw_elf_file_read(file, e64.e_shoff, &s64, sizeof(s64)))
			sections = s64.sh_size;
	} else {
		if (hw_elf_file_read(file, 0, &e32, sizeof(e32)))
			return UINT64_MAX;
		sections = e32.e_shnum;
		segments = e32.e_phnum;
		if (!sections && e32.e_shoff && !hw_elf_file_read(file, e32.e_shoff, &s32, sizeof(s32)))
			sections = s32.sh_size;
	}
	/* PN_XNUM: the number stands elsewhere, and is larger than any that is of use */
	return segments >= PN_XNUM ? UINT64_MAX : sections;
}

static bool take_build_id(struct hw_elf_file *file, uint64_t offset, uint64_t size, uint64_t align)
{
	Elf_Data *data;
	size_t at = 0, next, name, description;
	GElf_Nhdr note;

	if (size > NOTES_BYTES_MAX)
		size = NOTES_BYTES_MAX;
	if (offset > file->size || size > file->size - offset)
		return false;
	data = elf_getdata_rawchunk(file->elf, (int64_t)offset, size, align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
	while (data && (next = gelf_getnote(data, at, &note, &name, &description))) {
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz &&
		    note.n_descsz <= sizeof(file->build_id) &&
		    !memcmp((char *)data->d_buf + name, "GNU", 4)) {
			memcpy(file->build_id, (char *)data->d_buf + description, note.n_descsz);
			file->build_id_size = (uint8_t)note.n_descsz;
			return true;
		}
		at = next;
	}
	return false;
}

static void read_segments(struct hw_elf_file *file)
{
	GElf_Phdr header;
	size_t count;

	if (elf_getphdrnum(file->elf, &count))
		return;
	for (size_t i = 0; i < count && i < PN_XNUM && gelf_getphdr(file->elf, (int)i, &header); i++) {
		struct hw_elf_load *load = &file->loads[file->load_count];

		if (header.p_type == PT_NOTE && !file->build_id_size)
			take_build_id(file, header.p_offset, header.p_filesz, header.p_align);
		if (header.p_type != PT_LOAD || file->load_count == HW_ELF_LOADS_MAX)
			continue;
		*load = (struct hw_elf_load){.offset = header.p_offset,
		                             .size = header.p_filesz,
		                             .address = header.p_vaddr,
		                             .memory_size = header.p_memsz,
		                             .executable = header.p_flags & PF_X};
		file->load_count++;
	}
}

/* In its notes' segment, or, where there is none or it is cut off (debug files), in a section. */
static void read_build_id(struct hw_elf_file *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while (!file->build_id_size && (section = elf_nextscn(file->elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOTE)
			take_build_id(file, header.sh_offset, header.sh_size, header.sh_addralign);
}

static int start(struct hw_elf_file *file)
{
	uint8_t ident[EI_NIDENT];
	GElf_Ehdr header;

	if (hw_elf_file_read(file, 0, ident, sizeof(ident)) || memcmp(ident, ELFMAG, SELFMAG) != 0 ||
	    ident[EI_DATA] != OWN_DATA || (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32))
		return -ENOEXEC;
	file->is_64 = ident[EI_CLASS] == ELFCLASS64;
	if (header_count(file, file->is_64) > SECTIONS_MAX)
		return -ENOEXEC;
	elf_version(EV_CURRENT);
	file->elf = file->fd >= 0 ? elf_begin(file->fd, ELF_C_READ, NULL)
	                          : elf_memory((char *)file->image, file->size);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF || !gelf_getehdr(file->elf, &header))
		return -ENOEXEC;
	if (elf_getshdrstrndx(file->elf, &file->section_names))
		file->section_names = 0;
	file->machine = header.e_machine;
	read_segments(file);
	read_build_id(file);
	return 0;
}

int hw_elf_file_open(struct hw_elf_file *file, int fd)
{
	struct stat st;
	int r;

	*file = (struct hw_elf_file){.fd = fd};
	if (fstat(fd, &st))
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < 0)
		r = -ENOEXEC;
	else {
		file->size = (uint64_t)st.st_size;
		r = start(file);
	}
	if (r)
		hw_elf_file_close(file);
	return r;
}

int hw_elf_file_open_image(struct hw_elf_file *file, void *image, size_t size)
{
	int r;

	*file = (struct hw_elf_file){.fd = -1, .image = image, .size = size};
	r = start(file);
	if (r)
		hw_elf_file_close(file);
	return r;
}

void hw_elf_file_close(struct hw_elf_file *file)
{
	elf_end(file->elf);
	free(file->image);
	if (file->fd >= 0)
		close(file->fd);
	*file = (struct hw_elf_file){.fd = -1};
}

int hw_elf_file_section(const struct hw_elf_file *file, size_t index, GElf_Shdr *header)
{
	Elf_Scn *section = index ? elf_getscn(file->elf, index) : NULL;

	if (!section || !gelf_getshdr(section, header) || header->sh_type == SHT_NOBITS)
		return -ENOENT;
	return 0;
}

int hw_elf_file_is_named(const struct hw_elf_file *file, const GElf_Shdr *header, const char *name)
{
	char there[64];
	GElf_Shdr names;
	size_t size = strlen(name) + 1;

	if (size > sizeof(there) || hw_elf_file_section(file, file->section_names, &names) ||
	    header->sh_name > names.sh_size || size > names.sh_size - header->sh_name ||
	    names.sh_offset > file->size)
		return 0;
	return !hw_elf_file_read(file, names.sh_offset + header->sh_name, there, size) &&
	       !memcmp(there, name, size);
}

int hw_elf_file_find(const struct hw_elf_file *file, const char *name, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file->elf, section)))
		if (gelf_getshdr(section, header) && header->sh_type != SHT_NOBITS &&
		    hw_elf_file_is_named(file, header, name))
			return 0;
	return -ENOENT;
}

int hw_elf_file_read_section(const struct hw_elf_file *file, const GElf_Shdr *header, size_t size_max,
                             char **content)
{
	int r;

	if (header->sh_offset > file->size || header->sh_size > file->size - header->sh_offset)
		return -EINVAL;
	if (header->sh_size > size_max)
		return -E2BIG;
	*content = malloc(header->sh_size + 1);
	if (!*content)
		return -ENOMEM;
	r = hw_elf_file_read(file, header->sh_offset, *content, header->sh_size);
	if (r)
		free(*content);
	return r;
}

int hw_elf_file_address(const struct hw_elf_file *file, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < file->load_count; i++) {
		const struct hw_elf_load *load = &file->loads[i];

		if (offset - load->offset < load->size) {
			*address = offset - load->offset + load->address;
			return 0;
		}
	}
	return -ENOENT;
}
