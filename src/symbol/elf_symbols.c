/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "walk/xz.h"

#define STRINGS_BYTES_MAX   (256u << 20)
#define DEBUGDATA_BYTES_MAX (64u << 20)
#define CHUNK_SYMBOLS       2048u
#define SECTIONS_SEEN_MAX   65536u

struct reading {
	const struct hw_elf_file *file;
	struct hw_collector *collector;
	bool is_code[SECTIONS_SEEN_MAX]; /* by section number */
	size_t taken;
};

static int end_sections(struct reading *reading)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t index;
	int r = 0;

	while (!r && (section = elf_nextscn(reading->file->elf, section))) {
		index = elf_ndxscn(section);
		if (index >= SECTIONS_SEEN_MAX || !gelf_getshdr(section, &header) ||
		    !(header.sh_flags & SHF_EXECINSTR))
			continue;
		reading->is_code[index] = true;
		if (header.sh_addr + header.sh_size > header.sh_addr)
			r = hw_collector_add_end(reading->collector, header.sh_addr + header.sh_size);
	}
	return r;
}

static bool is_function(const struct reading *reading, const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE ||
	    symbol->st_value + symbol->st_size < symbol->st_value)
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	return type == STT_NOTYPE && reading->is_code[symbol->st_shndx];
}

static int take_symbol(struct reading *reading, const Elf64_Sym *symbol, uint16_t text)
{
	const struct hw_text *names = &reading->collector->texts.items[text - 1];
	const char *name = symbol->st_name < names->size ? names->bytes + symbol->st_name : "";
	uint8_t quality = 0;

	if (!is_function(reading, symbol) || !*name || !strncmp(name, ".L", 2))
		return 0;
	if (ELF64_ST_TYPE(symbol->st_info) != STT_NOTYPE)
		quality |= HW_QUALITY_FUNCTION;
	else if (!symbol->st_size && strchr(name, '$')) /* mapping symbols and the like */
		return 0;
	if (ELF64_ST_BIND(symbol->st_info) != STB_WEAK)
		quality |= HW_QUALITY_STRONG;
	if (ELF64_ST_BIND(symbol->st_info) != STB_LOCAL)
		quality |= HW_QUALITY_GLOBAL;
	reading->taken++;
	return hw_collector_add(reading->collector, symbol->st_value, symbol->st_size, text, symbol->st_name,
	                        quality);
}

static int take_chunk(struct reading *reading, const void *bytes, size_t count, uint16_t text)
{
	const Elf64_Sym *symbols_64 = bytes;
	const Elf32_Sym *symbols_32 = bytes;
	int r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		Elf64_Sym symbol;

		if (reading->file->is_64)
			symbol = symbols_64[i];
		else
			symbol = (Elf64_Sym){.st_name = symbols_32[i].st_name,
			                     .st_info = symbols_32[i].st_info,
			                     .st_shndx = symbols_32[i].st_shndx,
			                     .st_value = symbols_32[i].st_value,
			                     .st_size = symbols_32[i].st_size};
		r = take_symbol(reading, &symbol, text);
	}
	return r;
}

static int take_names(struct reading *reading, const GElf_Shdr *header, uint16_t *text)
{
	GElf_Shdr names;
	char *bytes;
	int r = hw_elf_file_section(reading->file, header->sh_link, &names);

	if (!r)
		r = hw_elf_file_read_section(reading->file, &names, STRINGS_BYTES_MAX, &bytes);
	if (r)
		return r;
	r = hw_collector_take_text(reading->collector, bytes, names.sh_size, text);
	if (r)
		free(bytes);
	return r;
}

static int read_table(struct reading *reading, const GElf_Shdr *header)
{
	size_t entry = reading->file->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	uint64_t count = header->sh_size / entry, at = 0;
	union {
		Elf64_Sym symbols_64[CHUNK_SYMBOLS];
		Elf32_Sym symbols_32[CHUNK_SYMBOLS];
	} * chunk;
	uint16_t text;
	int r;

	if (header->sh_offset > reading->file->size ||
	    header->sh_size > reading->file->size - header->sh_offset)
		return -EINVAL;
	r = take_names(reading, header, &text);
	if (r)
		return r;
	chunk = malloc(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	while (!r && at < count) {
		size_t some = count - at < CHUNK_SYMBOLS ? count - at : CHUNK_SYMBOLS;

		r = hw_elf_file_read(reading->file, header->sh_offset + at * entry, chunk, some * entry);
		if (!r)
			r = take_chunk(reading, chunk, some, text);
		at += some;
	}
	free(chunk);
	return r;
}

/* What is wrong with one part of the file does not keep us from the others. */
static int only_fatal(int r)
{
	return r == -ENOMEM ? r : 0;
}

static int read_tables(struct reading *reading, uint32_t type)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(reading->file->elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			return only_fatal(read_table(reading, &header));
	return 0;
}

static int read_debugdata(const struct hw_elf_file *file, struct hw_collector *collector, bool *full)
{
	struct hw_elf_file inner;
	uint8_t *unpacked;
	GElf_Shdr header;
	size_t size;
	char *packed;
	int r;

	r = hw_elf_file_find(file, ".gnu_debugdata", &header);
	if (!r)
		r = hw_elf_file_read_section(file, &header, DEBUGDATA_BYTES_MAX, &packed);
	if (r)
		return only_fatal(r);
	r = hw_xz_unpack((uint8_t *)packed, header.sh_size, DEBUGDATA_BYTES_MAX, &unpacked, &size);
	free(packed);
	if (!r)
		r = hw_elf_file_open_image(&inner, unpacked, size);
	if (r)
		return only_fatal(r);
	r = hw_elf_symbols_collect(&inner, collector, full);
	hw_elf_file_close(&inner);
	return r;
}

int hw_elf_symbols_collect(const struct hw_elf_file *file, struct hw_collector *collector, bool *full)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int r;

	*full = false;
	if (!reading)
		return -ENOMEM;
	reading->file = file;
	reading->collector = collector;
	r = end_sections(reading);
	if (!r)
		r = read_tables(reading, SHT_SYMTAB);
	*full = reading->taken;
	if (!r)
		r = read_tables(reading, SHT_DYNSYM);
	free(reading);
	/* An image comes out of such a section: it may not hold another. */
	if (!r && !*full && file->fd >= 0)
		r = read_debugdata(file, collector, full);
	return r;
}
