/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The stubs through which a file calls other files' functions have no symbols. Each jumps through a slot of
 * the global offset table, and the relocation that fills the slot names the function: so the slots are
 * collected from the relocations, and the stubs decoded for the slot they use, whatever their layout. A lazy
 * stub of a file with .plt.sec has no slot: it pushes the number of its relocation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/elf_symbols.h"

#define STUB_BYTES          16u
#define PLT_BYTES_MAX       (16u << 20)
#define RELOCATION_BYTES    (16u << 20)
#define NAMES_BYTES_MAX     (64u << 20)
#define SYMBOL_BYTES        (64u << 20)
#define IMPORTED_NAME_BYTES 1024

struct slot {
	uint64_t address;
	uint32_t name;     /* in the names of the dynamic symbols; 0: none */
	uint64_t resolver; /* of an IRELATIVE relocation */
};

struct resolver {
	uint64_t address;
	const char *name;
};

struct plt {
	const struct hw_elf_file *file;
	struct hw_collector *collector;
	array_of(struct slot) slots; /* as in .rela.plt, then .rela.dyn */
	array_of(struct resolver) resolvers;
	size_t lazy_count; /* slots of .rela.plt */
	char *names, *symbols;
	size_t names_size, symbol_count;
};

static int read_dynamic_symbols(struct plt *plt)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header, names;
	int r;

	while ((section = elf_nextscn(plt->file->elf, section)))
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM)
			break;
	if (!section || hw_elf_file_section(plt->file, header.sh_link, &names))
		return -ENOENT;
	r = hw_elf_file_read_section(plt->file, &header, SYMBOL_BYTES, &plt->symbols);
	if (!r)
		r = hw_elf_file_read_section(plt->file, &names, NAMES_BYTES_MAX, &plt->names);
	if (r)
		return r;
	plt->symbol_count = header.sh_size / sizeof(Elf64_Sym);
	plt->names_size = names.sh_size;
	plt->names[names.sh_size] = '\0';
	return 0;
}

static bool is_of_slot(uint32_t type)
{
	return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
}

/* all: keep those that fill no slot, too, so that they can be counted. */
static int add_slots(struct plt *plt, const Elf64_Rela *relocations, size_t count, bool all)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t type = (uint32_t)ELF64_R_TYPE(relocations[i].r_info);
		uint64_t number = ELF64_R_SYM(relocations[i].r_info);
		struct slot slot = {.address = relocations[i].r_offset};
		Elf64_Sym symbol;

		if (type == R_X86_64_IRELATIVE)
			slot.resolver = (uint64_t)relocations[i].r_addend;
		else if (!is_of_slot(type) && !all)
			continue;
		else if (is_of_slot(type) && number < plt->symbol_count) {
			memcpy(&symbol, plt->symbols + number * sizeof(symbol), sizeof(symbol));
			slot.name = symbol.st_name < plt->names_size ? symbol.st_name : 0;
		}
		if (array_push(&plt->slots, slot))
			return -ENOMEM;
	}
	return 0;
}

static int read_relocations(struct plt *plt, const char *name, bool all)
{
	GElf_Shdr header;
	char *bytes;
	int r = hw_elf_file_find(plt->file, name, &header);

	if (!r && header.sh_type != SHT_RELA)
		r = -EINVAL;
	if (!r)
		r = hw_elf_file_read_section(plt->file, &header, RELOCATION_BYTES, &bytes);
	if (r)
		return r == -ENOMEM ? r : 0;
	r = add_slots(plt, (const Elf64_Rela *)bytes, header.sh_size / sizeof(Elf64_Rela), all);
	free(bytes);
	return r;
}

static int by_slot(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int by_resolver(const void *a, const void *b)
{
	const struct resolver *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* A function chosen at load time is called by its resolver's name. */
static int find_resolvers(struct plt *plt)
{
	bool any = false;

	array_for_each (&plt->slots, slot)
		any |= slot->resolver != 0;
	if (!any)
		return 0;
	array_for_each (&plt->collector->candidates, candidate) {
		struct resolver resolver = {.address = candidate->start};

		if (!candidate->text || !(candidate->quality & HW_QUALITY_FUNCTION))
			continue;
		resolver.name = plt->collector->texts.items[candidate->text - 1].bytes + candidate->name;
		if (strncmp(resolver.name, "__", 2) && array_push(&plt->resolvers, resolver))
			return -ENOMEM;
	}
	if (plt->resolvers.count)
		qsort(plt->resolvers.items, plt->resolvers.count, sizeof(struct resolver), by_resolver);
	return 0;
}

static int name_stub(struct plt *plt, uint64_t address, uint64_t size, const struct slot *slot)
{
	struct resolver key = {.address = slot->resolver}, *resolver = NULL;
	char text[IMPORTED_NAME_BYTES + 8];
	const char *name = "";
	int length;

	if (slot->name)
		name = plt->names + slot->name;
	else if (slot->resolver && plt->resolvers.count)
		resolver =
		    bsearch(&key, plt->resolvers.items, plt->resolvers.count, sizeof(key), by_resolver);
	if (resolver)
		name = resolver->name;
	length = (int)strcspn(name, "@"); /* names of debug files have versions */
	if (length > IMPORTED_NAME_BYTES)
		length = IMPORTED_NAME_BYTES;
	length = length ? snprintf(text, sizeof(text), "%.*s@plt", length, name)
	                : snprintf(text, sizeof(text), "*ABS*+%#llx@plt", (unsigned long long)slot->resolver);
	return hw_collector_add_name(plt->collector, address, size, text, (size_t)length, 0);
}

/* The displacement of "jmp *d(%rip)" in a stub, behind endbr64 or a bnd prefix; *end: of the instruction. */
static bool find_jump(const uint8_t *stub, size_t size, size_t *end, int32_t *displacement)
{
	for (size_t i = 0; i + 6 <= size && i <= 5; i++)
		if (stub[i] == 0xff && stub[i + 1] == 0x25) {
			memcpy(displacement, stub + i + 2, 4);
			*end = i + 6;
			return true;
		}
	return false;
}

static bool find_push(const uint8_t *stub, size_t size, uint32_t *number)
{
	size_t at = size >= 4 && !memcmp(stub, "\xf3\x0f\x1e\xfa", 4) ? 4 : 0;

	if (at + 5 > size || stub[at] != 0x68)
		return false;
	memcpy(number, stub + at + 1, 4);
	return true;
}

/* sorted: the slots by address; plt->slots: as the file has them. */
static int name_stubs(struct plt *plt, const struct slot *sorted, const uint8_t *bytes, size_t size,
                      uint64_t address, size_t step)
{
	int r = 0;

	for (size_t at = 0; at < size && !r; at += step) {
		size_t left = size - at < step ? size - at : step, end;
		const struct slot *slot = NULL;
		struct slot key = {0};
		int32_t displacement;
		uint32_t number;

		if (find_jump(bytes + at, left, &end, &displacement)) {
			key.address = address + at + end + (uint64_t)(int64_t)displacement;
			slot = bsearch(&key, sorted, plt->slots.count, sizeof(key), by_slot);
		} else if (find_push(bytes + at, left, &number) && number < plt->lazy_count)
			slot = &plt->slots.items[number];
		if (slot)
			r = name_stub(plt, address + at, step, slot);
		else if (!at && left == STUB_BYTES &&
		         !memcmp(bytes, "\xff\x35", 2)) /* what lazy ones share */
			r = hw_collector_add_name(plt->collector, address, step, ".plt", 4, 0);
	}
	return r;
}

static int read_stubs(struct plt *plt, const struct slot *sorted, const char *name)
{
	GElf_Shdr header;
	char *bytes;
	int r = hw_elf_file_find(plt->file, name, &header);

	if (!r)
		r = hw_elf_file_read_section(plt->file, &header, PLT_BYTES_MAX, &bytes);
	if (r)
		return r == -ENOMEM ? r : 0;
	r = name_stubs(plt, sorted, (const uint8_t *)bytes, header.sh_size, header.sh_addr,
	               header.sh_entsize == 8 ? 8 : STUB_BYTES);
	free(bytes);
	return r;
}

static int collect(struct plt *plt)
{
	struct slot *sorted;
	int r = read_dynamic_symbols(plt);

	if (r == -ENOMEM)
		return r;
	r = read_relocations(plt, ".rela.plt", true);
	plt->lazy_count = plt->slots.count;
	if (!r)
		r = read_relocations(plt, ".rela.dyn", false);
	if (!r)
		r = find_resolvers(plt);
	if (r || !plt->slots.count)
		return r;
	sorted = malloc(plt->slots.count * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, plt->slots.items, plt->slots.count * sizeof(*sorted));
	qsort(sorted, plt->slots.count, sizeof(*sorted), by_slot);
	r = read_stubs(plt, sorted, ".plt");
	if (!r)
		r = read_stubs(plt, sorted, ".plt.sec");
	if (!r)
		r = read_stubs(plt, sorted, ".plt.got");
	free(sorted);
	return r;
}

int hw_elf_plt_collect(const struct hw_elf_file *file, struct hw_collector *collector)
{
	struct plt plt = {.file = file, .collector = collector};
	int r = file->is_64 && file->machine == EM_X86_64 ? collect(&plt) : 0;

	array_free(&plt.slots);
	array_free(&plt.resolvers);
	free(plt.names);
	free(plt.symbols);
	return r;
}
