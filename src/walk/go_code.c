/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Instructions by the Intel SDM, vol. 2. */
#include "walk/go_code.h"

#include <stdlib.h>
#include <string.h>

#include "walk/row.h"

#define CHUNK_BYTES (128u << 10)
#define AROUND      256 /* bytes looked at before and after what a function is known by */
#define CLOCK_BYTES 160 /* of time.now behind its change of stacks */

static void add(struct hw_go_code *code, uint64_t address, uint64_t size, uint64_t rule)
{
	for (size_t i = 0; i < code->count; i++)
		if (code->ranges[i].address == address) /* chunks overlap */
			return;
	if (code->count < HW_GO_RANGES_MAX)
		code->ranges[code->count++] =
		    (struct hw_start_rule){.address = address, .size = size, .rule = rule};
}

/*
 *	call *%rdi; mov %fs:-8,%rax; mov m(%rax),%rbx; mov curg(%rbx),%rax; mov %rax,%fs:-8; mov sp(%rax),%rsp
 *
 * and before it, already on the other stack: mov %rdi,%rdx; mov (%rdi),%rdi.
 */
static void take_systemstack(struct hw_go_code *code, uint64_t address, const uint8_t *at)
{
	static const uint8_t before[] = {0x48, 0x89, 0xfa, 0x48, 0x8b, 0x3f};
	static const uint8_t store[] = {0x64, 0x48, 0x89, 0x04, 0x25, 0xf8,
	                                0xff, 0xff, 0xff, 0x48, 0x8b, 0x60};
	uint32_t curg;

	memcpy(&curg, at + 18, sizeof(curg));
	if (memcmp(at - sizeof(before), before, sizeof(before)) || memcmp(at + 15, "\x48\x8b\x83", 3) ||
	    memcmp(at + 22, store, sizeof(store)) || at[14] % 8 || at[14] > 127 || curg % 8 ||
	    curg > 255 * 8 || at[34] % 8 || at[34] > 127)
		return;
	add(code, address - sizeof(before), sizeof(before) + 35,
	    HW_RULE(HW_RULE_GOROUTINE, 0, at[34] / 8 << 16 | (int)(curg / 8) << 8 | at[14] / 8));
}

/* push %rax; mov (%rdx),%r12; call *%r12; pop %rax */
static void take_mcall(struct hw_go_code *code, uint64_t address, const uint8_t *at)
{
	(void)at;
	add(code, address, 8, HW_RULE_SCHEDULER);
}

/* mov %rbx,%fs:-8; mov sp(%rbx),%rsp; call newstack; call abort */
static void take_morestack(struct hw_go_code *code, uint64_t address, const uint8_t *at)
{
	if (at[13] == 0xe8 && at[18] == 0xe8)
		add(code, address + 13, 10, HW_RULE_SCHEDULER);
}

/* mov %rsp,%r12; …; mov (%rbx),%rdx; mov sp(%rdx),%rsp; sub $n,%rsp; and $-16,%rsp; …; mov %r12,%rsp */
static void take_clock(struct hw_go_code *code, uint64_t address, const uint8_t *at)
{
	const uint8_t *end = memmem(at + 15, CLOCK_BYTES, "\x4c\x89\xe4", 3);

	if (memcmp(at + 7, "\x48\x83\xec", 3) || memcmp(at + 11, "\x48\x83\xe4\xf0", 4) || !end ||
	    !memmem(at - 128, 128, "\x49\x89\xe4", 3))
		return;
	add(code, address + 7, (uint64_t)(end + 3 - (at + 7)), 0);
}

static const struct {
	void (*take)(struct hw_go_code *code, uint64_t address, const uint8_t *at);
	size_t size;
	uint8_t bytes[14];
} functions[] = {
    {take_systemstack,
     14,
     {0xff, 0xd7, 0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x58}},
    {take_mcall, 8, {0x50, 0x4c, 0x8b, 0x22, 0x41, 0xff, 0xd4, 0x58}},
    {take_morestack, 12, {0x64, 0x48, 0x89, 0x1c, 0x25, 0xf8, 0xff, 0xff, 0xff, 0x48, 0x8b, 0x63}},
    {take_clock, 6, {0x48, 0x8b, 0x13, 0x48, 0x8b, 0x62}},
};

/* What is known by these bytes; around them there are AROUND bytes more, on both sides. */
static void look(struct hw_go_code *code, uint64_t address, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		const uint8_t *at = bytes, *end = bytes + size;

		while (at < end &&
		       (at = memmem(at, (size_t)(end - at), functions[i].bytes, functions[i].size))) {
			functions[i].take(code, address + (uint64_t)(at - bytes), at);
			at++;
		}
	}
}

void hw_go_code_find(struct hw_go_code *code, uint64_t address, uint64_t size, hw_read_by_address read,
                     const void *context)
{
	uint8_t *bytes = calloc(1, CHUNK_BYTES + 2 * AROUND), *chunk; /* zeros before and after the code */
	uint64_t end = address + size;
	size_t got;

	if (!bytes)
		return;
	chunk = bytes + AROUND;
	while (address < end) {
		got = read(context, address, chunk, CHUNK_BYTES);
		memset(chunk + got, 0, CHUNK_BYTES - got + AROUND);
		if (got < CHUNK_BYTES || address + got >= end) {
			look(code, address, chunk, got);
			break;
		}
		look(code, address, chunk, got - AROUND);
		address += got - 2 * AROUND; /* whose first AROUND bytes have been looked at */
	}
	free(bytes);
}

static uint64_t rule_in(const struct hw_start_rule *range, uint64_t rule)
{
	if (range->rule)
		return range->rule;
	if (HW_RULE_KIND(rule) == HW_RULE_CFA && HW_RULE_BASE(rule) == HW_REG_RSP)
		return (rule & ~0xf0ull) | HW_REG_R12 << 4;
	return rule;
}

uint64_t hw_go_code_rule(const struct hw_go_code *code, uint64_t address, uint64_t rule, uint64_t *until)
{
	uint64_t result = rule, next;

	for (size_t i = 0; i < code->count; i++) {
		const struct hw_start_rule *range = &code->ranges[i];

		next = address < range->address ? range->address : range->address + range->size;
		if (address - range->address < range->size)
			result = rule_in(range, rule);
		if (next > address && next < *until)
			*until = next;
	}
	return result;
}
