/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The functions of Go's runtime that change stacks, as Go 1.19 has them from the change on: what their unwind
 * entries say of it is wrong. Each begins at a multiple of 256.
 */
	.section .note.go.buildid, "a", @note
	.long 4, 4, 4
	.asciz "Go"
	.byte 0, 'h', 'w', 0, 0

	.cfi_sections .debug_frame
	.text
#define FUNCTION(name)                                                                                                 \
	.p2align 8, 0xcc;                                                                                              \
	.globl name;                                                                                                   \
	.type name, @function;                                                                                         \
name:
FUNCTION(systemstack)
	.cfi_startproc
	mov 0x38(%rdx), %rbx
	mov %rbx, %rsp
	mov %rdi, %rdx /* 7: from here on it stands on another stack */
	mov (%rdi), %rdi
	call *%rdi
	mov %fs:-8, %rax /* 15 */
	mov 0x30(%rax), %rbx
	mov 0xc0(%rbx), %rax
	mov %rax, %fs:-8
	mov 0x38(%rax), %rsp /* 44 */
	movq $0, 0x38(%rax)
	ret
	.cfi_endproc
FUNCTION(mcall)
	.cfi_startproc
	mov 0x38(%r14), %rsp
	push %rax /* 4 */
	.cfi_adjust_cfa_offset 8
	mov (%rdx), %r12
	call *%r12
	pop %rax
	.cfi_adjust_cfa_offset -8
	jmp mcall /* 12 */
	.cfi_endproc
FUNCTION(morestack)
	.cfi_startproc
	mov %rbx, %fs:-8
	mov 0x38(%rbx), %rsp /* 9 */
	.byte 0xe8, 0, 0, 0, 0 /* 13 */
	.byte 0xe8, 0, 0, 0, 0
	ret /* 23 */
	.cfi_endproc
FUNCTION(clock)
	.cfi_startproc
	sub $24, %rsp
	.cfi_adjust_cfa_offset 24
	mov %rsp, %r12 /* 4 */
	mov (%rbx), %rdx /* 7 */
	mov 0x38(%rdx), %rsp
	sub $16, %rsp /* 14 */
	and $-16, %rsp
	call *%rax
	mov %r12, %rsp /* 24 */
	add $24, %rsp /* 27 */
	.cfi_adjust_cfa_offset -24
	ret
	.cfi_endproc
/* Nearly the first one: what stands before the call is not what goes over to another stack. */
FUNCTION(no_switch)
	.cfi_startproc
	nop
	nop
	nop
	nop
	nop
	nop
	call *%rdi
	mov %fs:-8, %rax
	mov 0x30(%rax), %rbx
	mov 0xc0(%rbx), %rax
	mov %rax, %fs:-8
	mov 0x38(%rax), %rsp
	ret
	.cfi_endproc
	.section .note.GNU-stack, "", @progbits
