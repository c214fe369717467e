/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/frame_image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SECTION_NULL, SECTION_FRAMES, SECTION_NAMES, SECTION_COUNT };

static const char names[] = "\0.eh_frame\0.debug_frame\0.shstrtab";
#define NAME_EH_FRAME    1
#define NAME_DEBUG_FRAME 11
#define NAME_NAMES       24

/* Behind the frames: the names, then, 8-byte aligned, the section headers. */
static size_t names_offset(size_t frames_size)
{
	return sizeof(Elf64_Ehdr) + frames_size;
}

static size_t headers_offset(size_t frames_size)
{
	return (names_offset(frames_size) + sizeof(names) + 7) & ~(size_t)7;
}

static void write_headers(struct hw_frame_image *image)
{
	Elf64_Ehdr *file = (Elf64_Ehdr *)image->image;
	Elf64_Shdr *section = (Elf64_Shdr *)(image->image + headers_offset(image->frames_size));

	memcpy(file->e_ident, ELFMAG, SELFMAG);
	file->e_ident[EI_CLASS] = ELFCLASS64;
	file->e_ident[EI_DATA] = ELFDATA2LSB;
	file->e_ident[EI_VERSION] = EV_CURRENT;
	file->e_type = ET_DYN;
	file->e_machine = EM_X86_64;
	file->e_version = EV_CURRENT;
	file->e_ehsize = sizeof(*file);
	file->e_shoff = headers_offset(image->frames_size);
	file->e_shentsize = sizeof(*section);
	file->e_shnum = SECTION_COUNT;
	file->e_shstrndx = SECTION_NAMES;

	section[SECTION_FRAMES].sh_name = image->debug ? NAME_DEBUG_FRAME : NAME_EH_FRAME;
	section[SECTION_FRAMES].sh_type = SHT_PROGBITS;
	section[SECTION_FRAMES].sh_flags = image->debug ? 0 : SHF_ALLOC;
	section[SECTION_FRAMES].sh_addr = image->address;
	section[SECTION_FRAMES].sh_offset = sizeof(*file);
	section[SECTION_FRAMES].sh_size = image->frames_size;
	section[SECTION_FRAMES].sh_addralign = 1;

	memcpy(image->image + names_offset(image->frames_size), names, sizeof(names));
	section[SECTION_NAMES].sh_name = NAME_NAMES;
	section[SECTION_NAMES].sh_type = SHT_STRTAB;
	section[SECTION_NAMES].sh_offset = names_offset(image->frames_size);
	section[SECTION_NAMES].sh_size = sizeof(names);
	section[SECTION_NAMES].sh_addralign = 1;
}

int hw_frame_image_new(struct hw_frame_image *image, size_t frames_size, uint64_t address, bool debug)
{
	memset(image, 0, sizeof(*image));
	if (frames_size > SIZE_MAX / 2)
		return -E2BIG;
	image->size = headers_offset(frames_size) + SECTION_COUNT * sizeof(Elf64_Shdr);
	image->image = calloc(1, image->size);
	if (!image->image)
		return -ENOMEM;
	image->frames = image->image + sizeof(Elf64_Ehdr);
	image->frames_size = frames_size;
	image->address = address;
	image->debug = debug;
	write_headers(image);
	return 0;
}

void hw_frame_image_clear(struct hw_frame_image *image)
{
	free(image->image);
	memset(image, 0, sizeof(*image));
}
