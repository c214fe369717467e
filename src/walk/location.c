/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A small symbolic run of the expression (DWARF 5, section 2.5): the stack holds not numbers but the forms
 * of location.h. Whatever operation does not keep such a form makes the whole expression unknown.
 */
#include "walk/location.h"

#include <dwarf.h>
#include <string.h>

#include "walk/row.h"

#define STACK_DEPTH    4
#define OPERATIONS_MAX 16 /* the longest of use, a PLT's, has 9 */

enum { NUMBER = HW_LOCATION_PLT + 1 }; /* on the stack only: a constant, in offset */

struct run {
	struct hw_location stack[STACK_DEPTH];
	int depth;
	bool is_value;
};

static bool push(struct run *run, int kind, uint64_t reg, uint64_t offset)
{
	struct hw_location *top = &run->stack[run->depth];

	if (run->depth == STACK_DEPTH || reg > UINT32_MAX)
		return false;
	*top = (struct hw_location){
	    .kind = (enum hw_location_kind)kind, .reg = (uint32_t)reg, .offset = (int64_t)offset};
	run->depth++;
	return true;
}

static bool add_number(struct run *run, uint64_t number)
{
	struct hw_location *top;

	if (!run->depth)
		return false;
	top = &run->stack[run->depth - 1];
	if (top->kind == HW_LOCATION_DEREF)
		return !__builtin_add_overflow(top->added, (int64_t)number, &top->added);
	return !__builtin_add_overflow(top->offset, (int64_t)number, &top->offset);
}

/* a b → a ± b, where b is a number */
static bool add_top(struct run *run, bool minus)
{
	uint64_t number;

	if (run->depth < 2 || (int)run->stack[run->depth - 1].kind != NUMBER)
		return false;
	number = (uint64_t)run->stack[--run->depth].offset;
	return add_number(run, minus ? -number : number);
}

static bool dereference(struct run *run)
{
	struct hw_location *top;

	if (!run->depth)
		return false;
	top = &run->stack[run->depth - 1];
	if (top->kind != HW_LOCATION_BASE)
		return false;
	top->kind = HW_LOCATION_DEREF;
	return true;
}

static bool operate(struct run *run, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push(run, HW_LOCATION_BASE, op->atom - DW_OP_breg0, op->number);
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(run, NUMBER, 0, op->atom - DW_OP_lit0);
	if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31)
		return push(run, HW_LOCATION_REGISTER, op->atom - DW_OP_reg0, 0);
	switch (op->atom) {
	case DW_OP_bregx:
		return push(run, HW_LOCATION_BASE, op->number, op->number2);
	case DW_OP_regx:
		return push(run, HW_LOCATION_REGISTER, op->number, 0);
	case DW_OP_call_frame_cfa:
		return push(run, HW_LOCATION_CFA, 0, 0);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(run, NUMBER, 0, op->number);
	case DW_OP_plus_uconst:
		return add_number(run, op->number);
	case DW_OP_plus:
	case DW_OP_minus:
		return add_top(run, op->atom == DW_OP_minus);
	case DW_OP_deref:
		return dereference(run);
	case DW_OP_nop:
		return true;
	default:
		return false;
	}
}

/* CFA + n, as nearly all registers are given. */
static bool is_cfa_relative(const Dwarf_Op *ops, size_t count)
{
	return ops && ops[0].atom == DW_OP_call_frame_cfa &&
	       (count == 1 || (count == 2 && ops[1].atom == DW_OP_plus_uconst));
}

static struct hw_location evaluate(const Dwarf_Op *ops, size_t count)
{
	struct hw_location unknown = {.kind = HW_LOCATION_UNKNOWN}, result;
	struct run run;

	run.depth = 0;
	run.is_value = false;
	if (!ops || !count || count > OPERATIONS_MAX)
		return unknown;
	for (size_t i = 0; i < count; i++) {
		if (i + 1 == count && ops[i].atom == DW_OP_stack_value)
			run.is_value = true;
		else if (!operate(&run, &ops[i]))
			return unknown;
	}
	if (!run.depth)
		return unknown;
	result = run.stack[run.depth - 1];
	if ((int)result.kind == NUMBER)
		return unknown;
	result.is_value = run.is_value;
	return result;
}

/* Is op the constant n, in whichever of the forms that a linker might choose? */
static bool is_constant(const Dwarf_Op *op, uint64_t n)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return (uint64_t)(op->atom - DW_OP_lit0) == n;
	return (op->atom == DW_OP_const1u || op->atom == DW_OP_constu) && op->number == n;
}

/*
 * What linkers write for a procedure linkage table (binutils, bfd/elfxx-x86 eh_frame of the lazy PLT):
 * rsp + 8 + ((((rip + 0) & 15) >= n) << 3). n is 11 where an entry is jmp, push, jmp; 10 and 9 where it
 * begins with endbr64; 5 with bnd jumps.
 */
static bool is_plt(const Dwarf_Op *ops, size_t count, int64_t *threshold)
{
	static const uint8_t atoms[] = {DW_OP_breg7, DW_OP_breg16, 0,         DW_OP_and, 0, DW_OP_ge,
	                                0,           DW_OP_shl,    DW_OP_plus};

	if (count != sizeof(atoms))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (atoms[i] && ops[i].atom != atoms[i])
			return false;
	}
	if (ops[0].number != 8 || ops[1].number != 0 || !is_constant(&ops[2], 15) || !is_constant(&ops[6], 3))
		return false;
	for (*threshold = 1; *threshold < 16; ++*threshold) {
		if (is_constant(&ops[4], (uint64_t)*threshold))
			return true;
	}
	return false;
}

/* As OpenSSL's Montgomery multiplication has it: rsp + n + 8 × r9, what stands there, + 8. */
static bool is_indexed(const Dwarf_Op *ops, size_t count, struct hw_location *location)
{
	if (count != 7 || ops[0].atom < DW_OP_breg0 || ops[0].atom > DW_OP_breg15 ||
	    ops[1].atom < DW_OP_breg0 || ops[1].atom > DW_OP_breg15 || ops[1].number != 0 ||
	    !is_constant(&ops[2], 8) || ops[3].atom != DW_OP_mul || ops[4].atom != DW_OP_plus ||
	    ops[5].atom != DW_OP_deref || ops[6].atom != DW_OP_plus_uconst)
		return false;
	location->kind = HW_LOCATION_INDEXED;
	location->reg = ops[0].atom - DW_OP_breg0;
	location->index = ops[1].atom - DW_OP_breg0;
	location->offset = (int64_t)ops[0].number;
	location->added = (int64_t)ops[6].number;
	return true;
}

struct hw_location hw_location_of_cfa(Dwarf_Frame *frame)
{
	struct hw_location location = {.kind = HW_LOCATION_UNKNOWN};
	int64_t threshold;
	Dwarf_Op *ops = NULL;
	size_t count = 0;

	if (dwarf_frame_cfa(frame, &ops, &count) || !ops || !count)
		return location;
	if (is_plt(ops, count, &threshold)) {
		location.kind = HW_LOCATION_PLT;
		location.reg = HW_REG_RSP;
		location.added = threshold;
		return location;
	}
	if (is_indexed(ops, count, &location))
		return location;
	location = evaluate(ops, count);
	/* A CFA must not be said in terms of itself; a plain "register + offset" is its value either way. */
	if (location.kind != HW_LOCATION_BASE && location.kind != HW_LOCATION_DEREF)
		location.kind = HW_LOCATION_UNKNOWN;
	return location;
}

struct hw_location hw_location_of_register(Dwarf_Frame *frame, int reg)
{
	struct hw_location location = {.kind = HW_LOCATION_UNKNOWN};
	Dwarf_Op memory[3], *ops = NULL;
	size_t count = 0;

	if (dwarf_frame_register(frame, reg, memory, &ops, &count))
		return location;
	if (!count) { /* libdw.h: no operations in ops_mem is undefined, none at all is same value */
		location.kind = ops ? HW_LOCATION_UNDEFINED : HW_LOCATION_SAME;
		return location;
	}
	if (is_cfa_relative(ops, count)) {
		location.kind = HW_LOCATION_CFA;
		location.offset = count == 2 ? (int64_t)ops[1].number : 0;
		return location;
	}
	location = evaluate(ops, count);
	if (location.kind == HW_LOCATION_REGISTER && location.reg == (uint32_t)reg)
		location.kind = HW_LOCATION_SAME;
	return location;
}
