/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The daemon's loop: who connects, who speaks, who is gone; records from the kernel to those who are owed
 * them.
 */
#include "session/server_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "walk/fd_passing.h"

#define CLIENTS_MAX  256
#define PER_USER_MAX 96 /* connections of one user */
#define EVENTS       64
#define BUSY_MS      50 /* between two readings of rings that have not asked for it */
#define COMING_MS    10 /* while callchains are waited for */
#define IDLE_MS      1000
#define SWEEP_MS     2000

uint64_t hw_server_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void hw_server_log(struct hw_server *server, const char *format, ...)
{
	char line[600];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	server->options.log(server->options.context, line);
}

/* ---- records ---- */

static void give(void *context, uint64_t sessions, const struct perf_event_header *record)
{
	struct hw_server *server = context;

	for (; sessions; sessions &= sessions - 1) {
		struct hw_client *client = server->by_bit[__builtin_ctzll(sessions)];

		if (client && client->state != HW_CLIENT_READY)
			hw_client_put(client, record);
	}
}

/* Where it arrived: the cpu of a sample (ip, pid and tid, time, cpu) or of a sample_id. */
static int cpu_of(const struct perf_event_header *record)
{
	size_t at = record->type == PERF_RECORD_SAMPLE ? 32 : (size_t)record->size - 8;
	uint32_t cpu;

	if (record->size < at + sizeof(cpu))
		return -1;
	memcpy(&cpu, (const char *)record + at, sizeof(cpu));
	return (int)cpu;
}

/* From the thread that polls or the loader's; samples from the former only. */
static int on_record(void *context, uint64_t sessions, const struct perf_event_header *record,
                     struct hw_error *err)
{
	struct hw_server *server = context;
	uint64_t held, time_ns;
	uint32_t pid;

	(void)err;
	if (record->type == PERF_RECORD_SAMPLE && record->size >= 40) {
		held = sessions & server->held;
		memcpy(&pid, (const char *)record + 16, sizeof(pid));
		memcpy(&time_ns, (const char *)record + 24, sizeof(time_ns));
		if (held && server->images && !server->filling)
			hw_images_reveal(server->images, pid, time_ns, held, give, server);
	}
	hw_registry_dispatch(server->registry, cpu_of(record), sessions, record, record->size);
	return 0;
}

static int on_process(void *context, uint64_t sessions, const struct perf_event_header *record,
                      struct hw_error *err)
{
	struct hw_server *server = context;

	(void)err;
	if (record->type == PERF_RECORD_KSYMBOL) {
		array_for_each (&server->clients, client)
			if ((*client)->event_count && (*client)->kernel_shown)
				give(server, 1ull << (*client)->bit, record);
		return 0;
	}
	give(server, sessions & ~server->held, record);
	hw_server_keep_image(server, record, give);
	return 0;
}

/* Process events that the kernel or we had no room for: each client may have missed some of its own. */
static void tell_process_losses(struct hw_server *server)
{
	uint64_t dropped = server->images ? hw_images_dropped(server->images) : 0;
	struct hw_sessions_status status;
	uint64_t lost;

	hw_sessions_status(server->sessions, &status);
	lost = status.lost_side_band - server->lost_side_band;
	server->lost_side_band = status.lost_side_band;
	if (dropped < server->images_dropped)
		server->images_dropped = 0; /* another book */
	array_for_each (&server->clients, client) {
		uint64_t its = lost + ((*client)->held ? dropped - server->images_dropped : 0);

		if ((*client)->event_count && its)
			hw_client_lose(*client, (struct hw_client_lost){.other = its});
	}
	server->images_dropped = dropped;
}

/* Callchains that came home on a CPU where the session has no event (one that came online since). */
static void tell_strays(struct hw_client *client)
{
	uint64_t lost;

	if (!client->event_count)
		return;
	lost = hw_session_lost(client->events[0]);
	if (lost != client->told_no_event)
		hw_client_lose(client, (struct hw_client_lost){.callchains = lost - client->told_no_event});
	client->told_no_event = lost;
}

/* ---- clients ---- */

static void refuse(int fd, const char *why)
{
	struct hw_message message = {.magic = HW_PROTOCOL_MAGIC,
	                             .version = HW_PROTOCOL_VERSION,
	                             .type = HW_MESSAGE_ERROR,
	                             .code = -EBUSY};

	snprintf(message.text, sizeof(message.text), "%s", why);
	hw_send_fds(fd, &message, sizeof(message), NULL, 0);
	close(fd);
}

static bool too_many(const struct hw_server *server, uid_t uid)
{
	size_t same = 0;

	array_for_each (&server->clients, client)
		same += (*client)->peer.owner.uid == uid;
	return server->clients.count >= CLIENTS_MAX || (uid && same >= PER_USER_MAX);
}

static int make_client(struct hw_server *server, int fd, const struct hw_peer *peer)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
	struct hw_client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->server = server;
	client->fd = fd;
	client->peer = *peer;
	client->peer.owner.recording = ++server->connections;
	client->since_ms = hw_server_now_ms();
	pthread_mutex_init(&client->lock, NULL);
	event.data.ptr = client;
	if (array_push(&server->clients, client)) {
		pthread_mutex_destroy(&client->lock);
		free(client);
		return -ENOMEM;
	}
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event)) {
		client->fd = dup(fd); /* drop closes one, the caller the other */
		hw_client_drop(client, NULL);
		return -ENOMEM;
	}
	return 0;
}

static void accept_one(struct hw_server *server, int fd)
{
	struct hw_error err = {0};
	struct hw_peer peer;

	if (hw_peer_of(fd, server->group, &peer, &err)) {
		hw_server_log(server, "a client was refused: %s", err.text);
		refuse(fd, err.text);
	} else if (too_many(server, peer.owner.uid)) {
		hw_server_log(server, "client %d of user %u: too many clients", (int)peer.owner.pid,
		              peer.owner.uid);
		refuse(fd, "the daemon has too many clients: try again when one has ended");
	} else if (make_client(server, fd, &peer)) {
		refuse(fd, "the daemon is out of memory");
	}
}

static void accept_all(struct hw_server *server)
{
	int fd;

	for (int i = 0; i < EVENTS; i++) {
		fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accept_one(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE) {
			hw_server_log(server, "no file descriptor for another client: %s", strerror(errno));
			usleep(10000); /* it waits; others shall be served all the same */
		}
		return;
	}
}

void hw_server_hear(struct hw_server *server, struct hw_client *client, bool all)
{
	struct epoll_event event = {.events = (all ? EPOLLIN : 0) | EPOLLRDHUP, .data.ptr = client};

	epoll_ctl(server->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void hear(struct hw_client *client, uint32_t events)
{
	struct hw_error err = {0};
	bool waits = client->state == HW_CLIENT_WAITING;
	int r = hw_client_hear(client, &err);

	if (r == -EPIPE || (!r && events & (EPOLLHUP | EPOLLERR)) || (waits && events & EPOLLRDHUP))
		hw_client_drop(client, NULL);
	else if (r)
		hw_client_drop(client, &err);
}

static void advance_all(struct hw_server *server)
{
	struct hw_error err = {0};

	for (size_t i = server->clients.count; i; i--) {
		struct hw_client *client = server->clients.items[i - 1];

		tell_strays(client);
		hw_client_tell(client);
		if (hw_client_advance(client, &err))
			hw_client_drop(client, &err);
	}
}

/* ---- the loop ---- */

static int pause_ms(const struct hw_server *server)
{
	struct hw_sessions_status status;
	int pause = IDLE_MS;

	if (server->hurry)
		return 0;
	array_for_each (&server->clients, client) {
		if ((*client)->state == HW_CLIENT_WAITING || (*client)->state == HW_CLIENT_STARTING ||
		    (*client)->state == HW_CLIENT_COMING || (*client)->state == HW_CLIENT_FINISHING)
			return COMING_MS;
		if ((*client)->event_count)
			pause = BUSY_MS;
	}
	if (pause == IDLE_MS) {
		hw_sessions_status(server->sessions, &status);
		pause = status.ending ? BUSY_MS : IDLE_MS; /* polls give their bits back */
	}
	return pause;
}

static int serve_once(struct hw_server *server, struct hw_error *err)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(server->epoll, events, EVENTS, pause_ms(server)), r;

	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == &server->listener)
			accept_all(server);
		else if (events[i].data.ptr != &server->sessions)
			hear(events[i].data.ptr, events[i].events);
	}
	r = hw_sessions_poll(server->sessions, 0, err);
	if (r)
		return r;
	server->hurry = false;
	tell_process_losses(server);
	advance_all(server);
	if (server->images && !server->filling && hw_server_now_ms() - server->swept_ms > SWEEP_MS) {
		server->swept_ms = hw_server_now_ms();
		hw_images_sweep(server->images, server->swept_ms * 1000000);
	}
	return 0;
}

static void tell_status(struct hw_server *server)
{
	struct hw_registry_counts counts;
	struct hw_sessions_status now;

	hw_sessions_status(server->sessions, &now);
	hw_registry_counts(server->registry, &counts);
	hw_server_log(server,
	              "%u sessions, %u kernel events, %" PRIu64 " tables; so far %" PRIu64
	              " samples, %" PRIu64 " walks at once, %" PRIu64 " on the way home; %" PRIu64
	              " records given out, %" PRIu64 " for nobody; at %" PRIu64 " ms",
	              now.sessions, now.kernel_events, now.tables, (uint64_t)now.counters.samples,
	              (uint64_t)now.counters.at_once, (uint64_t)now.counters.walks, counts.delivered,
	              counts.lost_no_event + counts.lost_no_session, hw_server_now_ms());
}

int hw_server_run(struct hw_server *server, const volatile int *stop, volatile int *tell,
                  struct hw_error *err)
{
	int r = 0;

	while (!*stop && !r) {
		r = serve_once(server, err);
		if (*tell) {
			*tell = 0;
			tell_status(server);
		}
	}
	if (!r)
		tell_status(server);
	return r;
}

static int watch(struct hw_server *server, int fd, void *what, struct hw_error *err)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event)
	           ? hw_fail(err, -errno, "cannot wait for clients: %s", strerror(errno))
	           : 0;
}

/* Each client is three descriptors. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int list_cpus(struct hw_server *server)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int ids = hw_cpu_ids();
	char path[64];

	server->cpus = ids > 0 ? calloc((size_t)ids, sizeof(int)) : NULL;
	if (!server->cpus)
		return ids < 0 ? ids : -ENOMEM;
	for (int cpu = 0; cpu < ids; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d", cpu);
		if (!access(path, F_OK)) /* present: a callchain may come home on one that is offline now */
			server->cpus[server->cpu_count++] = cpu;
	}
	return server->cpu_count >= (size_t)online ? ids : -ENODEV;
}

static void set_limits(struct hw_server_limits *limits)
{
	if (!limits->sessions_per_user)
		limits->sessions_per_user = 16;
	if (!limits->rate_per_user_hz)
		limits->rate_per_user_hz = 10000;
	if (!limits->ring_bytes_per_user)
		limits->ring_bytes_per_user = (uint64_t)128 << 20;
}

int hw_server_open(const struct hw_server_options *options, struct hw_server **result, struct hw_error *err)
{
	struct hw_server *server = calloc(1, sizeof(*server));
	struct hw_sessions_sink sink = {.context = server, .record = on_record, .process = on_process};
	struct hw_request_source source = {
	    .context = server, .begin = hw_client_begin_source, .end = hw_client_end_source};
	int r;

	if (!server)
		return hw_fail(err, -ENOMEM, "out of memory");
	server->options = *options;
	server->listener = server->lock_file = -1;
	server->group = hw_group_called(options->group ? options->group : "homeward");
	set_limits(&server->options.limits);
	raise_descriptors();
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = list_cpus(server);
	r = r < 0 || server->epoll < 0 ? hw_fail(err, r < 0 ? r : -errno, "cannot tell which CPUs there are")
	                               : hw_registry_new((uint32_t)r, &source, &server->registry);
	if (!r)
		r = hw_server_listen(server, err);
	if (!r)
		r = hw_sessions_open(&options->capture, &sink, &server->sessions, err);
	if (!r)
		r = watch(server, server->listener, &server->listener, err);
	if (!r)
		r = watch(server, hw_sessions_fd(server->sessions), &server->sessions, err);
	if (r) {
		hw_server_close(server);
		return r;
	}
	*result = server;
	return 0;
}

void hw_server_close(struct hw_server *server)
{
	struct hw_error ending = {.code = -ESHUTDOWN, .text = "the daemon ends"};

	if (!server)
		return;
	while (server->clients.count)
		hw_client_drop(server->clients.items[0], &ending);
	array_free(&server->clients);
	hw_sessions_close(server->sessions);
	hw_registry_free(server->registry);
	hw_images_free(server->images);
	hw_server_unlisten(server);
	if (server->epoll >= 0)
		close(server->epoll);
	free(server->cpus);
	free(server);
}
