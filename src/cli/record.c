/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward record: from the command line to a recording. */
#include "cli/cli.h"

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "capture/capture.h"
#include "cli/child.h"
#include "cli/truth.h"
#include "perfdata/writer.h"

#define POLL_MS  100
#define GRACE_MS 1000

static const char usage[] =
    "usage: homeward record [OPTIONS] [-- COMMAND [ARGUMENT…]]\n"
    "\n"
    "Record what this machine, some processes or a command spend their time on, with complete user\n"
    "stacks. Without a command, record until Ctrl-C, or for -d SECONDS.\n"
    "\n"
    "  -a, --all-cpus          the whole machine (the default without COMMAND and -p)\n"
    "  -p, --pid PID[,PID…]    these processes and their descendants\n"
    "  -F, --freq HZ           samples a second and CPU (default 999)\n"
    "  -c, --count PERIOD      one sample every PERIOD events (nanoseconds for cpu-clock)\n"
    "  -o, --output FILE       where to (default homeward.data; an older one is kept as FILE.old)\n"
    "  -d, --duration SECONDS  stop after that long\n"
    "      --user-only         no samples of kernel mode\n"
    "      --table-memory SIZE cap on unwind tables, e.g. 64M (default 256M)\n"
    "      --backend NAME      where samples come from: auto (the default) or bpf\n"
    "      --walk HOW          auto, or deferred: never walk in the interrupt\n"
    "      --no-cache          neither read nor write the table cache on disk\n"
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

struct recorder {
	struct hw_capture_options capture_options;
	struct hw_capture *capture;
	struct hw_writer *writer;
	pthread_mutex_t writer_lock; /* records come from the loader's thread too */
	array_of(pid_t) pids;
	const char *output;
	double duration_s;
	bool all, quiet, cache;
	char cache_directory[512];
	char **command;
	struct hw_child child;
	FILE *truth; /* test only */
};

static volatile sig_atomic_t stop_asked;

static void on_signal(int signal)
{
	stop_asked = signal;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int usage_error(const char *what, const char *value)
{
	fprintf(stderr, "homeward record: %s '%s'; see homeward record --help\n", what, value);
	return 2;
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

static int parse_pids(struct recorder *recorder, const char *text)
{
	char *copy = strdup(text), *save = NULL;
	uint64_t pid;
	int r = 0;

	for (char *each = strtok_r(copy, ",", &save); each && !r; each = strtok_r(NULL, ",", &save)) {
		if (!parse_number(each, INT32_MAX, &pid))
			r = usage_error("not a process:", each);
		else
			array_push(&recorder->pids, (pid_t)pid);
	}
	free(copy);
	return r || recorder->pids.count ? r : usage_error("not a process:", text);
}

enum { OPT_USER_ONLY = 256, OPT_TABLE_MEMORY, OPT_WALK, OPT_NO_CACHE, OPT_TRUTH, OPT_BACKEND };

static const struct option long_options[] = {
    {"all-cpus", no_argument, NULL, 'a'},
    {"pid", required_argument, NULL, 'p'},
    {"freq", required_argument, NULL, 'F'},
    {"count", required_argument, NULL, 'c'},
    {"output", required_argument, NULL, 'o'},
    {"duration", required_argument, NULL, 'd'},
    {"user-only", no_argument, NULL, OPT_USER_ONLY},
    {"table-memory", required_argument, NULL, OPT_TABLE_MEMORY},
    {"walk", required_argument, NULL, OPT_WALK},
    {"no-cache", no_argument, NULL, OPT_NO_CACHE},
    {"backend", required_argument, NULL, OPT_BACKEND},
    {"truth", required_argument, NULL, OPT_TRUTH},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int parse_backend(struct recorder *recorder, const char *name)
{
	bool known = !strcmp(name, "auto");

	for (size_t i = 0; hw_capture_backend_name(i); i++)
		known = known || !strcmp(name, hw_capture_backend_name(i));
	recorder->capture_options.backend = name;
	return known ? 0 : usage_error("no such backend:", name);
}

static int parse_option(struct recorder *recorder, int option)
{
	struct hw_capture_options *capture = &recorder->capture_options;
	char *end;

	switch (option) {
	case 'a':
		recorder->all = true;
		return 0;
	case 'p':
		return parse_pids(recorder, optarg);
	case 'F':
		capture->frequency = true;
		return parse_number(optarg, 50000, &capture->rate)
		           ? 0
		           : usage_error("not a rate in 1 to 50000 Hz:", optarg);
	case 'c':
		capture->frequency = false;
		return parse_number(optarg, INT64_MAX, &capture->rate) ? 0
		                                                       : usage_error("not a period:", optarg);
	case 'o':
		recorder->output = optarg;
		return 0;
	case 'd':
		recorder->duration_s = strtod(optarg, &end);
		return *end || !(recorder->duration_s > 0) ? usage_error("not a duration in seconds:", optarg)
		                                           : 0;
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
		recorder->cache = false;
		return 0;
	case OPT_BACKEND:
		return parse_backend(recorder, optarg);
	case OPT_TRUTH:
		recorder->truth = fopen(optarg, "we");
		capture->truth = capture->deferred_only = true;
		return recorder->truth ? 0 : usage_error("cannot write", optarg);
	case 'q':
		recorder->quiet = true;
		return 0;
	case 'h':
		fputs(usage, stdout);
		return -1;
	default:
		fputs("homeward record: see homeward record --help\n", stderr);
		return 2;
	}
}

/* 0: go on, -1: done (help), else the exit status. */
static int parse(struct recorder *recorder, int argc, char **argv)
{
	int option, r;

	recorder->output = "homeward.data";
	recorder->cache = true;
	recorder->capture_options.frequency = true;
	recorder->capture_options.rate = 999;
	optind = 1;
	while ((option = getopt_long(argc, argv, "+ap:F:c:o:d:qh", long_options, NULL)) != -1) {
		r = parse_option(recorder, option);
		if (r)
			return r;
	}
	if (argv[optind])
		recorder->command = argv + optind;
	recorder->capture_options.filter = !recorder->all && (recorder->pids.count || recorder->command);
	return 0;
}

static int keep_record(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct recorder *recorder = context;
	int r;

	pthread_mutex_lock(&recorder->writer_lock);
	r = hw_writer_append(recorder->writer, record, err);
	pthread_mutex_unlock(&recorder->writer_lock);
	return r;
}

static void keep_truth(void *context, const struct hw_unfinished *walk, size_t size)
{
	hw_truth_keep(((struct recorder *)context)->truth, walk, size);
}

/* Everything was read once: say so in the file, and let it be seen. */
static int end_round(struct recorder *recorder, struct hw_error *err)
{
	int r;

	pthread_mutex_lock(&recorder->writer_lock);
	r = hw_writer_round(recorder->writer, err);
	if (!r)
		r = hw_writer_flush(recorder->writer, err);
	pthread_mutex_unlock(&recorder->writer_lock);
	return r;
}

/* Under sudo the recording belongs to the caller. */
static void caller(uid_t *uid, gid_t *gid)
{
	const char *sudo_uid = getenv("SUDO_UID"), *sudo_gid = getenv("SUDO_GID");

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (geteuid() || !sudo_uid || !sudo_gid)
		return;
	*uid = (uid_t)strtoul(sudo_uid, NULL, 10);
	*gid = (gid_t)strtoul(sudo_gid, NULL, 10);
}

static int open_writer(struct recorder *recorder, int argc, char **argv, struct hw_error *err)
{
	struct hw_writer_event event = {0};
	struct hw_writer_options options = {.events = &event,
	                                    .event_count = 1,
	                                    .backend = hw_capture_backend(recorder->capture),
	                                    .command = (const char *const *)argv - 1,
	                                    .command_count = (size_t)argc + 1};

	event.name = hw_capture_event(recorder->capture, &event.attr);
	caller(&options.uid, &options.gid);
	return hw_writer_open(recorder->output, &options, &recorder->writer, err);
}

static void choose_cache(struct recorder *recorder)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (!recorder->cache)
		return;
	if (!geteuid())
		snprintf(recorder->cache_directory, sizeof(recorder->cache_directory), "/var/cache/homeward");
	else if (base && *base == '/')
		snprintf(recorder->cache_directory, sizeof(recorder->cache_directory), "%s/homeward", base);
	else if (home && *home == '/')
		snprintf(recorder->cache_directory, sizeof(recorder->cache_directory), "%s/.cache/homeward",
		         home);
	if (recorder->cache_directory[0])
		recorder->capture_options.cache_directory = recorder->cache_directory;
}

/* A zombie counts as gone: it will never run again. */
static bool is_gone(pid_t pid)
{
	char path[32], line[512], state = 'Z';
	const char *after_name;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	if (fgets(line, sizeof(line), file) && (after_name = strrchr(line, ')')) && after_name[1])
		state = after_name[2];
	fclose(file);
	return state == 'Z' || state == 'X';
}

static int add_processes(struct recorder *recorder, struct hw_error *err)
{
	int r = 0;

	array_for_each (&recorder->pids, pid) {
		if (is_gone(*pid))
			return hw_fail(err, -ESRCH, "no process %d: is it gone?", (int)*pid);
		r = hw_capture_add_process(recorder->capture, *pid, err);
		if (r)
			return r;
	}
	if (recorder->capture_options.filter && recorder->child.pid > 0)
		r = hw_capture_add_process(recorder->capture, recorder->child.pid, err);
	return r;
}

static void show_status(const struct recorder *recorder, double begun_s)
{
	struct hw_capture_status s;
	uint64_t walks;

	if (recorder->quiet || !isatty(STDERR_FILENO))
		return;
	hw_capture_status(recorder->capture, &s);
	walks = s.counters.at_once + s.counters.walks;
	fprintf(stderr, "\r\033[K%5.1f s  %llu samples  %llu walks  %llu lost  %llu tables",
	        now_s() - begun_s, (unsigned long long)s.counters.samples, (unsigned long long)walks,
	        (unsigned long long)(s.counters.lost_samples + s.counters.lost_callchains),
	        (unsigned long long)s.tables);
}

static bool processes_gone(const struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->pids.count; i++)
		if (!is_gone(recorder->pids.items[i]))
			return false;
	return recorder->pids.count > 0;
}

static int record_loop(struct recorder *recorder, struct hw_error *err)
{
	double begun_s = now_s(), shown_s = begun_s;
	int r = 0;

	while (!r && !stop_asked) {
		r = hw_capture_poll(recorder->capture, POLL_MS, err);
		if (!r)
			r = end_round(recorder, err);
		if (now_s() - shown_s > 0.5) {
			show_status(recorder, begun_s);
			shown_s = now_s();
		}
		if (recorder->duration_s > 0 && now_s() - begun_s >= recorder->duration_s)
			break;
		if (recorder->command ? hw_child_ended(&recorder->child) : processes_gone(recorder))
			break;
	}
	if (!recorder->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return r;
}

static void summarize(const struct recorder *recorder, uint64_t bytes)
{
	struct hw_capture_status s;
	uint64_t lost;

	hw_capture_status(recorder->capture, &s);
	lost = s.counters.lost_samples + s.counters.lost_callchains;
	fprintf(stderr, "homeward record: %llu samples, %.1f MB in %s",
	        (unsigned long long)s.counters.samples, (double)bytes / 1e6, recorder->output);
	if (lost)
		fprintf(stderr, "; LOST %llu records", (unsigned long long)lost);
	fputc('\n', stderr);
	if (getenv("HOMEWARD_DEBUG"))
		fprintf(stderr,
		        "requests %llu shared %llu late %llu at-once %llu not-at-once %llu walks %llu frames "
		        "%llu faults %llu "
		        "find-busy %llu unfinished %llu finished %llu misses %llu tables %llu rows %llu "
		        "failures %llu\n",
		        (unsigned long long)s.counters.requests, (unsigned long long)s.counters.shared,
		        (unsigned long long)s.counters.late, (unsigned long long)s.counters.at_once,
		        (unsigned long long)s.counters.not_at_once, (unsigned long long)s.counters.walks,
		        (unsigned long long)s.counters.frames, (unsigned long long)s.counters.faults,
		        (unsigned long long)s.counters.find_busy, (unsigned long long)s.counters.unfinished,
		        (unsigned long long)s.finished, (unsigned long long)s.misses,
		        (unsigned long long)s.tables, (unsigned long long)s.table_rows,
		        (unsigned long long)s.table_failures);
}

static int record(struct recorder *recorder, int argc, char **argv, struct hw_error *err)
{
	struct hw_capture_sink sink = {.context = recorder, .record = keep_record, .truth = keep_truth};
	struct hw_error late;
	uint64_t bytes;
	int r, closed;

	choose_cache(recorder);
	r = hw_capture_open(&recorder->capture_options, &sink, &recorder->capture, err);
	if (!r && recorder->command)
		r = hw_child_prepare(&recorder->child, recorder->command, err);
	if (!r)
		r = add_processes(recorder, err);
	if (!r)
		r = open_writer(recorder, argc, argv, err);
	if (r)
		return r;
	r = hw_capture_start(recorder->capture, err);
	if (!r && recorder->command)
		r = hw_child_start(&recorder->child, err);
	if (!r && !recorder->quiet) {
		struct perf_event_attr attr;

		fprintf(stderr, "homeward record: sampling %s with the %s backend%s\n",
		        hw_capture_event(recorder->capture, &attr), hw_capture_backend(recorder->capture),
		        recorder->command || recorder->duration_s > 0 ? "" : "; Ctrl-C stops");
	}
	if (!r)
		r = record_loop(recorder, err);
	if (!r)
		r = hw_capture_stop(recorder->capture, GRACE_MS, err);
	end_round(recorder, NULL);
	bytes = hw_writer_bytes(recorder->writer);
	closed = hw_writer_close(recorder->writer, &late);
	if (!r && closed) {
		*err = late;
		r = closed;
	}
	if (!recorder->quiet && !recorder->child.failure)
		summarize(recorder, bytes);
	return r;
}

int hw_cmd_record(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct recorder recorder = {0};
	struct hw_error err = {0};
	int r = parse(&recorder, argc, argv), status;

	if (r) {
		array_free(&recorder.pids);
		return r < 0 ? 0 : r;
	}
	stop_asked = 0;
	pthread_mutex_init(&recorder.writer_lock, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file size is a failed write, which is told */
	r = record(&recorder, argc, argv, &err);
	status = recorder.child.pid > 0 ? hw_child_finish(&recorder.child, stop_asked) : 0;
	if (r && recorder.child.failure)
		status = recorder.child.failure;
	else if (r)
		status = 1;
	if (r)
		fprintf(stderr, "homeward record: %s\n", err.text);
	if (hw_truth_end(recorder.truth, recorder.capture)) {
		fputs("homeward record: the file of --truth is not complete\n", stderr);
		status = 1;
	}
	hw_capture_close(recorder.capture);
	array_free(&recorder.pids);
	return status;
}
