/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A client's life: what it says, in which order it may, and what becomes of it. */
#include "session/server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "walk/fd_passing.h"

#define MESSAGES_A_ROUND 32    /* of one client: the others shall not wait for it */
#define HELLO_MS         5000  /* to say what it wants */
#define WAITING_MS       5000  /* for a bit to become free: rings have to be read, the loader to come by */
#define READY_MS         60000 /* to start */
#define STARTING_MS      55000 /* to read on while it is told what there is */
#define OWED_MS          1000  /* after a stop, for callchains that are owed */
#define LOADER_MS        5000  /* after that, for walks that the loader finishes */
#define STOPPED_MS       60000 /* to read the rest and go */
#define PROCESSES_MAX    4096

static void enter(struct hw_client *client, enum hw_client_state state)
{
	client->state = state;
	client->since_ms = hw_server_now_ms();
}

static int say(const struct hw_client *client, uint16_t type, struct hw_error *err)
{
	struct hw_message message = {
	    .magic = HW_PROTOCOL_MAGIC, .version = HW_PROTOCOL_VERSION, .type = type};
	int r = hw_send_fds(client->fd, &message, sizeof(message), NULL, 0);

	return r ? hw_fail(err, r, "the client does not take its messages") : 0;
}

static int add_process(struct hw_client *client, pid_t pid, struct hw_error *err)
{
	if (client->filter != HW_WISH_PROCESSES)
		return hw_fail(err, -EPROTO, "a process for a session that does not ask by process");
	if (pid <= 0)
		return hw_fail(err, -EINVAL, "%d is no process", (int)pid);
	if (client->processes >= PROCESSES_MAX)
		return hw_fail(err, -EDQUOT, "more than %d processes in one session", PROCESSES_MAX);
	client->processes++;
	return hw_sessions_add_process(client->server->sessions, client->bit, pid, err);
}

static int stop(struct hw_client *client, struct hw_error *err)
{
	int r = hw_sessions_stop(client->server->sessions, client->bit, err);

	if (!r)
		enter(client, HW_CLIENT_COMING);
	return r;
}

static int begin(struct hw_client *client, const struct hw_wish *wish, struct hw_error *err)
{
	int r = hw_client_begin(client, wish, err);

	if (!r)
		enter(client, HW_CLIENT_READY);
	return r;
}

static int begin_or_wait(struct hw_client *client, const struct hw_wish *wish, struct hw_error *err)
{
	if (hw_sessions_room(client->server->sessions) != -EAGAIN)
		return begin(client, wish, err);
	client->waiting_wish = *wish;
	enter(client, HW_CLIENT_WAITING);
	hw_server_hear(client->server, client, false);
	return 0;
}

static int wait_on(struct hw_client *client, uint64_t waited, struct hw_error *err)
{
	if (hw_sessions_room(client->server->sessions) == -EAGAIN && waited < WAITING_MS)
		return 0;
	hw_server_hear(client->server, client, true);
	return begin(client, &client->waiting_wish, err);
}

static int obey(struct hw_client *client, const struct hw_message *message, struct hw_error *err)
{
	int r;

	if (message->magic != HW_PROTOCOL_MAGIC)
		return hw_fail(err, -EPROTO, "this is not homeward's protocol");
	if (message->version != HW_PROTOCOL_VERSION)
		return hw_fail(err, -EPROTO,
		               "the client speaks version %u of the protocol and the daemon version %u: use "
		               "the same homeward for both",
		               message->version, HW_PROTOCOL_VERSION);
	if (message->type == HW_MESSAGE_HELLO && client->state == HW_CLIENT_NEW)
		return begin_or_wait(client, &message->wish, err);
	if (message->type == HW_MESSAGE_ADD_PROCESS &&
	    (client->state == HW_CLIENT_READY || client->state == HW_CLIENT_RUNNING))
		return add_process(client, message->pid, err);
	if (message->type == HW_MESSAGE_START && client->state == HW_CLIENT_READY) {
		r = hw_client_start(client, err);
		if (!r)
			enter(client, HW_CLIENT_STARTING);
		return r;
	}
	if (message->type == HW_MESSAGE_STOP && client->state == HW_CLIENT_RUNNING)
		return stop(client, err);
	return hw_fail(err, -EPROTO, "message %u is unknown or out of order", message->type);
}

int hw_client_hear(struct hw_client *client, struct hw_error *err)
{
	struct hw_message message;
	int r = 0;

	for (int i = 0; i < MESSAGES_A_ROUND && !r && client->state != HW_CLIENT_WAITING; i++) {
		r = hw_receive_fds(client->fd, &message, sizeof(message), NULL, 0, -1);
		if (r == -EAGAIN)
			return 0;
		if (r == -EPIPE)
			return hw_fail(err, -EPIPE, "gone");
		if (r)
			return hw_fail(err, r, "a message that is none of homeward's (%s)", strerror(-r));
		r = obey(client, &message, err);
	}
	return r;
}

static int start_more(struct hw_client *client, uint64_t waited, struct hw_error *err)
{
	int r = hw_client_start_more(client, err);

	if (r > 0)
		return waited < STARTING_MS
		           ? 0
		           : hw_fail(err, -ETIMEDOUT, "the client does not read what it is told");
	if (r)
		return r;
	enter(client, HW_CLIENT_RUNNING);
	return say(client, HW_MESSAGE_STARTED, err);
}

static int too_late(const struct hw_client *client, uint64_t limit_ms, const char *what, struct hw_error *err)
{
	if (hw_server_now_ms() - client->since_ms < limit_ms)
		return 0;
	return hw_fail(err, -ETIMEDOUT, "the client %s for %u s", what, (unsigned)(limit_ms / 1000));
}

int hw_client_advance(struct hw_client *client, struct hw_error *err)
{
	struct hw_sessions *sessions = client->server->sessions;
	uint64_t waited = hw_server_now_ms() - client->since_ms, handed, done;

	switch (client->state) {
	case HW_CLIENT_NEW:
		return too_late(client, HELLO_MS, "has said nothing", err);
	case HW_CLIENT_WAITING:
		return wait_on(client, waited, err);
	case HW_CLIENT_READY:
		return too_late(client, READY_MS, "has not started", err);
	case HW_CLIENT_STARTING:
		return start_more(client, waited, err);
	case HW_CLIENT_RUNNING:
		return 0;
	case HW_CLIENT_COMING:
		if (hw_sessions_owed(sessions, client->bit) > 0 && waited < OWED_MS)
			return 0;
		enter(client, HW_CLIENT_FINISHING);
		client->loader_position = UINT64_MAX; /* known when the rings were read once more */
		return 0;
	case HW_CLIENT_FINISHING:
		handed = hw_sessions_handed(sessions, &done);
		if (client->loader_position == UINT64_MAX)
			client->loader_position = handed;
		if (done < client->loader_position && waited < LOADER_MS)
			return 0;
		hw_client_tell(client);
		enter(client, HW_CLIENT_STOPPED);
		return say(client, HW_MESSAGE_STOPPED, err);
	case HW_CLIENT_STOPPED:
		return too_late(client, STOPPED_MS, "has not gone after its end", err);
	}
	return 0;
}

void hw_client_drop(struct hw_client *client, const struct hw_error *err)
{
	struct hw_server *server = client->server;
	struct hw_message message = {
	    .magic = HW_PROTOCOL_MAGIC, .version = HW_PROTOCOL_VERSION, .type = HW_MESSAGE_ERROR};

	if (err) {
		hw_server_log(server, "client %d of user %u: %s", (int)client->peer.owner.pid,
		              client->peer.owner.uid, err->text);
		message.code = err->code;
		snprintf(message.text, sizeof(message.text), "%s", err->text);
		hw_send_fds(client->fd, &message, sizeof(message), NULL, 0);
	}
	hw_client_end(client);
	close(client->fd);
	pthread_mutex_destroy(&client->lock);
	for (size_t i = 0; i < server->clients.count; i++) {
		if (server->clients.items[i] == client) {
			server->clients.items[i] = server->clients.items[--server->clients.count];
			break;
		}
	}
	free(client);
}
