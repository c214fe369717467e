/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Compilation units are found by their ranges; the functions of a unit are collected when the first address
 * in it is asked for, and an address descends only through what covers it. Debug information comes from
 * whoever made the file: its size, the number of DIEs read and the depth are bounded.
 */
#include "symbol/lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/demangle.h"
#include "symbol/hash.h"
#include "symbol/ranges.h"

#define DEBUG_BYTES_MAX (2ull << 30) /* of all debug sections, unpacked */
#define DIES_MAX        (64u << 20)  /* read for one file */
#define DEPTH_MAX       128

struct unit {
	Dwarf_Off die;
	struct hw_ranges functions;
	UT_hash_handle hh;
};

struct hw_lines {
	struct hw_elf_file file;
	Dwarf *dwarf;
	struct hw_ranges units;
	struct unit *read;
	uint64_t dies_left;
	char demangled[HW_DEMANGLED_MAX + 1];
};

static bool is_debug(const struct hw_elf_file *file, const GElf_Shdr *header)
{
	return hw_elf_file_is_named(file, header, ".debug_info") ||
	       hw_elf_file_is_named(file, header, ".zdebug_info");
}

bool hw_lines_are_in(const struct hw_elf_file *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(file->elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type != SHT_NOBITS && is_debug(file, &header))
			return true;
	return false;
}

/* How much memory libdw may take for the sections that are no part of the program. */
static uint64_t debug_bytes(const struct hw_elf_file *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Chdr packed;
	uint64_t sum = 0, size;

	while ((section = elf_nextscn(file->elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS ||
		    header.sh_flags & SHF_ALLOC)
			continue;
		size = header.sh_size;
		if (header.sh_flags & SHF_COMPRESSED)
			size = gelf_getchdr(section, &packed) ? packed.ch_size : UINT64_MAX;
		sum = sum + size < sum ? UINT64_MAX : sum + size;
	}
	return sum;
}

static void collect_units(struct hw_lines *lines)
{
	Dwarf_Off offset = 0, next;
	size_t header_size;
	Dwarf_Die die;

	while (!dwarf_nextcu(lines->dwarf, offset, &next, &header_size, NULL, NULL, NULL) && next > offset) {
		if (dwarf_offdie(lines->dwarf, offset + header_size, &die) &&
		    hw_ranges_add(&lines->units, &die))
			return;
		offset = next;
	}
}

struct hw_lines *hw_lines_open(struct hw_elf_file *file)
{
	struct hw_lines *lines = calloc(1, sizeof(*lines));

	if (!lines || debug_bytes(file) > DEBUG_BYTES_MAX) {
		hw_elf_file_close(file);
		free(lines);
		return NULL;
	}
	lines->file = *file;
	lines->dies_left = DIES_MAX;
	lines->dwarf = dwarf_begin_elf(lines->file.elf, DWARF_C_READ, NULL);
	if (!lines->dwarf) {
		hw_lines_free(lines);
		return NULL;
	}
	collect_units(lines);
	return lines;
}

void hw_lines_free(struct hw_lines *lines)
{
	struct unit *unit, *next;

	if (!lines)
		return;
	HASH_ITER (hh, lines->read, unit, next) {
		HASH_DEL(lines->read, unit);
		hw_ranges_clear(&unit->functions);
		free(unit);
	}
	hw_ranges_clear(&lines->units);
	dwarf_end(lines->dwarf);
	hw_elf_file_close(&lines->file);
	free(lines);
}

/* Count one more DIE; false when there were too many. */
static bool may_read(struct hw_lines *lines)
{
	if (!lines->dies_left)
		return false;
	lines->dies_left--;
	return true;
}

/* Functions stand in a unit, or in namespaces and classes in it. */
static int collect_functions(struct hw_lines *lines, struct unit *unit, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;
	int r = 0;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die))
		return 0;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			r = hw_ranges_add(&unit->functions, &die);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type: /* Rust */
			r = collect_functions(lines, unit, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (!r && may_read(lines) && !dwarf_siblingof(&die, &die));
	return r;
}

static struct unit *get_unit(struct hw_lines *lines, Dwarf_Die *die)
{
	Dwarf_Off offset = dwarf_dieoffset(die);
	struct unit *unit;

	HASH_FIND(hh, lines->read, &offset, sizeof(offset), unit);
	if (unit)
		return unit;
	unit = calloc(1, sizeof(*unit));
	if (!unit)
		return NULL;
	unit->die = offset;
	HASH_ADD(hh, lines->read, die, sizeof(unit->die), unit);
	if (!hash_added(unit)) {
		free(unit);
		return NULL;
	}
	collect_functions(lines, unit, die, 0);
	return unit;
}

/* The inlined function or block directly in parent that covers address. */
static bool find_within(struct hw_lines *lines, Dwarf_Die *parent, uint64_t address, Dwarf_Die *found)
{
	int tag;

	if (dwarf_child(parent, found))
		return false;
	do {
		tag = dwarf_tag(found);
		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
		    dwarf_haspc(found, address) > 0)
			return true;
	} while (may_read(lines) && !dwarf_siblingof(found, found));
	return false;
}

static const char *name_of(struct hw_lines *lines, Dwarf_Die *die, struct hw_strings *strings)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;
	size_t length;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	if (name) {
		length = hw_demangle(name, lines->demangled);
		if (length)
			return hw_strings_keep(strings, lines->demangled, length);
	}
	if (!name && dwarf_attr_integrate(die, DW_AT_name, &attribute))
		name = dwarf_formstring(&attribute);
	return name ? hw_strings_keep(strings, name, strnlen(name, HW_DEMANGLED_MAX)) : NULL;
}

static const char *keep(struct hw_strings *strings, const char *source)
{
	return source ? hw_strings_keep(strings, source, strnlen(source, 4096)) : NULL;
}

/* Where the inlined function was called. */
static void take_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct hw_strings *strings, struct hw_line *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &number) &&
	    !dwarf_getsrcfiles(unit, &files, &count) && number < count)
		line->source = keep(strings, dwarf_filesrc(files, number, NULL, NULL));
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number) &&
	    number <= INT32_MAX)
		line->line = (int)number;
}

/* Functions from the outermost, function, to the innermost; each but the first with the DIE that tells its
 * call. */
static size_t collect_inlined(struct hw_lines *lines, Dwarf_Die *function, uint64_t address, Dwarf_Die *chain)
{
	Dwarf_Die at = *function, within;
	size_t count = 1;

	chain[0] = *function;
	for (int depth = 0; depth < DEPTH_MAX && find_within(lines, &at, address, &within); depth++) {
		at = within;
		if (dwarf_tag(&at) != DW_TAG_inlined_subroutine)
			continue;
		if (count == HW_LINES_MAX)
			break;
		chain[count++] = at;
	}
	return count;
}

size_t hw_lines_at(struct hw_lines *lines, uint64_t address, struct hw_strings *strings,
                   struct hw_line *found)
{
	const struct hw_range *range = hw_ranges_find(&lines->units, address);
	Dwarf_Die unit, function, chain[HW_LINES_MAX];
	struct hw_line at = {0};
	struct unit *read;
	Dwarf_Line *line;
	size_t count = 0;

	if (!range || !dwarf_offdie(lines->dwarf, range->die, &unit))
		return 0;
	line = dwarf_getsrc_die(&unit, address);
	if (line) {
		at.source = keep(strings, dwarf_linesrc(line, NULL, NULL));
		if (dwarf_lineno(line, &at.line))
			at.line = 0;
	}
	read = get_unit(lines, &unit);
	range = read ? hw_ranges_find(&read->functions, address) : NULL;
	if (range && dwarf_offdie(lines->dwarf, range->die, &function))
		count = collect_inlined(lines, &function, address, chain);
	for (size_t i = 0; i < count; i++) { /* innermost first */
		Dwarf_Die *die = &chain[count - 1 - i];

		found[i] = at;
		found[i].function = name_of(lines, die, strings);
		found[i].inlined = i + 1 < count;
		at = (struct hw_line){0};
		if (found[i].inlined)
			take_call(&unit, die, strings, &at);
	}
	if (!count && at.source)
		found[count++] = at;
	return count;
}
