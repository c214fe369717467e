/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A library whose functions are bound late. late_indirect is chosen by a resolver that runs inside the
 * dynamic linker's _dl_runtime_resolve, which realigns the stack by way of rbx; there it calls what it was
 * given.
 */
#include "late.h"

void (*late_callback)(void);

static int answer(void)
{
	return 42;
}

__attribute__((used)) static int (*resolve(void))(void)
{
	if (late_callback)
		late_callback();
	return answer;
}

int late_indirect(void) __attribute__((ifunc("resolve")));

int late_plain(int value)
{
	return value + 1;
}
