/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Hand-written frames: each instruction says where the caller is. */
	.text

	.p2align 4
	.type plain, @function
plain:
	.cfi_startproc
	lea 1(%rdi), %rax
	ret
	.cfi_endproc
	.size plain, . - plain

/* Pushes one by one, pops in another way. */
	.p2align 4
	.type pushes, @function
pushes:
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	push %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	push $17
	.cfi_adjust_cfa_offset 8
	mov %rdi, %rbx
	call plain
	mov %rax, %r12
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	pop %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
	.size pushes, . - pushes

/* The frame is found by rbx. */
	.p2align 4
	.type by_rbx, @function
by_rbx:
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	mov %rsp, %rbx
	.cfi_def_cfa_register rbx
	sub $100, %rsp
	and $-64, %rsp
	call pushes
	call by_r12
	mov %rbx, %rsp
	.cfi_def_cfa_register rsp
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
	.size by_rbx, . - by_rbx

/* Once more below it, so that rbx has to be followed through this one. */
	.p2align 4
	.type by_r12, @function
by_r12:
	.cfi_startproc
	push %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	lea 16(%rsp), %r12
	.cfi_def_cfa r12, 8
	xor %ebx, %ebx
	sub $40, %rsp
	and $-32, %rsp
	call pushes
	lea -16(%r12), %rsp
	.cfi_def_cfa rsp, 24
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	pop %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	ret
	.cfi_endproc
	.size by_r12, . - by_r12

/* As OpenSSL does it: the old stack pointer is kept in the frame, CFA = *(rsp + 32) + 8. */
	.p2align 4
	.type by_expression, @function
by_expression:
	.cfi_startproc
	mov %rsp, %rax
	.cfi_def_cfa_register rax
	push %rbp
	.cfi_offset rbp, -16
	sub $64, %rsp
	and $-64, %rsp
	mov %rax, 32(%rsp)
	/* DW_CFA_def_cfa_expression: breg7 32, deref, plus_uconst 8 */
	.cfi_escape 0x0f, 0x05, 0x77, 0x20, 0x06, 0x23, 0x08
	call pushes
	mov 32(%rsp), %rsi
	.cfi_def_cfa rsi, 8
	mov -8(%rsi), %rbp
	.cfi_restore rbp
	lea (%rsi), %rsp
	.cfi_def_cfa_register rsp
	ret
	.cfi_endproc
	.size by_expression, . - by_expression

/* The old stack pointer stands behind an array whose length is in r9: CFA = *(rsp + 8 + 8 r9) + 8. */
	.p2align 4
	.type by_index, @function
by_index:
	.cfi_startproc
	mov %rsp, %rax
	.cfi_def_cfa_register rax
	mov $5, %r9d
	sub $72, %rsp
	and $-64, %rsp
	mov %rax, 8(%rsp,%r9,8)
	/* breg7 8, breg9 0, lit8, mul, plus, deref, plus_uconst 8 */
	.cfi_escape 0x0f, 0x0a, 0x77, 0x08, 0x79, 0x00, 0x38, 0x1e, 0x22, 0x06, 0x23, 0x08
	xor %eax, %eax
	nop
	mov 8(%rsp,%r9,8), %rsi
	.cfi_def_cfa rsi, 8
	mov %rsi, %rsp
	.cfi_def_cfa_register rsp
	ret
	.cfi_endproc
	.size by_index, . - by_index

/* Two ends, the state of the first is remembered for the second. */
	.p2align 4
	.type two_ends, @function
two_ends:
	.cfi_startproc
	push %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	mov %rsp, %rbp
	.cfi_def_cfa_register rbp
	test %rdi, %rdi
	jz 1f
	call pushes
	.cfi_remember_state
	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_restore_state
1:	call plain
	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size two_ends, . - two_ends

	.p2align 4
	.globl assembly_shapes
	.type assembly_shapes, @function
assembly_shapes:
	.cfi_startproc
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	mov $3, %edi
	call pushes
	call by_rbx
	call by_expression
	call by_index
	xor %edi, %edi
	call two_ends
	mov $1, %edi
	call two_ends
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
	.size assembly_shapes, . - assembly_shapes
	.section .note.GNU-stack, "", @progbits
