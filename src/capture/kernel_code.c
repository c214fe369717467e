/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/kernel_code.h"

#include <stdlib.h>
#include <string.h>

/* arch/x86/kernel/signal.c and signal_64.c, kernel/events/uprobes.c, arch/x86/entry/vsyscall/vsyscall_64.c */
static const char *const names[] = {
    "arch_do_signal_or_restart", "handle_signal",         "x64_setup_rt_frame",
    "restore_sigcontext",        "__do_sys_rt_sigreturn", "__x64_sys_rt_sigreturn",
    "uprobe_notify_resume",      "handle_swbp",           "emulate_vsyscall"};

static bool is_wanted(const char *name)
{
	size_t length = strcspn(name, ".\n"); /* the compiler's suffixes do not matter */

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && !memcmp(names[i], name, length))
			return true;
	return false;
}

/* Lines stand in the order of addresses: a function ends where one begins that does not begin with it. */
void hw_kernel_code_take(struct hw_kernel_code *code, const char *line)
{
	const char *name = strrchr(line, ' ');
	uint64_t start;

	for (unsigned i = code->count; i && !code->found[i - 1].end; i--) {
		start = strtoull(line, NULL, 16);
		if (start > code->found[i - 1].start)
			code->found[i - 1].end = start;
	}
	if (!name || code->count == HW_SIGNAL_CODE_MAX || !is_wanted(name + 1))
		return;
	start = strtoull(line, NULL, 16);
	if (start)
		code->found[code->count++].start = start;
}

void hw_kernel_code_publish(const struct hw_kernel_code *code, struct hw_session_masks *masks)
{
	struct hw_code_range *to = masks->signal_code;

	for (unsigned i = 0; i < code->count; i++)
		if (!code->found[i].end)
			return;
	/* The first one last: programs that run believe the others once it is there. */
	for (unsigned i = code->count; i--;) {
		to[i].start = code->found[i].start;
		__atomic_store_n(&to[i].size, code->found[i].end - code->found[i].start, __ATOMIC_RELEASE);
	}
}
