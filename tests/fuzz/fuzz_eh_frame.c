/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Any bytes as .eh_frame of an ELF file that is right otherwise, so that no effort is spent on its headers.
 * The file is mapped as a whole, and executable; the bytes stand at FRAMES_AT, found by PT_GNU_EH_FRAME.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "walk/table.h"

#define ROWS_MAX    20000
#define FRAMES_AT   0x8000
#define FRAMES_SIZE 0x8000

struct file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	struct {
		uint8_t version, frame_encoding, count_encoding, table_encoding;
		int32_t frame;
	} frame_header;
	uint8_t code[64];
};

static void make(struct file *file, size_t size)
{
	const uint8_t stub[] = {0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e, 0x48, 0x89, 0xe2}; /* as _start begins */
	const uint64_t hdr = offsetof(struct file, frame_header);

	memcpy(file->header.e_ident, ELFMAG, SELFMAG);
	file->header.e_ident[EI_CLASS] = ELFCLASS64;
	file->header.e_ident[EI_DATA] = ELFDATA2LSB;
	file->header.e_ident[EI_VERSION] = EV_CURRENT;
	file->header.e_type = ET_DYN;
	file->header.e_machine = EM_X86_64;
	file->header.e_version = EV_CURRENT;
	file->header.e_entry = offsetof(struct file, code);
	file->header.e_phoff = offsetof(struct file, segments);
	file->header.e_ehsize = sizeof(Elf64_Ehdr);
	file->header.e_phentsize = sizeof(Elf64_Phdr);
	file->header.e_phnum = 2;
	file->segments[0] =
	    (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = size, .p_memsz = size};
	file->segments[1] = (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME,
	                                 .p_flags = PF_R,
	                                 .p_offset = hdr,
	                                 .p_vaddr = hdr,
	                                 .p_filesz = sizeof(file->frame_header)};
	file->frame_header.version = 1;
	file->frame_header.frame_encoding = 0x1b; /* relative to where it stands, four bytes, signed */
	file->frame_header.count_encoding = 0xff;
	file->frame_header.table_encoding = 0xff;
	file->frame_header.frame = (int32_t)(FRAMES_AT - hdr - 4);
	memcpy(file->code, stub, sizeof(stub));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hw_compile_limits limits = {.file_bytes = 1 << 20, .row_count = ROWS_MAX};
	struct hw_error err = {0};
	struct hw_table table;
	uint8_t *file;
	int r;

	if (size > FRAMES_SIZE)
		return 0;
	file = fuzz_memory(FRAMES_AT + size);
	make((struct file *)file, FRAMES_AT + size);
	memcpy(file + FRAMES_AT, data, size);
	r = hw_table_compile_image(file, FRAMES_AT + size, &limits, &table, &err);
	if (r ? table.words || !err.text[0] : !hw_table_is_sound(&table) || table.row_count > ROWS_MAX)
		abort();
	hw_table_clear(&table);
	free(file);
	return 0;
}
