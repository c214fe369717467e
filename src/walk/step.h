/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The step: from one frame's registers and its rule to the caller's registers.
 *
 * One text for both sides: BPF walks live tasks with it, user space finishes walks from stack copies with
 * it, tests feed it by hand. It reads memory only through the hook
 *
 *	static int hw_read_stack(struct hw_walk *w, hw_u64 address, hw_u64 *value);	0, or not readable now
 *
 * which the including file defines (after walk/walk.h) before it includes walk/frame.h.
 *
 * Callee-saved registers are followed lazily: until somebody needs one as a base, only the address where
 * it was saved is kept. Stack memory above the walked frame cannot change while the task is in the kernel.
 *
 * A step that fails leaves the registers as they were, so it can be tried again once memory is there.
 */
#ifndef HW_WALK_STEP_H
#define HW_WALK_STEP_H

#include "walk/walk.h"

enum hw_step_result {
	HW_STEP_OK,
	HW_STEP_END,   /* the outermost frame */
	HW_STEP_STACK, /* the word at w->need was not readable */
	HW_STEP_GAP,
	HW_STEP_UNFIT,
	HW_STEP_LOST,  /* needs a register that nobody saved */
	HW_STEP_STUCK, /* the caller's frame is not above this one */
};

static int hw_read_stack(struct hw_walk *w, hw_u64 address, hw_u64 *value);

/* The value of a register in the walked frame. Returns HW_STEP_OK, _STACK or _LOST. */
static inline int hw_register(struct hw_walk *w, hw_u32 reg, hw_u64 *value)
{
	hw_u64 content;

	reg &= 15;
	if (!(w->known & (1u << reg)))
		return HW_STEP_LOST;
	content = w->reg[reg];
	if (w->saved & (1u << reg)) {
		w->need = content;
		if (hw_read_stack(w, content, value))
			return HW_STEP_STACK;
		return HW_STEP_OK;
	}
	*value = content;
	return HW_STEP_OK;
}

static inline void hw_saved_at(struct hw_walk *w, hw_u32 reg, hw_u64 address)
{
	w->reg[reg & 15] = address;
	w->saved |= 1u << reg;
	w->known |= 1u << reg;
}

static inline void hw_forget(struct hw_walk *w, hw_u32 reg)
{
	w->known &= ~(1u << reg);
	w->saved &= ~(1u << reg);
}

/*
 * Leave the frame: the caller's pc and rsp are known, of the rest only what is saved or preserved. Where the
 * task stood, the other registers are as they were: a caller whose rule needs one is assembly that knows its
 * callee.
 */
static inline void hw_enter_caller(struct hw_walk *w, hw_u64 pc, hw_u64 rsp)
{
	w->pc = pc;
	w->reg[HW_REG_RSP] = rsp;
	if (!(w->flags & HW_WALK_EXACT))
		w->known &= HW_REGS_PRESERVED;
	w->known |= 1u << HW_REG_RSP;
	w->saved &= w->known & ~(1u << HW_REG_RSP);
	w->flags = 0;
}

static inline void hw_follow_saved(struct hw_walk *w, hw_u64 rule, hw_u64 top)
{
	hw_u32 word = HW_RULE_RBP(rule);

	if (word == HW_SAVED_RBP_LOST)
		hw_forget(w, HW_REG_RBP);
	else if (word)
		hw_saved_at(w, HW_REG_RBP, top - 8 * (hw_u64)word);
	if (!(rule >> 39))
		return;
#define HW_FOLLOW(i, reg)                                                                                    \
	word = HW_RULE_SAVED(rule, i);                                                                       \
	if (word == HW_SAVED_LOST)                                                                           \
		hw_forget(w, reg);                                                                           \
	else if (word)                                                                                       \
	hw_saved_at(w, reg, top - 8 * (hw_u64)word)
	HW_FOLLOW(0, HW_REG_RBX);
	HW_FOLLOW(1, HW_REG_R12);
	HW_FOLLOW(2, HW_REG_R13);
	HW_FOLLOW(3, HW_REG_R14);
	HW_FOLLOW(4, HW_REG_R15);
#undef HW_FOLLOW
}

/*
 * The frame that the kernel builds for a signal handler: struct ucontext of x86-64
 * (arch/x86/include/uapi/asm/sigcontext.h), its registers from offset 40 on.
 */
static inline int hw_step_signal(struct hw_walk *w, hw_s32 arg)
{
	hw_u64 context, pc, rsp;

	context = w->reg[HW_REG_RSP] + (hw_u64)(hw_s64)arg;
	w->need = context + 168;
	if (hw_read_stack(w, context + 168, &pc))
		return HW_STEP_STACK;
	w->need = context + 160;
	if (hw_read_stack(w, context + 160, &rsp))
		return HW_STEP_STACK;
	w->pc = pc;
	w->known = 0xffff;
	w->saved = 0xffff & ~(1u << HW_REG_RSP);
	w->reg[HW_REG_RSP] = rsp;
	w->reg[8] = context + 40;
	w->reg[9] = context + 48;
	w->reg[10] = context + 56;
	w->reg[11] = context + 64;
	w->reg[12] = context + 72;
	w->reg[13] = context + 80;
	w->reg[14] = context + 88;
	w->reg[15] = context + 96;
	w->reg[HW_REG_RDI] = context + 104;
	w->reg[HW_REG_RSI] = context + 112;
	w->reg[HW_REG_RBP] = context + 120;
	w->reg[HW_REG_RBX] = context + 128;
	w->reg[HW_REG_RDX] = context + 136;
	w->reg[HW_REG_RAX] = context + 144;
	w->reg[HW_REG_RCX] = context + 152;
	w->flags = HW_WALK_EXACT;
	return HW_STEP_OK;
}

/* Go on to the word `words` behind the one at *address, and take what it says. */
static inline int hw_follow_word(struct hw_walk *w, hw_u32 words, hw_u64 *address)
{
	hw_u64 at = *address + 8 * (hw_u64)words;

	w->need = at;
	return hw_read_stack(w, at, address);
}

/* Over to the stack of the goroutine that the thread runs: HW_RULE_GOROUTINE. */
static inline int hw_step_goroutine(struct hw_walk *w, hw_s32 arg)
{
	hw_u64 rsp = w->fs_base - 8, pc;

	if (!w->fs_base)
		return HW_STEP_UNFIT;
	if (hw_follow_word(w, 0, &rsp) || hw_follow_word(w, (hw_u32)arg & 255, &rsp) ||
	    hw_follow_word(w, (hw_u32)arg >> 8 & 255, &rsp) ||
	    hw_follow_word(w, (hw_u32)arg >> 16 & 255, &rsp))
		return HW_STEP_STACK;
	w->need = rsp;
	if (hw_read_stack(w, rsp, &pc))
		return HW_STEP_STACK;
	if (!pc)
		return HW_STEP_END;
	w->flags = 0;
	hw_enter_caller(w, pc, rsp + 8);
	w->known = 1u << HW_REG_RSP;
	w->saved = 0;
	return HW_STEP_OK;
}

static inline int hw_step(struct hw_walk *w, hw_u64 rule)
{
	hw_u32 kind = HW_RULE_KIND(rule);
	hw_s32 arg = HW_RULE_ARG(rule);
	hw_u64 base, index, cfa, pc, ra_at;
	int r;

	switch (kind) {
	case HW_RULE_GAP:
		return HW_STEP_GAP;
	case HW_RULE_END:
		return HW_STEP_END;
	case HW_RULE_SIGNAL:
		return hw_step_signal(w, arg);
	case HW_RULE_GOROUTINE:
		return hw_step_goroutine(w, arg);
	case HW_RULE_CFA:
	case HW_RULE_PLT:
	case HW_RULE_DEREF:
	case HW_RULE_DEREF_BASE:
	case HW_RULE_RA_REG:
	case HW_RULE_RA_AT:
	case HW_RULE_INDEXED:
		break;
	default:
		return HW_STEP_UNFIT;
	}

	r = hw_register(w, HW_RULE_BASE(rule), &base);
	if (r)
		return r;
	if (kind == HW_RULE_CFA) {
		cfa = base + (hw_u64)(hw_s64)arg;
	} else if (kind == HW_RULE_PLT) {
		cfa = base + ((hw_s32)(w->pc & 15) >= arg ? 16 : 8);
	} else {
		cfa = base + (hw_u64)(hw_s64)(arg >> 8);
		if (kind == HW_RULE_DEREF || kind == HW_RULE_DEREF_BASE) {
			w->need = cfa;
			if (hw_read_stack(w, cfa, &cfa))
				return HW_STEP_STACK;
			cfa += (hw_u32)arg & 255;
		} else if (kind == HW_RULE_INDEXED) {
			r = hw_register(w, (hw_u32)arg & 15, &index);
			if (r)
				return r;
			cfa += 8 * index;
			w->need = cfa;
			if (hw_read_stack(w, cfa, &cfa))
				return HW_STEP_STACK;
			cfa += 8 * (((hw_u32)arg >> 4) & 15);
		}
	}

	if (kind == HW_RULE_RA_REG) {
		r = hw_register(w, (hw_u32)arg & 15, &pc);
		if (r)
			return r;
		if (cfa < w->reg[HW_REG_RSP])
			return HW_STEP_STUCK;
	} else {
		if (cfa <= w->reg[HW_REG_RSP])
			return HW_STEP_STUCK;
		ra_at = cfa - 8;
		if (kind == HW_RULE_RA_AT)
			ra_at = cfa - 8 * (hw_u64)((hw_u32)arg & 255);
		w->need = ra_at;
		if (hw_read_stack(w, ra_at, &pc))
			return HW_STEP_STACK;
	}
	if (!pc) /* nothing calls from there: Go's goroutines begin so, and others (elfutils' libdwfl agrees)
	          */
		return HW_STEP_END;
	hw_enter_caller(w, pc, cfa);
	if (rule >> 32)
		hw_follow_saved(w, rule, kind == HW_RULE_DEREF_BASE ? base + 8 : cfa);
	return HW_STEP_OK;
}

/*
 * A guess where no table helps: the caller by rbp. The return address it finds is believed only when it
 * lies in an executable mapping after a call instruction, which the next frame checks (HW_WALK_GUESSED).
 */
static inline int hw_step_frame_pointer(struct hw_walk *w)
{
	hw_u64 rbp, pc;
	int r;

	r = hw_register(w, HW_REG_RBP, &rbp);
	if (r)
		return r;
	if (rbp < w->reg[HW_REG_RSP] || (rbp & 7) || rbp + 16 < rbp)
		return HW_STEP_STUCK;
	w->need = rbp + 8;
	if (hw_read_stack(w, rbp + 8, &pc))
		return HW_STEP_STACK;
	hw_enter_caller(w, pc, rbp + 16);
	w->known = 1u << HW_REG_RSP; /* where the others were saved, nobody knows */
	w->saved = 0;
	hw_saved_at(w, HW_REG_RBP, rbp);
	w->flags = HW_WALK_GUESSED;
	return HW_STEP_OK;
}

#endif
