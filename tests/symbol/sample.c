/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A library to look up addresses in: functions of every sort, and calls into another file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sample_global(int x);
int sample_alias(int x) __attribute__((alias("sample_global")));
int __sample_hidden_alias(int x) __attribute__((alias("sample_global")));
int sample_calls(const char *text);
int sample_static_caller(int x);

int sample_global(int x)
{
	return x * 3 + 1;
}

static __attribute__((noinline)) int sample_static(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x - 7;
}

int sample_static_caller(int x)
{
	return sample_static(x) + 1;
}

int sample_calls(const char *text)
{
	return (int)strlen(text) + atoi(text) + getpid();
}

/* Without a type and size, as hand-written code has it; one symbol within another; two of which one ends
 * first. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl sample_sizeless\n"
        "sample_sizeless:\n"
        ".fill 32, 1, 0x90\n"
        ".globl sample_outer\n"
        ".type sample_outer, @function\n"
        "sample_outer:\n"
        ".fill 16, 1, 0x90\n"
        ".globl sample_inner\n"
        ".type sample_inner, @function\n"
        "sample_inner:\n"
        ".fill 16, 1, 0x90\n"
        ".size sample_inner, . - sample_inner\n"
        "sample_label_within:\n"
        ".fill 16, 1, 0x90\n"
        ".size sample_outer, . - sample_outer\n"
        ".fill 64, 1, 0xcc\n");
