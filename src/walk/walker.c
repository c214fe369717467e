/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The driver around walk/frame.h in user space. All it could be asked for is at hand from the start, so a
 * frame that asks for something gets the end of the walk for an answer.
 */
#include "walk/walker.h"

#include <string.h>

#include "walk/frame.h"

#define STACK_BYTES_LIKELY (8ull << 20) /* the usual limit, where the stack's end is not known */

struct walker {
	struct hw_walk walk; /* first: the hooks get a pointer to it */
	const struct hw_walker_input *input;
	uint64_t *ips;
};

static struct walker *walker_of(struct hw_walk *w)
{
	return (struct walker *)w;
}

/* Take a word from the copy of size bytes from start on: 0, or -1: it is not all in there. */
static int take_word(const uint8_t *copy, size_t size, uint64_t start, hw_u64 address, hw_u64 *value)
{
	uint64_t at = address - start;

	if (at >= size || size - at < sizeof(*value))
		return -1;
	memcpy(value, copy + at, sizeof(*value));
	return 0;
}

static int hw_read_stack(struct hw_walk *w, hw_u64 address, hw_u64 *value)
{
	const struct hw_walker_input *input = walker_of(w)->input;

	if (!take_word(input->stack, input->stack_size, input->stack_address, address, value) ||
	    !take_word(input->other_stack, input->other_size, input->other_address, address, value))
		return 0;
	return input->read_stack ? input->read_stack(input->context, address, value) : -1;
}

static int hw_read_code(struct hw_walk *w, hw_u64 address, hw_u64 *eight_bytes)
{
	const struct hw_walker_input *input = walker_of(w)->input;

	return input->read_code ? input->read_code(input->context, address, eight_bytes) : -1;
}

static void hw_put_ip(struct hw_walk *w, hw_u64 ip)
{
	walker_of(w)->ips[w->depth] = ip;
}

/* The mapping that holds address, or NULL. */
static const struct hw_walker_mapping *mapping_of(const struct hw_walker_input *input, uint64_t address)
{
	size_t low = 0, high = input->mapping_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (input->mappings[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address >= input->mappings[low - 1].end)
		return NULL;
	return &input->mappings[low - 1];
}

static int hw_find_mapping(struct hw_walk *w, hw_u64 address)
{
	const struct hw_walker_input *input = walker_of(w)->input;
	const struct hw_walker_mapping *found;
	struct hw_mapping *kept = &w->mappings[0];

	w->mapping = 0;
	if (kept->kind == HW_MAPPING_TABLE && address >= kept->start && address < kept->end)
		return 0;
	memset(kept, 0, sizeof(*kept));
	kept->kind = HW_MAPPING_NOT_CODE;
	found = mapping_of(input, address);
	if (!found)
		return 0;
	if (!found->table && !found->anonymous && input->load_table)
		input->load_table(input->context, (size_t)(found - input->mappings));
	kept->start = found->start;
	kept->end = found->end;
	kept->offset = found->offset;
	kept->serial = (uint32_t)(found - input->mappings);
	if (found->anonymous)
		kept->kind = HW_MAPPING_ANONYMOUS;
	else
		kept->kind = found->table ? HW_MAPPING_TABLE : HW_MAPPING_NO_TABLE;
	return 0;
}

static int hw_find_rule(struct hw_walk *w, const struct hw_mapping *m, hw_u32 offset, hw_u64 *rule)
{
	*rule = hw_table_rule(walker_of(w)->input->mappings[m->serial].table, offset);
	return 0;
}

/* Why the word at w->need was not there: the copy ended before the stack, or it is no stack at all. */
static enum hw_end_reason unreadable(const struct hw_walk *w, const struct hw_walker_input *input)
{
	uint64_t end = input->stack_address + input->stack_size;
	uint64_t limit = input->stack_limit ? input->stack_limit : end + STACK_BYTES_LIKELY;

	if (!input->read_stack && w->need + sizeof(hw_u64) > end && w->need < limit)
		return HW_END_SHORT_COPY;
	if (!input->read_stack && w->unreadable_reason == HW_END_UNREADABLE && !(w->need >> 47))
		return HW_END_SHORT_COPY; /* by table, and no garbage: another stack, of which there is no
		                             copy */
	return (enum hw_end_reason)w->unreadable_reason;
}

/*
 * What a function has popped already still counts as saved below the stack pointer, where a copy need not
 * reach: the register itself has the value.
 */
static void unsave_popped(struct hw_walk *w, const struct hw_walk *first, const struct hw_walker_input *input)
{
	uint64_t rsp = first->reg[HW_REG_RSP];

	for (unsigned int reg = 0; reg < 16; reg++)
		if ((w->saved & ~first->saved) >> reg & 1 && w->reg[reg] < rsp &&
		    w->reg[reg] < input->stack_address && first->known >> reg & 1) {
			w->reg[reg] = first->reg[reg];
			w->saved &= ~(1u << reg);
		}
}

enum hw_end_reason hw_walker_walk(struct hw_walk *state, const struct hw_walker_input *input, uint64_t *ips)
{
	struct walker walker = {.walk = *state, .input = input, .ips = ips};
	enum hw_end_reason reason;
	int r;

	memset(walker.walk.mappings, 0, sizeof(walker.walk.mappings));
	r = hw_walk_frame(&walker.walk);
	if (r == HW_FRAME_NEXT && state->flags & HW_WALK_EXACT)
		unsave_popped(&walker.walk, state, input);
	while (r == HW_FRAME_NEXT)
		r = hw_walk_frame(&walker.walk);
	if (r == HW_FRAME_NEED_STACK) {
		reason = unreadable(&walker.walk, input);
		if (walker.walk.depth < walker.walk.depth_max)
			walker.walk.depth++; /* its ip is known, its caller is not */
	} else {
		reason = r >= HW_FRAME_DONE ? (enum hw_end_reason)(r - HW_FRAME_DONE) : HW_END_MISS;
	}
	*state = walker.walk;
	return reason;
}
