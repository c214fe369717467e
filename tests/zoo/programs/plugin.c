/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "zoo.h"

void plugin_work(void (*callback)(void));

__attribute__((noinline, visibility("default"))) void plugin_work(void (*callback)(void))
{
	burn(30000);
	callback();
	STAY;
}
