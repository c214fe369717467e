/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Functions with unwind entries of every form that rows know, each calling the function it is given, so that
 * a walk through them can be compared with other unwinders; and some forms that must not fit. Their numbers
 * are repeated in test_rules.c.
 */
	.text

	.macro function name
	.globl \name
	.type \name, @function
	.p2align 4
\name:
	.cfi_startproc
	.endm

	.macro end name
	.cfi_endproc
	.size \name, . - \name
	.endm

/* A stack realigned by way of r10, as GCC does it: DW_CFA_def_cfa_expression *(rbp - 8), rbp at rbp + 0. */
function through_drap
	lea 8(%rsp), %r10
	.cfi_def_cfa r10, 0
	and $-64, %rsp
	push -8(%r10)
	push %rbp
	mov %rsp, %rbp
	.cfi_escape 0x10, 6, 2, 0x76, 0
	push %r10
	.cfi_escape 0x0f, 3, 0x76, 0x78, 0x06
	push %rbx
	.cfi_escape 0x10, 3, 2, 0x76, 0x70
	sub $112, %rsp
	mov $0x1234, %ebx
	.globl in_drap
in_drap:
	call *%rdi
	add $112, %rsp
	pop %rbx
	.cfi_restore rbx
	pop %r10
	.cfi_def_cfa r10, 0
	pop %rbp
	.cfi_restore rbp
	lea -8(%r10), %rsp
	.cfi_def_cfa rsp, 8
	ret
end through_drap

/* The old stack pointer is kept in the new frame, as in OpenSSL: CFA = *(rsp + 64) + 8, the rest by CFA. */
function through_saved_rsp
	mov %rsp, %rax
	.cfi_def_cfa_register rax
	push %rbx
	.cfi_offset rbx, -16
	push %rbp
	.cfi_offset rbp, -24
	push %r15
	.cfi_offset r15, -32
	sub $80, %rsp
	and $-1024, %rsp
	mov %rax, 64(%rsp)
	.cfi_escape 0x0f, 6, 0x77, 0xc0, 0x00, 0x06, 0x23, 8
	xor %ebp, %ebp
	xor %ebx, %ebx
	xor %r15d, %r15d
	.globl in_saved_rsp
in_saved_rsp:
	call *%rdi
	mov 64(%rsp), %rsi
	.cfi_def_cfa rsi, 8
	mov -24(%rsi), %r15
	.cfi_restore r15
	mov -16(%rsi), %rbp
	.cfi_restore rbp
	mov -8(%rsi), %rbx
	.cfi_restore rbx
	mov %rsi, %rsp
	.cfi_def_cfa_register rsp
	ret
end through_saved_rsp

/* CFA by rbx, as in the dynamic linker's _dl_runtime_resolve: callees' rows must be followed to find it. */
function through_rbx
	push %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	mov %rsp, %rbx
	.cfi_def_cfa_register rbx
	and $-64, %rsp
	sub $256, %rsp
	.globl in_rbx
in_rbx:
	call *%rdi
	mov %rbx, %rsp
	.cfi_def_cfa_register rsp
	pop %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
end through_rbx

/* The return address is not below the CFA. */
function through_moved_return_address
	sub $40, %rsp
	.cfi_adjust_cfa_offset 40
	mov 40(%rsp), %rax
	mov %rax, 16(%rsp)
	.cfi_offset rip, -32
	movq $0, 40(%rsp)
	.globl in_moved_return_address
in_moved_return_address:
	call *%rdi
	mov 16(%rsp), %rax
	mov %rax, 40(%rsp)
	.cfi_offset rip, -8
	add $40, %rsp
	.cfi_adjust_cfa_offset -40
	ret
end through_moved_return_address

/* The return address is in a register, as in the C library's vfork. */
function through_register
	pop %rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rdi
	.globl in_register
in_register:
	nop
	push %rdi
	.cfi_adjust_cfa_offset 8
	.cfi_offset rip, -8
	ret
end through_register

/* Never executed from here on: only what rules become of them. */
function rule_lost
	.cfi_register rbp, r11
	.cfi_escape 0x10, 3, 2, 0x77, 0x7c
	.cfi_offset r12, -248
	.cfi_offset r13, -240
	.cfi_undefined r14
	.cfi_escape 0x16, 15, 2, 0x77, 0
	nop
end rule_lost

function rule_undefined_rbx
	.cfi_undefined rbx
	nop
end rule_undefined_rbx

/* The bytes of the instruction above, but as operand and opcode of two others. */
function rule_chance_undefined_rbx
	.cfi_escape 0x83, 7, 0x03, 1, 0
	nop
	nop
end rule_chance_undefined_rbx

function rule_rbp_far
	.cfi_offset rbp, -1008
	nop
	.cfi_offset rbp, -1016
	nop
end rule_rbp_far

function rule_end
	.cfi_undefined rip
	nop
end rule_end

function rule_expression_unfit
	/* *(rsp + 8 + 8 r9) + 8 */
	.cfi_escape 0x0f, 11, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8, 0x96
	nop
end rule_expression_unfit

function rule_rsp_unfit
	.cfi_register rsp, r8
	nop
end rule_rsp_unfit

function rule_large
	.cfi_def_cfa_offset 8388600
	nop
	.cfi_def_cfa_offset 8388608
	nop
end rule_large

function rule_plt
	/* rsp + 8 + (((rip & 15) >= 10) << 3) */
	.cfi_escape 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x22
	nop
	.cfi_escape 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22
	nop
	/* the same, but 16 times */
	.cfi_escape 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x34, 0x24, 0x22
	nop
end rule_plt

/* rsp + 24, said as an expression, and rbx by the same base */
function rule_plain_expression
	.cfi_escape 0x0f, 4, 0x77, 16, 0x23, 8
	.cfi_escape 0x10, 3, 2, 0x77, 8
	nop
end rule_plain_expression

	.globl rule_gap
	.p2align 4
	nop
rule_gap:
	nop
	nop
	.p2align 4

/* save_registers(struct saved_registers *): as they are when it has returned. */
function save_registers
	mov %rax, 0(%rdi)
	mov %rdx, 8(%rdi)
	mov %rcx, 16(%rdi)
	mov %rbx, 24(%rdi)
	mov %rsi, 32(%rdi)
	mov %rdi, 40(%rdi)
	mov %rbp, 48(%rdi)
	lea 8(%rsp), %rax
	mov %rax, 56(%rdi)
	mov %r8, 64(%rdi)
	mov %r9, 72(%rdi)
	mov %r10, 80(%rdi)
	mov %r11, 88(%rdi)
	mov %r12, 96(%rdi)
	mov %r13, 104(%rdi)
	mov %r14, 112(%rdi)
	mov %r15, 120(%rdi)
	mov (%rsp), %rax
	mov %rax, 128(%rdi)
	ret
end save_registers

/* single_step(function): call it with the trap flag set from its first instruction to its last. */
function single_step
	sub $8, %rsp
	.cfi_adjust_cfa_offset 8
	pushfq
	.cfi_adjust_cfa_offset 8
	orl $0x100, (%rsp)
	popfq
	.cfi_adjust_cfa_offset -8
	call *%rdi
	pushfq
	.cfi_adjust_cfa_offset 8
	andl $~0x100, (%rsp)
	popfq
	.cfi_adjust_cfa_offset -8
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
end single_step

	.section .note.GNU-stack, "", @progbits
