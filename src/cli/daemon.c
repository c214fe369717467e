/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward daemon: one kernel side for all who record. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/common.h"
#include "session/protocol.h"
#include "session/server.h"

#define WHO             "homeward daemon"
#define FIRST_PASSED_FD 3 /* systemd: sd_listen_fds(3) */
#define CACHE_DIRECTORY "/var/cache/homeward"

static const char usage[] =
    "usage: homeward daemon [OPTIONS]\n"
    "\n"
    "Record for others: homeward record finds the daemon by its socket and needs no rights then. Each\n"
    "stack is walked once, however many record. Root and members of the group see everything, others\n"
    "only their own processes. Runs in the foreground until SIGTERM or SIGINT; SIGUSR1 asks for a line\n"
    "about what it did so far.\n"
    "\n"
    "      --socket PATH       where to listen (default " HW_DEFAULT_SOCKET ")\n"
    "      --group NAME        whose members see everything (default homeward)\n"
    "      --max-sessions N    at a time, for each user but root (default 16; 64 in all)\n"
    "      --max-rate HZ       of a session of a user who sees only his own processes (default 10000)\n"
    "      --max-memory MIB    of all rings of each user but root (default 128)\n"
    "      --table-memory MIB  cap on unwind tables (default 256)\n"
    "      --walk HOW          auto, or deferred: never walk in the interrupt\n"
    "      --no-cache          neither read nor write the table cache in " CACHE_DIRECTORY "\n"
    "  -h, --help              this text\n"
    "\n"
    "Exit status: 0 when told to end, 1 on failure, 2 on wrong usage.\n"
    "\n"
    "Examples:\n"
    "  sudo homeward daemon                      in the foreground\n"
    "  sudo systemctl enable --now homeward.socket   by systemd, when somebody records\n";

enum {
	OPT_SOCKET = 256,
	OPT_GROUP,
	OPT_MAX_SESSIONS,
	OPT_MAX_RATE,
	OPT_MAX_MEMORY,
	OPT_TABLE_MEMORY,
	OPT_WALK,
	OPT_NO_CACHE,
};

static const struct option long_options[] = {
    {"socket", required_argument, NULL, OPT_SOCKET},
    {"group", required_argument, NULL, OPT_GROUP},
    {"max-sessions", required_argument, NULL, OPT_MAX_SESSIONS},
    {"max-rate", required_argument, NULL, OPT_MAX_RATE},
    {"max-memory", required_argument, NULL, OPT_MAX_MEMORY},
    {"table-memory", required_argument, NULL, OPT_TABLE_MEMORY},
    {"walk", required_argument, NULL, OPT_WALK},
    {"no-cache", no_argument, NULL, OPT_NO_CACHE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static volatile int stop_asked, status_asked;

static void on_signal(int signal)
{
	stop_asked = signal;
}

static void on_status(int signal)
{
	status_asked = signal;
}

static void say(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, WHO ": %s\n", line);
}

static int parse_walk(struct hw_server_options *options, const char *how)
{
	options->capture.deferred_only = !strcmp(how, "deferred");
	if (options->capture.deferred_only || !strcmp(how, "auto"))
		return 0;
	hw_complain(WHO, "not a way to walk: '%s'; see " WHO " --help", how);
	return HW_EXIT_USAGE;
}

static int parse_option(struct hw_server_options *options, int option)
{
	uint64_t value = 0;
	int r = 0;

	switch (option) {
	case OPT_SOCKET:
		options->socket_path = optarg;
		break;
	case OPT_GROUP:
		options->group = optarg;
		break;
	case OPT_MAX_SESSIONS:
		r = hw_parse_count(WHO, "--max-sessions", optarg, HW_SESSIONS_MAX, &value);
		options->limits.sessions_per_user = (unsigned)value;
		break;
	case OPT_MAX_RATE:
		r = hw_parse_count(WHO, "--max-rate", optarg, 100000, &options->limits.rate_per_user_hz);
		break;
	case OPT_MAX_MEMORY:
		r = hw_parse_count(WHO, "--max-memory", optarg, 65536, &value);
		options->limits.ring_bytes_per_user = value << 20;
		break;
	case OPT_TABLE_MEMORY:
		r = hw_parse_count(WHO, "--table-memory", optarg, 65536, &value);
		options->capture.table_memory_bytes = value << 20;
		break;
	case OPT_WALK:
		r = parse_walk(options, optarg);
		break;
	case OPT_NO_CACHE:
		options->capture.cache_directory = NULL;
		break;
	case 'h':
		fputs(usage, stdout);
		r = -1;
		break;
	default:
		r = HW_EXIT_USAGE;
	}
	return r;
}

/* 0: go on; -1: done; else the exit status. */
static int parse(struct hw_server_options *options, int argc, char **argv)
{
	int option, r = 0;

	optind = 0;
	while (!r && (option = hw_next_option(WHO, argc, argv, "+:h", long_options)) != -1)
		r = parse_option(options, option);
	if (!r && argv[optind]) {
		hw_complain(WHO, "unexpected argument '%s'; see " WHO " --help", argv[optind]);
		r = HW_EXIT_USAGE;
	}
	return r;
}

/* The socket that systemd listens at, or -1. */
static int passed_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	return pid && count && atoi(pid) == (int)getpid() && atoi(count) == 1 ? FIRST_PASSED_FD : -1;
}

static int serve(struct hw_server *server, const struct hw_server_options *options, struct hw_error *err)
{
	int r = hw_server_drop_rights(err);

	if (r)
		return r;
	if (options->socket >= 0)
		say(NULL, "serving at the socket that was passed");
	else
		fprintf(stderr, WHO ": serving at %s\n", options->socket_path);
	r = hw_server_run(server, &stop_asked, &status_asked, err);
	say(NULL, r ? "ends by a failure" : "ends");
	return r;
}

int hw_cmd_daemon(int argc, char **argv)
{
	struct hw_server_options options = {
	    .socket_path = HW_DEFAULT_SOCKET, .capture.cache_directory = CACHE_DIRECTORY, .log = say};
	struct sigaction action = {.sa_handler = on_signal}, status = {.sa_handler = on_status};
	struct hw_server *server = NULL;
	struct hw_error err = {0};
	int r = parse(&options, argc, argv);

	if (r)
		return r < 0 ? HW_EXIT_OK : r;
	stop_asked = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &status, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	options.socket = passed_socket();
	r = hw_server_open(&options, &server, &err);
	if (!r)
		r = serve(server, &options, &err);
	hw_server_close(server);
	return r ? hw_complain(WHO, "%s", err.text) : HW_EXIT_OK;
}
