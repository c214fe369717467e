/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One frame of a walk: which file, which rule, the step, and what to do where tables end.
 *
 * Shared by BPF and user space like the step. A frame only uses what is at hand; what is not (a mapping
 * nobody looked up yet, a page that is not resident, a table that is not loaded) it names in w->need, and
 * the driver around it supplies it and calls again, or ends the walk with a reason. That is why the same
 * text can walk in an interrupt, in a task's own context and over a copy. Nothing is recorded twice: depth
 * grows only when a frame is done.
 *
 * The including file defines, besides hw_read_stack:
 *
 *	static int hw_find_mapping(struct hw_walk *w, hw_u64 address);
 *		0 with w->mapping set, or -1: not known (ask the driver)
 *	static int hw_find_rule(struct hw_walk *w, const struct hw_mapping *m, hw_u32 offset, hw_u64 *rule);
 *		0, or -1: the table is gone
 *	static int hw_read_code(struct hw_walk *w, hw_u64 address, hw_u64 *eight_bytes);
 *	static void hw_put_ip(struct hw_walk *w, hw_u64 ip);
 *		keep ip as frame number w->depth (below depth_max)
 */
#ifndef HW_WALK_FRAME_H
#define HW_WALK_FRAME_H

#include "walk/step.h"

/* What a frame returns: go on, ask the driver, or HW_FRAME_DONE + enum hw_end_reason. */
enum hw_frame_result {
	HW_FRAME_NEXT,
	HW_FRAME_NEED_MAPPING, /* of the address w->need */
	HW_FRAME_NEED_STACK,   /* the word at w->need */
	HW_FRAME_NEED_TABLE,   /* of mapping w->mapping */
	HW_FRAME_DONE = 32,
};

static int hw_find_mapping(struct hw_walk *w, hw_u64 address);
static int hw_find_rule(struct hw_walk *w, const struct hw_mapping *m, hw_u32 offset, hw_u64 *rule);
static int hw_read_code(struct hw_walk *w, hw_u64 address, hw_u64 *eight_bytes);
static void hw_put_ip(struct hw_walk *w, hw_u64 ip);

/* Do the eight bytes before a return address end in a call? (Intel SDM vol. 2, CALL: E8, FF /2.) */
static inline int hw_ends_in_call(hw_u64 before)
{
#define HW_BYTE_BEFORE(n) ((hw_u32)(before >> (64 - 8 * (n))) & 255)
#define HW_IS_CALL(n)     (HW_BYTE_BEFORE(n) == 0xff && (HW_BYTE_BEFORE((n)-1) & 0x38) == 0x10)
	return HW_BYTE_BEFORE(5) == 0xe8 || HW_IS_CALL(2) || HW_IS_CALL(3) || HW_IS_CALL(4) ||
	       HW_IS_CALL(6) || HW_IS_CALL(7);
#undef HW_IS_CALL
#undef HW_BYTE_BEFORE
}

/*
 * Does pc stand in: syscall; test %rax,%rax; jl; je, as glibc's clone has it, after the first of these? The
 * eight bytes before pc and those at pc. Other code may have a syscall in a gap, too, and a frame of its own.
 */
static inline int hw_is_in_clone(hw_u64 before, hw_u64 code)
{
	if (before >> 48 == 0x050f)
		return (code & 0xffffffffull) == 0x7cc08548 || (code & 0xffffffffffull) == 0x8c0fc08548ull;
	return before >> 24 == 0xc08548050full || (before >> 8 & 0xffffffffffffull) == 0x7cc08548050full ||
	       (before & 0xffffffffffull) == 0x7cc0854805ull;
}

/*
 * mov -16(%rbp),%rsp; movq $0,-16(%rbp): where methods return to HotSpot's interpreter. It jumps to them with
 * this address pushed, which so follows no call; but nobody restores rsp by rbp who does not keep a frame
 * there.
 */
static inline int hw_is_interpreter_return(hw_u64 code)
{
	return code == 0xf045c748f0658b48ull;
}

/* May a guessed pc be one that a call, or what stands for one, left on the stack? */
static inline int hw_is_return_address(struct hw_walk *w)
{
	hw_u64 code;

	if (!hw_read_code(w, w->pc - 8, &code) && hw_ends_in_call(code))
		return 1;
	return !hw_read_code(w, w->pc, &code) && hw_is_interpreter_return(code);
}

/*
 * pc stands right after the system call of glibc's clone or clone3, which end their unwind entry before it:
 * in the new thread nothing is above, in the parent the stack is as at the entry. A rule, or 0.
 */
static inline hw_u64 hw_rule_of_clone(struct hw_walk *w, hw_u64 code)
{
	hw_u64 before, rax;

	if (!(w->flags & HW_WALK_EXACT) || hw_read_code(w, w->pc - 8, &before) ||
	    !hw_is_in_clone(before, code) || hw_register(w, HW_REG_RAX, &rax))
		return 0;
	return rax ? HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8) : HW_RULE(HW_RULE_END, 0, 0);
}

/* mov $15,%rax (or %eax); syscall: a return trampoline without an unwind entry, as in musl. */
static inline int hw_is_sigreturn(hw_u64 code)
{
	return code == 0x0f0000000fc0c748ull || (code & 0xffffffffffffffull) == 0x050f0000000fb8ull;
}

/*
 * mov %rbx,%rsp; mov (%rsp),%rdi; test …: glibc's __start_context, which makecontext puts there as the return
 * address of a coroutine's first function. Its unwind entry begins there, so the byte before is in a gap.
 */
static inline int hw_is_context_start(const struct hw_walk *w, hw_u64 code)
{
	return !(w->flags & HW_WALK_EXACT) && code == 0x48243c8b48dc8948ull;
}

/*
 * Where the task stands: what the instruction at pc says of the stack. At the first instructions of a
 * function (push %rbp; mov %rsp,%rbp, also after endbr64, or after HotSpot's mov %eax,-n(%rsp)), at ret, also
 * where HotSpot asks before it whether to stop (cmp n(%r15),%rsp; ja; ret), and in a stub of a static
 * program's PLT (jmp *n(%rip); xchg %ax,%ax) rbp is still or again the caller's: a guess by it would skip the
 * caller. A rule, or 0: nothing.
 */
static inline hw_u64 hw_rule_of_code(struct hw_walk *w, hw_u64 code)
{
	hw_u64 before;
	hw_u32 three = (hw_u32)code & 0xffffff;

	if (!(w->flags & HW_WALK_EXACT))
		return 0;
	if ((code & 0xff) == 0xc3 || (code & 0xffff) == 0xc3f3 /* ret */ || (hw_u32)code == 0xe5894855 ||
	    (hw_u32)code == 0xec8b4855 || code == 0xe5894855fa1e0ff3ull || code == 0xec8b4855fa1e0ff3ull ||
	    (code & 0xff00000000ffffffull) == 0x5500000000248489ull || three == 0xa73b49 ||
	    (code & 0xff00000000ffffull) == 0xc300000000870full ||
	    (code & 0xffff00000000ffffull) == 0x90660000000025ffull)
		return HW_RULE(HW_RULE_CFA, HW_REG_RSP, 8);
	if ((three == 0xe58948 || three == 0xec8b48) && !hw_read_code(w, w->pc - 1, &before) &&
	    (before & 0xff) == 0x55)
		return HW_RULE(HW_RULE_CFA, HW_REG_RSP, 16) | 2ull << 32;
	return 0;
}

/* Code without an unwind entry: what its bytes say, else a guess by rbp, which the next frame checks. */
HW_COLD int hw_gap(struct hw_walk *w, hw_u32 reason)
{
	hw_u64 rule, code;
	int r;

	if (hw_read_code(w, w->pc, &code)) {
		r = w->flags & HW_WALK_EXACT ? HW_STEP_STUCK : hw_step_frame_pointer(w);
	} else {
		if (hw_is_sigreturn(code))
			return hw_step_signal(w, 0);
		if (hw_is_context_start(w, code))
			return hw_step(w, HW_RULE(HW_RULE_END, 0, 0));
		rule = hw_rule_of_clone(w, code);
		if (!rule)
			rule = hw_rule_of_code(w, code);
		r = rule ? hw_step(w, rule) : hw_step_frame_pointer(w);
	}
	if (r == HW_STEP_OK)
		w->flags = HW_WALK_GUESSED;
	w->guess_reason = reason;
	return r;
}

static inline int hw_end_of(int step, hw_u32 gap_reason)
{
	switch (step) {
	case HW_STEP_END:
		return HW_FRAME_DONE + HW_END_COMPLETE;
	case HW_STEP_UNFIT:
		return HW_FRAME_DONE + HW_END_UNFIT;
	case HW_STEP_LOST:
		return HW_FRAME_DONE + (gap_reason ? (int)gap_reason : HW_END_LOST_REGISTER);
	default:
		return HW_FRAME_DONE + (gap_reason ? (int)gap_reason : HW_END_NO_PROGRESS);
	}
}

HW_HOT int hw_walk_frame(struct hw_walk *w)
{
	hw_u64 lookup = w->flags & HW_WALK_EXACT ? w->pc : w->pc - 1;
	hw_u64 offset, rule = 0;
	hw_u32 gap_reason = 0;
	struct hw_mapping *m;
	int step;

	if (w->depth >= w->depth_max)
		return HW_FRAME_DONE + HW_END_TRUNCATED;
	if (hw_find_mapping(w, lookup)) {
		w->need = lookup;
		return HW_FRAME_NEED_MAPPING;
	}
	m = &w->mappings[w->mapping & (HW_MAPPINGS_KEPT - 1)];
	if (w->flags & HW_WALK_GUESSED) {
		if (m->kind == HW_MAPPING_NOT_CODE || !hw_is_return_address(w))
			return HW_FRAME_DONE + (int)w->guess_reason;
	}
	switch (m->kind) {
	case HW_MAPPING_NOT_CODE:
		if (!w->depth) {
			hw_put_ip(w, w->pc);
			w->depth++;
		}
		return HW_FRAME_DONE + HW_END_NO_MAPPING;
	case HW_MAPPING_MISS:
		return HW_FRAME_NEED_TABLE;
	case HW_MAPPING_ANONYMOUS:
		gap_reason = HW_END_ANONYMOUS;
		break;
	case HW_MAPPING_NO_TABLE:
		gap_reason = HW_END_NO_TABLE;
		break;
	default:
		offset = lookup - m->start + m->offset;
		if (offset >> 32)
			gap_reason = HW_END_NO_TABLE;
		else if (hw_find_rule(w, m, (hw_u32)offset, &rule))
			return HW_FRAME_NEED_TABLE;
		else if (HW_RULE_KIND(rule) == HW_RULE_GAP)
			gap_reason = HW_END_GAP;
	}
	hw_put_ip(w, w->pc);
	w->unreadable_reason = gap_reason ? gap_reason : HW_END_UNREADABLE;
	step = gap_reason ? hw_gap(w, gap_reason) : hw_step(w, rule);
	if (step == HW_STEP_STACK)
		return HW_FRAME_NEED_STACK;
	w->depth++;
	return step == HW_STEP_OK ? HW_FRAME_NEXT : hw_end_of(step, gap_reason);
}

#endif
