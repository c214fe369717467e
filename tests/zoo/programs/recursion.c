/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* 10,000 calls deep: cut at the limit of frames. */
#include "zoo.h"

STEP static unsigned long again(unsigned depth)
{
	unsigned long result;

	if (!depth) {
		burn_until_the_end();
		return 1;
	}
	result = again(depth - 1);
	STAY;
	return result + depth;
}

int main(int argc, char **argv)
{
	zoo_begin(argc, argv);
	return again(10000) == 0;
}
