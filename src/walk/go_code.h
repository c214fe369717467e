/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The few functions of Go's runtime that go over to another stack. Their unwind entries say nothing of it, so
 * what a walk by them takes for the caller is whatever an older call left there: a wrong frame, or zero,
 * which looks like the outermost one.
 *
 * systemstack runs a function on the thread's own stack (g0); its caller stands on the running goroutine's,
 * where the goroutine's descriptor says. mcall and morestack leave their goroutine for good: nothing is above
 * them (Go's own traceback ends there, too: topofstack in runtime/traceback.go). time.now and nanotime keep
 * the stack pointer in r12 while they call the vDSO.
 *
 * They are known by their bytes (runtime/asm_amd64.s and sys_linux_amd64.s of Go 1.17 to 1.19), and only
 * then.
 */
#ifndef HW_WALK_GO_CODE_H
#define HW_WALK_GO_CODE_H

#include "walk/start_code.h"

#define HW_GO_RANGES_MAX 16

struct hw_go_code {
	struct hw_start_rule ranges[HW_GO_RANGES_MAX]; /* rule 0: the entry's own, from r12 instead of rsp */
	size_t count;
};

/* Look through the code at [address, address + size). */
void hw_go_code_find(struct hw_go_code *code, uint64_t address, uint64_t size, hw_read_by_address read,
                     const void *context);

/*
 * The rule at address, where the entry says rule, which holds until *until: that comes nearer where another
 * one begins.
 */
uint64_t hw_go_code_rule(const struct hw_go_code *code, uint64_t address, uint64_t rule, uint64_t *until);

#endif
