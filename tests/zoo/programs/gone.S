/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The smallest program: it exits. */
	.globl _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined %rip
	xorl %edi, %edi
	movl $60, %eax
	syscall
	hlt
	.cfi_endproc
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
