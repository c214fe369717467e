/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/truth.h"

#include <errno.h>

void hw_truth_keep(FILE *file, const struct hw_unfinished *walk, size_t size)
{
	uint64_t bytes = size;

	fwrite(&bytes, sizeof(bytes), 1, file);
	fwrite(walk, size, 1, file);
}

int hw_truth_end(FILE *file, const struct hw_capture *capture)
{
	struct hw_capture_status status;
	uint64_t end[2] = {0};
	int failed;

	if (!file)
		return 0;
	if (capture) {
		hw_capture_status(capture, &status);
		end[1] = status.counters.lost_truth;
		fwrite(end, sizeof(end), 1, file);
	}
	failed = ferror(file);
	return fclose(file) || failed ? -EIO : 0;
}
