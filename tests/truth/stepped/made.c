/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Machine code made at run time, with frame pointers and without unwind entries, as JITs make it. */
#include <string.h>
#include <sys/mman.h>

#include "shapes.h"

#define CODE_BYTES 64

#ifdef __clang__ /* has no such attribute; what it builds here is compiled, not compared */
#define KEEPS_FRAME_POINTER __attribute__((noinline))
#else
#define KEEPS_FRAME_POINTER __attribute__((noinline, optimize("no-omit-frame-pointer")))
#endif

static volatile uint64_t touched;

/* What the made code calls: it keeps the frame pointer, as the made code does. */
KEEPS_FRAME_POINTER static void called_back(void)
{
	touched++;
}

static const struct {
	uint8_t bytes[CODE_BYTES];
	int target; /* where the address of called_back goes */
} codes[] = {
    /* push %rbp; mov %rsp,%rbp; mov $target,%rax; call *%rax; pop %rbp; ret */
    {{0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3}, 6},
    /* mov %eax,-0x14000(%rsp); push %rbp; mov %rsp,%rbp (the other way); sub $16,%rsp; …; leave; ret */
    {{0x89, 0x84, 0x24, 0x00, 0xc0, 0xfe, 0xff, 0x55, 0x48, 0x8b, 0xec, 0x48, 0x83, 0xec, 0x10,
      0x48, 0xb8, 0,    0,    0,    0,    0,    0,    0,    0,    0xff, 0xd0, 0xc9, 0xc3},
     17},
    /* endbr64; push %rbp; mov %rsp,%rbp; push %rbx; push %rbx; …; pop %rbx; pop %rbx; leave; repz ret */
    {{0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x53, 0x53, 0x48, 0xb8, 0,   0,
      0,    0,    0,    0,    0,    0,    0xff, 0xd0, 0x5b, 0x5b, 0xc9, 0xf3, 0xc3},
     12},
    /* push %rbp; mov %rsp,%rbp; sub $16,%rsp; mov 8(%rbp),%rax; mov %rax,(%rsp); getpid; leave; ret: calls
     * nothing, but what stands at rsp looks like its return address */
    {{0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0x48, 0x8b, 0x45, 0x08, 0x48,
      0x89, 0x04, 0x24, 0xb8, 0x27, 0,    0,    0,    0x0f, 0x05, 0xc9, 0xc3},
     CODE_BYTES - 8},
};

/* Its frame pointer leads on: where the made code has none of its own yet, a guess would skip this frame. */
KEEPS_FRAME_POINTER static void call(void (*made)(void))
{
	made();
	touched++;
}

uint64_t made_code(void)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*target)(void) = called_back, (*made)(void);

	if (page == MAP_FAILED)
		return 0;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		memcpy(page + i * CODE_BYTES, codes[i].bytes, CODE_BYTES);
		memcpy(page + i * CODE_BYTES + codes[i].target, &target, sizeof(target));
	}
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
		return 0;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		*(void **)&made = page + i * CODE_BYTES;
		call(made);
	}
	munmap(page, 4096);
	return touched;
}
