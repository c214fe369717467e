/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Run a harness over the kept inputs, without libFuzzer: what was found once must not come back. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bytes.h"

#define INPUT_MAX  (1 << 20)
#define MEMORY_MAX (512 << 10) /* KiB */

static int replay(const char *directory, const char *name)
{
	static uint8_t input[INPUT_MAX];
	char path[1024];
	uint8_t *exact;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	printf("%s\n", path);
	fflush(stdout); /* it is the last line if the next one crashes */
	exact = fuzz_memory(size);
	for (size_t i = 0; i < size; i++)
		exact[i] = input[i];
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	struct dirent *entry;
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	int count = 0;

	if (!directory) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && !replay(argv[1], entry->d_name))
			count++;
	closedir(directory);
	getrusage(RUSAGE_SELF, &usage);
	printf("%d inputs, %ld KiB\n", count, usage.ru_maxrss);
	return count && usage.ru_maxrss < MEMORY_MAX ? 0 : 1;
}
