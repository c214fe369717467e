/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/compiler_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "walk/elf_input.h"
#include "walk/fd_passing.h"
#include "walk/sandbox.h"
#include "walk/table_compile.h"

#define WORKER_OPEN_FILES 8
#define LEAST_SHARE       200  /* of the time: who had less than a 200th on a CPU was not waiting for one */
#define REAP_MS           1000 /* after SIGKILL, before the nursery goes on without */
#define SEALS             (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Die with the parent, also when it is gone already. */
static void follow_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
}

static int answer(int channel, int code, const struct hw_table_identity *identity, const char *text,
                  int memfd)
{
	struct hw_compiler_answer message;

	memset(&message, 0, sizeof(message));
	message.code = code;
	if (identity)
		message.identity = *identity;
	if (text)
		strncpy(message.text, text, sizeof(message.text) - 1);
	return hw_send_fds(channel, &message, sizeof(message), &memfd, memfd >= 0);
}

static int refuse(int channel, const struct hw_error *err)
{
	answer(channel, err->code, NULL, err->text, -1);
	return 0;
}

static int identify(const struct hw_elf_input *input, const struct hw_compiler_settings *settings,
                    struct hw_table_identity *identity)
{
	memset(identity, 0, sizeof(*identity));
	identity->file_size = input->file_size;
	identity->build_id_size = input->build_id_size;
	memcpy(identity->build_id, input->build_id, sizeof(identity->build_id));
	return hw_elf_input_digest(input, settings->key, sizeof(settings->key), identity->digest);
}

/* A memfd that will not change under its reader, or -errno. */
static int sealed_copy(const struct hw_table *table, const struct hw_table_identity *identity)
{
	int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	r = hw_table_write(fd, table, identity);
	if (!r && fcntl(fd, F_ADD_SEALS, SEALS))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/* One file, in the worker. Returns its exit status. */
static int serve_file(int elf, int channel, const struct hw_compiler_settings *settings)
{
	struct hw_table_identity identity;
	struct hw_compiler_go go;
	struct hw_elf_input input;
	struct hw_table table;
	struct hw_error err;
	int memfd;

	if (hw_elf_input_read(&input, elf, NULL, 0, settings->limits.file_bytes, &err))
		return refuse(channel, &err);
	if (identify(&input, settings, &identity))
		return 1;
	if (answer(channel, 0, &identity, NULL, -1))
		return 1;
	if (hw_receive_fds(channel, &go, sizeof(go), NULL, 0, -1))
		return 0; /* the table is in the cache */
	if (hw_table_compile_input(&input, settings->limits.row_count, &table, &err))
		return refuse(channel, &err);
	memfd = sealed_copy(&table, &identity);
	if (memfd < 0) {
		hw_fail(&err, memfd, "cannot hand over its unwind table: %s", strerror(-memfd));
		return refuse(channel, &err);
	}
	return answer(channel, 0, &identity, NULL, memfd) ? 1 : 0;
}

static _Noreturn void work(int elf, int channel, int control, const struct hw_compiler_settings *settings,
                           pid_t nursery)
{
	struct hw_sandbox_limits limits = {
	    .memory_bytes = settings->memory_bytes,
	    .cpu_seconds = settings->time_ms / 1000 + 2, /* a second guard: the nursery is the first */
	    .file_bytes = ((uint64_t)settings->limits.row_count + 2 * HW_RULES_MAX) * 8,
	    .open_files = WORKER_OPEN_FILES};

	follow_parent(nursery);
	close(control);
	signal(SIGCHLD, SIG_DFL);
	hw_sandbox_enter(&limits);
	_exit(serve_file(elf, channel, settings));
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait for the worker until the deadline. True if it is gone. Leaves with the recorder. */
static bool wait_until(pid_t worker, int control, int64_t deadline_ms, int *status)
{
	struct pollfd recorder = {.fd = control, .events = 0};
	struct timespec timeout;
	sigset_t none;
	int64_t left;
	pid_t r;

	sigemptyset(&none); /* SIGCHLD is blocked but while polling */
	for (;;) {
		r = waitpid(worker, status, WNOHANG);
		if (r == worker || (r < 0 && errno != EINTR))
			return true;
		left = deadline_ms - now_ms();
		if (left <= 0)
			return false;
		timeout = (struct timespec){left / 1000, left % 1000 * 1000000};
		if (ppoll(&recorder, 1, &timeout, &none) > 0) {
			kill(worker, SIGKILL);
			_exit(0);
		}
	}
}

/* What it had on a CPU; 0, if that cannot be told. */
static int64_t cpu_ms_of(pid_t worker)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(worker, &clock) || clock_gettime(clock, &used))
		return 0;
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* Wait for the worker as long as it may take; one that waits for something else than a CPU gets no more. */
static bool wait_for(pid_t worker, int control, uint32_t time_ms, int *status)
{
	int64_t now = now_ms(), end = now + (int64_t)time_ms * HW_COMPILER_WALL_FACTOR;
	int64_t left = time_ms, had = 0, has;

	for (; now < end; now = now_ms()) {
		if (wait_until(worker, control, now + left, status))
			return true;
		has = cpu_ms_of(worker);
		if (has >= time_ms || (has - had) * LEAST_SHARE < now_ms() - now)
			return false;
		left = time_ms - has + 1;
		had = has;
	}
	return false;
}

static void run_worker(int elf, int channel, int control, const struct hw_compiler_settings *settings,
                       struct hw_compiler_outcome *outcome)
{
	pid_t nursery = getpid(), worker = fork();
	int status = 0;

	if (!worker)
		work(elf, channel, control, settings, nursery);
	close(elf);
	close(channel);
	if (worker < 0) {
		outcome->fork_error = -errno;
		return;
	}
	if (!wait_for(worker, control, settings->time_ms, &status)) {
		outcome->timed_out = 1;
		kill(worker, SIGKILL);
		wait_until(worker, control, now_ms() + REAP_MS, &status);
	}
	outcome->wait_status = status;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* one that could not be killed in time before */
}

static void on_child(int signal_number)
{
	(void)signal_number;
}

static void reset_signals(void)
{
	struct sigaction child = {.sa_handler = on_child};
	sigset_t set;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigaction(SIGCHLD, &child, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

_Noreturn void hw_compiler_nursery(int control, const struct hw_compiler_settings *settings, pid_t parent)
{
	struct hw_compiler_request request;
	struct hw_compiler_outcome outcome;
	struct hw_compiler_settings own = *settings;
	int fds[2];

	own.memory_bytes += hw_sandbox_address_space();
	reset_signals();
	prctl(PR_SET_NAME, "hw-compiler", 0, 0, 0);
	control = hw_sandbox_drop_rights(control);
	follow_parent(parent);
	while (hw_receive_fds(control, &request, sizeof(request), fds, 2, -1) == 2) {
		memset(&outcome, 0, sizeof(outcome));
		outcome.serial = request.serial;
		run_worker(fds[0], fds[1], control, &own, &outcome);
		if (hw_send_fds(control, &outcome, sizeof(outcome), NULL, 0))
			break;
	}
	_exit(0);
}
