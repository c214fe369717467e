/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "self.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define MAPPINGS_MAX 64
#define COPY_MAX     (1u << 20)
#define RED_ZONE     128

static struct hw_walker_mapping mappings[MAPPINGS_MAX];
static struct hw_table tables[MAPPINGS_MAX];
static size_t mapping_count;
static __thread uint8_t copy[COPY_MAX];

static int compile_vdso(struct hw_walker_mapping *mapping, struct hw_table *table)
{
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)mapping->start;

	mapping->offset = 0;
	return hw_table_compile_image(header, header->e_shoff + (size_t)header->e_shnum * header->e_shentsize,
	                              NULL, table, NULL);
}

static void add_mapping(uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
	struct hw_walker_mapping *mapping = &mappings[mapping_count];
	struct hw_table *table = &tables[mapping_count];
	int fd, r = -1;

	if (mapping_count == MAPPINGS_MAX)
		abort();
	*mapping = (struct hw_walker_mapping){.start = start, .end = end, .offset = offset};
	if (!strcmp(path, "[vdso]")) {
		r = compile_vdso(mapping, table);
	} else if (path[0] == '/') {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = hw_table_compile(fd, NULL, table, NULL);
		close(fd);
	} else {
		mapping->anonymous = 1;
	}
	mapping->table = r ? NULL : table;
	mapping_count++;
}

void self_load(void)
{
	unsigned long start, end, offset;
	char line[1024], mode[8], path[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	self_unload();
	if (!maps)
		abort();
	while (fgets(line, sizeof(line), maps)) {
		path[0] = 0;
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %511[^\n]", &start, &end, mode, &offset, path) < 4)
			abort();
		if (mode[2] == 'x')
			add_mapping(start, end, offset, path);
	}
	fclose(maps);
}

void self_unload(void)
{
	for (size_t i = 0; i < mapping_count; i++)
		hw_table_clear(&tables[i]);
	mapping_count = 0;
}

size_t self_table_count(void)
{
	size_t count = 0;

	for (size_t i = 0; i < mapping_count; i++)
		count += mappings[i].table != NULL;
	return count;
}

void registers_of_context(const ucontext_t *context, struct saved_registers *registers)
{
	static const int by_dwarf_number[17] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
	                                        REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
	                                        REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

	for (int i = 0; i < 17; i++)
		registers->reg[i] = (uint64_t)context->uc_mcontext.gregs[by_dwarf_number[i]];
}

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	(void)context;
	for (size_t i = 0; i < mapping_count; i++) {
		if (address >= mappings[i].start && address + 8 <= mappings[i].end) {
			memcpy(eight_bytes, (const void *)address, 8);
			return 0;
		}
	}
	return -1;
}

static void stack_bounds(uint64_t *bottom, uint64_t *end)
{
	pthread_attr_t attributes;
	void *start;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attributes) ||
	    pthread_attr_getstack(&attributes, &start, &size))
		abort();
	pthread_attr_destroy(&attributes);
	*bottom = (uint64_t)start;
	*end = (uint64_t)start + size;
}

/* Not memcpy: a sanitizer forbids that to read a stack as a whole. */
__attribute__((no_sanitize("address"))) static void copy_stack(uint8_t *to, uint64_t from, size_t size)
{
	const volatile uint8_t *bytes = (const volatile uint8_t *)from;

	for (size_t i = 0; i < size; i++)
		to[i] = bytes[i];
}

/* What is below the copy: on the same stack, where a handler's own stack lies within it. */
static int read_stack(void *context, uint64_t address, uint64_t *word)
{
	uint64_t bottom, end;

	(void)context;
	stack_bounds(&bottom, &end);
	if (address < bottom || address + sizeof(*word) > end)
		return -1;
	copy_stack((uint8_t *)word, address, sizeof(*word));
	return 0;
}

static void walk_with(const struct saved_registers *registers, size_t copy_bytes, bool live,
                      struct self_walk *walk)
{
	struct hw_walker_input input = {.mappings = mappings,
	                                .mapping_count = mapping_count,
	                                .stack_address = registers->reg[HW_REG_RSP] - RED_ZONE,
	                                .stack = copy,
	                                .read_stack = live ? read_stack : NULL,
	                                .read_code = read_code};
	struct hw_walk state = {.pc = registers->reg[16], .known = 0xffff, .flags = HW_WALK_EXACT};
	uint64_t bottom;

	stack_bounds(&bottom, &input.stack_limit);
	input.stack_size = input.stack_limit - input.stack_address;
	if (input.stack_size > copy_bytes)
		input.stack_size = copy_bytes;
	if (input.stack_size > COPY_MAX)
		abort();
	copy_stack(copy, input.stack_address, input.stack_size);
	memcpy(state.reg, registers->reg, sizeof(state.reg));
	state.depth_max = HW_FRAMES_MAX;
	walk->reason = hw_walker_walk(&state, &input, walk->ips);
	walk->depth = state.depth;
}

void self_walk_copy(const struct saved_registers *registers, size_t copy_bytes, struct self_walk *walk)
{
	walk_with(registers, copy_bytes, false, walk);
}

void self_walk(const struct saved_registers *registers, struct self_walk *walk)
{
	walk_with(registers, COPY_MAX, true, walk);
}
