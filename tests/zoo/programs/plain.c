/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Three functions deep; built in every way that a program can be built. */
#include "zoo.h"

STEP static void third(void)
{
	burn_until_the_end();
	STAY;
}

STEP static void second(void)
{
	third();
	STAY;
}

STEP static void first(void)
{
	second();
	STAY;
}

int main(int argc, char **argv)
{
	zoo_begin(argc, argv);
	first();
	return 0;
}
