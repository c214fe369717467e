/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/symtab.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES     4096
#define SYMBOLS_MAX        (8u << 20)
#define MAP_FILE_BYTES_MAX (256u << 20)

static int add(struct hw_symtab *table, uint64_t start, uint64_t end, const char *name)
{
	struct hw_symbol symbol = {.start = start, .end = end, .name = table->names.count};
	size_t length = strnlen(name, NAME_MAX_BYTES);

	if (table->symbols.count >= SYMBOLS_MAX ||
	    array_reserve(&table->names, table->names.count + length + 1) ||
	    array_push(&table->symbols, symbol))
		return -ENOMEM;
	memcpy(table->names.items + table->names.count, name, length);
	table->names.items[table->names.count + length] = '\0';
	table->names.count += length + 1;
	return 0;
}

/* Of several symbols at one address the global-looking (shorter underscored) one reads best. */
static int by_start(const void *a, const void *b)
{
	const struct hw_symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* Sorted, one symbol an address; a symbol without a size reaches to the next one. */
static void finish(struct hw_symtab *table)
{
	size_t kept = 0;

	if (table->symbols.count)
		qsort(table->symbols.items, table->symbols.count, sizeof(struct hw_symbol), by_start);
	for (size_t i = 0; i < table->symbols.count; i++) {
		struct hw_symbol *symbol = &table->symbols.items[i];

		if (kept && table->symbols.items[kept - 1].start == symbol->start) {
			if (table->symbols.items[kept - 1].end < symbol->end)
				table->symbols.items[kept - 1].end = symbol->end;
			continue;
		}
		table->symbols.items[kept++] = *symbol;
	}
	table->symbols.count = kept;
	for (size_t i = 0; i < kept; i++) {
		struct hw_symbol *symbol = &table->symbols.items[i];

		if (symbol->end == symbol->start)
			symbol->end = i + 1 < kept ? table->symbols.items[i + 1].start : symbol->start + 4096;
	}
}

static int read_section(struct hw_symtab *table, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t count = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
	int r = 0;

	for (size_t i = 0; i < count && i < INT32_MAX && !r; i++) {
		GElf_Sym symbol;
		const char *name;
		unsigned int type;

		if (!gelf_getsym(data, (int)i, &symbol))
			break;
		type = GELF_ST_TYPE(symbol.st_info);
		if ((type != STT_FUNC && type != STT_GNU_IFUNC && !(type == STT_NOTYPE && symbol.st_size)) ||
		    symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS ||
		    symbol.st_value + symbol.st_size < symbol.st_value)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (name && *name)
			r = add(table, symbol.st_value, symbol.st_value + symbol.st_size, name);
	}
	return r;
}

static int read_symbols(struct hw_symtab *table, Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int r = 0;

	while (!r && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
			r = read_section(table, elf, section, &header);
	return r;
}

static int read_segments(struct hw_symtab *table, Elf *elf)
{
	size_t count;
	GElf_Phdr header;

	if (elf_getphdrnum(elf, &count))
		return -EINVAL;
	for (size_t i = 0; i < count && i < 1024; i++) {
		struct hw_segment segment;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
			continue;
		segment = (struct hw_segment){header.p_offset, header.p_filesz, header.p_vaddr};
		if (array_push(&table->segments, segment))
			return -ENOMEM;
	}
	return 0;
}

static void read_build_id(struct hw_symtab *table, Elf *elf)
{
	const void *bytes;
	ssize_t size = dwelf_elf_gnu_build_id(elf, &bytes);

	if (size > 0 && size <= (ssize_t)sizeof(table->build_id)) {
		memcpy(table->build_id, bytes, (size_t)size);
		table->build_id_size = (uint8_t)size;
	}
}

/* A regular file, opened without ever waiting for it. */
static int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static int with_elf(const char *path, int (*use)(struct hw_symtab *table, Elf *elf), struct hw_symtab *table)
{
	int fd = open_regular(path), r;
	Elf *elf;

	if (fd < 0)
		return fd;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	r = elf && elf_kind(elf) == ELF_K_ELF ? use(table, elf) : -ENOEXEC;
	elf_end(elf);
	close(fd);
	return r;
}

static int use_all(struct hw_symtab *table, Elf *elf)
{
	int r = read_segments(table, elf);

	read_build_id(table, elf);
	return r ? r : read_symbols(table, elf);
}

static int use_debug(struct hw_symtab *table, Elf *elf)
{
	struct hw_symtab debug = {0};

	read_build_id(&debug, elf);
	if (debug.build_id_size != table->build_id_size ||
	    memcmp(debug.build_id, table->build_id, table->build_id_size) != 0)
		return -ESTALE;
	return read_symbols(table, elf);
}

static void read_debug_file(struct hw_symtab *table, const char *directory)
{
	char path[4096], hex[41] = "";

	if (table->build_id_size < 2)
		return;
	for (size_t i = 0; i < table->build_id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", table->build_id[i]);
	snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", directory, hex, hex + 2);
	with_elf(path, use_debug, table);
}

int hw_symtab_read_elf(struct hw_symtab *table, const char *path, const uint8_t *want, size_t want_size,
                       const char *debug_directory)
{
	int r;

	memset(table, 0, sizeof(*table));
	r = with_elf(path, use_all, table);
	if (!r && want_size &&
	    (table->build_id_size != want_size || memcmp(table->build_id, want, want_size) != 0))
		r = -ESTALE;
	if (r) {
		hw_symtab_clear(table);
		return r;
	}
	read_debug_file(table, debug_directory ? debug_directory : "/usr/lib/debug");
	finish(table);
	return 0;
}

int hw_symtab_read_kallsyms(struct hw_symtab *table, const char *path)
{
	char line[1024], name[512], kind;
	FILE *file = fopen(path, "re");
	uint64_t address;
	bool any = false;
	int r = 0;

	memset(table, 0, sizeof(*table));
	if (!file)
		return -errno;
	while (!r && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 " %c %511s", &address, &kind, name) != 3 || !strchr("tTwW", kind))
			continue;
		any |= address != 0;
		r = add(table, address, address, name);
	}
	fclose(file);
	if (!r && !any)
		r = -ENODATA;
	if (r)
		hw_symtab_clear(table);
	else
		finish(table);
	return r;
}

int hw_symtab_read_perf_map(struct hw_symtab *table, const char *path)
{
	char line[4096];
	uint64_t start, size;
	int fd = open_regular(path), at, r = 0;
	struct stat st;
	FILE *file;

	memset(table, 0, sizeof(*table));
	if (fd < 0)
		return fd;
	file = fdopen(fd, "r");
	if (!file || fstat(fd, &st) || st.st_size > MAP_FILE_BYTES_MAX) {
		close(fd);
		return -EFBIG;
	}
	while (!r && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		at = 0;
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &start, &size, &at) < 2 || !at || !line[at] ||
		    start + size < start)
			continue;
		r = add(table, start, start + size, line + at);
	}
	fclose(file);
	finish(table);
	return r;
}

void hw_symtab_clear(struct hw_symtab *table)
{
	array_free(&table->symbols);
	array_free(&table->names);
	array_free(&table->segments);
}

const struct hw_symbol *hw_symtab_find(const struct hw_symtab *table, uint64_t address)
{
	size_t low = 0, high = table->symbols.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->symbols.items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < table->symbols.items[low - 1].end ? &table->symbols.items[low - 1] : NULL;
}

const char *hw_symtab_name(const struct hw_symtab *table, const struct hw_symbol *symbol)
{
	return table->names.items + symbol->name;
}

int hw_symtab_address(const struct hw_symtab *table, uint64_t offset, uint64_t *address)
{
	array_for_each (&table->segments, segment)
		if (offset >= segment->offset && offset - segment->offset < segment->size) {
			*address = offset - segment->offset + segment->address;
			return 0;
		}
	return -1;
}
