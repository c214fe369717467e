/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libelf reads the headers, opened so that it uses pread: its mmap mode dies of SIGBUS when the file is
 * truncated meanwhile. Contents are read here, by position, into memory of exactly the checked size.
 *
 * The call frame information is looked for by section name, then by PT_GNU_EH_FRAME (a file may have lost
 * its section headers), then in .gnu_debugdata, an ELF file within the ELF file.
 */
#include "walk/elf_input.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "walk/encoded.h"
#include "walk/xz.h"

#define DEBUGDATA_BYTES_MAX (256u << 20)
#define EH_FRAME_HDR_BYTES  20 /* as far as the pointer to .eh_frame goes */

/* Where bytes come from: a file or an image in memory. */
struct bytes {
	int fd; /* -1: image */
	const uint8_t *image;
	uint64_t size;
	Elf *elf;
};

static int read_at(const struct bytes *from, uint64_t offset, void *to, size_t size)
{
	size_t done = 0;
	ssize_t n;

	if (offset > from->size || size > from->size - offset)
		return -EINVAL;
	if (from->fd < 0) {
		memcpy(to, from->image + offset, size);
		return 0;
	}
	while (done < size) {
		n = pread(from->fd, (uint8_t *)to + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EINVAL; /* truncated since its size was asked */
		done += (size_t)n;
	}
	return 0;
}

/* Open with libelf; only a 64-bit little-endian x86-64 program or library passes. */
static int open_elf(struct bytes *from, GElf_Ehdr *header, struct hw_error *err)
{
	elf_version(EV_CURRENT);
	if (from->fd >= 0)
		from->elf = elf_begin(from->fd, ELF_C_READ, NULL);
	else
		from->elf = elf_memory((char *)from->image, from->size);
	if (!from->elf || elf_kind(from->elf) != ELF_K_ELF || !gelf_getehdr(from->elf, header))
		return hw_fail(err, -ENOEXEC, "not an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return hw_fail(err, -ENOEXEC, "not an x86-64 ELF file");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return hw_fail(err, -ENOEXEC, "an ELF file, but neither program nor library");
	return 0;
}

static int add_segment(struct hw_elf_input *input, const GElf_Phdr *header, struct hw_error *err)
{
	struct hw_segment *segment = &input->segments[input->segment_count];

	if (!header->p_filesz)
		return 0;
	if (input->segment_count == HW_SEGMENTS_MAX)
		return hw_fail(err, -E2BIG, "more than %d segments", HW_SEGMENTS_MAX);
	if (header->p_offset > input->file_size || header->p_filesz > input->file_size - header->p_offset ||
	    header->p_vaddr + header->p_filesz < header->p_vaddr)
		return hw_fail(err, -EINVAL, "a segment reaches beyond the file's end: the file is corrupt");
	segment->address = header->p_vaddr;
	segment->size = header->p_filesz;
	segment->offset = header->p_offset;
	segment->executable = header->p_flags & PF_X;
	input->segment_count++;
	return 0;
}

/* Read the program headers. *eh_frame_hdr (PT_GNU_EH_FRAME) and *dynamic are zeroed if there are none. */
static int read_segments(struct hw_elf_input *input, Elf *elf, GElf_Phdr *eh_frame_hdr, GElf_Phdr *dynamic,
                         struct hw_error *err)
{
	GElf_Phdr header;
	size_t count;
	int r;

	memset(eh_frame_hdr, 0, sizeof(*eh_frame_hdr));
	memset(dynamic, 0, sizeof(*dynamic));
	if (elf_getphdrnum(elf, &count))
		return hw_fail(err, -EINVAL, "unreadable program headers: the file is corrupt");
	for (size_t i = 0; i < count && i < PN_XNUM; i++) {
		if (!gelf_getphdr(elf, (int)i, &header))
			return hw_fail(err, -EINVAL, "unreadable program headers: the file is corrupt");
		if (header.p_type == PT_GNU_EH_FRAME)
			*eh_frame_hdr = header;
		if (header.p_type == PT_DYNAMIC)
			*dynamic = header;
		if (header.p_type != PT_LOAD)
			continue;
		r = add_segment(input, &header, err);
		if (r)
			return r;
	}
	return 0;
}

static const struct hw_segment *segment_of(const struct hw_elf_input *input, uint64_t address, bool code)
{
	for (size_t i = 0; i < input->segment_count; i++) {
		const struct hw_segment *segment = &input->segments[i];

		if (address - segment->address < segment->size && (segment->executable || !code))
			return segment;
	}
	return NULL;
}

const struct hw_segment *hw_elf_input_code(const struct hw_elf_input *input, uint64_t address)
{
	return segment_of(input, address, true);
}

/* Find a section by name. NULL: there is none, or the section headers are of no use. */
static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	const char *found;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) || !names)
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, header) || header->sh_type == SHT_NOBITS || !header->sh_size)
			continue;
		found = elf_strptr(elf, names, header->sh_name);
		if (found && !strcmp(found, name))
			return section;
	}
	return NULL;
}

static int fill_image(struct hw_frame_image *image, const struct bytes *from, uint64_t offset, uint64_t size,
                      uint64_t address, bool debug)
{
	int r;

	if (offset > from->size || size > from->size - offset)
		return -EINVAL;
	r = hw_frame_image_new(image, size, address, debug);
	if (!r)
		r = read_at(from, offset, image->frames, size);
	if (r)
		hw_frame_image_clear(image);
	return r;
}

static int read_eh_frame_section(struct hw_frame_image *image, const struct bytes *from)
{
	GElf_Shdr header;

	if (!find_section(from->elf, ".eh_frame", &header) || header.sh_flags & SHF_COMPRESSED)
		return -ENOENT;
	return fill_image(image, from, header.sh_offset, header.sh_size, header.sh_addr, false);
}

/* Without section headers its size is not known: up to the end of its segment, or its terminator. */
static int read_eh_frame_by_header(struct hw_frame_image *image, const struct hw_elf_input *input,
                                   const struct bytes *from, const GElf_Phdr *hdr)
{
	uint8_t bytes[EH_FRAME_HDR_BYTES] = {0};
	struct hw_encoded in = {.at = bytes + 4, .end = bytes + sizeof(bytes), .address = hdr->p_vaddr + 4};
	const struct hw_segment *segment;
	uint64_t address, skip;
	int r;

	if (hdr->p_filesz < 8)
		return -ENOENT;
	r = read_at(from, hdr->p_offset, bytes,
	            hdr->p_filesz < sizeof(bytes) ? hdr->p_filesz : sizeof(bytes));
	if (r)
		return r;
	if (bytes[0] != 1 || bytes[1] == DW_EH_PE_omit ||
	    hw_encoded_read(&in, bytes[1], hdr->p_vaddr, &address))
		return -EINVAL;
	segment = segment_of(input, address, false);
	if (!segment)
		return -EINVAL;
	skip = address - segment->address;
	return fill_image(image, from, segment->offset + skip, segment->size - skip, address, false);
}

/* Let libelf decompress a section that said beforehand that it is small enough. */
static int take_decompressed(struct hw_frame_image *image, Elf_Scn *section, uint64_t limit)
{
	Elf_Data *data = elf_rawdata(section, NULL);
	int r;

	if (!data || !data->d_buf || data->d_size > limit)
		return -EINVAL;
	r = hw_frame_image_new(image, data->d_size, 0, true);
	if (!r)
		memcpy(image->frames, data->d_buf, data->d_size);
	return r;
}

/* As Go before 1.19 wrote it: "ZLIB", the size in eight big-endian bytes, the stream. */
static int read_zdebug_frame(struct hw_frame_image *image, const struct bytes *from, uint64_t limit)
{
	uint8_t start[12];
	uint64_t size = 0;
	GElf_Shdr header;
	Elf_Scn *section;

	section = find_section(from->elf, ".zdebug_frame", &header);
	if (!section || from->fd < 0)
		return -ENOENT;
	if (read_at(from, header.sh_offset, start, sizeof(start)) || memcmp(start, "ZLIB", 4))
		return -EINVAL;
	for (int i = 4; i < 12; i++)
		size = size << 8 | start[i];
	if (size > limit)
		return -E2BIG;
	return elf_compress_gnu(section, 0, 0) < 0 ? -EINVAL : take_decompressed(image, section, limit);
}

/* .debug_frame, compressed or not. */
static int read_debug_frame(struct hw_frame_image *image, const struct bytes *from, uint64_t limit)
{
	GElf_Shdr header;
	GElf_Chdr packed;
	Elf_Scn *section;

	section = find_section(from->elf, ".debug_frame", &header);
	if (!section)
		return read_zdebug_frame(image, from, limit);
	if (!(header.sh_flags & SHF_COMPRESSED))
		return fill_image(image, from, header.sh_offset, header.sh_size, 0, true);
	if (from->fd < 0) /* libelf would write to the image's section header */
		return -ENOENT;
	if (!gelf_getchdr(section, &packed))
		return -EINVAL;
	if (packed.ch_size > limit)
		return -E2BIG;
	return elf_compress(section, 0, 0) < 0 ? -EINVAL : take_decompressed(image, section, limit);
}

/* The .debug_frame of the ELF file that is packed into .gnu_debugdata; its addresses are the outer file's. */
static int read_debugdata(struct hw_frame_image *image, const struct bytes *from, uint64_t limit)
{
	struct bytes inner = {.fd = -1};
	uint8_t *packed, *unpacked = NULL;
	GElf_Ehdr ehdr;
	GElf_Shdr header;
	size_t size = 0;
	int r;

	if (!find_section(from->elf, ".gnu_debugdata", &header))
		return -ENOENT;
	if (header.sh_size > from->size)
		return -EINVAL;
	packed = malloc(header.sh_size);
	if (!packed)
		return -ENOMEM;
	r = read_at(from, header.sh_offset, packed, header.sh_size);
	if (!r)
		r = hw_xz_unpack(packed, header.sh_size,
		                 limit < DEBUGDATA_BYTES_MAX ? limit : DEBUGDATA_BYTES_MAX, &unpacked, &size);
	free(packed);
	if (r)
		return r;
	inner.image = unpacked;
	inner.size = size;
	r = open_elf(&inner, &ehdr, NULL) ? -EINVAL : read_debug_frame(image, &inner, limit);
	elf_end(inner.elf);
	free(unpacked);
	return r;
}

static int read_frames(struct hw_elf_input *input, const struct bytes *from, const GElf_Phdr *eh_frame_hdr,
                       uint64_t limit, struct hw_error *err)
{
	struct hw_frame_image *eh = &input->frames[HW_EH_FRAME], *debug = &input->frames[HW_DEBUG_FRAME];
	int r = read_eh_frame_section(eh, from), r_debug;

	if (r == -ENOENT && eh_frame_hdr->p_filesz)
		r = read_eh_frame_by_header(eh, input, from, eh_frame_hdr);
	/* Go programs with C parts have both, each for its part. */
	r_debug = read_debug_frame(debug, from, limit);
	if (r == -ENOENT)
		r = r_debug;
	if (r == -ENOENT)
		r = read_debugdata(debug, from, limit);
	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
		return hw_fail(err, r, "no unwind information in the file");
	case -E2BIG:
		return hw_fail(err, r, "its unwind information is larger than the limit");
	case -ENOMEM:
		return hw_fail(err, r, "out of memory for its unwind information");
	case -EINVAL:
		return hw_fail(err, r, "its unwind information cannot be read: the file is corrupt");
	default:
		return hw_fail(err, r, "cannot read its unwind information: %s", strerror(-r));
	}
}

static void read_entry(struct hw_elf_input *input, const struct bytes *from, uint64_t entry)
{
	const struct hw_segment *segment = entry ? hw_elf_input_code(input, entry) : NULL;
	uint64_t left;

	if (!segment)
		return;
	left = segment->size - (entry - segment->address);
	input->stub_size = left < HW_ENTRY_STUB_BYTES ? left : HW_ENTRY_STUB_BYTES;
	if (read_at(from, segment->offset + (entry - segment->address), input->stub, input->stub_size))
		input->stub_size = 0;
	else
		input->entry = entry;
}

struct source {
	const struct hw_elf_input *input;
	const struct bytes *from;
};

static size_t read_by_address(const void *context, uint64_t address, uint8_t *to, size_t size)
{
	const struct source *source = context;
	const struct hw_segment *segment = segment_of(source->input, address, false);
	uint64_t skip = segment ? address - segment->address : 0;

	if (!segment)
		return 0;
	if (size > segment->size - skip)
		size = segment->size - skip;
	return read_at(source->from, segment->offset + skip, to, size) ? 0 : size;
}

static void find_go_code(struct hw_elf_input *input, const struct source *source)
{
	GElf_Shdr header;

	if (!input->frames[HW_DEBUG_FRAME].image ||
	    !find_section(source->from->elf, ".note.go.buildid", &header))
		return;
	for (size_t i = 0; i < input->segment_count; i++)
		if (input->segments[i].executable)
			hw_go_code_find(&input->go_code, input->segments[i].address, input->segments[i].size,
			                read_by_address, source);
}

static void read_build_id(struct hw_elf_input *input, Elf *elf)
{
	const void *id;
	ssize_t size = dwelf_elf_gnu_build_id(elf, &id);

	if (size <= 0)
		return;
	input->build_id_size =
	    (uint8_t)((size_t)size < sizeof(input->build_id) ? (size_t)size : sizeof(input->build_id));
	memcpy(input->build_id, id, input->build_id_size);
}

static int measure(struct bytes *from, uint64_t file_bytes_max, struct hw_error *err)
{
	struct stat st;

	if (from->fd >= 0) {
		if (fstat(from->fd, &st))
			return hw_fail(err, -errno, "cannot ask its size: %s", strerror(errno));
		if (!S_ISREG(st.st_mode))
			return hw_fail(err, -ENOEXEC, "not a regular file");
		from->size = (uint64_t)st.st_size;
	}
	if (from->size > file_bytes_max)
		return hw_fail(err, -E2BIG, "larger than the limit of %llu MiB",
		               (unsigned long long)(file_bytes_max >> 20));
	return 0;
}

int hw_elf_input_read(struct hw_elf_input *input, int fd, const void *image, size_t image_size,
                      uint64_t file_bytes_max, struct hw_error *err)
{
	struct bytes from = {.fd = fd, .image = image, .size = image_size};
	struct source source = {.input = input, .from = &from};
	GElf_Phdr eh_frame_hdr, dynamic;
	GElf_Ehdr header;
	int r;

	memset(input, 0, sizeof(*input));
	r = measure(&from, file_bytes_max, err);
	if (r)
		return r;
	input->file_size = from.size;
	r = open_elf(&from, &header, err);
	if (!r)
		r = read_segments(input, from.elf, &eh_frame_hdr, &dynamic, err);
	if (!r)
		r = read_frames(input, &from, &eh_frame_hdr, file_bytes_max, err);
	if (!r) {
		read_entry(input, &from, header.e_entry);
		hw_start_code_find(&input->start_code, dynamic.p_vaddr, dynamic.p_filesz, read_by_address,
		                   &source);
		find_go_code(input, &source);
		read_build_id(input, from.elf);
	}
	elf_end(from.elf);
	return r;
}

void hw_elf_input_clear(struct hw_elf_input *input)
{
	for (int i = 0; i < HW_FRAME_IMAGES; i++)
		hw_frame_image_clear(&input->frames[i]);
}

int hw_elf_input_digest(const struct hw_elf_input *input, const void *key, size_t key_size,
                        uint8_t digest[16])
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t canonical;
	uint64_t word;

	if (!state)
		return -ENOMEM;
#define ADD(value) (word = (value), XXH3_128bits_update(state, &word, sizeof(word)))
	XXH3_128bits_reset_withSecret(state, key, key_size);
	ADD(input->file_size);
	ADD(input->entry);
	ADD(input->stub_size);
	XXH3_128bits_update(state, input->stub, input->stub_size);
	for (size_t i = 0; i < input->segment_count; i++) {
		ADD(input->segments[i].address);
		ADD(input->segments[i].size);
		ADD(input->segments[i].offset);
		ADD(input->segments[i].executable);
	}
	for (size_t i = 0; i < input->start_code.count; i++) {
		ADD(input->start_code.rules[i].address);
		ADD(input->start_code.rules[i].size);
		ADD(input->start_code.rules[i].rule);
	}
	for (size_t i = 0; i < input->go_code.count; i++) {
		ADD(input->go_code.ranges[i].address);
		ADD(input->go_code.ranges[i].size);
		ADD(input->go_code.ranges[i].rule);
	}
	for (int i = 0; i < HW_FRAME_IMAGES; i++) {
		ADD(input->frames[i].address);
		ADD(input->frames[i].frames_size);
		XXH3_128bits_update(state, input->frames[i].frames, input->frames[i].frames_size);
	}
#undef ADD
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	memcpy(digest, &canonical, sizeof(canonical));
	XXH3_freeState(state);
	return 0;
}
