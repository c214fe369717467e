/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward record: from the command line to a recording. */
#include "cli/cli.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture.h"
#include "cli/child.h"
#include "cli/common.h"
#include "cli/record_options.h"
#include "cli/record_status.h"
#include "cli/truth.h"
#include "perfdata/writer.h"
#include "session/client.h"

#define POLL_MS  100
#define GRACE_MS 1000
#define SHOW_S   0.5

struct recorder {
	struct hw_record_options options;
	struct hw_capture *capture;
	struct hw_writer *writer;
	pthread_mutex_t writer_lock; /* of writer and tally: records come from the loader's thread too */
	struct hw_tally tally;
	char cache_directory[512];
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

static int keep_record(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct recorder *recorder = context;
	int r;

	pthread_mutex_lock(&recorder->writer_lock);
	r = recorder->writer ? hw_writer_append(recorder->writer, record, err) : -EBADF; /* closed already */
	if (!r)
		hw_tally_count(&recorder->tally, record);
	pthread_mutex_unlock(&recorder->writer_lock);
	return r;
}

static void keep_truth(void *context, const struct hw_unfinished *walk, size_t size)
{
	hw_truth_keep(((struct recorder *)context)->truth, walk, size);
}

/*
 * Everything was read once: say so in the file, and let it be seen. Not while older records may still come
 * from walks that user space finishes: readers sort by these rounds.
 */
static int end_round(struct recorder *recorder, struct hw_error *err)
{
	struct hw_capture_status status;
	int r = 0;

	hw_capture_status(recorder->capture, &status);
	pthread_mutex_lock(&recorder->writer_lock);
	if (!status.pending)
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
	                                    .command_count = (size_t)argc + 1,
	                                    .compression_level = recorder->options.compression_level,
	                                    .repeat_late = true};

	event.name = hw_capture_event(recorder->capture, &event.attr);
	caller(&options.uid, &options.gid);
	return hw_writer_open(recorder->options.output, &options, &recorder->writer, err);
}

static void choose_cache(struct recorder *recorder)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (!recorder->options.cache)
		return;
	if (!geteuid())
		snprintf(recorder->cache_directory, sizeof(recorder->cache_directory), "/var/cache/homeward");
	else if (base && *base == '/')
		snprintf(recorder->cache_directory, sizeof(recorder->cache_directory), "%s/homeward", base);
	else if (home && *home == '/')
		snprintf(recorder->cache_directory, sizeof(recorder->cache_directory), "%s/.cache/homeward",
		         home);
	if (recorder->cache_directory[0])
		recorder->options.capture.cache_directory = recorder->cache_directory;
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

	array_for_each (&recorder->options.pids, pid) {
		if (is_gone(*pid))
			return hw_fail(err, -ESRCH, "no process %d: is it gone?", (int)*pid);
		r = hw_capture_add_process(recorder->capture, *pid, err);
		if (r)
			return r;
	}
	if (recorder->options.capture.filter == HW_SESSION_PROCESSES && recorder->child.pid > 0)
		r = hw_capture_add_process(recorder->capture, recorder->child.pid, err);
	return r;
}

static void look(struct recorder *recorder, struct hw_capture_status *status, struct hw_tally *tally)
{
	hw_capture_status(recorder->capture, status);
	pthread_mutex_lock(&recorder->writer_lock);
	*tally = recorder->tally;
	pthread_mutex_unlock(&recorder->writer_lock);
}

static bool processes_gone(const struct recorder *recorder)
{
	for (size_t i = 0; i < recorder->options.pids.count; i++)
		if (!is_gone(recorder->options.pids.items[i]))
			return false;
	return recorder->options.pids.count > 0;
}

static int record_loop(struct recorder *recorder, struct hw_error *err)
{
	bool terminal = !recorder->options.quiet && isatty(STDERR_FILENO);
	double begun_s = now_s(), shown_s = begun_s, duration_s = recorder->options.duration_s;
	struct hw_capture_status status;
	struct hw_tally tally;
	int r = 0;

	while (!r && !stop_asked) {
		r = hw_capture_poll(recorder->capture, POLL_MS, err);
		if (!r)
			r = end_round(recorder, err);
		if (terminal && now_s() - shown_s > SHOW_S) {
			look(recorder, &status, &tally);
			shown_s = now_s();
			hw_status_show(shown_s - begun_s, &status, &tally);
		}
		if (duration_s > 0 && now_s() - begun_s >= duration_s)
			break;
		if (recorder->options.command ? hw_child_ended(&recorder->child) : processes_gone(recorder))
			break;
	}
	if (terminal)
		hw_status_clear();
	return r;
}

/* Everything is in place: sample until there is a reason to stop, then take in what is under way. */
static int run(struct recorder *recorder, struct hw_error *err)
{
	const char *passed_over = hw_capture_passed_over(recorder->capture);
	const char *limit = hw_capture_limit(recorder->capture);
	struct perf_event_attr attr;
	int r = hw_capture_start(recorder->capture, err);

	if (!r && recorder->options.command)
		r = hw_child_start(&recorder->child, err);
	if (r)
		return r;
	if (!recorder->options.quiet)
		fprintf(stderr, "homeward record: sampling %s with the %s backend%s%s%s%s\n",
		        hw_capture_event(recorder->capture, &attr), hw_capture_backend(recorder->capture),
		        *passed_over ? " (not " : "", passed_over, *passed_over ? ")" : "",
		        recorder->options.command || recorder->options.duration_s > 0 ? ""
		                                                                      : "; Ctrl-C stops");
	if (!recorder->options.quiet && limit)
		fprintf(stderr, "homeward record: seen are %s\n", limit);
	r = record_loop(recorder, err);
	return r ? r : hw_capture_stop(recorder->capture, GRACE_MS, err);
}

/* What only a kernel side of our own can do. */
static bool needs_own(const struct hw_record_options *options)
{
	const struct hw_capture_options *capture = &options->capture;

	return options->standalone || capture->truth || capture->deferred_only ||
	       capture->table_memory_bytes || capture->stack_bytes || capture->task_slots ||
	       !options->cache || (capture->backend && strcmp(capture->backend, "auto"));
}

/* The daemon, where there is one; else a capture of our own. */
static int open_capture(struct recorder *recorder, const struct hw_capture_sink *sink, struct hw_error *err)
{
	const struct hw_record_options *options = &recorder->options;
	const char *path = options->socket ? options->socket : hw_daemon_socket();
	int r = -ENOENT;

	if (options->socket && needs_own(options))
		return hw_fail(err, -EINVAL,
		               "--socket names a daemon, which has its own tables, cache and way to walk: "
		               "leave --socket out, or the options that ask for these");
	if (!needs_own(options))
		r = hw_daemon_open(path, &options->capture, sink, &recorder->capture, err);
	if (options->socket || !hw_daemon_is_absent(r))
		return r;
	return hw_capture_open(&options->capture, sink, &recorder->capture, err);
}

static int taken_in(void *context, pid_t pid, int *wait_status)
{
	const struct recorder *recorder = context;

	return recorder->capture ? hw_capture_wait_child(recorder->capture, pid, wait_status) : -1;
}

static int record(struct recorder *recorder, int argc, char **argv, struct hw_error *err)
{
	struct hw_capture_sink sink = {.context = recorder, .record = keep_record, .truth = keep_truth};
	const char *output = recorder->options.output;
	struct hw_capture_status status;
	struct hw_tally tally;
	struct hw_error late;
	uint64_t bytes;
	int r, closed;

	choose_cache(recorder);
	r = recorder->options.command ? hw_child_find(&recorder->child, recorder->options.command, err) : 0;
	if (!r)
		r = open_capture(recorder, &sink, err);
	if (!r && recorder->options.command)
		r = hw_child_prepare(&recorder->child, recorder->options.command, err);
	recorder->child.taken_in = taken_in;
	recorder->child.context = recorder;
	if (!r)
		r = add_processes(recorder, err);
	if (!r && stop_asked)
		r = hw_fail(err, -EINTR, "stopped before it began");
	if (!r)
		r = open_writer(recorder, argc, argv, err);
	if (r)
		return r;
	r = run(recorder, err);
	end_round(recorder, NULL);
	pthread_mutex_lock(&recorder->writer_lock);
	bytes = hw_writer_bytes(recorder->writer);
	closed = hw_writer_close(recorder->writer, &late);
	recorder->writer = NULL; /* after a failure the loader may still have something to say */
	pthread_mutex_unlock(&recorder->writer_lock);
	if (!r && closed) {
		*err = late;
		r = closed;
	}
	if (!r && access(output, F_OK))
		r = hw_fail(err, -errno, "%s was removed while recording: nothing is left of it", output);
	look(recorder, &status, &tally);
	if (!recorder->options.quiet && !recorder->child.failure)
		hw_status_summary(&status, &tally, bytes, output);
	return r;
}

static void listen_to_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal}, before;

	stop_asked = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN) /* not under nohup */
		sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file size is a failed write, which is told */
}

int hw_cmd_record(int argc, char **argv)
{
	struct recorder recorder = {.writer_lock = PTHREAD_MUTEX_INITIALIZER};
	struct hw_error err = {0};
	char name[] = "record";
	int r = hw_record_parse(&recorder.options, argc, argv), status;

	argv[0] = name; /* with the program's before it: the command line as it was typed */

	if (!r && recorder.options.truth && !(recorder.truth = fopen(recorder.options.truth, "we")))
		r = hw_complain("homeward record", "cannot write %s: %s", recorder.options.truth,
		                strerror(errno));
	if (r) {
		hw_record_options_free(&recorder.options);
		return r < 0 ? 0 : r;
	}
	listen_to_signals();
	r = record(&recorder, argc, argv, &err);
	if (r)
		hw_complain("homeward record", "%s", err.text);
	if (hw_truth_end(recorder.truth, recorder.capture))
		r = hw_complain("homeward record", "the file of --truth is not complete");
	if (recorder.child.pid > 0)
		hw_child_ended(&recorder.child); /* what the capture knows of it, as long as there is one */
	recorder.child.taken_in = NULL;
	hw_capture_close(recorder.capture); /* before waiting: nothing is sampled any more */
	status = recorder.child.pid > 0 ? hw_child_finish(&recorder.child, stop_asked) : 0;
	if (r)
		status = recorder.child.failure ? recorder.child.failure : HW_EXIT_FAILURE;
	hw_record_options_free(&recorder.options);
	return status;
}
