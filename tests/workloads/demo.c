/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * demo [SECONDS [THREADS]]: something to look at in a flame graph. Each thread goes round three jobs: it
 * evaluates arithmetic by recursive descent, sorts words through qsort (so that libc's frames stand between
 * ours), and counts the bytes of files (so that time goes to the kernel). Built without frame pointers.
 */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define WORDS       20000
#define WORD_LENGTH 12
#define KEPT        __attribute__((noinline)) /* to be seen under its own name */

static struct deadline deadline;
static volatile double sink;

/* ---- arithmetic ---- */

static double parse_sum(const char **text);

KEPT static double parse_number(const char **text)
{
	double value = 0;

	while (isdigit((unsigned char)**text))
		value = value * 10 + (*(*text)++ - '0');
	return value;
}

KEPT static double parse_factor(const char **text)
{
	double value;

	if (**text != '(')
		return parse_number(text);
	(*text)++;
	value = parse_sum(text);
	if (**text == ')')
		(*text)++;
	return value;
}

KEPT static double parse_product(const char **text)
{
	double value = parse_factor(text);

	while (**text == '*') {
		(*text)++;
		value *= parse_factor(text);
	}
	return value;
}

KEPT static double parse_sum(const char **text)
{
	double value = parse_product(text);

	while (**text == '+') {
		(*text)++;
		value += parse_product(text);
	}
	return value;
}

KEPT static void evaluate_arithmetic(void)
{
	static const char formula[] =
	    "1+2*(3+4*(5+6*(7+8*(9+10*(11+12*(13+14*(15+16*(17+18*(19+20))))))))+21)*22";

	for (int i = 0; i < 40000; i++) {
		const char *text = formula;

		sink = sink + parse_sum(&text);
	}
}

/* ---- sorting ---- */

static int compare_words(const void *a, const void *b)
{
	return strcmp(a, b);
}

KEPT static void sort_words(void)
{
	char(*words)[WORD_LENGTH] = calloc(WORDS, WORD_LENGTH);
	uint32_t seed = 12345;

	if (!words)
		return;
	for (int i = 0; i < WORDS; i++)
		for (int j = 0; j + 1 < WORD_LENGTH; j++) {
			seed = seed * 1664525 + 1013904223;
			words[i][j] = (char)('a' + (seed >> 24) % 26);
		}
	qsort(words, WORDS, WORD_LENGTH, compare_words);
	sink = sink + words[0][0];
	free(words);
}

/* ---- files ---- */

KEPT static uint64_t count_lines(int file)
{
	static __thread char block[1 << 16];
	uint64_t lines = 0;
	ssize_t got;

	while ((got = read(file, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < got; i++)
			lines += block[i] == '\n';
	return lines;
}

KEPT static void read_files(void)
{
	static const char *const paths[] = {"/proc/self/smaps", "/proc/self/exe", "/proc/meminfo",
	                                    "/proc/stat"};

	for (int i = 0; i < 40; i++) {
		int file = open(paths[i % 4], O_RDONLY | O_CLOEXEC);

		if (file < 0)
			continue;
		sink = sink + (double)count_lines(file);
		close(file);
	}
}

static void *work(void *unused)
{
	while (!is_over(&deadline)) {
		evaluate_arithmetic();
		sort_words();
		read_files();
	}
	return unused;
}

int main(int argc, char **argv)
{
	unsigned threads = (unsigned)argument_or(argc, argv, 2, 2);
	pthread_t ids[64];

	deadline = deadline_after(argument_or(argc, argv, 1, 10));
	if (threads < 1 || threads > 64)
		return 2;
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, NULL))
			return 1;
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	return 0;
}
