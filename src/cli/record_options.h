/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the command line of homeward record says. */
#ifndef HW_CLI_RECORD_OPTIONS_H
#define HW_CLI_RECORD_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/array.h"
#include "capture/capture.h"

struct hw_record_options {
	struct hw_capture_options capture; /* cache_directory is chosen later, if cache */
	array_of(pid_t) pids;
	const char *output;
	double duration_s;     /* 0: until told to stop */
	int compression_level; /* of zstd; 0: not compressed */
	bool all, quiet, cache, standalone;
	bool with_rate;     /* -F was given */
	const char *socket; /* of the daemon; NULL: the usual one, if there is a daemon */
	char **command;     /* NULL: none */
	const char *truth;  /* test only: where registers and stacks go; NULL: nowhere */
};

/* 0: go on; -1: done (it was --help); else the exit status, after having said why. */
int hw_record_parse(struct hw_record_options *options, int argc, char **argv);
void hw_record_options_free(struct hw_record_options *options);

#endif
