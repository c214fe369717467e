/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "oracle.h"

#include <dwarf.h>
#include <string.h>

#define DEPTH 16

uint64_t oracle_memory(uint64_t address)
{
	uint64_t hash = address * 0x9e3779b97f4a7c15ull;

	return 0x7ff000000000ull + (hash >> 36) * 8;
}

struct machine {
	const uint64_t *reg;
	uint64_t cfa;
	uint64_t stack[DEPTH];
	int depth;
	bool is_value, is_register;
};

static int push(struct machine *m, uint64_t value)
{
	if (m->depth == DEPTH)
		return -1;
	m->stack[m->depth++] = value;
	return 0;
}

static int binary(struct machine *m, uint8_t atom)
{
	uint64_t a, b;

	if (m->depth < 2)
		return -1;
	b = m->stack[--m->depth];
	a = m->stack[--m->depth];
	switch (atom) {
	case DW_OP_plus:
		return push(m, a + b);
	case DW_OP_minus:
		return push(m, a - b);
	case DW_OP_and:
		return push(m, a & b);
	case DW_OP_mul:
		return push(m, a * b);
	case DW_OP_ge:
		return push(m, (int64_t)a >= (int64_t)b);
	case DW_OP_shl:
		return push(m, b < 64 ? a << b : 0);
	default:
		return -1;
	}
}

static int operate(struct machine *m, const Dwarf_Op *op)
{
	uint64_t reg = op->number, offset = op->number2;

	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		reg = op->atom - DW_OP_breg0;
		offset = op->number;
	}
	if (op->atom == DW_OP_bregx || (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31))
		return reg < ORACLE_REGISTERS ? push(m, m->reg[reg] + offset) : -1;
	switch (op->atom) {
	case DW_OP_regx:
		m->is_register = true;
		return reg < ORACLE_REGISTERS ? push(m, m->reg[reg]) : -1;
	case DW_OP_call_frame_cfa:
		return push(m, m->cfa);
	case DW_OP_plus_uconst:
		return push(m, op->number) ? -1 : binary(m, DW_OP_plus);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
		return push(m, op->number);
	case DW_OP_deref:
		if (!m->depth)
			return -1;
		m->stack[m->depth - 1] = oracle_memory(m->stack[m->depth - 1]);
		return 0;
	case DW_OP_stack_value:
		m->is_value = true;
		return 0;
	case DW_OP_nop:
		return 0;
	default:
		return binary(m, op->atom);
	}
}

static int run(struct machine *m, const Dwarf_Op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (operate(m, &ops[i]))
			return -1;
	}
	return m->depth ? 0 : -1;
}

/* One register of the caller. */
static int find_register(Dwarf_Frame *frame, struct machine *m, int regno, struct oracle_frame *caller)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	if (dwarf_frame_register(frame, regno, memory, &ops, &count))
		return -1;
	caller->known[regno] = ops != memory || count;
	caller->reg[regno] = m->reg[regno];
	if (!count)
		return 0;
	m->depth = 0;
	m->is_value = m->is_register = false;
	if (run(m, ops, count))
		return -1;
	caller->reg[regno] = m->stack[m->depth - 1];
	if (!m->is_value && !m->is_register)
		caller->reg[regno] = oracle_memory(caller->reg[regno]);
	return 0;
}

int oracle_step(Dwarf_Frame *frame, const uint64_t reg[ORACLE_REGISTERS], struct oracle_frame *caller)
{
	struct machine m = {.reg = reg};
	Dwarf_Op *ops;
	size_t count;

	memset(caller, 0, sizeof(*caller));
	if (find_register(frame, &m, 16, caller))
		return -1;
	caller->has_caller = caller->known[16];
	if (!caller->has_caller)
		return 0;
	if (dwarf_frame_cfa(frame, &ops, &count) || run(&m, ops, count))
		return -1;
	m.cfa = m.stack[m.depth - 1];
	for (int i = 0; i < ORACLE_REGISTERS; i++) {
		if (find_register(frame, &m, i, caller))
			return -1;
	}
	return 0;
}
