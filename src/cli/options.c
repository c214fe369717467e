/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/common.h"

/* What getopt did not like. */
static int wrong_option(const char *who, int option, char **argv)
{
	const char *word = argv[optind - 1];

	if (option == ':')
		hw_complain(who, "a value is missing after '%s'; see %s --help", word, who);
	else if (optopt && !strncmp(word, "--", 2))
		hw_complain(who, "this option takes no value: '%s'; see %s --help", word, who);
	else if (optopt)
		hw_complain(who, "unknown option '-%c'; see %s --help", optopt, who);
	else
		hw_complain(who, "unknown option '%s'; see %s --help", word, who);
	return '?';
}

int hw_next_option(const char *who, int argc, char **argv, const char *letters, const struct option *options)
{
	int option = getopt_long(argc, argv, letters, options, NULL);
	const char *word;

	if (option == ':' || option == '?')
		return wrong_option(who, option, argv);
	if (option < 0 || !optarg || *optarg)
		return option;
	/* Mostly a variable of a script that is not set: never what was meant. */
	word = argv[optind - 1];
	hw_complain(who, "the value of '%s' is empty; see %s --help", *word ? word : argv[optind - 2], who);
	return '?';
}

bool hw_read_decimal(const char *text, double *number)
{
	char *end;

	if (!*text || text[strspn(text, "0123456789.")])
		return false;
	*number = strtod(text, &end);
	return !*end;
}

int hw_parse_number(const char *who, const char *option, const char *text, double most, double *number)
{
	if (hw_read_decimal(text, number) && *number <= most)
		return 0;
	hw_complain(who, "%s wants a number from 0 to %g, not '%s'", option, most, text);
	return HW_EXIT_USAGE;
}

int hw_parse_count(const char *who, const char *option, const char *text, uint64_t most, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *number <= most)
		return 0;
	hw_complain(who, "%s wants a whole number from 0 to %llu, not '%s'", option, (unsigned long long)most,
	            text);
	return HW_EXIT_USAGE;
}
