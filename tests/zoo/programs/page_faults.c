/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Page faults without end: memory is touched and given back. */
#include <sys/mman.h>

#include "zoo.h"

#define BYTES (16u << 20)

STEP static void touch_all(volatile char *memory)
{
	for (size_t at = 0; at < BYTES; at += 4096)
		memory[at] = 1;
	STAY;
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	zoo_begin(argc, argv);
	if (memory == MAP_FAILED)
		zoo_fail("mmap");
	madvise(memory, BYTES, MADV_NOHUGEPAGE);
	while (zoo_goes_on()) {
		touch_all(memory);
		madvise(memory, BYTES, MADV_DONTNEED);
	}
	return 0;
}
