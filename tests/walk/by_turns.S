/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A library whose 20,000 unwind entries belong by turns to two common entries of 512 KiB each. */
	.text
code:
	.skip 20001, 0x90
	.macro common name away
\name:
	.long 1f - 0f
0:
	.long 0
	.byte 1
	.asciz "zR"
	.uleb128 1
	.sleb128 -8
	.byte 16
	.uleb128 1
	.byte 0x1b
	.byte 0x0c, 7, 8, 0x90, \away
	.fill 262144, 2, 0x002e
	.balign 8, 0
1:
	.endm
	.set at, 0
	.macro entry of
	.set at, at + 1
	.long 3f - 2f
2:
	.long . - \of
	.long code + at - .
	.long 1
	.uleb128 0
	.balign 8, 0
3:
	.endm
	.section .eh_frame, "a", @unwind
	common first 1
	common second 2
	.rept 10000
	entry first
	entry second
	.endr
	.long 0
	.section .note.GNU-stack, "", @progbits
