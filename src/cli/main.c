/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward: finds the subcommand and hands over. */
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/common.h"

/* Builds without a recorder (only for looking) leave these out. */
#pragma weak hw_cmd_record
#pragma weak hw_cmd_doctor
#pragma weak hw_cmd_daemon

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
    {"record", hw_cmd_record, "record this machine, some processes or one command"},
    {"report", hw_cmd_report, "where the time went: functions, call tree, and how complete the stacks are"},
    {"flame", hw_cmd_flame, "a flame graph: one HTML page that needs nothing else"},
    {"script", hw_cmd_script, "every sample as text, in the layout of perf script"},
    {"stats", hw_cmd_stats, "the account of a recording in numbers, as text or JSON"},
    {"export", hw_cmd_export, "write a recording for other tools: folded, perf, pprof, speedscope, firefox"},
    {"doctor", hw_cmd_doctor, "what this machine allows, what is missing and how to get it"},
    {"daemon", hw_cmd_daemon, "record for others, who need no rights then: each stack is walked once"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	fputs("homeward " HW_VERSION ": a profiler that walks user stacks on the way home to user space\n"
	      "\n"
	      "usage: homeward COMMAND [OPTIONS]\n"
	      "\n",
	      out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].run)
			fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n"
	      "  homeward help COMMAND     what a command does, its options, and examples\n"
	      "  homeward --version        which homeward this is\n"
	      "\n"
	      "Two commands to begin with:\n"
	      "  sudo homeward record -a -d 10     record the whole machine for ten seconds\n"
	      "  homeward report                   look at the recording, homeward.data\n",
	      out);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].run && !strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
	return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Levenshtein distance; word is one of ours and short. */
static size_t distance(const char *typed, const char *word)
{
	size_t length = strlen(word), row[16], corner, above;

	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (size_t i = 0; typed[i]; i++) {
		corner = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			above = row[j + 1];
			row[j + 1] = smallest(above + 1, row[j] + 1, corner + (typed[i] != word[j]));
			corner = above;
		}
	}
	return row[length];
}

static int unknown_command(const char *typed)
{
	const struct command *closest = NULL;
	size_t least = 3; /* more typing errors than that are another word */

	for (size_t i = 0; i < COMMAND_COUNT && strlen(typed) < 16; i++) {
		size_t far = commands[i].run ? distance(typed, commands[i].name) : least;

		if (far < least) {
			least = far;
			closest = &commands[i];
		}
	}
	fprintf(stderr, "homeward: unknown command '%s'", typed);
	if (closest)
		fprintf(stderr, "; did you mean '%s'?\n", closest->name);
	else
		fprintf(stderr, "; see homeward --help\n");
	return HW_EXIT_USAGE;
}

/* What a help text, or whatever else just printed, could not write. */
static int flush(const char *who, int status)
{
	if (status || (!fflush(stdout) && !ferror(stdout)))
		return status;
	return hw_complain(who, "cannot write standard output: %s", strerror(errno));
}

static int run(const struct command *command, int argc, char **argv)
{
	char who[32];

	snprintf(who, sizeof(who), "homeward %s", command->name);
	argv[0] = who;
	return flush(who, command->run(argc, argv));
}

static int help(int argc, char **argv)
{
	char option[] = "--help", *help_argv[] = {NULL, option, NULL};
	const struct command *command;

	if (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_help(stdout);
		return flush("homeward", HW_EXIT_OK);
	}
	command = find_command(argv[1]);
	return command ? run(command, 2, help_argv) : unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : NULL;

	setlocale(LC_CTYPE, "");
	/* Some parents leave SIGPIPE ignored; "homeward script | head" is to end quietly all the same. */
	signal(SIGPIPE, SIG_DFL);
	if (!name) {
		print_help(stderr);
		return HW_EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return help(1, argv);
	if (!strcmp(name, "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("homeward " HW_VERSION);
		return flush("homeward", HW_EXIT_OK);
	}
	if (name[0] == '-') {
		fprintf(stderr, "homeward: unknown option '%s'; see homeward --help\n", name);
		return HW_EXIT_USAGE;
	}
	command = find_command(name);
	return command ? run(command, argc - 1, argv + 1) : unknown_command(name);
}
