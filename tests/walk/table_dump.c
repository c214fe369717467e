/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Print the unwind table of an ELF file, for looking at: table_dump [-s] FILE…
 * With -s only a summary: rows, rules, rows by kind, milliseconds. Not installed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "walk/table.h"

static const char *const kinds[16] = {"gap",        "cfa",   "plt",    "signal", "end",     "deref",
                                      "deref-base", "unfit", "ra-reg", "ra-at",  "indexed", "goroutine",
                                      "12?",        "13?",   "14?",    "15?"};

static const char *const registers[16] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void print_saved(const char *name, unsigned int word, unsigned int lost)
{
	if (word == lost)
		printf(" %s=lost", name);
	else if (word)
		printf(" %s=-%u", name, word * 8);
}

static void print_rule(uint64_t rule)
{
	static const char *const saved[] = {"rbx", "r12", "r13", "r14", "r15"};
	int arg = HW_RULE_ARG(rule);
	const char *base = registers[HW_RULE_BASE(rule)];

	printf("%s", kinds[HW_RULE_KIND(rule)]);
	switch (HW_RULE_KIND(rule)) {
	case HW_RULE_CFA:
	case HW_RULE_SIGNAL:
		printf(" %s%+d", base, arg);
		break;
	case HW_RULE_PLT:
		printf(" %d", arg);
		break;
	case HW_RULE_DEREF:
	case HW_RULE_DEREF_BASE:
		printf(" *(%s%+d)+%d", base, arg >> 8, arg & 255);
		break;
	case HW_RULE_RA_REG:
		printf(" %s%+d ra in %s", base, arg >> 8, registers[arg & 15]);
		break;
	case HW_RULE_RA_AT:
		printf(" %s%+d ra at -%d", base, arg >> 8, 8 * (arg & 255));
		break;
	}
	print_saved("rbp", HW_RULE_RBP(rule), HW_SAVED_RBP_LOST);
	for (int i = 0; i < 5; i++)
		print_saved(saved[i], HW_RULE_SAVED(rule, i), HW_SAVED_LOST);
	printf("\n");
}

static uint64_t rule_of(const struct hw_table *table, uint32_t row)
{
	return table->words[(size_t)table->row_blocks * HW_BLOCK_WORDS + HW_ROW_RULE(table->words[row])];
}

static void print_rows(const struct hw_table *table)
{
	for (uint32_t i = 0; i < table->row_count; i++) {
		printf("%08x ", HW_ROW_START(table->words[i]));
		print_rule(rule_of(table, i));
	}
}

static void print_summary(const char *path, const struct hw_table *table, double ms)
{
	unsigned int count[16] = {0};

	for (uint32_t i = 0; i < table->row_count; i++)
		count[HW_RULE_KIND(rule_of(table, i))]++;
	printf("%s: %u rows, %u rules, %.1f ms, build id ", path, table->row_count, table->rule_count, ms);
	for (int i = 0; i < table->build_id_size; i++)
		printf("%02x", table->build_id[i]);
	printf("%s;", table->build_id_size ? "" : "none");
	for (int i = 0; i < 16; i++) {
		if (count[i])
			printf(" %s %u", kinds[i], count[i]);
	}
	printf("\n");
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int dump(const char *path, int summary)
{
	struct hw_table table;
	struct hw_error err;
	double start;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	start = now_ms();
	r = hw_table_compile(fd, NULL, &table, &err);
	close(fd);
	if (r) {
		fprintf(stderr, "%s: %s\n", path, err.text);
		return 1;
	}
	print_summary(path, &table, now_ms() - start);
	if (!summary)
		print_rows(&table);
	hw_table_clear(&table);
	return 0;
}

int main(int argc, char **argv)
{
	int summary = argc > 1 && !strcmp(argv[1], "-s"), failed = 0;

	if (argc < 2 + summary) {
		fprintf(stderr, "usage: %s [-s] FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1 + summary; i < argc; i++)
		failed |= dump(argv[i], summary);
	return failed;
}
