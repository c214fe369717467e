/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Functions of every shape that compilers give to frames. Compiled several times with different options;
 * SHAPES names the one function that runs them all.
 */
#include <alloca.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shapes.h"

#ifdef __clang__
#define SHAPE static __attribute__((noinline))
#else
#define SHAPE static __attribute__((noinline, noclone))
#endif

static volatile uint64_t sink;

SHAPE uint64_t leaf(uint64_t a, uint64_t b)
{
	return a * 3 + (b ^ 5);
}

SHAPE uint64_t small(uint64_t a)
{
	return leaf(a, 1) + leaf(a, 2);
}

SHAPE uint64_t many_registers(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	uint64_t v = leaf(a, b), w = leaf(c, d), x = leaf(e, f), y = leaf(a, f), z = leaf(b, e);

	return leaf(v, w) + leaf(x, y) + leaf(z, v) + a * b + c * d + e * f + v * w * x * y * z;
}

SHAPE uint64_t stack_arguments(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                               uint64_t g, uint64_t h, uint64_t i)
{
	return leaf(a + b + c, d + e + f) + leaf(g, h) + i;
}

SHAPE uint64_t fills(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)i;
	return bytes[size / 2];
}

SHAPE uint64_t with_alloca(size_t size)
{
	uint8_t *bytes = alloca(size);

	return fills(bytes, size) + leaf(size, 1);
}

SHAPE uint64_t with_array(size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 1; i < 3; i++) {
		uint8_t bytes[size * i];

		sum += fills(bytes, size * i);
	}
	return sum;
}

/* An aligned frame of changing size: gcc keeps the way back in a register of its own (DRAP). */
SHAPE uint64_t with_aligned_alloca(size_t size, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                   uint64_t f, uint64_t g)
{
	uint64_t aligned[8] __attribute__((aligned(64)));
	uint8_t *bytes = alloca(size);

	aligned[a & 7] = fills(bytes, size);
	return leaf(aligned[a & 7], b) + c + d + e + f + leaf(g, a);
}

SHAPE uint64_t with_aligned_local(uint64_t a)
{
	uint64_t aligned[8] __attribute__((aligned(128)));

	memset(aligned, (int)a, sizeof(aligned));
	return leaf(aligned[3], fills((uint8_t *)aligned, 16));
}

SHAPE uint64_t big_frame(uint64_t a)
{
	uint8_t bytes[9000];

	bytes[a & 4095] = 1;
	bytes[8999] = 2;
	return leaf(bytes[a & 4095], a) + fills(bytes, 30);
}

SHAPE uint64_t variadic(int count, ...)
{
	uint64_t sum = 0;
	va_list list;

	va_start(list, count);
	for (int i = 0; i < count; i++)
		sum += i % 2 ? va_arg(list, uint64_t) : (uint64_t)va_arg(list, double);
	va_end(list);
	return leaf(sum, 3);
}

SHAPE uint64_t recursive(uint64_t depth)
{
	return depth ? recursive(depth - 1) + leaf(depth, depth) : 1;
}

SHAPE uint64_t tail_call(uint64_t a)
{
	return small(a + 1);
}

SHAPE uint64_t early_return(uint64_t a)
{
	if (a & 1)
		return 7;
	return many_registers(a, a, a, a, a, a);
}

struct large {
	uint64_t words[12];
};

SHAPE struct large returns_struct(uint64_t a)
{
	struct large large = {{a, leaf(a, a)}};

	return large;
}

SHAPE uint64_t takes_struct(struct large large, double x)
{
	return large.words[1] + (uint64_t)(x * 2) + leaf(large.words[0], 9);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return leaf(x, 1) < leaf(y, 1) ? -1 : x > y;
}

SHAPE uint64_t sorts(void)
{
	uint64_t values[] = {5, 3, 9, 1, 7};

	qsort(values, 5, sizeof(values[0]), by_value);
	return values[2];
}

SHAPE void jumps(jmp_buf *where, uint64_t depth)
{
	if (depth)
		jumps(where, depth - 1);
	sink += leaf(depth, 1);
	if (!depth)
		longjmp(*where, 1);
}

SHAPE uint64_t returns_twice(void)
{
	jmp_buf where;

	if (setjmp(where))
		return leaf(1, 2);
	jumps(&where, 4);
	return 0;
}

SHAPE uint64_t calls_libraries(uint64_t a)
{
	char text[128];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "%s %d %.3f", "text", (int)a, (double)a / 3);
	return strlen(text) + (uint64_t)now.tv_nsec % 2 + strtoul("1234", NULL, 10);
}

SHAPE uint64_t switches(uint64_t a)
{
	switch (a) {
	case 1:
		return leaf(a, 1);
	case 2:
		return small(a);
	case 3:
		return early_return(a);
	case 4:
		return early_return(a - 1) + leaf(a, a);
	case 5:
		return recursive(a);
	default:
		return 0;
	}
}

SHAPE uint64_t by_pointer(uint64_t (*function)(uint64_t), uint64_t a)
{
	return function(a) + function(a + 1);
}

uint64_t SHAPES(void);
uint64_t SHAPES(void)
{
	uint64_t sum = 0;

	sum += leaf(1, 2) + small(3) + many_registers(1, 2, 3, 4, 5, 6);
	sum += stack_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9);
	sum += with_alloca(40) + with_array(20) + with_aligned_alloca(33, 1, 2, 3, 4, 5, 6, 7);
	sum += with_aligned_local(3) + big_frame(100);
	sum += variadic(4, 1.5, (uint64_t)2, 3.5, (uint64_t)4);
	sum += recursive(6) + tail_call(2) + early_return(1) + early_return(2);
	sum += takes_struct(returns_struct(4), 2.5) + sorts() + returns_twice() + calls_libraries(42);
	for (uint64_t i = 0; i < 7; i++)
		sum += switches(i);
	sum += by_pointer(small, 3) + by_pointer(tail_call, 4);
	sink = sum;
	return sum;
}
