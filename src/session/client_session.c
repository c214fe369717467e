/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From a client's wish to a session: what it may have, its ring, its events in the registry, its bit in the
 * kernel. Each step that fails takes back the ones before it.
 */
#include "session/server_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walk/fd_passing.h"

#define RING_DEFAULT    ((uint64_t)8 << 20)
#define RATE_MAX_HZ     100000
#define PERIOD_MIN_NS   10000 /* of a period: 100,000 a second for clocks */
#define SETTING_TOO_BIG 2     /* perf_event_paranoid from which users see no kernel addresses */

/* An integer in a file of /proc/sys, or otherwise. */
static int setting(const char *path, int otherwise)
{
	FILE *file = fopen(path, "re");
	int value;

	if (file && fscanf(file, "%d", &value) != 1)
		value = otherwise;
	if (!file)
		return otherwise;
	fclose(file);
	return value;
}

static bool may_see_kernel(const struct hw_client *client)
{
	return !client->limited || (setting("/proc/sys/kernel/perf_event_paranoid", 2) < SETTING_TOO_BIG &&
	                            setting("/proc/sys/kernel/kptr_restrict", 1) == 0);
}

static int check_rate(const struct hw_client *client, const struct hw_wish *wish, struct hw_error *err)
{
	uint64_t limit = client->limited ? client->server->options.limits.rate_per_user_hz : RATE_MAX_HZ;
	bool too_fast = wish->frequency ? wish->rate > limit
	                                : wish->rate < (client->limited ? 1000000000 / limit : PERIOD_MIN_NS);

	if (!wish->rate)
		return hw_fail(err, -EINVAL, "a rate of 0 samples nothing: ask for 1 to %" PRIu64 " Hz",
		               limit);
	if (too_fast && !wish->frequency && strcmp(wish->event, "cpu-clock") && wish->event[0])
		return 0; /* counted in other things than time; the kernel has its own limit */
	return too_fast ? hw_fail(err, -EDQUOT,
	                          "a rate of %" PRIu64 " %s is over the daemon's limit of %" PRIu64
	                          " Hz for this user",
	                          wish->rate, wish->frequency ? "Hz" : "ns", limit)
	                : 0;
}

/* Sessions and ring memory that the client's user has already. */
static int check_user(const struct hw_client *client, uint64_t ring_bytes, struct hw_error *err)
{
	const struct hw_server_limits *limits = &client->server->options.limits;
	uint64_t bytes = ring_bytes;
	unsigned sessions = 1;

	array_for_each (&client->server->clients, other) {
		if (*other == client || (*other)->peer.owner.uid != client->peer.owner.uid ||
		    (*other)->state == HW_CLIENT_NEW)
			continue;
		sessions++;
		bytes += (*other)->ring.size;
	}
	if (!client->peer.owner.uid)
		return 0;
	if (sessions > limits->sessions_per_user)
		return hw_fail(err, -EDQUOT, "user %u has %u sessions already, which is the daemon's limit",
		               client->peer.owner.uid, limits->sessions_per_user);
	if (bytes > limits->ring_bytes_per_user)
		return hw_fail(err, -EDQUOT,
		               "%" PRIu64 " bytes of rings are over the daemon's limit of %" PRIu64
		               " for user %u",
		               bytes, limits->ring_bytes_per_user, client->peer.owner.uid);
	return 0;
}

static int check_wish(const struct hw_wish *wish, struct hw_error *err)
{
	if (!memchr(wish->event, '\0', sizeof(wish->event)))
		return hw_fail(err, -EPROTO, "the name of the event does not end");
	for (const char *c = wish->event; *c; c++)
		if (*c < ' ' || *c > '~')
			return hw_fail(err, -EINVAL, "the name of the event is not plain text");
	if (wish->frequency > 1 || wish->user_only > 1 || wish->filter > HW_WISH_CGROUP)
		return hw_fail(err, -EPROTO, "a value in the request is out of range");
	if (wish->ring_bytes &&
	    (wish->ring_bytes < HW_SHARED_RING_MIN || wish->ring_bytes > HW_SHARED_RING_MAX ||
	     (wish->ring_bytes & (wish->ring_bytes - 1))))
		return hw_fail(err, -EINVAL,
		               "a ring of %" PRIu64
		               " bytes is not possible: use a power of two from 64K to 256M",
		               wish->ring_bytes);
	return 0;
}

/* The registry's source of requests: a session begins. */
int hw_client_begin_source(void *context, const struct hw_owner *owner, const void *data,
                           struct hw_error *err)
{
	struct hw_server *server = context;
	const struct hw_client *client = data;
	struct hw_session_options options;
	const struct hw_wish *wish = client->wish;
	unsigned bit;
	int r;

	memset(&options, 0, sizeof(options));
	options.event = wish->event[0] ? wish->event : NULL;
	options.frequency = wish->frequency;
	options.rate = wish->rate;
	options.user_only = wish->user_only || !client->kernel_shown;
	options.filter = (enum hw_session_filter)wish->filter;
	options.uid = wish->uid;
	options.cgroup = wish->cgroup;
	options.limited = client->limited;
	options.viewer_uid = owner->uid;
	options.viewer_gid = owner->gid;
	r = hw_sessions_add(server->sessions, &options, &bit, err);
	return r ? r : (int)bit;
}

void hw_client_end_source(void *context, int number)
{
	struct hw_server *server = context;

	hw_sessions_remove(server->sessions, (unsigned)number);
}

static void deliver(void *context, const void *record, size_t size)
{
	(void)size;
	hw_client_put(context, record);
}

static int welcome(struct hw_client *client, struct hw_error *err)
{
	struct hw_message message = {
	    .magic = HW_PROTOCOL_MAGIC, .version = HW_PROTOCOL_VERSION, .type = HW_MESSAGE_WELCOME};
	int fds[2] = {client->ring.fd, client->wake}, r;
	struct perf_event_attr attr;
	const char *name = hw_sessions_event(client->server->sessions, client->bit, &attr);

	snprintf(message.welcome.event, sizeof(message.welcome.event), "%s", name);
	message.welcome.attr_size = sizeof(attr);
	memcpy(message.welcome.attr, &attr, sizeof(attr));
	message.welcome.limited = client->limited;
	message.welcome.ring_bytes = client->ring.size;
	r = hw_send_fds(client->fd, &message, sizeof(message), fds, 2);
	return r ? hw_fail(err, r, "the client does not take its messages") : 0;
}

int hw_client_begin(struct hw_client *client, const struct hw_wish *wish, struct hw_error *err)
{
	uint64_t ring_bytes = wish->ring_bytes ? wish->ring_bytes : RING_DEFAULT;
	struct hw_server *server = client->server;
	int r = check_wish(wish, err);

	client->limited = !client->peer.sees_all;
	client->held = client->limited || wish->filter == HW_WISH_UID || wish->filter == HW_WISH_CGROUP;
	client->kernel_shown = may_see_kernel(client);
	client->wish = wish;
	client->filter = wish->filter;
	if (!r)
		r = check_rate(client, wish, err);
	if (!r)
		r = check_user(client, ring_bytes, err);
	if (r)
		return r;
	r = hw_client_open_ring(client, ring_bytes);
	if (r)
		return hw_fail(err, r, "cannot make a ring of %" PRIu64 " bytes: %s", ring_bytes,
		               strerror(-r));
	client->events = calloc(server->cpu_count, sizeof(*client->events));
	r = client->events
	        ? hw_registry_add_all(server->registry, &client->peer.owner, server->cpus, server->cpu_count,
	                              client, deliver, client, client->events, err)
	        : hw_fail(err, -ENOMEM, "out of memory");
	client->wish = NULL;
	if (r)
		return r;
	client->event_count = server->cpu_count;
	client->bit = (unsigned)hw_session_number(client->events[0]);
	server->by_bit[client->bit] = client;
	if (client->held)
		server->held |= 1ull << client->bit;
	return welcome(client, err);
}

void hw_client_end(struct hw_client *client)
{
	struct hw_server *server = client->server;

	hw_client_stop_starting(client);
	for (size_t i = 0; i < client->event_count; i++)
		hw_registry_remove(server->registry, client->events[i]);
	if (client->event_count) {
		server->by_bit[client->bit] = NULL;
		server->held &= ~(1ull << client->bit);
		if (server->images)
			hw_images_forget(server->images, 1ull << client->bit);
		if (!server->held) {
			hw_images_free(server->images);
			server->images = NULL;
		}
	}
	client->event_count = 0;
	free(client->events);
	client->events = NULL;
	hw_client_close_ring(client);
}
