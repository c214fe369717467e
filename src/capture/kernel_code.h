/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Where the kernel changes a task's user registers, from its symbols: see bpf/kernel_hit.bpf.h. */
#ifndef HW_CAPTURE_KERNEL_CODE_H
#define HW_CAPTURE_KERNEL_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"

struct hw_kernel_code {
	struct {
		uint64_t start, end; /* end 0: not seen yet */
	} found[HW_SIGNAL_CODE_MAX];
	unsigned count;
};

/* The next line of /proc/kallsyms. */
void hw_kernel_code_take(struct hw_kernel_code *code, const char *line);

/* Tell the kernel side, after the last line. Nothing is told where the symbols hide their addresses. */
void hw_kernel_code_publish(const struct hw_kernel_code *code, struct hw_session_masks *masks);

#endif
