/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* longread [SECONDS]: read /dev/zero in blocks of 64 MiB, so that one stay in the kernel meets many samples.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

#define BLOCK_BYTES ((size_t)64 << 20)

int main(int argc, char **argv)
{
	struct deadline deadline = deadline_after(argument_or(argc, argv, 1, 5));
	uint64_t reads = 0;
	static char block[BLOCK_BYTES];
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (zero < 0)
		return 1;
	while (!is_over(&deadline)) {
		if (read(zero, block, sizeof(block)) <= 0)
			break;
		reads++;
	}
	printf("reads %llu\n", (unsigned long long)reads);
	close(zero);
	return reads ? 0 : 1;
}
