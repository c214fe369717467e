/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A client starts: it is told what there was before, then it samples. On a large machine that takes seconds,
 * so it is done in steps, between which all others are served; and no faster than the client reads.
 *
 * The first of those whose process events are held back (images.h) fills the images of all. What processes do
 * meanwhile is put aside, and goes to the images after what there was before.
 */
#include "capture/existing.h"
#include "session/server_internal.h"

#include <string.h>

#define STEPS_MS            3 /* for one client, before others are served */
#define MEANWHILE_BYTES_MAX ((size_t)64 << 20)

static bool everybody(void *context, pid_t pid)
{
	(void)context;
	(void)pid;
	return true;
}

static bool asked_for(void *context, pid_t pid)
{
	const struct hw_client *client = context;

	return hw_sessions_has_process(client->server->sessions, client->bit, pid);
}

/* For one that is held back: only the kernel's own, but when filling. */
static bool is_filling(void *context, pid_t pid)
{
	const struct hw_client *client = context;

	(void)pid;
	return client->server->filling == client;
}

static int put(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	(void)err;
	hw_client_put(context, record);
	return 0;
}

static void give_nobody(void *context, uint64_t sessions, const struct perf_event_header *record)
{
	(void)context;
	(void)sessions;
	(void)record;
}

static int put_or_hold(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct hw_client *client = context;
	const uint32_t *pid = (const uint32_t *)(record + 1);

	(void)err;
	if (record->type != PERF_RECORD_KSYMBOL &&
	    (record->type != PERF_RECORD_MMAP2 || *pid != (uint32_t)-1))
		hw_images_take(client->server->images, record, give_nobody, NULL);
	else if (client->kernel_shown)
		hw_client_put(client, record);
	return 0;
}

static int begin(struct hw_client *client, struct hw_error *err)
{
	struct hw_server *server = client->server;

	if (!client->held)
		return hw_sessions_existing_begin(server->sessions,
		                                  client->filter == HW_WISH_PROCESSES ? asked_for : everybody,
		                                  put, client, &client->existing, err);
	if (server->filling)
		return 0; /* its turn comes */
	if (!server->images) {
		if (hw_images_new(&server->images))
			return hw_fail(err, -ENOMEM, "out of memory");
		server->filling = client;
	}
	return hw_sessions_existing_begin(server->sessions, is_filling, put_or_hold, client,
	                                  &client->existing, err);
}

int hw_client_start(struct hw_client *client, struct hw_error *err)
{
	client->server->hurry = true;
	return begin(client, err);
}

/* The images are full: what happened meanwhile comes on top. */
static void end_filling(struct hw_server *server)
{
	uint64_t buffer[(UINT16_MAX + 1) / 8];
	uint16_t size;

	server->filling = NULL;
	for (size_t at = 0; at < server->meanwhile.count; at += size) {
		memcpy(&size, server->meanwhile.items + at + 6, sizeof(size));
		memcpy(buffer, server->meanwhile.items + at, size);
		hw_images_take(server->images, (struct perf_event_header *)buffer, give_nobody, NULL);
	}
	array_free(&server->meanwhile);
}

void hw_server_keep_image(struct hw_server *server, const struct perf_event_header *record,
                          hw_image_give give)
{
	size_t end = server->meanwhile.count + record->size;

	if (!server->filling) {
		if (server->images)
			hw_images_take(server->images, record, give, server);
		return;
	}
	if (end > MEANWHILE_BYTES_MAX || array_reserve(&server->meanwhile, end)) {
		hw_client_lose(server->filling, (struct hw_client_lost){.other = 1});
		return;
	}
	memcpy(server->meanwhile.items + server->meanwhile.count, record, record->size);
	server->meanwhile.count = end;
}

/* Half of the ring stays free: the client reads while it is told. */
static bool has_room(const struct hw_client *client)
{
	return hw_shared_ring_room(&client->ring) > client->ring.size / 2;
}

int hw_client_start_more(struct hw_client *client, struct hw_error *err)
{
	struct hw_server *server = client->server;
	uint64_t end = hw_server_now_ms() + STEPS_MS;
	int r = client->existing ? 1 : begin(client, err);

	if (r < 0 || !client->existing)
		return r < 0 ? r : 1;
	for (r = 1; r > 0 && has_room(client) && hw_server_now_ms() < end;) {
		r = hw_existing_step(client->existing, err);
		client->since_ms =
		    hw_server_now_ms(); /* it reads; how long all of it takes is not its doing */
		server->hurry = true;
	}
	if (r)
		return r;
	hw_existing_end(client->existing);
	client->existing = NULL;
	if (server->filling == client)
		end_filling(server);
	return hw_sessions_start(server->sessions, client->bit, err);
}

void hw_client_stop_starting(struct hw_client *client)
{
	struct hw_server *server = client->server;

	hw_existing_end(client->existing);
	client->existing = NULL;
	if (server->filling != client)
		return;
	server->filling = NULL; /* the next one begins anew */
	array_free(&server->meanwhile);
	hw_images_free(server->images);
	server->images = NULL;
}
