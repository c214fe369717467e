/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A library whose one unwind entry takes the square of its length to read: 300,000 rows, about a minute. */
	.text
	.globl endless
	.type endless, @function
endless:
	.cfi_startproc
	.rept 150000
	.cfi_escape 0x41, 0x0e, 16, 0x41, 0x0e, 8
	.endr
	.skip 300000, 0x90
	.cfi_endproc
	.size endless, . - endless
	.section .note.GNU-stack, "", @progbits
