/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Two functions whose call frame information is in .debug_frame only, as in Go programs. */
	.cfi_sections .debug_frame
	.text
	.globl first
	.type first, @function
	.p2align 4
first:
	.cfi_startproc
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pop %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size first, . - first
	.p2align 4
	.skip 16, 0xcc
	.globl second
	.type second, @function
second:
	.cfi_startproc
	.cfi_undefined rip
	nop
	.cfi_endproc
	.size second, . - second
	/* so that compression makes it smaller */
	.rept 200
	.cfi_startproc
	nop
	.cfi_endproc
	.endr
	.section .note.GNU-stack, "", @progbits
