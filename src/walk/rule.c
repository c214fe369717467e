/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A rule is made in two parts. The first says how to find the CFA and the return address; where that does
 * not fit one of row.h's kinds, the whole rule is UNFIT. The second says where the callee-saved registers
 * are; where that does not fit, the register is lost, which stops a walk only if some outer frame needs it.
 */
#include "walk/rule.h"

#include "walk/location.h"

#define ARGUMENT_MAX ((1 << 23) - 1) /* signed 24 bits */
#define OFFSET_MAX   ((1 << 15) - 1) /* the upper 16 of them, where the lower 8 say something else */
#define LOW_BYTE_MAX 255
#define WORD         8

/* struct ucontext of x86-64 (arch/x86/include/uapi/asm/sigcontext.h), offsets of registers in it */
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

static const struct {
	int reg;
	int ucontext; /* offset */
} saved_registers[] = {{HW_REG_RBP, 120}, {HW_REG_RBX, 128}, {HW_REG_R12, 72},
                       {HW_REG_R13, 80},  {HW_REG_R14, 88},  {HW_REG_R15, 96}};

#define SAVED_RBX   1
#define SAVED_COUNT (sizeof(saved_registers) / sizeof(saved_registers[0]))
#define UNFIT       HW_RULE(HW_RULE_UNFIT, 0, 0)

static bool fits(int64_t value, int64_t max)
{
	return value >= -max - 1 && value <= max;
}

/* CFA and return address of a frame, the latter made relative to the former where possible. */
struct frame {
	struct hw_location cfa;
	struct hw_location ra;
	struct hw_location saved[SAVED_COUNT];
};

/* A place given by the CFA's own base register is a place relative to the CFA. */
static void make_relative(struct hw_location *place, const struct hw_location *cfa)
{
	if (place->kind != HW_LOCATION_BASE || cfa->kind != HW_LOCATION_BASE || place->reg != cfa->reg)
		return;
	if (__builtin_sub_overflow(place->offset, cfa->offset, &place->offset))
		place->kind = HW_LOCATION_UNKNOWN;
	else
		place->kind = HW_LOCATION_CFA;
}

static bool stands_at(const struct hw_location *place, enum hw_location_kind kind, int64_t offset)
{
	return place->kind == kind && !place->is_value && place->offset == offset;
}

/* The caller's rsp is the CFA, here as in nearly all code. */
static bool rsp_is_cfa(Dwarf_Frame *frame)
{
	struct hw_location rsp = hw_location_of_register(frame, HW_REG_RSP);

	return rsp.kind == HW_LOCATION_CFA && rsp.is_value && !rsp.offset;
}

/* What the C library says of its signal return trampoline: everything from the ucontext, by rsp. */
static hw_u64 signal_rule(const struct frame *f)
{
	int64_t context = f->cfa.offset - UCONTEXT_RSP;

	if (f->cfa.kind != HW_LOCATION_DEREF || f->cfa.reg != HW_REG_RSP || f->cfa.added ||
	    !fits(context, ARGUMENT_MAX))
		return UNFIT;
	if (f->ra.reg != HW_REG_RSP || !stands_at(&f->ra, HW_LOCATION_BASE, context + UCONTEXT_RIP))
		return UNFIT;
	for (size_t i = 0; i < SAVED_COUNT; i++) {
		if (f->saved[i].reg != HW_REG_RSP ||
		    !stands_at(&f->saved[i], HW_LOCATION_BASE, context + saved_registers[i].ucontext))
			return UNFIT;
	}
	return HW_RULE(HW_RULE_SIGNAL, HW_REG_RSP, context);
}

static hw_u64 base_rule(const struct frame *f)
{
	uint32_t reg = f->cfa.reg;
	int64_t offset = f->cfa.offset;

	if (stands_at(&f->ra, HW_LOCATION_CFA, -WORD))
		return fits(offset, ARGUMENT_MAX) ? HW_RULE(HW_RULE_CFA, reg, offset) : UNFIT;
	if (!fits(offset, OFFSET_MAX))
		return UNFIT;
	if (f->ra.kind == HW_LOCATION_REGISTER && f->ra.reg < 16)
		return HW_RULE(HW_RULE_RA_REG, reg, offset * 256 + f->ra.reg);
	if (f->ra.kind == HW_LOCATION_CFA && !f->ra.is_value && f->ra.offset <= 0 &&
	    f->ra.offset % WORD == 0 && f->ra.offset >= -WORD * LOW_BYTE_MAX)
		return HW_RULE(HW_RULE_RA_AT, reg, offset * 256 + f->ra.offset / -WORD);
	return UNFIT;
}

static bool is_based(const struct hw_location *place, uint32_t reg)
{
	return place->kind == HW_LOCATION_BASE && !place->is_value && place->reg == reg;
}

/* Saved registers can be told from the CFA or from the base, not both: rbp, the first, decides. */
static hw_u64 deref_rule(const struct frame *f)
{
	hw_u32 kind = HW_RULE_DEREF;

	if (!stands_at(&f->ra, HW_LOCATION_CFA, -WORD) || !fits(f->cfa.offset, OFFSET_MAX) ||
	    f->cfa.added < 0 || f->cfa.added > LOW_BYTE_MAX)
		return UNFIT;
	for (size_t i = 0; i < SAVED_COUNT; i++) {
		if (f->saved[i].kind == HW_LOCATION_CFA)
			break;
		if (is_based(&f->saved[i], f->cfa.reg)) {
			kind = HW_RULE_DEREF_BASE;
			break;
		}
	}
	return HW_RULE(kind, f->cfa.reg, f->cfa.offset * 256 + f->cfa.added);
}

static hw_u64 indexed_rule(const struct frame *f)
{
	if (!stands_at(&f->ra, HW_LOCATION_CFA, -WORD) || !fits(f->cfa.offset, OFFSET_MAX) ||
	    f->cfa.added < 0 || f->cfa.added % WORD || f->cfa.added / WORD > 15)
		return UNFIT;
	return HW_RULE(HW_RULE_INDEXED, f->cfa.reg,
	               f->cfa.offset * 256 + f->cfa.added / WORD * 16 + f->cfa.index);
}

static hw_u64 caller_rule(const struct frame *f)
{
	if (f->ra.kind == HW_LOCATION_UNDEFINED)
		return HW_RULE(HW_RULE_END, 0, 0);
	if (f->cfa.kind == HW_LOCATION_PLT && stands_at(&f->ra, HW_LOCATION_CFA, -WORD))
		return HW_RULE(HW_RULE_PLT, HW_REG_RSP, f->cfa.added);
	if (f->cfa.reg > 15)
		return UNFIT;
	switch (f->cfa.kind) {
	case HW_LOCATION_BASE:
		return base_rule(f);
	case HW_LOCATION_DEREF:
		return deref_rule(f);
	case HW_LOCATION_INDEXED:
		return indexed_rule(f);
	default:
		return UNFIT;
	}
}

/* The word number of row.h for where a register was saved: 0 unchanged, lost if it does not fit. */
static hw_u64 saved_word(const struct hw_location *place, hw_u64 rule, hw_u32 lost)
{
	int64_t below;

	if (place->kind == HW_LOCATION_SAME)
		return 0;
	if (place->is_value || !fits(place->offset, OFFSET_MAX))
		return lost;
	if (HW_RULE_KIND(rule) == HW_RULE_DEREF_BASE) {
		if (!is_based(place, HW_RULE_BASE(rule)))
			return lost;
		below = WORD - place->offset;
	} else {
		if (place->kind != HW_LOCATION_CFA)
			return lost;
		below = -place->offset;
	}
	if (below <= 0 || below % WORD || below / WORD >= lost)
		return lost;
	return (hw_u64)(below / WORD);
}

static hw_u64 with_saved(hw_u64 rule, const struct frame *f)
{
	hw_u64 words = saved_word(&f->saved[0], rule, HW_SAVED_RBP_LOST) << 32;

	for (size_t i = 1; i < SAVED_COUNT; i++)
		words |= saved_word(&f->saved[i], rule, HW_SAVED_LOST) << (39 + 5 * (i - 1));
	return rule | words;
}

hw_u64 hw_rule_of_frame(Dwarf_Frame *frame, int return_address_register, bool is_signal, bool keeps_rbx)
{
	struct frame f;
	hw_u64 rule;

	f.cfa = hw_location_of_cfa(frame);
	f.ra = hw_location_of_register(frame, return_address_register);
	for (size_t i = 0; i < SAVED_COUNT; i++)
		f.saved[i] = hw_location_of_register(frame, saved_registers[i].reg);
	if (keeps_rbx && f.saved[SAVED_RBX].kind == HW_LOCATION_UNDEFINED)
		f.saved[SAVED_RBX].kind = HW_LOCATION_SAME;
	if (is_signal)
		return f.ra.kind == HW_LOCATION_UNDEFINED ? HW_RULE(HW_RULE_END, 0, 0) : signal_rule(&f);

	make_relative(&f.ra, &f.cfa);
	for (size_t i = 0; i < SAVED_COUNT; i++)
		make_relative(&f.saved[i], &f.cfa);
	rule = caller_rule(&f);
	switch (HW_RULE_KIND(rule)) {
	case HW_RULE_END:
	case HW_RULE_UNFIT:
		return rule;
	default:
		return rsp_is_cfa(frame) ? with_saved(rule, &f) : UNFIT;
	}
}
