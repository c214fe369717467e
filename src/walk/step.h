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

/*
 * In BPF, a call and its return cost as much as a third of a frame: what most frames need is one piece of
 * code, what few need is called.
 */
#ifdef HW_BPF
#define HW_HOT  static inline __attribute__((always_inline))
#define HW_COLD static __attribute__((noinline))
#else
#define HW_HOT  static inline
#define HW_COLD static inline
#endif

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
HW_HOT int hw_register(struct hw_walk *w, hw_u32 reg, hw_u64 *value)
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
	w->known_saved |= HW_KNOWN_SAVED << reg;
}

static inline void hw_forget(struct hw_walk *w, hw_u32 reg)
{
	w->known_saved &= ~(HW_KNOWN_SAVED << reg);
}

/*
 * Leave the frame: the caller's pc and rsp are known, of the rest only what is saved or preserved. Where the
 * task stood, the other registers are as they were: a caller whose rule needs one is assembly that knows its
 * callee.
 */
HW_HOT void hw_enter_caller(struct hw_walk *w, hw_u64 pc, hw_u64 rsp)
{
	w->pc = pc;
	w->reg[HW_REG_RSP] = rsp;
	if (!(w->flags & HW_WALK_EXACT))
		w->known &= HW_REGS_PRESERVED;
	w->known |= 1u << HW_REG_RSP;
	w->saved &= w->known & ~(1u << HW_REG_RSP);
	w->flags = 0;
}

HW_HOT void hw_follow(struct hw_walk *w, hw_u32 reg, hw_u64 top, hw_u32 word, hw_u32 lost)
{
	if (word == lost)
		hw_forget(w, reg);
	else if (word)
		hw_saved_at(w, reg, top - 8 * (hw_u64)word);
}

HW_HOT void hw_follow_saved(struct hw_walk *w, hw_u64 rule, hw_u64 top)
{
	hw_follow(w, HW_REG_RBP, top, HW_RULE_RBP(rule), HW_SAVED_RBP_LOST);
	if (!(rule >> 39))
		return;
	hw_follow(w, HW_REG_RBX, top, HW_RULE_SAVED(rule, 0), HW_SAVED_LOST);
	hw_follow(w, HW_REG_R12, top, HW_RULE_SAVED(rule, 1), HW_SAVED_LOST);
	hw_follow(w, HW_REG_R13, top, HW_RULE_SAVED(rule, 2), HW_SAVED_LOST);
	hw_follow(w, HW_REG_R14, top, HW_RULE_SAVED(rule, 3), HW_SAVED_LOST);
	hw_follow(w, HW_REG_R15, top, HW_RULE_SAVED(rule, 4), HW_SAVED_LOST);
}

/*
 * The frame that the kernel builds for a signal handler: struct ucontext of x86-64
 * (arch/x86/include/uapi/asm/sigcontext.h), its registers from offset 40 on.
 */
HW_COLD int hw_step_signal(struct hw_walk *w, hw_s32 arg)
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
HW_COLD int hw_step_goroutine(struct hw_walk *w, hw_s32 arg)
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

/* The return address at ra_at; then the frame is left, as the rule says. top: what saved words count from. */
HW_HOT int hw_return(struct hw_walk *w, hw_u64 rule, hw_u64 cfa, hw_u64 ra_at, hw_u64 top)
{
	hw_u64 pc;

	if (cfa <= w->reg[HW_REG_RSP])
		return HW_STEP_STUCK;
	w->need = ra_at;
	if (hw_read_stack(w, ra_at, &pc))
		return HW_STEP_STACK;
	if (!pc) /* nothing calls from there: Go's goroutines begin so, and others (elfutils' libdwfl agrees)
	          */
		return HW_STEP_END;
	hw_enter_caller(w, pc, cfa);
	if (rule >> 32)
		hw_follow_saved(w, rule, top);
	return HW_STEP_OK;
}

/* The CFA of the kinds that read memory for it, or count: base + argument >> 8, and what the kind adds. */
static inline int hw_cfa_in_memory(struct hw_walk *w, hw_u64 rule, hw_u64 base, hw_u64 *result)
{
	hw_u32 kind = HW_RULE_KIND(rule), arg = (hw_u32)HW_RULE_ARG(rule);
	hw_u64 index = 0, cfa = base + (hw_u64)(hw_s64)((hw_s32)arg >> 8);
	int r;

	*result = cfa;
	if (kind != HW_RULE_DEREF && kind != HW_RULE_DEREF_BASE && kind != HW_RULE_INDEXED)
		return HW_STEP_OK;
	if (kind == HW_RULE_INDEXED) {
		r = hw_register(w, arg & 15, &index);
		if (r)
			return r;
		cfa += 8 * index;
	}
	w->need = cfa;
	if (hw_read_stack(w, cfa, &cfa))
		return HW_STEP_STACK;
	*result = cfa + (kind == HW_RULE_INDEXED ? 8 * ((arg >> 4) & 15) : arg & 255);
	return HW_STEP_OK;
}

/* Every kind but HW_RULE_CFA. */
HW_COLD int hw_step_uncommon(struct hw_walk *w, hw_u64 rule)
{
	hw_u32 kind = HW_RULE_KIND(rule);
	hw_s32 arg = HW_RULE_ARG(rule);
	hw_u64 base, cfa, pc;
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
	if (!r && kind == HW_RULE_PLT)
		cfa = base + ((hw_s32)(w->pc & 15) >= arg ? 16 : 8);
	else if (!r)
		r = hw_cfa_in_memory(w, rule, base, &cfa);
	if (r)
		return r;
	if (kind != HW_RULE_RA_REG)
		return hw_return(w, rule, cfa,
		                 cfa - (kind == HW_RULE_RA_AT ? 8 * (hw_u64)((hw_u32)arg & 255) : 8),
		                 kind == HW_RULE_DEREF_BASE ? base + 8 : cfa);
	r = hw_register(w, (hw_u32)arg & 15, &pc);
	if (r)
		return r;
	if (cfa < w->reg[HW_REG_RSP])
		return HW_STEP_STUCK;
	if (!pc)
		return HW_STEP_END;
	hw_enter_caller(w, pc, cfa);
	if (rule >> 32)
		hw_follow_saved(w, rule, cfa);
	return HW_STEP_OK;
}

HW_HOT int hw_step(struct hw_walk *w, hw_u64 rule)
{
	hw_u64 base, cfa;
	int r;

	if (HW_RULE_KIND(rule) != HW_RULE_CFA)
		return hw_step_uncommon(w, rule);
	r = hw_register(w, HW_RULE_BASE(rule), &base);
	if (r)
		return r;
	cfa = base + (hw_u64)(hw_s64)HW_RULE_ARG(rule);
	return hw_return(w, rule, cfa, cfa - 8, cfa);
}

/*
 * A guess where no table helps: the caller by rbp. The return address it finds is believed only when it
 * lies in an executable mapping after a call instruction, which the next frame checks (HW_WALK_GUESSED).
 */
HW_COLD int hw_step_frame_pointer(struct hw_walk *w)
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
