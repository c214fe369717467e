/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A table and its rows: how to find the caller from any address of one ELF file.
 *
 * A row is 8 bytes: where it begins (a file offset, so that no program header is needed to use it: pc -
 * vma.start + vma.pgoff) and the index of a rule. It holds until the next row. A file has few distinct
 * rules (libc: some hundreds), each one u64:
 *
 *	bits  0–3   kind (enum hw_rule_kind); an all-zero rule is a gap
 *	bits  4–7   base register, DWARF number (7 is rsp, 6 is rbp)
 *	bits  8–31  argument, signed 24 bits
 *	bits 32–38  where rbp was saved, in words; 0: unchanged, 127: lost
 *	bits 39–63  the same for rbx, r12, r13, r14, r15, five bits each; 31: lost
 *
 * Saved word n stands at CFA - 8 n; in HW_RULE_DEREF_BASE at base register - 8 (n - 1).
 *
 * A table in memory is an array of blocks of 512 u64. Rows come first, sorted, padded with HW_ROW_PAD to
 * a whole block; rules follow. Shared by the compiler, the user-space walker and BPF.
 */
#ifndef HW_WALK_ROW_H
#define HW_WALK_ROW_H

#ifndef HW_BPF
#include <stdint.h>
typedef uint64_t hw_u64;
typedef uint32_t hw_u32;
typedef uint16_t hw_u16;
typedef int64_t hw_s64;
typedef int32_t hw_s32;
#endif

#define HW_BLOCK_WORDS      512
#define HW_ROW_PAD          ((hw_u64)-1)
#define HW_ROW(start, rule) (((hw_u64)(start) << 32) | (hw_u32)(rule))
#define HW_ROW_START(row)   ((hw_u32)((row) >> 32))
#define HW_ROW_RULE(row)    ((hw_u32)(row))
#define HW_RULES_MAX        65536u /* distinct rules a file may have; more become UNFIT */

enum hw_rule_kind {
	HW_RULE_GAP = 0,        /* no unwind entry covers this address */
	HW_RULE_CFA = 1,        /* CFA = base + argument; return address at CFA - 8 */
	HW_RULE_PLT = 2,        /* CFA = rsp + 8 + ((pc & 15) >= argument ? 8 : 0) */
	HW_RULE_SIGNAL = 3,     /* all registers from the ucontext at rsp + argument */
	HW_RULE_END = 4,        /* return address undefined: the outermost frame */
	HW_RULE_DEREF = 5,      /* CFA = *(base + (argument >> 8)) + (argument & 255) */
	HW_RULE_DEREF_BASE = 6, /* as DEREF, saved registers relative to base */
	HW_RULE_UNFIT = 7,      /* there is an entry, but no rule of ours can say it */
	HW_RULE_RA_REG = 8,     /* CFA = base + (argument >> 8); return address in register argument & 15 */
	HW_RULE_RA_AT = 9,      /* CFA = base + (argument >> 8); return address at CFA - 8 (argument & 255) */
	/* CFA = *(base + (argument >> 8) + 8 × register argument & 15) + 8 (argument >> 4 & 15) */
	HW_RULE_INDEXED = 10,
	/* The running goroutine's stack, as Go's runtime keeps it: from *(fs - 8), g, by the words argument &
	 * 255 to m, argument >> 8 & 255 to its goroutine, argument >> 16 to where the return address stands.
	 */
	HW_RULE_GOROUTINE = 11,
};

#define HW_REG_RAX 0
#define HW_REG_RDX 1
#define HW_REG_RCX 2
#define HW_REG_RBX 3
#define HW_REG_RSI 4
#define HW_REG_RDI 5
#define HW_REG_RBP 6
#define HW_REG_RSP 7
#define HW_REG_R8  8
#define HW_REG_R12 12
#define HW_REG_R13 13
#define HW_REG_R14 14
#define HW_REG_R15 15

#define HW_RULE_KIND(rule) ((hw_u32)(rule)&15)
#define HW_RULE_BASE(rule) (((hw_u32)(rule) >> 4) & 15)
#define HW_RULE_ARG(rule)  ((hw_s32)(hw_u32)(rule) >> 8)

#define HW_SAVED_RBP_LOST      127u
#define HW_SAVED_LOST          31u
#define HW_RULE_RBP(rule)      ((hw_u32)((rule) >> 32) & 127)
#define HW_RULE_SAVED(rule, i) ((hw_u32)((rule) >> (39 + 5 * (i))) & 31) /* i: 0 rbx, 1–4 r12–r15 */

/* Go's scheduler: the outermost frame, whatever the unwind entry says. */
#define HW_RULE_SCHEDULER HW_RULE(HW_RULE_END, 0, 1)

#define HW_RULE(kind, base, arg)                                                                             \
	((hw_u64)(kind) | (hw_u64)(base) << 4 | ((hw_u64)((hw_u32)(hw_s32)(arg)&0xffffffu) << 8))

#endif
