/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * remap [SECONDS] FILE FILE: map two files (hop.c, with frames of different sizes) over each other at one
 * address, in turn, a thousand times a second or so, and compute below the function hop of each. Whoever
 * takes one for the other cannot find the caller of hop.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chain.h"
#include "clock.h"

#define HALF_A_MILLISECOND 500000
#define FILE_BYTES_MAX     (1 << 20)

typedef uint64_t hop_function(chain_bottom *bottom, uint64_t argument);

struct code {
	int fd;
	size_t offset; /* of hop, in the file */
};

static uint8_t *place;

static size_t offset_of(const char *path, const void *function)
{
	static uint8_t bytes[FILE_BYTES_MAX];
	FILE *file = fopen(path, "re");
	size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	const uint8_t *found = memmem(bytes, size, function, 32);

	if (file)
		fclose(file);
	return found ? (size_t)(found - bytes) : 0;
}

static int open_code(const char *path, struct code *code)
{
	void *library = dlopen(path, RTLD_NOW);
	void *function = library ? dlsym(library, "hop") : NULL;

	code->fd = open(path, O_RDONLY | O_CLOEXEC);
	code->offset = function ? offset_of(path, function) : 0;
	return code->fd < 0 || !code->offset;
}

static __attribute__((noinline)) uint64_t run(const struct code *code)
{
	hop_function *hop;
	void *start;

	if (mmap(place, FILE_BYTES_MAX, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, code->fd, 0) != place)
		return 0;
	start = place + code->offset;
	memcpy(&hop, &start, sizeof(hop));
	return hop(chain_burn, HALF_A_MILLISECOND) + 1;
}

int main(int argc, char **argv)
{
	struct deadline deadline = deadline_after(argument_or(argc, argv, 1, 2));
	uint64_t sum = 0;
	struct code codes[2];

	if (argc != 4 || open_code(argv[2], &codes[0]) || open_code(argv[3], &codes[1]))
		return 2;
	place = mmap(NULL, FILE_BYTES_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED)
		return 1;
	for (unsigned turn = 0; !is_over(&deadline); turn++)
		sum += run(&codes[turn % 2]);
	printf("sum %llu\n", (unsigned long long)sum);
	return 0;
}
