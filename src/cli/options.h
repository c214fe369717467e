/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Options and their values, read alike by all subcommands: what is wrong is told in one line. */
#ifndef HW_CLI_OPTIONS_H
#define HW_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The next option, as getopt_long() gives it (set optind to 0 before the first), -1 after the last, or
 * '?' after having said what is wrong: unknown, without its value, or with an empty one. letters must begin
 * with ":" or "+:".
 */
int hw_next_option(const char *who, int argc, char **argv, const char *letters, const struct option *options);

/* A decimal number, "10" or "0.5", and nothing else: no sign, no blanks, no other base. */
bool hw_read_decimal(const char *text, double *number);

/* A number from 0 to most. 0 or HW_EXIT_USAGE, after saying why. */
int hw_parse_number(const char *who, const char *option, const char *text, double most, double *number);
/* The same, but whole. */
int hw_parse_count(const char *who, const char *option, const char *text, uint64_t most, uint64_t *number);

#endif
