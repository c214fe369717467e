/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "session/client.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "capture/backend.h"
#include "capture/probe.h"
#include "session/protocol.h"
#include "session/shared_ring.h"
#include "walk/fd_passing.h"

#define ANSWER_MS  60000 /* the daemon may just be starting, and loading tables */
#define STOPPED_MS 60000 /* seconds on a machine that is busy */
#define POLL_MS    20

struct daemon_capture {
	struct hw_capture capture; /* first */
	struct hw_capture_sink sink;
	struct hw_shared_ring ring;
	struct hw_welcome welcome;
	struct hw_counters counters; /* of the records that came */
	uint64_t lost_side_band;
	uint64_t records; /* that came */
	int socket, wake;
	uint16_t last; /* message */
};

static const struct hw_backend backend;

static struct daemon_capture *daemon_of(struct hw_capture *opened)
{
	return (struct daemon_capture *)opened;
}

static int gone(struct hw_error *err)
{
	return hw_fail(err, -ECONNRESET, "the homeward daemon is gone; what it had sent until then was kept");
}

static int say(struct daemon_capture *c, struct hw_message *message, struct hw_error *err)
{
	int r;

	message->magic = HW_PROTOCOL_MAGIC;
	message->version = HW_PROTOCOL_VERSION;
	r = hw_send_fds(c->socket, message, sizeof(*message), NULL, 0);
	if (r == -EPIPE || r == -ECONNRESET)
		return 0; /* its last words, if any, are still to be read: they tell more */
	return r ? hw_fail(err, r, "cannot speak to the homeward daemon: %s", strerror(-r)) : 0;
}

static int say_type(struct daemon_capture *c, uint16_t type, struct hw_error *err)
{
	struct hw_message message = {.type = type};

	return say(c, &message, err);
}

/* The next message, waiting up to timeout_ms: its type, 0: none came, or negative. */
static int listen_to(struct daemon_capture *c, int timeout_ms, struct hw_message *message, int fds[2],
                     struct hw_error *err)
{
	int count = hw_receive_fds(c->socket, message, sizeof(*message), fds, fds ? 2 : 0, timeout_ms);

	if (count == -ETIMEDOUT || count == -EAGAIN)
		return 0;
	if (count == -EPIPE)
		return gone(err);
	if (count < 0)
		return hw_fail(err, count, "the homeward daemon speaks another protocol (%s)",
		               strerror(-count));
	if (message->type == HW_MESSAGE_ERROR) {
		message->text[sizeof(message->text) - 1] = '\0';
		return hw_fail(err, message->code < 0 ? message->code : -EPROTO,
		               "the homeward daemon says: %s", message->text);
	}
	if (message->magic != HW_PROTOCOL_MAGIC || message->version != HW_PROTOCOL_VERSION ||
	    (message->type == HW_MESSAGE_WELCOME) != (count == 2))
		return hw_fail(err, -EPROTO, "the homeward daemon speaks another version of the protocol");
	c->last = message->type;
	return message->type;
}

static int connect_to(struct daemon_capture *c, const char *path, struct hw_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return hw_fail(err, -ENAMETOOLONG, "%s is too long for a socket", path);
	strcpy(address.sun_path, path);
	c->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->socket < 0)
		return hw_fail(err, -errno, "cannot make a socket: %s", strerror(errno));
	if (connect(c->socket, (struct sockaddr *)&address, sizeof(address)))
		return hw_fail(err, -errno, "no homeward daemon answers at %s: %s", path, strerror(errno));
	return 0;
}

static int ask(struct daemon_capture *c, const struct hw_capture_options *options, struct hw_error *err)
{
	struct hw_message message = {.type = HW_MESSAGE_HELLO};
	int fds[2], r;

	if (options->event)
		snprintf(message.wish.event, sizeof(message.wish.event), "%s", options->event);
	message.wish.rate = options->rate;
	message.wish.frequency = options->frequency;
	message.wish.user_only = options->user_only;
	message.wish.filter = options->filter;
	message.wish.uid = options->uid;
	message.wish.cgroup = options->cgroup;
	message.wish.ring_bytes = options->ring_bytes;
	r = say(c, &message, err);
	if (!r)
		r = listen_to(c, ANSWER_MS, &message, fds, err);
	if (!r)
		return hw_fail(err, -ETIMEDOUT, "the homeward daemon does not answer");
	if (r < 0)
		return r;
	if (r != HW_MESSAGE_WELCOME)
		return hw_fail(err, -EPROTO, "the homeward daemon speaks another version of the protocol");
	c->welcome = message.welcome;
	c->wake = fds[1];
	r = hw_shared_ring_open(fds[0], message.welcome.ring_bytes, &c->ring);
	if (r)
		close(fds[0]);
	return r ? hw_fail(err, r, "cannot map the ring of the homeward daemon: %s", strerror(-r)) : 0;
}

static void close_daemon(struct hw_capture *opened)
{
	struct daemon_capture *c = daemon_of(opened);

	hw_shared_ring_close(&c->ring);
	if (c->wake >= 0)
		close(c->wake);
	if (c->socket >= 0)
		close(c->socket);
	free(c);
}

int hw_daemon_open(const char *path, const struct hw_capture_options *options,
                   const struct hw_capture_sink *sink, struct hw_capture **result, struct hw_error *err)
{
	struct daemon_capture *c;
	int r;

	/* ENOENT: there is none for us */
	if (!*path)
		return hw_fail(err, -ENOENT, "no homeward daemon is to be used: HOMEWARD_SOCKET is empty");
	if (hw_probe_own_pids())
		return hw_fail(err, -ENOENT,
		               "the homeward daemon knows processes by other numbers: this is a PID "
		               "namespace of its own");
	c = calloc(1, sizeof(*c));
	if (!c)
		return hw_fail(err, -ENOMEM, "out of memory");
	c->capture.backend = &backend;
	c->sink = *sink;
	c->socket = c->wake = -1;
	r = connect_to(c, path, err);
	if (!r)
		r = ask(c, options, err);
	if (r) {
		close_daemon(&c->capture);
		return r;
	}
	if (c->welcome.limited)
		c->capture.limit = "processes of this user only: root and the group homeward see all";
	*result = &c->capture;
	return 0;
}

static int keep_nothing(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	(void)context;
	(void)record;
	(void)err;
	return 0;
}

int hw_daemon_try(const char *path, bool *limited, struct hw_error *err)
{
	const struct hw_capture_options options = {.frequency = true, .rate = 99};
	const struct hw_capture_sink sink = {.record = keep_nothing};
	struct hw_capture *capture;
	int r = hw_daemon_open(path, &options, &sink, &capture, err);

	if (r)
		return r;
	*limited = hw_capture_limit(capture) != NULL;
	hw_capture_close(capture);
	return 0;
}

const char *hw_daemon_socket(void)
{
	const char *named = secure_getenv("HOMEWARD_SOCKET");

	return named ? named : HW_DEFAULT_SOCKET;
}

bool hw_daemon_is_absent(int result)
{
	return result == -ENOENT || result == -ECONNREFUSED || result == -EACCES;
}

static const char *event(const struct hw_capture *opened, struct perf_event_attr *attr)
{
	const struct daemon_capture *c = (const struct daemon_capture *)opened;
	size_t size = c->welcome.attr_size < sizeof(*attr) ? c->welcome.attr_size : sizeof(*attr);

	memset(attr, 0, sizeof(*attr));
	memcpy(attr, c->welcome.attr, size);
	return c->welcome.event;
}

static int add_process(struct hw_capture *opened, pid_t pid, struct hw_error *err)
{
	struct hw_message message = {.type = HW_MESSAGE_ADD_PROCESS, .pid = pid};

	return say(daemon_of(opened), &message, err);
}

static int keep(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct daemon_capture *c = context;
	const uint64_t *body = (const uint64_t *)(record + 1);

	c->records++;
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		c->counters.samples++;
		break;
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		c->counters.walks++;
		break;
	case PERF_RECORD_LOST_SAMPLES:
		c->counters.lost_samples += record->size >= 16 ? body[0] : 0;
		break;
	case PERF_RECORD_LOST:
		if (record->size >= 24)
			*(body[0] == HW_LOST_CALLCHAINS ? &c->counters.lost_callchains
			                                : &c->lost_side_band) += body[1];
		break;
	}
	return c->sink.record(c->sink.context, record, err);
}

static int read_ring(struct daemon_capture *c, struct hw_error *err)
{
	return hw_shared_ring_read(&c->ring, keep, c, err);
}

/* Wait for what the daemon says or for its ring to fill, then take all there is. */
static int poll_daemon(struct hw_capture *opened, int timeout_ms, struct hw_error *err)
{
	struct daemon_capture *c = daemon_of(opened);
	struct pollfd ready[2] = {{.fd = c->socket, .events = POLLIN}, {.fd = c->wake, .events = POLLIN}};
	struct hw_message message;
	struct hw_error said;
	eventfd_t count;
	int r = 0, read_result;

	if (poll(ready, 2, timeout_ms) > 0) {
		if (ready[1].revents)
			eventfd_read(c->wake, &count);
		if (ready[0].revents)
			r = listen_to(c, 0, &message, NULL, &said);
	}
	read_result = read_ring(c, err);
	if (r < 0 && err)
		*err = said;
	return r < 0 ? r : read_result;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Read on until the daemon has said this; not longer than limit_ms without a record. */
static int read_until(struct daemon_capture *c, uint16_t type, int limit_ms, struct hw_error *err)
{
	int64_t end = now_ms() + limit_ms;
	int r = 0;

	while (!r && c->last != type) {
		uint64_t before = c->records;

		if (now_ms() > end)
			return hw_fail(err, -ETIMEDOUT, "the homeward daemon does not answer");
		r = poll_daemon(&c->capture, POLL_MS, err);
		if (c->records != before)
			end = now_ms() + limit_ms;
	}
	return r;
}

static int start(struct hw_capture *opened, struct hw_error *err)
{
	struct daemon_capture *c = daemon_of(opened);
	int r = say_type(c, HW_MESSAGE_START, err);

	return r ? r : read_until(c, HW_MESSAGE_STARTED, ANSWER_MS, err);
}

/* The daemon knows how long it waits for what is owed. */
static int stop(struct hw_capture *opened, int grace_ms, struct hw_error *err)
{
	struct daemon_capture *c = daemon_of(opened);
	int r = say_type(c, HW_MESSAGE_STOP, err);

	(void)grace_ms;
	if (!r)
		r = read_until(c, HW_MESSAGE_STOPPED, STOPPED_MS, err);
	return r ? r : read_ring(c, err);
}

static void get_status(const struct hw_capture *opened, struct hw_capture_status *status)
{
	const struct daemon_capture *c = (const struct daemon_capture *)opened;

	memset(status, 0, sizeof(*status));
	status->counters = c->counters;
	status->lost_side_band = c->lost_side_band;
}

static const struct hw_backend backend = {
    .name = "daemon",
    .open = NULL, /* hw_daemon_open */
    .close = close_daemon,
    .event = event,
    .add_process = add_process,
    .start = start,
    .poll = poll_daemon,
    .stop = stop,
    .status = get_status,
};
