/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/record_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/event_name.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/record_whose.h"

static const char usage[] =
    "usage: homeward record [OPTIONS] [-- COMMAND [ARGUMENT…]]\n"
    "\n"
    "Record what this machine, some processes or a command spend their time on, with complete user\n"
    "stacks. Without a command, record until Ctrl-C, or for -d SECONDS.\n"
    "\n"
    "  -a, --all-cpus          the whole machine (the default without COMMAND and -p)\n"
    "  -p, --pid PID[,PID…]    these processes and their descendants\n"
    "      --uid USER          only what runs as this user (a name or a number)\n"
    "      --cgroup PATH       only what runs in this cgroup (version 2) or below it\n"
    "  -e, --event NAME        cycles, cpu-clock, page-faults, context-switches … (default: cycles, where\n"
    "                          the machine counts them, else cpu-clock)\n"
    "  -F, --freq HZ           samples a second and CPU (default 999)\n"
    "  -c, --count PERIOD      one sample every PERIOD events (nanoseconds for cpu-clock)\n"
    "  -o, --output FILE       where to (default homeward.data; an older one is kept as FILE.old)\n"
    "  -d, --duration SECONDS  stop after that long\n"
    "      --user-only         no samples of kernel mode\n"
    "      --table-memory SIZE cap on unwind tables, e.g. 64M (default 256M)\n"
    "      --backend NAME      where samples come from: auto (the default), bpf, native, dump or ptrace\n"
    "      --stack-size SIZE   of a stack copy, for dump (default 16K) and ptrace (64K)\n"
    "      --walk HOW          auto, or deferred: never walk in the interrupt\n"
    "      --no-cache          neither read nor write the table cache on disk\n"
    "  -z, --compress[=LEVEL]  compress the recording (zstd, level 1 to 22, default 1; also -z9)\n"
    "      --standalone        do not ask the daemon, though one is there\n"
    "      --socket PATH       of the daemon (default /run/homeward/homeward.sock)\n"
    "  -q, --quiet             no status line, no summary\n"
    "  -h, --help              this text\n"
    "\n"
    "Exit status: that of COMMAND (127: not found, 126: cannot be run), else 0; 1 on failure, 2 on\n"
    "wrong usage.\n"
    "\n"
    "Examples:\n"
    "  homeward record -a -d 10          the whole machine for ten seconds\n"
    "  homeward record -- make -j4       one command and all that it starts\n"
    "  homeward report                   look at the result\n";

static int usage_error(const char *what, const char *value)
{
	hw_complain("homeward record", "%s '%s'; see homeward record --help", what, value);
	return HW_EXIT_USAGE;
}

static int choose(int code, const struct hw_error *err)
{
	if (!code)
		return 0;
	hw_complain("homeward record", "%s", err->text);
	return HW_EXIT_USAGE;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value && *value <= max;
}

static bool parse_size(const char *text, uint64_t *value)
{
	char digits[24], unit;
	size_t length = strlen(text);
	unsigned int shift;

	if (!length || length >= sizeof(digits))
		return false;
	memcpy(digits, text, length + 1);
	unit = digits[length - 1];
	shift = unit == 'K' || unit == 'k'   ? 10
	        : unit == 'M' || unit == 'm' ? 20
	        : unit == 'G' || unit == 'g' ? 30
	                                     : 0;
	if (shift)
		digits[length - 1] = '\0';
	if (!parse_number(digits, UINT32_MAX, value))
		return false;
	*value <<= shift;
	return true;
}

static int parse_pids(struct hw_record_options *options, const char *text)
{
	char *copy = strdup(text), *save = NULL;
	uint64_t pid;
	int r = 0;

	for (char *each = strtok_r(copy, ",", &save); each && !r; each = strtok_r(NULL, ",", &save)) {
		if (!parse_number(each, INT32_MAX, &pid))
			r = usage_error("not a process:", each);
		else
			array_push(&options->pids, (pid_t)pid);
	}
	free(copy);
	return r || options->pids.count ? r : usage_error("not a process:", text);
}

static int choose_event(struct hw_record_options *options, const char *name)
{
	struct hw_event_kind kind;
	struct hw_error err;

	options->capture.event = name;
	return choose(hw_event_find(name, &kind, &err), &err);
}

static int parse_stack_size(struct hw_capture_options *capture, const char *text)
{
	uint64_t size;

	if (!parse_size(text, &size) || size < 512 || size > HW_STACK_SIZE_MAX)
		return usage_error("not a size from 512 to 60K:", text);
	capture->stack_bytes = (uint32_t)size;
	return 0;
}

static int choose_backend(struct hw_record_options *options, const char *name)
{
	bool known = !strcmp(name, "auto");

	for (size_t i = 0; hw_capture_backend_name(i); i++)
		known = known || !strcmp(name, hw_capture_backend_name(i));
	options->capture.backend = name;
	return known ? 0 : usage_error("no such backend:", name);
}

enum {
	OPT_USER_ONLY = 256,
	OPT_UID,
	OPT_CGROUP,
	OPT_STANDALONE,
	OPT_SOCKET,
	OPT_TABLE_MEMORY,
	OPT_WALK,
	OPT_NO_CACHE,
	OPT_TASK_SLOTS,
	OPT_TRUTH,
	OPT_BACKEND,
	OPT_STACK_SIZE
};

static const struct option long_options[] = {
    {"all-cpus", no_argument, NULL, 'a'},
    {"pid", required_argument, NULL, 'p'},
    {"uid", required_argument, NULL, OPT_UID},
    {"cgroup", required_argument, NULL, OPT_CGROUP},
    {"event", required_argument, NULL, 'e'},
    {"freq", required_argument, NULL, 'F'},
    {"count", required_argument, NULL, 'c'},
    {"output", required_argument, NULL, 'o'},
    {"duration", required_argument, NULL, 'd'},
    {"user-only", no_argument, NULL, OPT_USER_ONLY},
    {"table-memory", required_argument, NULL, OPT_TABLE_MEMORY},
    {"walk", required_argument, NULL, OPT_WALK},
    {"no-cache", no_argument, NULL, OPT_NO_CACHE},
    {"stack-size", required_argument, NULL, OPT_STACK_SIZE},
    {"backend", required_argument, NULL, OPT_BACKEND},
    {"task-slots", required_argument, NULL, OPT_TASK_SLOTS},
    {"truth", required_argument, NULL, OPT_TRUTH},
    {"compress", optional_argument, NULL, 'z'},
    {"standalone", no_argument, NULL, OPT_STANDALONE},
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int parse_option(struct hw_record_options *options, int option)
{
	struct hw_capture_options *capture = &options->capture;
	struct hw_error err = {0};
	uint64_t level = 1;

	switch (option) {
	case 'a':
		options->all = true;
		return 0;
	case 'p':
		return parse_pids(options, optarg);
	case OPT_UID:
		return choose(hw_whose_uid(optarg, capture, &err), &err);
	case OPT_CGROUP:
		return choose(hw_whose_cgroup(optarg, capture, &err), &err);
	case 'e':
		return choose_event(options, optarg);
	case 'F':
		options->with_rate = true;
		return parse_number(optarg, 50000, &capture->rate)
		           ? 0
		           : usage_error("not a rate in 1 to 50000 Hz:", optarg);
	case 'c':
		capture->frequency = false;
		return parse_number(optarg, INT64_MAX, &capture->rate) ? 0
		                                                       : usage_error("not a period:", optarg);
	case 'o':
		options->output = optarg;
		return strcmp(optarg, "-") ? 0 : usage_error("a recording is a file, not a pipe:", optarg);
	case 'd':
		return hw_read_decimal(optarg, &options->duration_s) && options->duration_s > 0 &&
		               options->duration_s < 1e9
		           ? 0
		           : usage_error("not a duration in seconds:", optarg);
	case OPT_USER_ONLY:
		capture->user_only = true;
		return 0;
	case OPT_TABLE_MEMORY:
		return parse_size(optarg, &capture->table_memory_bytes) ? 0
		                                                        : usage_error("not a size:", optarg);
	case OPT_WALK:
		capture->deferred_only = !strcmp(optarg, "deferred");
		return capture->deferred_only || !strcmp(optarg, "auto")
		           ? 0
		           : usage_error("not a way to walk:", optarg);
	case OPT_NO_CACHE:
		options->cache = false;
		return 0;
	case OPT_STACK_SIZE:
		return parse_stack_size(capture, optarg);
	case OPT_BACKEND:
		return choose_backend(options, optarg);
	case OPT_TASK_SLOTS: /* test only */
		return parse_number(optarg, UINT32_MAX, &capture->task_slots)
		           ? 0
		           : usage_error("not a number:", optarg);
	case OPT_TRUTH:
		options->truth = optarg;
		capture->truth = true;
		return 0;
	case 'z':
		if (optarg && !parse_number(optarg, 22, &level))
			return usage_error("not a level from 1 to 22:", optarg);
		options->compression_level = (int)level;
		return 0;
	case OPT_STANDALONE:
		options->standalone = true;
		return 0;
	case OPT_SOCKET:
		options->socket = optarg;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case 'h':
		fputs(usage, stdout);
		return -1;
	default:
		return HW_EXIT_USAGE;
	}
}

int hw_record_parse(struct hw_record_options *options, int argc, char **argv)
{
	int option, r;

	options->output = HW_DEFAULT_RECORDING;
	options->cache = true;
	options->capture.frequency = true;
	options->capture.rate = 999;
	optind = 0;
	while ((option = hw_next_option("homeward record", argc, argv, "+:ap:e:F:c:o:d:z::qh",
	                                long_options)) != -1) {
		r = parse_option(options, option);
		if (r)
			return r;
	}
	if (argv[optind])
		options->command = argv + optind;
	if (options->all + (options->pids.count > 0) + (options->capture.filter != HW_SESSION_ALL) > 1)
		return usage_error("the whole machine, some processes, a user or a cgroup, not two of them:",
		                   "-a -p --uid --cgroup");
	if (options->with_rate && !options->capture.frequency)
		return usage_error("a rate (-F) or a period (-c), not both:", "-F -c");
	if (options->pids.count || (!options->all && !options->capture.filter && options->command))
		options->capture.filter = HW_SESSION_PROCESSES;
	return 0;
}

void hw_record_options_free(struct hw_record_options *options)
{
	array_free(&options->pids);
}
