/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The C library calls back: qsort and bsearch. */
#include "zoo.h"

STEP static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	burn(50);
	return (x > y) - (x < y);
}

STEP static unsigned long sort_once(int *numbers, size_t count, unsigned long seed)
{
	int key = 5;

	for (size_t i = 0; i < count; i++)
		numbers[i] = (int)((seed = seed * 6364136223846793005u + 1) >> 40);
	qsort(numbers, count, sizeof(*numbers), compare);
	return seed + (bsearch(&key, numbers, count, sizeof(*numbers), compare) != NULL);
}

int main(int argc, char **argv)
{
	static int numbers[20000];
	unsigned long seed = 1;

	zoo_begin(argc, argv);
	while (zoo_goes_on())
		seed = sort_once(numbers, 20000, seed);
	return seed == 0;
}
