/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Tables are filled in where walks come by: a walk is made with what is loaded, then the mappings of its ips
 * are looked at; if one of them has a table that was not tried yet, it is loaded and the walk made again.
 */
#include "finish/finish.h"

#include <stdlib.h>
#include <string.h>

#include "finish/files.h"
#include "finish/spaces.h"
#include "walk/walker.h"

#define WALKS_MAX 128 /* of one sample; each but the last has loaded a table */

struct hw_finish {
	struct hw_finish_files files;
	struct hw_finish_spaces spaces;
	uint64_t walks;
	const struct hw_finish_space *space; /* of the walk that is under way */
};

int hw_finish_new(const struct hw_finish_options *options, struct hw_finish **result, struct hw_error *err)
{
	struct hw_finish *finisher = calloc(1, sizeof(*finisher));
	int r;

	if (!finisher)
		return hw_fail(err, -ENOMEM, "out of memory");
	r = hw_finish_files_init(&finisher->files, options, err);
	if (r) {
		hw_finish_free(finisher);
		return r;
	}
	*result = finisher;
	return 0;
}

void hw_finish_free(struct hw_finish *finisher)
{
	if (!finisher)
		return;
	hw_finish_spaces_free(&finisher->spaces);
	hw_finish_files_free(&finisher->files);
	free(finisher);
}

/* ---- process events ---- */

int hw_finish_map(struct hw_finish *finisher, const struct hw_finish_map *map)
{
	struct hw_walker_mapping mapping = {
	    .start = map->start, .end = map->start + map->length, .offset = map->offset};
	struct hw_finish_file *file = NULL;

	if (mapping.end <= mapping.start)
		return 0;
	if (map->executable && hw_finish_files_get(&finisher->files, map, &file))
		return -ENOMEM;
	if (file && file->vdso)
		mapping.offset = 0;
	mapping.anonymous = !file;
	return hw_finish_spaces_map(&finisher->spaces, map->pid, &mapping, file, map->executable);
}

int hw_finish_fork(struct hw_finish *finisher, uint32_t pid, uint32_t parent)
{
	return pid == parent ? 0 : hw_finish_spaces_fork(&finisher->spaces, pid, parent);
}

void hw_finish_exec(struct hw_finish *finisher, uint32_t pid)
{
	hw_finish_spaces_drop(&finisher->spaces, pid);
}

void hw_finish_exit(struct hw_finish *finisher, uint32_t pid)
{
	hw_finish_spaces_drop(&finisher->spaces, pid);
}

/* ---- walking ---- */

/* DWARF's numbers of what perf calls AX, BX, CX, DX, SI, DI, BP, SP; R8 to R15 are bits 16 to 23. */
static const uint8_t dwarf_of_perf[8] = {HW_REG_RAX, HW_REG_RBX, HW_REG_RCX, HW_REG_RDX,
                                         HW_REG_RSI, HW_REG_RDI, HW_REG_RBP, HW_REG_RSP};
#define PERF_REG_IP 8
#define PERF_REG_R8 16

static int set_registers(struct hw_walk *walk, const struct hw_finish_sample *sample)
{
	const uint64_t *value = sample->regs;
	bool have_ip = false;

	memset(walk, 0, sizeof(*walk));
	walk->flags = HW_WALK_EXACT;
	walk->depth_max = HW_FRAMES_MAX;
	for (unsigned int bit = 0; bit < 64; bit++) {
		unsigned int reg = 16;

		if (!(sample->regs_mask >> bit & 1))
			continue;
		if (bit < 8)
			reg = dwarf_of_perf[bit];
		else if (bit >= PERF_REG_R8 && bit < PERF_REG_R8 + 8)
			reg = bit - PERF_REG_R8 + 8;
		if (reg < 16) {
			walk->reg[reg] = *value;
			walk->known |= 1u << reg;
		} else if (bit == PERF_REG_IP) {
			walk->pc = *value;
			have_ip = true;
		}
		value++;
	}
	return have_ip && walk->known & 1u << HW_REG_RSP ? 0 : -1;
}

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	struct hw_finish *finisher = context;
	size_t at = hw_finish_space_at(finisher->space, address);
	const struct hw_walker_mapping *mapping;

	if (at == (size_t)-1 || !finisher->space->files.items[at])
		return -1;
	mapping = &finisher->space->mappings.items[at];
	return hw_finish_files_read(&finisher->files, finisher->space->files.items[at],
	                            address - mapping->start + mapping->offset, eight_bytes);
}

/* Make sure that the mapping of address has its table, or none because there is none. Did that change it? */
static bool look_after(struct hw_finish *finisher, struct hw_finish_space *space, uint64_t address)
{
	size_t at = hw_finish_space_at(space, address);
	const struct hw_table *before;
	struct hw_finish_file *file;
	bool loaded = false;

	file = at == (size_t)-1 ? NULL : space->files.items[at];
	if (!file)
		return false;
	if (file->state == HW_FINISH_UNTRIED) {
		hw_finish_files_load(&finisher->files, file, finisher->walks);
		loaded = file->state == HW_FINISH_LOADED;
	}
	file->used = finisher->walks;
	before = space->mappings.items[at].table;
	space->mappings.items[at].table = file->state == HW_FINISH_LOADED ? &file->table : NULL;
	return loaded || before != space->mappings.items[at].table;
}

/* A walk that is not complete: did it end for want of the file that its last ip is in? */
static void blame_file(struct hw_finish *finisher, const struct hw_finish_space *space, const uint64_t *ips,
                       size_t count)
{
	size_t at = count ? hw_finish_space_at(space, ips[count - 1] - (count > 1)) : (size_t)-1;
	struct hw_finish_file *file = at == (size_t)-1 ? NULL : space->files.items[at];

	if (!file || !file->missing)
		return;
	file->ended++;
	finisher->files.status.walks_missing++;
}

enum hw_end_reason hw_finish_walk(struct hw_finish *finisher, const struct hw_finish_sample *sample,
                                  uint64_t ips[HW_FRAMES_MAX], size_t *count)
{
	struct hw_walker_input input = {.read_code = read_code, .context = finisher};
	struct hw_finish_space *space = hw_finish_spaces_find(&finisher->spaces, sample->pid);
	enum hw_end_reason reason = HW_END_NO_MAPPING;
	struct hw_walk start, walk;
	bool again = true;

	*count = 0;
	if (set_registers(&start, sample))
		return HW_END_LOST_REGISTER;
	if (!space) {
		ips[0] = start.pc;
		*count = 1;
		return HW_END_NO_MAPPING;
	}
	finisher->walks++;
	finisher->space = space;
	input.mappings = space->mappings.items;
	input.mapping_count = space->mappings.count;
	input.stack_address = start.reg[HW_REG_RSP];
	input.stack = sample->stack;
	input.stack_size = sample->stack_size;
	look_after(finisher, space, start.pc);
	for (int walks = 0; again && walks < WALKS_MAX; walks++) {
		walk = start;
		reason = hw_walker_walk(&walk, &input, ips);
		again = false;
		for (uint32_t i = 0; i < walk.depth; i++)
			again |= look_after(finisher, space, i ? ips[i] - 1 : ips[i]);
	}
	*count = walk.depth;
	if (reason != HW_END_COMPLETE)
		blame_file(finisher, space, ips, walk.depth);
	return reason;
}

void hw_finish_status(const struct hw_finish *finisher, struct hw_finish_status *status)
{
	*status = finisher->files.status;
}

size_t hw_finish_missing(const struct hw_finish *finisher, struct hw_finish_missing *list, size_t max)
{
	return hw_finish_files_missing(&finisher->files, list, max);
}
