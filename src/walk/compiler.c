/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The recorder's side of the compiler process. What comes from there is taken for what it may be, the work of
 * a hostile file: each message has one size, a memfd must be sealed and as long as its header says, rows must
 * be sorted and rules within bounds, and text is cleaned before anybody prints it.
 */
#include "walk/compiler.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "walk/compiler_process.h"
#include "walk/fd_passing.h"
#include "walk/table_cache.h"
#include "walk/table_compile.h"

#define TIME_MS_DEFAULT      5000u
#define MEMORY_BYTES_DEFAULT (1ull << 30)
#define GRACE_MS             3000 /* of the nursery, to end a worker and say so */
#define SEALS                (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct hw_compiler {
	struct hw_compiler_settings settings;
	struct hw_table_cache cache;
	struct hw_error cache_error;
	pid_t nursery; /* 0: none */
	int control;
	uint32_t serial;
};

static void stop_nursery(struct hw_compiler *compiler)
{
	if (!compiler->nursery)
		return;
	close(compiler->control); /* it leaves by itself, if we may not kill it */
	kill(compiler->nursery, SIGKILL);
	while (waitpid(compiler->nursery, NULL, 0) < 0 && errno == EINTR)
		;
	compiler->nursery = 0;
}

static int start_nursery(struct hw_compiler *compiler, struct hw_error *err)
{
	pid_t self = getpid(), child;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return hw_fail(err, -errno, "cannot start the table compiler: %s", strerror(errno));
	child = fork();
	if (child < 0) {
		r = hw_fail(err, -errno, "cannot start the table compiler: %s", strerror(errno));
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	if (!child)
		hw_compiler_nursery(pair[1], &compiler->settings, self);
	close(pair[1]);
	compiler->control = pair[0];
	compiler->nursery = child;
	return 0;
}

int hw_compiler_new(const struct hw_compiler_options *options, struct hw_compiler **result,
                    struct hw_error *err)
{
	struct hw_compiler *compiler = calloc(1, sizeof(*compiler));
	int r;

	*result = NULL;
	if (!compiler)
		return hw_fail(err, -ENOMEM, "out of memory for the table compiler");
	compiler->settings.time_ms = options->time_ms ? options->time_ms : TIME_MS_DEFAULT;
	compiler->settings.memory_bytes =
	    options->memory_bytes ? options->memory_bytes : MEMORY_BYTES_DEFAULT;
	compiler->settings.limits = hw_compile_limits_or_default(&options->limits);
	compiler->cache.directory = -1;
	if (options->cache_directory)
		hw_table_cache_open(&compiler->cache, options->cache_directory, &compiler->cache_error);
	memcpy(compiler->settings.key, compiler->cache.key, sizeof(compiler->settings.key));
	r = start_nursery(compiler, err);
	if (r) {
		hw_table_cache_close(&compiler->cache);
		free(compiler);
		return r;
	}
	*result = compiler;
	return 0;
}

void hw_compiler_free(struct hw_compiler *compiler)
{
	if (!compiler)
		return;
	stop_nursery(compiler);
	hw_table_cache_close(&compiler->cache);
	free(compiler);
}

const struct hw_error *hw_compiler_cache_error(const struct hw_compiler *compiler)
{
	return compiler->cache_error.code ? &compiler->cache_error : NULL;
}

/* Hand the file over. *channel is our end of the channel to its worker. */
static int send_request(struct hw_compiler *compiler, int fd, int *channel)
{
	struct hw_compiler_request request = {.serial = ++compiler->serial};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	r = hw_send_fds(compiler->control, &request, sizeof(request), (int[]){fd, pair[1]}, 2);
	close(pair[1]);
	if (r)
		close(pair[0]);
	else
		*channel = pair[0];
	return r;
}

/* The same, starting the nursery again if somebody killed it since. */
static int request_file(struct hw_compiler *compiler, int fd, int *channel, struct hw_error *err)
{
	int r = -EPIPE;

	if (compiler->nursery)
		r = send_request(compiler, fd, channel);
	if (r == -EPIPE || r == -ECONNRESET) {
		stop_nursery(compiler);
		r = start_nursery(compiler, err);
		if (r)
			return r;
		r = send_request(compiler, fd, channel);
	}
	return r ? hw_fail(err, r, "cannot reach the table compiler: %s", strerror(-r)) : 0;
}

/* The worker said no. Its words may be anything. */
static void take_refusal(struct hw_compiler_answer *message, struct hw_error *err)
{
	int code = message->code < 0 && message->code > -4096 ? message->code : -EPROTO;

	message->text[sizeof(message->text) - 1] = 0;
	for (char *c = message->text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	hw_fail(err, code, "%s", message->text[0] ? message->text : "refused by the table compiler");
}

static bool is_sealed(int memfd)
{
	int seals = fcntl(memfd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int patience_ms(const struct hw_compiler *compiler)
{
	uint64_t ms = (uint64_t)compiler->settings.time_ms * HW_COMPILER_WALL_FACTOR + GRACE_MS;

	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* One answer. How many descriptors came (at most one, in *fd), -errno, or -ECANCELED: it said no, err says
 * why. */
static int receive_answer(struct hw_compiler *compiler, int channel, struct hw_compiler_answer *message,
                          int *fd, struct hw_error *err)
{
	int r = hw_receive_fds(channel, message, sizeof(*message), fd, 1, patience_ms(compiler));

	if (r >= 0 && message->code) {
		take_refusal(message, err);
		if (r)
			close(*fd);
		return -ECANCELED;
	}
	return r;
}

/* Talk with the worker. 0, or -errno; -ECANCELED: it said no, err says why. */
static int converse(struct hw_compiler *compiler, int channel, struct hw_table *table, struct hw_error *err)
{
	uint32_t row_count_max = compiler->settings.limits.row_count;
	struct hw_compiler_go go = {.serial = compiler->serial};
	struct hw_compiler_answer message;
	struct hw_table_identity identity;
	int memfd, r;

	r = receive_answer(compiler, channel, &message, &memfd, err);
	if (r) {
		if (r > 0)
			close(memfd);
		return r < 0 ? r : -EPROTO;
	}
	identity = message.identity;
	if (identity.build_id_size > sizeof(identity.build_id) || memcmp(identity.zero, "\0\0", 3))
		return -EPROTO;
	if (!hw_table_cache_load(&compiler->cache, &identity, row_count_max, table))
		return 0;
	r = hw_send_fds(channel, &go, sizeof(go), NULL, 0);
	if (!r)
		r = receive_answer(compiler, channel, &message, &memfd, err);
	if (r != 1)
		return r < 0 ? r : -EPROTO;
	r = is_sealed(memfd) ? hw_table_read(memfd, &identity, row_count_max, table) : -EPROTO;
	close(memfd);
	if (!r)
		hw_table_cache_store(&compiler->cache, &identity, table);
	return r;
}

/* How the worker ended, if it did not answer. */
static int explain_end(const struct hw_compiler *compiler, const struct hw_compiler_outcome *outcome,
                       struct hw_error *err)
{
	int status = outcome->wait_status;

	if (outcome->fork_error)
		return hw_fail(err, -EAGAIN, "cannot start a table compiler for it: %s",
		               strerror(-outcome->fork_error));
	if (outcome->timed_out || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
		return hw_fail(err, -ETIMEDOUT, "its unwind table took longer than %u ms to compile",
		               compiler->settings.time_ms);
	if (WIFSIGNALED(status))
		return hw_fail(err, -EPROTO, "the table compiler died of it: signal %d (%s)",
		               WTERMSIG(status), strsignal(WTERMSIG(status)));
	return hw_fail(err, -EPROTO, "the table compiler gave no sound answer on it");
}

/* Wait for the nursery's word that the worker is gone. Without it, the nursery is started anew next time. */
static int finish(struct hw_compiler *compiler, struct hw_compiler_outcome *outcome)
{
	int r;

	r = hw_receive_fds(compiler->control, outcome, sizeof(*outcome), NULL, 0, patience_ms(compiler));
	if (!r && outcome->serial == compiler->serial)
		return 0;
	stop_nursery(compiler);
	return r ? r : -EPROTO;
}

int hw_compiler_table(struct hw_compiler *compiler, int fd, struct hw_table *table, struct hw_error *err)
{
	struct hw_compiler_outcome outcome;
	struct hw_error unwanted;
	struct stat st;
	int channel, r, end;

	if (!err)
		err = &unwanted;
	memset(table, 0, sizeof(*table));
	if (fstat(fd, &st))
		return hw_fail(err, -errno, "cannot ask its size: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return hw_fail(err, -ENOEXEC, "not a regular file");
	r = request_file(compiler, fd, &channel, err);
	if (r)
		return r;
	r = converse(compiler, channel, table, err);
	close(channel);
	if (r == -ETIMEDOUT) { /* not even the nursery kept the time */
		stop_nursery(compiler);
		return hw_fail(err, r, "the table compiler does not answer; the next file starts another");
	}
	end = finish(compiler, &outcome);
	if (!r)
		return 0;
	hw_table_clear(table);
	if (r == -ECANCELED)
		return err->code;
	if (end)
		return hw_fail(err, end == -ETIMEDOUT ? end : -EPROTO,
		               "the table compiler was killed while at it; the next file starts another");
	return explain_end(compiler, &outcome, err);
}
