/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * exec: between the moment when the program is replaced and its first instruction, a task's registers are
 * those of the old program, then the entry of the new one; neither says where time goes. So until a sample
 * hit the new program in user mode, or has more than its entry on its stack, stacks end "exec", empty.
 */
#include "capture/finish_walk.h"

#include <string.h>
#include <sys/uio.h>

#include "perfdata/records.h"

struct walking {
	struct hw_finish_walk *walk;
	struct hw_space *space;
};

static void load_table(void *context, size_t mapping)
{
	struct walking *walking = context;

	hw_space_load(walking->walk->spaces, walking->space, mapping);
}

static int read_code(void *context, uint64_t address, uint64_t *eight_bytes)
{
	const struct walking *walking = context;
	struct iovec here = {.iov_base = eight_bytes, .iov_len = sizeof(*eight_bytes)};
	struct iovec there = {.iov_base = (void *)address, .iov_len = sizeof(*eight_bytes)};

	return process_vm_readv((pid_t)walking->space->pid, &here, 1, &there, 1, 0) == sizeof(*eight_bytes)
	           ? 0
	           : -1;
}

/* In an image that has just begun, only what was seen in user mode or deeper than its entry is believed. */
static bool is_exec(struct hw_space *space, uint16_t cpumode, enum hw_end_reason reason, uint32_t depth)
{
	if (!space || !space->in_exec)
		return false;
	if (cpumode == PERF_RECORD_MISC_USER || (reason == HW_END_COMPLETE && depth > 1)) {
		space->in_exec = false;
		return false;
	}
	return true;
}

static enum hw_end_reason walk_copy(struct hw_finish_walk *walk, const struct hw_stack_copy *copy,
                                    const uint8_t *stack, uint64_t *ips, uint32_t *depth)
{
	struct hw_space none = {.pid = copy->pid};
	struct hw_space *space = hw_spaces_find(walk->spaces, copy->pid);
	struct walking walking = {.walk = walk, .space = space ? space : &none};
	struct hw_walker_input input = {.stack_address = copy->stack_address,
	                                .stack = stack,
	                                .stack_size = copy->stack_size,
	                                .other_address = copy->other_address,
	                                .other_stack = stack + copy->stack_size,
	                                .other_size = copy->other_size,
	                                .load_table = load_table,
	                                .read_code = read_code,
	                                .context = &walking};
	struct hw_walk state = {
	    .pc = copy->pc, .known = 0xffff, .flags = HW_WALK_EXACT, .depth_max = HW_FRAMES_MAX};
	enum hw_end_reason reason;
	ssize_t last;

	memcpy(state.reg, copy->regs, sizeof(state.reg));
	input.mappings = walking.space->mappings;
	input.mapping_count = walking.space->count;
	reason = hw_walker_walk(&state, &input, ips);
	*depth = state.depth;
	last = *depth && space ? hw_space_mapping(space, ips[*depth - 1] - (*depth > 1)) : -1;
	if (reason == HW_END_NO_TABLE && last >= 0 && space->files[last].state == HW_SPACE_NO_FILE)
		reason = HW_END_NO_FILE;
	if (is_exec(space, copy->cpumode, reason, *depth)) {
		*depth = 0;
		return HW_END_EXEC;
	}
	return reason;
}

void hw_finish_copy(struct hw_finish_walk *walk, const struct hw_stack_copy *copy, uint64_t *sample,
                    size_t sample_size, uint64_t *callchain, size_t callchain_size)
{
	const uint64_t *kernel_ips = (const uint64_t *)(copy + 1);
	struct hw_record_sample built = {
	    .id = {.pid = copy->pid, .tid = copy->tid, .time_ns = copy->time_ns, .cpu = copy->cpu},
	    .cpumode = copy->cpumode,
	    .refusal = copy->refusal,
	    .ip = copy->ip,
	    .period = copy->period,
	    .kernel_ips = kernel_ips,
	    .kernel_count = copy->kernel_count,
	};
	uint64_t ips[HW_FRAMES_MAX];
	enum hw_end_reason reason;
	uint32_t depth = 0;

	walk->samples++;
	callchain[0] = 0;
	if (copy->user_part && !copy->refusal) {
		built.cookie = ++walk->cookie;
		walk->walks++;
		reason =
		    walk_copy(walk, copy, (const uint8_t *)(kernel_ips + copy->kernel_count), ips, &depth);
		walk->frames += depth;
		hw_build_deferred(callchain, callchain_size, &built.id, built.cookie, ips, depth,
		                  (uint8_t)reason);
	}
	hw_build_sample(sample, sample_size, &built);
}

void hw_finish_note_sample(struct hw_finish_walk *walk, const struct perf_event_header *record)
{
	const uint32_t *ids = (const uint32_t *)(record + 1) + 2; /* ip, then pid and tid */
	struct hw_space *space;

	walk->samples++;
	if ((record->misc & PERF_RECORD_MISC_CPUMODE_MASK) != PERF_RECORD_MISC_USER || record->size < 24)
		return;
	space = hw_spaces_find(walk->spaces, ids[0]);
	if (space)
		space->in_exec = false;
}

static enum hw_end_reason judge(struct hw_finish_walk *walk, struct hw_space *space, const uint64_t *ips,
                                uint64_t count)
{
	uint64_t last = ips[count - 1] - (count > 1);
	const struct hw_table *table;
	ssize_t at = space ? hw_space_mapping(space, last) : -1;
	uint64_t offset;

	if (count >= HW_FRAMES_MAX)
		return HW_END_TRUNCATED;
	if (at < 0)
		return HW_END_NO_MAPPING;
	hw_space_load(walk->spaces, space, (size_t)at);
	table = space->mappings[at].table;
	offset = last - space->mappings[at].start + space->mappings[at].offset;
	if (table && offset <= UINT32_MAX &&
	    HW_RULE_KIND(hw_table_rule(table, (uint32_t)offset)) == HW_RULE_END)
		return HW_END_COMPLETE;
	return HW_END_FRAME_POINTER;
}

/* cookie, nr, ips[nr], then pid and tid, time, cpu */
void hw_finish_judge(struct hw_finish_walk *walk, struct perf_event_header *record)
{
	uint64_t *words = (uint64_t *)record;
	uint64_t count = record->size >= 48 ? words[2] : 0;
	enum hw_end_reason reason;
	struct hw_space *space;

	if (!count || count > record->size / 8u - 6)
		return;
	space = hw_spaces_find(walk->spaces, (uint32_t)words[3 + count]);
	reason = judge(walk, space, words + 3, count);
	walk->walks++;
	walk->frames += count;
	if (is_exec(space, PERF_RECORD_MISC_KERNEL, reason, (uint32_t)count)) {
		reason = HW_END_EXEC;
		memmove(words + 3, words + 3 + count, 3 * sizeof(*words));
		words[2] = 0;
		record->size = 48;
	}
	record->misc = (uint16_t)(PERF_RECORD_MISC_USER | (unsigned int)reason << HW_MISC_REASON_SHIFT);
}

int hw_finish_name_build(struct hw_finish_walk *walk, const struct perf_event_header *record, void *buffer,
                         size_t size)
{
	const uint64_t *words = (const uint64_t *)record;
	struct hw_record_mmap map = {.cpumode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK};
	struct hw_space *space;
	ssize_t at;

	if (record->size < 104)
		return 0;
	map.pid = (uint32_t)words[1];
	map.tid = (uint32_t)(words[1] >> 32);
	map.start = words[2];
	map.length = words[3];
	map.offset = words[4];
	map.protection = (uint32_t)words[8];
	map.flags = (uint32_t)(words[8] >> 32);
	map.name = (const char *)(words + 9);
	map.id.pid = (uint32_t)words[record->size / 8 - 3];
	map.id.tid = (uint32_t)(words[record->size / 8 - 3] >> 32);
	map.id.time_ns = words[record->size / 8 - 2];
	map.id.cpu = (uint32_t)words[record->size / 8 - 1];
	space = map.cpumode == PERF_RECORD_MISC_USER ? hw_spaces_find(walk->spaces, map.pid) : NULL;
	at = space ? hw_space_mapping(space, map.start) : -1;
	if (at < 0)
		return 0;
	hw_space_load(walk->spaces, space, (size_t)at);
	if (!space->mappings[at].table || !space->mappings[at].table->build_id_size)
		return 0;
	map.build_id = space->mappings[at].table->build_id;
	map.build_id_size = space->mappings[at].table->build_id_size;
	return hw_build_mmap(buffer, size, &map);
}
