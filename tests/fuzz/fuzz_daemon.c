/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The daemon against clients that say and do anything: connect, send messages sound and unsound, scribble
 * over their ring, go away; while records come from a kernel side that is a fake. In the end all clients go,
 * and nothing may be left of them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bytes.h"
#include "fake_sessions.h"
#include "perfdata/records.h"
#include "session/protocol.h"
#include "session/server_internal.h"
#include "walk/fd_passing.h"

#define CLIENTS 4
#define STEPS   256

static struct hw_server *server;
static int listener = -1;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size;
static volatile int stop, tell;
static int sockets[CLIENTS], rings[CLIENTS];

static void log_nothing(void *context, const char *line)
{
	(void)context;
	if (!line[0] || strchr(line, '\n'))
		abort();
}

static void set_up(void)
{
	struct hw_server_options options = {.log = log_nothing};
	struct hw_error err;

	address_size = sizeof(sa_family_t); /* the kernel chooses an abstract name */
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, address_size) || listen(listener, CLIENTS))
		abort();
	address_size = sizeof(address);
	getsockname(listener, (struct sockaddr *)&address, &address_size);
	options.socket = listener;
	fake_sessions.stop = &stop;
	if (hw_server_open(&options, &server, &err))
		abort();
	for (int i = 0; i < CLIENTS; i++)
		sockets[i] = rings[i] = -1;
}

static void serve(int polls)
{
	struct hw_error err;

	stop = 0;
	fake_sessions.polls_left = polls;
	if (hw_server_run(server, &stop, &tell, &err))
		abort();
}

static void hang_up(int i)
{
	if (sockets[i] >= 0)
		close(sockets[i]);
	if (rings[i] >= 0)
		close(rings[i]);
	sockets[i] = rings[i] = -1;
}

static void call(int i)
{
	hang_up(i);
	sockets[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(sockets[i], (struct sockaddr *)&address, address_size))
		hang_up(i);
}

/* Take what the daemon said; keep the ring. */
static void listen_to(int i)
{
	struct hw_message message;
	int fds[2], count;

	while ((count = hw_receive_fds(sockets[i], &message, sizeof(message), fds, 2, -1)) >= 0) {
		if (message.magic != HW_PROTOCOL_MAGIC ||
		    (message.type == HW_MESSAGE_ERROR && (!message.text[0] || strchr(message.text, '\n'))))
			abort();
		if (count == 2) {
			if (rings[i] >= 0)
				close(rings[i]);
			rings[i] = fds[0];
			close(fds[1]);
		}
	}
	if (count == -EPIPE)
		hang_up(i);
}

static void say(int i, struct fuzz_bytes *bytes)
{
	static const uint16_t types[] = {HW_MESSAGE_HELLO, HW_MESSAGE_ADD_PROCESS, HW_MESSAGE_START,
	                                 HW_MESSAGE_STOP};
	struct hw_message message = {.magic = HW_PROTOCOL_MAGIC, .version = HW_PROTOCOL_VERSION};
	uint64_t kind = fuzz_take(bytes, 1);

	message.type = kind < 250 ? types[kind % 4] : (uint16_t)fuzz_take(bytes, 2);
	message.pid = (int32_t)fuzz_take(bytes, 2);
	strcpy(message.wish.event, kind & 4 ? "" : "cpu-clock");
	message.wish.rate = fuzz_take(bytes, 2);
	message.wish.frequency = (uint32_t)fuzz_take(bytes, 1) % 3;
	message.wish.filter = (uint32_t)fuzz_take(bytes, 1) % 5;
	message.wish.ring_bytes = kind & 8 ? HW_SHARED_RING_MIN : fuzz_take(bytes, 3);
	send(sockets[i], &message, sizeof(message), MSG_NOSIGNAL);
}

static void say_anything(int i, struct fuzz_bytes *bytes)
{
	uint8_t data[sizeof(struct hw_message) + 64] = {0};
	size_t size =
	    fuzz_take(bytes, 1) & 1 ? sizeof(struct hw_message) : fuzz_take(bytes, 2) % sizeof(data);
	int fds[2] = {0, 0};

	for (size_t at = 0; at < size && at < 120; at++)
		data[at] = (uint8_t)fuzz_take(bytes, 1);
	if (fuzz_take(bytes, 1) & 1)
		hw_send_fds(sockets[i], data, size, fds, 2);
	else
		send(sockets[i], data, size, MSG_NOSIGNAL);
}

static void scribble(int i, struct fuzz_bytes *bytes)
{
	uint64_t value = fuzz_take(bytes, 8);
	off_t at = (off_t)(fuzz_take(bytes, 1) & 1 ? fuzz_take(bytes, 1) : fuzz_take(bytes, 3));

	if (rings[i] >= 0 && pwrite(rings[i], &value, sizeof(value), at) < 0 && ftruncate(rings[i], 0) == 0)
		abort(); /* it must not shrink */
}

/* A record as the kernel side makes them: sound, whatever it is about. */
static void arrive(struct fuzz_bytes *bytes)
{
	uint64_t buffer[128], sessions = fuzz_take(bytes, 1) | fuzz_take(bytes, 1) << 8, ips[8] = {1, 2, 3};
	struct perf_event_header *record = (struct perf_event_header *)buffer;
	uint32_t pid = (uint32_t)fuzz_take(bytes, 1) % 8, other = (uint32_t)fuzz_take(bytes, 1) % 8;
	struct hw_record_id id = {.pid = pid, .tid = pid, .time_ns = fuzz_take(bytes, 1), .cpu = other};
	struct hw_record_sample sample = {.id = id, .cookie = 1, .kernel_ips = ips, .kernel_count = other};
	struct hw_record_mmap map = {.id = id, .pid = pid, .tid = pid, .name = "file"};
	uint64_t kind = fuzz_take(bytes, 1) % 8;
	int size =
	    kind == 0   ? hw_build_sample(buffer, sizeof(buffer), &sample)
	    : kind == 1 ? hw_build_deferred(buffer, sizeof(buffer), &id, 1, ips, other, 0)
	    : kind == 2 ? hw_build_mmap(buffer, sizeof(buffer), &map)
	    : kind < 5  ? hw_build_comm(buffer, sizeof(buffer), &id, pid, pid, "name", kind == 4)
	    : kind == 5 ? hw_build_task(buffer, sizeof(buffer), &id, PERF_RECORD_FORK, pid, pid, other, other)
	    : kind == 6 ? hw_build_task(buffer, sizeof(buffer), &id, PERF_RECORD_EXIT, pid, pid, other, other)
	                : hw_build_lost_samples(buffer, sizeof(buffer), &id, 3);
	const struct hw_sessions_sink *sink = &fake_sessions.sink;

	sessions &= fake_sessions.bits;
	if (size <= 0)
		return;
	for (uint64_t times = 1 + (fuzz_take(bytes, 1) & 63); times; times--) {
		if (kind < 2 || kind == 7)
			sink->record(sink->context, sessions, record, NULL);
		else
			sink->process(sink->context, sessions, record, NULL);
	}
}

static void step(struct fuzz_bytes *bytes)
{
	uint64_t what = fuzz_take(bytes, 1);
	int i = (int)(what >> 4) % CLIENTS;

	switch (what & 15) {
	case 0:
		call(i);
		break;
	case 1:
		hang_up(i);
		break;
	case 2:
	case 3:
	case 4:
		say(i, bytes);
		break;
	case 5:
		say_anything(i, bytes);
		break;
	case 6:
	case 7:
		scribble(i, bytes);
		break;
	case 8:
		fake_sessions.refuse = !fake_sessions.refuse;
		break;
	case 9:
		tell = 1;
		break;
	case 10:
	case 11:
	case 12:
		arrive(bytes);
		break;
	default:
		serve(1 + (int)(what >> 6));
		for (int each = 0; each < CLIENTS; each++)
			if (sockets[each] >= 0)
				listen_to(each);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, data + size};
	struct hw_registry_counts counts;

	if (!server)
		set_up();
	for (int i = 0; i < STEPS && bytes.at < bytes.end; i++)
		step(&bytes);
	fake_sessions.refuse = false;
	for (int i = 0; i < CLIENTS; i++)
		hang_up(i);
	serve(3);
	hw_registry_counts(server->registry, &counts);
	if (server->clients.count || fake_sessions.bits || server->held || server->images ||
	    counts.sessions || counts.events ||
	    counts.offered != counts.delivered + counts.lost_no_event + counts.lost_no_session)
		abort();
	return 0;
}
