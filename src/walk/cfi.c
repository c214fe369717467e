/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libdw answers "which rules hold at this address", but does not say which addresses there are. So the list
 * of entries is made here: libdw cuts the section into entries (dwarf_next_cfi), and the address range at
 * the beginning of each is decoded as the augmentation of its CIE says.
 */
#include "walk/cfi.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "walk/encoded.h"
#include "walk/instructions.h"
#include "walk/row.h"

#define CIES_MAX 4 /* times the size of the section: so much of it is read again for CIEs */

int hw_cfi_open(struct hw_cfi *cfi, const struct hw_frame_image *image)
{
	memset(cfi, 0, sizeof(*cfi));
	if (!image->image)
		return 0;
	elf_version(EV_CURRENT);
	cfi->elf = elf_memory((char *)image->image, image->size);
	if (!cfi->elf)
		return -ENOMEM;
	if (image->debug) {
		cfi->dwarf = dwarf_begin_elf(cfi->elf, DWARF_C_READ, NULL);
		cfi->handle = cfi->dwarf ? dwarf_getcfi(cfi->dwarf) : NULL;
	} else {
		cfi->handle = dwarf_getcfi_elf(cfi->elf);
	}
	return cfi->handle ? 0 : -EINVAL;
}

void hw_cfi_close(struct hw_cfi *cfi)
{
	if (cfi->dwarf)
		dwarf_end(cfi->dwarf);
	else if (cfi->handle)
		dwarf_cfi_end(cfi->handle);
	elf_end(cfi->elf);
	memset(cfi, 0, sizeof(*cfi));
}

/* What an FDE needs of its CIE. */
struct cie {
	Dwarf_Off offset;
	uint8_t encoding; /* of addresses; DW_EH_PE_omit: this CIE cannot be understood */
	bool bad;         /* instructions that libdw must not see */
	bool sized;       /* its FDEs have augmentation data, behind its size */
	bool undefines_rbx;
};

/* How far the pointer to the personality routine in a CIE's augmentation data goes; 0: not known. */
static size_t personality_bytes(uint8_t encoding)
{
	if ((encoding & 0x70) == DW_EH_PE_aligned)
		return 0;
	switch (encoding & 0x07) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
		return 8;
	case DW_EH_PE_udata4:
		return 4;
	case DW_EH_PE_udata2:
		return 2;
	default:
		return 0;
	}
}

static uint8_t address_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;
	const uint8_t *end = data ? data + cie->augmentation_data_size : NULL;
	size_t skip;

	if (cie->augmentation[0] != 'z')
		return cie->augmentation[0] ? DW_EH_PE_omit : DW_EH_PE_absptr;
	for (const char *letter = cie->augmentation + 1; *letter; letter++) {
		switch (*letter) {
		case 'R':
			return data && data < end ? *data : DW_EH_PE_omit;
		case 'L':
			skip = 1;
			break;
		case 'P':
			skip = data && data < end ? personality_bytes(*data) : 0;
			if (!skip++)
				return DW_EH_PE_omit;
			break;
		case 'S':
		case 'B':
		case 'G':
			skip = 0;
			break;
		default: /* what data it has is not known */
			return DW_EH_PE_omit;
		}
		if (!data || (size_t)(end - data) < skip)
			return DW_EH_PE_omit;
		data += skip;
	}
	return DW_EH_PE_absptr;
}

struct section {
	const struct hw_frame_image *image;
	Elf_Data data;
	struct cie last;     /* most entries share the CIE of the one before */
	uint64_t cies_bytes; /* of CIEs that were looked at, each as often as it was */
};

static int next_entry(const struct section *section, Dwarf_Off offset, Dwarf_Off *next,
                      Dwarf_CFI_Entry *entry)
{
	return dwarf_next_cfi(section->image->image, (Elf_Data *)&section->data, !section->image->debug,
	                      offset, next, entry);
}

static uint8_t encoding_of(struct section *section, Dwarf_Off cie_offset)
{
	enum hw_instructions looked;
	Dwarf_CFI_Entry entry;
	Dwarf_Off next;

	if (section->last.offset == cie_offset)
		return section->last.encoding;
	section->last.offset = cie_offset;
	section->last.encoding = DW_EH_PE_omit;
	section->last.bad = false;
	if (cie_offset >= section->image->frames_size || next_entry(section, cie_offset, &next, &entry) ||
	    !dwarf_cfi_cie_p(&entry))
		return DW_EH_PE_omit;
	section->cies_bytes += next > cie_offset ? next - cie_offset : 0;
	if (section->cies_bytes / CIES_MAX > section->image->frames_size) { /* large ones by turns */
		section->last.bad = true;
		return DW_EH_PE_omit;
	}
	section->last.sized = entry.cie.augmentation[0] == 'z';
	if (section->image->debug)
		section->last.encoding = DW_EH_PE_absptr;
	else
		section->last.encoding = address_encoding(&entry.cie);
	looked = hw_instructions_look(entry.cie.initial_instructions, entry.cie.initial_instructions_end,
	                              section->last.encoding, HW_REG_RBX);
	section->last.undefines_rbx = looked == HW_INSTRUCTIONS_UNDEFINED;
	section->last.bad = looked == HW_INSTRUCTIONS_BAD;
	return section->last.encoding;
}

/*
 * Decode the range of addresses and look through the instructions behind it. 0, -ENOENT if the entry is of no
 * use, or -EINVAL: its instructions would have libdw use memory without end. Entries may overlap, and which
 * one libdw takes for an address is its choice, so then the section is of no use either.
 */
static int decode(struct section *section, const Dwarf_FDE *entry, uint64_t *start, uint64_t *size,
                  bool *undefines_rbx)
{
	const struct hw_frame_image *image = section->image;
	uint8_t encoding = encoding_of(section, entry->CIE_pointer);
	struct hw_encoded in = {.at = entry->start, .end = entry->end};
	enum hw_instructions looked;
	uint64_t skip = 0;

	if (section->last.bad)
		return -EINVAL;
	if (encoding == DW_EH_PE_omit || entry->start < image->frames ||
	    entry->start > image->frames + image->frames_size)
		return -ENOENT;
	in.address = image->address + (uint64_t)(entry->start - image->frames);
	if (hw_encoded_read(&in, encoding, 0, start) || hw_encoded_read(&in, encoding & 0x0f, 0, size))
		return -ENOENT;
	if (section->last.sized &&
	    (hw_encoded_read(&in, DW_EH_PE_uleb128, 0, &skip) || skip > (uint64_t)(in.end - in.at)))
		return -ENOENT;
	looked = hw_instructions_look(in.at + skip, in.end, encoding, HW_REG_RBX);
	if (looked == HW_INSTRUCTIONS_BAD)
		return -EINVAL;
	*undefines_rbx = section->last.undefines_rbx || looked == HW_INSTRUCTIONS_UNDEFINED;
	/* The linker leaves the entries of dropped functions in .debug_frame, at 0. */
	return *size && (*start || !image->debug) ? 0 : -ENOENT;
}

/* By file offset, cut at the end of its segment. False: not in the file, or not in its first 4 GiB. */
static bool locate(const struct hw_elf_input *input, uint64_t start, uint64_t size, struct hw_fde *fde)
{
	const struct hw_segment *segment = hw_elf_input_code(input, start);
	uint64_t skip;

	if (!segment)
		return false;
	skip = start - segment->address;
	if (size > segment->size - skip)
		size = segment->size - skip;
	if (segment->offset + skip + size >= UINT32_MAX)
		return false;
	fde->start = (uint32_t)(segment->offset + skip);
	fde->end = fde->start + (uint32_t)size;
	fde->address = start;
	return true;
}

int hw_cfi_list(const struct hw_elf_input *input, uint16_t source, size_t count_max, hw_fde_array *fdes)
{
	struct section section = {.image = &input->frames[source], .last.offset = (Dwarf_Off)-1};
	struct hw_fde fde = {.source = source};
	Dwarf_Off offset = 0, next;
	Dwarf_CFI_Entry entry;
	uint64_t start, size;
	int r;

	section.data = (Elf_Data){.d_buf = section.image->frames,
	                          .d_size = section.image->frames_size,
	                          .d_type = ELF_T_BYTE,
	                          .d_version = EV_CURRENT};
	for (; section.image->image; offset = next) {
		next = offset;
		r = next_entry(&section, offset, &next, &entry);
		if (r > 0 || next <= offset || next > section.image->frames_size)
			break;
		if (r || dwarf_cfi_cie_p(&entry))
			continue;
		r = decode(&section, &entry.fde, &start, &size, &fde.undefines_rbx);
		if (r == -EINVAL)
			return r;
		if (r || !locate(input, start, size, &fde))
			continue;
		if (fdes->count == count_max)
			return -E2BIG;
		if (array_push(fdes, fde))
			return -ENOMEM;
	}
	return 0;
}
