/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "modules.h"

#include <dirent.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define MODULES_MAX 4096
#define VDSO_BYTES  8192
#define KEPT_MAX    64

static struct module *modules[MODULES_MAX], *kept[KEPT_MAX];
static int module_count, kept_count;

/* libdwfl wants files: the vDSO becomes one. */
static char *vdso_path(void)
{
	static int fd = -1;
	char path[64];

	if (fd < 0) {
		fd = memfd_create("vdso", 0);
		if (fd < 0 || write(fd, (const void *)getauxval(AT_SYSINFO_EHDR), VDSO_BYTES) != VDSO_BYTES)
			return NULL;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return strdup(path);
}

static void read_elf(struct module *module)
{
	Elf *elf = elf_begin(module->fd, ELF_C_READ, NULL);
	const void *build_id;
	ssize_t size;
	size_t count;
	GElf_Phdr header;
	GElf_Ehdr file;

	if (!elf || elf_getphdrnum(elf, &count))
		count = 0;
	for (size_t i = 0; i < count && module->segment_count < 16; i++)
		if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD && header.p_flags & PF_X)
			module->segments[module->segment_count++] = (struct module_segment){
			    .address = header.p_vaddr, .offset = header.p_offset, .size = header.p_filesz};
	module->is_fixed = elf && gelf_getehdr(elf, &file) && file.e_type == ET_EXEC;
	size = elf ? dwelf_elf_gnu_build_id(elf, &build_id) : 0;
	if (size > 0 && size <= 20) {
		memcpy(module->build_id, build_id, (size_t)size);
		module->build_id_size = (uint8_t)size;
	}
	elf_end(elf);
}

static struct module *open_module(const char *name)
{
	struct module *module = calloc(1, sizeof(*module));
	struct hw_error err;

	if (!module)
		abort();
	elf_version(EV_CURRENT);
	module->path = strcmp(name, "[vdso]") ? strdup(name) : vdso_path();
	module->fd = module->path ? open(module->path, O_RDONLY | O_CLOEXEC) : -1;
	if (module->fd < 0)
		return module;
	read_elf(module);
	module->has_table = !hw_table_compile(module->fd, NULL, &module->table, &err);
	return module;
}

void modules_kept_in(const char *directory)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir = directory ? opendir(directory) : NULL;

	while (dir && (entry = readdir(dir)) && kept_count < KEPT_MAX) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_type != DT_REG)
			continue;
		kept[kept_count] = open_module(path);
		if (kept[kept_count]->build_id_size)
			kept_count++;
	}
	if (dir)
		closedir(dir);
}

static bool is_of(const struct module *module, const struct hw_process_event *mapping)
{
	if (module->fd < 0 || !module->segment_count)
		return false;
	return !mapping->build_id_size ||
	       (mapping->build_id_size == module->build_id_size &&
	        !memcmp(mapping->build_id, module->build_id, module->build_id_size));
}

static const struct module *kept_of(const struct hw_process_event *mapping)
{
	for (int i = 0; mapping->build_id_size && i < kept_count; i++)
		if (is_of(kept[i], mapping))
			return kept[i];
	return NULL;
}

const struct module *module_of(const struct hw_process_event *mapping)
{
	static const char *names[MODULES_MAX];
	struct module *module = NULL;

	if (!mapping || !mapping->name || (mapping->name[0] != '/' && strcmp(mapping->name, "[vdso]")))
		return NULL;
	for (int i = 0; i < module_count && !module; i++)
		if (!strcmp(names[i], mapping->name))
			module = modules[i];
	if (!module) {
		if (module_count == MODULES_MAX)
			abort();
		module = open_module(mapping->name);
		names[module_count] = strdup(mapping->name);
		modules[module_count++] = module;
	}
	return is_of(module, mapping) ? module : kept_of(mapping);
}

uint64_t module_bias(const struct module *module, uint64_t start, uint64_t offset)
{
	const struct module_segment *s;

	for (int i = 0; i < module->segment_count; i++) {
		s = &module->segments[i];
		/* a mapping begins at a page, its segment need not */
		if (offset + 4095 >= s->offset && offset < s->offset + s->size)
			return start - (s->address + (offset - s->offset));
	}
	return start - offset;
}

bool module_is_whole(const struct module *module, uint64_t start, uint64_t offset)
{
	if (module->is_fixed && module_bias(module, start, offset))
		return false;
	for (int i = 0; i < module->segment_count; i++)
		if (offset == (module->segments[i].offset & ~4095ull))
			return true;
	return false;
}
