/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A client's ring, from the daemon's side. What does not fit is counted by what it was, and told before the
 * next record that fits: as PERF_RECORD_LOST_SAMPLES and PERF_RECORD_LOST, so that it stands in the client's
 * own file.
 */
#include "session/server_internal.h"

#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "perfdata/records.h"

#define LOSSES_BYTES_MAX 256 /* three records that tell of losses */

int hw_client_open_ring(struct hw_client *client, uint64_t bytes)
{
	int r = hw_shared_ring_create(bytes, &client->ring);

	if (r)
		return r;
	client->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->wake < 0) {
		r = -errno;
		hw_shared_ring_close(&client->ring);
	}
	return r;
}

void hw_client_close_ring(struct hw_client *client)
{
	pthread_mutex_lock(&client->lock);
	if (client->ring.page)
		close(client->wake);
	hw_shared_ring_close(&client->ring);
	pthread_mutex_unlock(&client->lock);
}

static void count_lost(struct hw_client_lost *lost, const struct perf_event_header *record)
{
	const uint64_t *body = (const uint64_t *)(record + 1);

	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		lost->samples++;
		break;
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		lost->callchains++;
		break;
	case PERF_RECORD_LOST_SAMPLES: /* count */
		lost->samples += body[0];
		break;
	case PERF_RECORD_LOST: /* what, count */
		*(body[0] == HW_LOST_CALLCHAINS ? &lost->callchains : &lost->other) += body[1];
		break;
	default:
		lost->other++;
	}
}

/* With the lock, and with room for it. */
static void put_losses(struct hw_client *client)
{
	struct hw_record_id id = {0};
	struct timespec clock;
	uint64_t buffer[16];
	struct perf_event_header *record = (struct perf_event_header *)buffer;
	struct hw_client_lost *lost = &client->lost;

	clock_gettime(CLOCK_MONOTONIC, &clock);
	id.time_ns = (uint64_t)clock.tv_sec * 1000000000ull + (uint64_t)clock.tv_nsec;
	if (lost->samples && hw_build_lost_samples(buffer, sizeof(buffer), &id, lost->samples) > 0)
		hw_shared_ring_put(&client->ring, record);
	if (lost->callchains &&
	    hw_build_lost(buffer, sizeof(buffer), &id, lost->callchains, HW_LOST_CALLCHAINS) > 0)
		hw_shared_ring_put(&client->ring, record);
	if (lost->other && hw_build_lost(buffer, sizeof(buffer), &id, lost->other, HW_LOST_OTHER) > 0)
		hw_shared_ring_put(&client->ring, record);
	memset(lost, 0, sizeof(*lost));
}

static bool any(const struct hw_client_lost *lost)
{
	return lost->samples || lost->callchains || lost->other;
}

static void wake(struct hw_client *client, uint64_t room)
{
	if (client->ring.size - room < client->ring.size / 4) {
		client->woken = false;
	} else if (!client->woken) {
		client->woken = !eventfd_write(client->wake, 1);
	}
}

void hw_client_put(struct hw_client *client, const struct perf_event_header *record)
{
	uint64_t room, needed;

	pthread_mutex_lock(&client->lock);
	room = client->ring.page ? hw_shared_ring_room(&client->ring) : 0;
	needed = record->size + (any(&client->lost) ? LOSSES_BYTES_MAX : 0);
	if (room < needed) {
		count_lost(&client->lost, record);
		client->lost_ever++;
	} else {
		if (any(&client->lost))
			put_losses(client);
		hw_shared_ring_put(&client->ring, record);
		client->put_ever++;
	}
	if (client->ring.page)
		wake(client, room);
	pthread_mutex_unlock(&client->lock);
}

void hw_client_lose(struct hw_client *client, struct hw_client_lost lost)
{
	pthread_mutex_lock(&client->lock);
	client->lost.samples += lost.samples;
	client->lost.callchains += lost.callchains;
	client->lost.other += lost.other;
	pthread_mutex_unlock(&client->lock);
}

void hw_client_tell(struct hw_client *client)
{
	pthread_mutex_lock(&client->lock);
	if (client->ring.page && any(&client->lost) && hw_shared_ring_room(&client->ring) >= LOSSES_BYTES_MAX)
		put_losses(client);
	pthread_mutex_unlock(&client->lock);
}
