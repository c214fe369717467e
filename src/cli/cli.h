/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Subcommands: one function and one file each.
 *
 * argv[0] is "homeward NAME", so that getopt's own messages say who speaks. The result is the exit status:
 * HW_EXIT_OK, HW_EXIT_FAILURE or HW_EXIT_USAGE ("record" passes on its command's). Errors are one line on
 * standard error, beginning with "homeward NAME: ".
 */
#ifndef HW_CLI_CLI_H
#define HW_CLI_CLI_H

#include "base/error.h"

#define HW_EXIT_OK      0
#define HW_EXIT_FAILURE 1
#define HW_EXIT_USAGE   2

#define HW_DEFAULT_RECORDING "homeward.data"

int hw_cmd_record(int argc, char **argv);
int hw_cmd_report(int argc, char **argv);
int hw_cmd_script(int argc, char **argv);
int hw_cmd_flame(int argc, char **argv);
int hw_cmd_stats(int argc, char **argv);
int hw_cmd_export(int argc, char **argv);
int hw_cmd_doctor(int argc, char **argv);
int hw_cmd_daemon(int argc, char **argv);

#endif
