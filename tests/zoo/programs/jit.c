/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * jit [SECONDS [rbp|none]]: machine code made at run time, without a map and without tables, with a frame
 * pointer or without one, calls back.
 */
#include <string.h>
#include <sys/mman.h>

#include "zoo.h"

STEP static void called_back(void)
{
	burn(100000);
	STAY;
}

int main(int argc, char **argv)
{
	/* push %rbp; mov %rsp,%rbp; mov $called_back,%rax; call *%rax; pop %rbp; ret */
	static const unsigned char with[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0,    0,    0,
	                                     0,    0,    0,    0,    0,    0xff, 0xd0, 0x5d, 0xc3};
	/* sub $0x28,%rsp; xor %ebp,%ebp is what code without a frame pointer may do: push %rbp first, to give
	 * it back */
	static const unsigned char without[] = {0x55, 0x31, 0xed, 0x48, 0x83, 0xec, 0x20, 0x48, 0xb8,
	                                        0,    0,    0,    0,    0,    0,    0,    0,    0xff,
	                                        0xd0, 0x48, 0x83, 0xc4, 0x20, 0x5d, 0xc3};
	int none = argc > 2 && !strcmp(argv[2], "none");
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*target)(void) = called_back, (*made)(void);

	zoo_begin(argc, argv);
	if (code == MAP_FAILED)
		zoo_fail("mmap");
	memcpy(code, none ? without : with, none ? sizeof(without) : sizeof(with));
	memcpy(code + (none ? 9 : 6), &target, sizeof(target));
	if (mprotect(code, 4096, PROT_READ | PROT_EXEC))
		zoo_fail("mprotect");
	*(void **)&made = code;
	while (zoo_goes_on())
		made();
	return 0;
}
