/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Functions inlined into functions, for test_lines. */
#include <stddef.h>

int inlining_outer(const int *values, size_t count);
int inlining_twice(int x);

static inline __attribute__((always_inline)) int innermost(int x)
{
	for (int i = 0; i < x; i++)
		x ^= x << 3 ^ i;
	return x;
}

static inline __attribute__((always_inline)) int middle(int x)
{
	if (x & 1)
		return innermost(x) + 1;
	return innermost(x * 2);
}

int inlining_outer(const int *values, size_t count)
{
	int sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += middle(values[i]);
	return sum;
}

int inlining_twice(int x)
{
	int first = innermost(x);

	return first + middle(first);
}
