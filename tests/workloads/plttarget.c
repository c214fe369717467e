/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "plttarget.h"

uint64_t plt_target(uint64_t argument)
{
	return argument + 1;
}
