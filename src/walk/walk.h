/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The state of one walk. Plain data, the same in BPF (where it lives in a map value) and in user space.
 */
#ifndef HW_WALK_WALK_H
#define HW_WALK_WALK_H

#include "walk/reason.h"
#include "walk/row.h"

#define HW_FRAMES_MAX    510 /* as the kernel's own deferral: UNWIND_MAX_ENTRIES - 2 context words */
#define HW_MAPPINGS_KEPT 8   /* power of two */
#define HW_WINDOW_BYTES  2048
#define HW_WINDOW_WORDS  (HW_WINDOW_BYTES / 8)

/* rbx, rbp, rsp, r12–r15: what a callee preserves by the x86-64 psABI, section 3.2.1 */
#define HW_REGS_PRESERVED 0xf0c8u

/* flags of the walked frame */
#define HW_WALK_EXACT   1u /* pc is where it stopped, not a return address: look up pc, not pc - 1 */
#define HW_WALK_GUESSED 2u /* found by frame pointer: must follow a call instruction */

#define HW_KNOWN_SAVED 0x100000001ull /* of register 0, in known_saved */

enum hw_mapping_kind {
	HW_MAPPING_NONE = 0,     /* nothing known */
	HW_MAPPING_TABLE = 1,    /* a file with a loaded table, or the vDSO */
	HW_MAPPING_NO_TABLE = 2, /* a file that has no usable table */
	HW_MAPPING_MISS = 3,     /* a file whose table is not loaded yet */
	HW_MAPPING_ANONYMOUS = 4,
	HW_MAPPING_NOT_CODE = 5, /* mapped, but not executable */
};

struct hw_mapping {
	hw_u64 start, end; /* addresses, end exclusive */
	hw_u64 offset;     /* file offset of start, bytes */
	hw_u32 serial;     /* of the table: never used twice */
	hw_u16 slot;       /* of the table */
	hw_u16 kind;       /* enum hw_mapping_kind */
};

struct hw_walk {
	hw_u64 pc;
	hw_u64 reg[16]; /* by DWARF number: values, or with the bit in saved set, where the value stands */
	union {
		struct {
			hw_u32 known; /* bit mask of registers */
			hw_u32 saved; /* bit mask of registers */
		};
		hw_u64 known_saved; /* both at once */
	};
	hw_u32 flags;
	hw_u32 guess_reason; /* enum hw_end_reason: why the frame had to be guessed */
	hw_u64 need;         /* the address that was not readable, or whose mapping is not known */
	hw_u32 mapping;      /* index of the mapping of pc */
	hw_u32 next_mapping; /* index to be replaced next */
	struct hw_mapping mappings[HW_MAPPINGS_KEPT];
	hw_u32 depth; /* frames kept so far */
	hw_u32 depth_max;
	hw_u32 unreadable_reason; /* enum hw_end_reason, if the word at need cannot be read */
	hw_u32 pad;
	hw_u64 fs_base; /* of the thread; 0: not known */
};

#endif
