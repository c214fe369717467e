/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Sessions: who has which bit, and what of the records is for whom. How a bit becomes free: sessions_end.c.
 */
#include "capture/event.h"
#include "capture/existing.h"
#include "capture/kernel_symbols.h"
#include "capture/session_filter.h"
#include "capture/sessions_internal.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "perfdata/records.h"

static int deliver(struct hw_sessions *s, uint64_t sessions, const void *records, size_t size,
                   struct hw_error *err)
{
	const struct perf_event_header *record;
	int r = 0;

	pthread_mutex_lock(&s->sink_lock);
	sessions &= __atomic_load_n(&s->live, __ATOMIC_ACQUIRE);
	for (; sessions && r >= 0 && size >= sizeof(*record); size -= record->size) {
		record = records;
		if (record->size < sizeof(*record) || record->size > size)
			break;
		r = s->sink.record(s->sink.context, sessions, record, err);
		records = (const char *)records + record->size;
	}
	pthread_mutex_unlock(&s->sink_lock);
	return r;
}

static int deliver_finished(void *context, uint64_t sessions, const struct perf_event_header *record)
{
	return deliver(context, sessions, record, record->size, NULL);
}

static int from_ring(void *context, void *data, size_t size)
{
	struct hw_sessions *s = context;
	const struct hw_ring_prefix *prefix = data;
	int r = 0;

	switch (size > sizeof(*prefix) ? prefix->kind : 0) {
	case HW_RING_PERF:
		r = deliver(s, prefix->sessions, prefix + 1, size - sizeof(*prefix), &s->error);
		break;
	case HW_RING_MISS:
	case HW_RING_UNFINISHED:
	case HW_RING_LATE:
		hw_loader_push(s->loader, data, size);
		break;
	case HW_RING_TRUTH:
	case HW_RING_TRUTH_AT_ONCE:
		if (s->sink.truth)
			s->sink.truth(s->sink.context, data, size);
		break;
	}
	if (r < 0)
		s->failed = r;
	return r < 0 ? r : 0;
}

int hw_sessions_open(const struct hw_sessions_options *options, const struct hw_sessions_sink *sink,
                     struct hw_sessions **result, struct hw_error *err)
{
	struct hw_sessions *s = calloc(1, sizeof(*s));
	uint32_t ring_bytes = options->ring_bytes ? options->ring_bytes : 2 << 20;
	int r;

	if (!s)
		return hw_fail(err, -ENOMEM, "out of memory");
	s->options = *options;
	s->sink = *sink;
	s->events.side = &s->side;
	pthread_mutex_init(&s->sink_lock, NULL);
	r = hw_kernel_side_open(&s->side, options, err);
	if (!r)
		r = hw_kernel_side_open_rings(&s->side, ring_bytes, from_ring, s, err);
	if (!r)
		r = hw_tables_init(&s->tables, &s->side, options->table_memory_bytes, err);
	if (!r)
		r = hw_loader_new(&s->side, &s->tables, options->cache_directory, deliver_finished, s,
		                  &s->loader, err);
	if (!r && !(s->cpus = hw_cpus_new(s->side.cpu_count)))
		r = hw_fail(err, -ENOMEM, "out of memory");
	if (!r)
		r = hw_side_band_open(s->side.cpu_count, &s->band, err);
	if (!r)
		r = hw_loader_load_running(s->loader, err);
	if (!r)
		r = hw_kernel_side_attach_hooks(&s->side, err);
	if (r) {
		hw_sessions_close(s);
		return r;
	}
	*result = s;
	return 0;
}

static void forget_symbols(struct hw_sessions *s)
{
	hw_kernel_symbols_release(s->symbols);
	s->symbols = NULL;
}

void hw_sessions_close(struct hw_sessions *s)
{
	if (!s)
		return;
	forget_symbols(s);
	hw_shared_events_close(&s->events);
	hw_loader_free(s->loader);
	hw_side_band_close(s->band);
	hw_cpus_free(s->cpus);
	hw_tables_free(&s->tables);
	hw_kernel_side_close(&s->side);
	for (unsigned bit = 0; bit < HW_SESSIONS_MAX; bit++)
		free(s->sessions[bit].told);
	pthread_mutex_destroy(&s->sink_lock);
	free(s);
}

/* ---- the life of a session ---- */

static bool is_taken(const struct hw_sessions *s, unsigned bit)
{
	return s->sessions[bit].used || ((s->ended | s->unread | s->unhandled) >> bit & 1);
}

/* What was lost of an earlier session of this bit is none of this one's business. */
static void begin_losses(struct hw_sessions *s, unsigned bit)
{
	for (uint32_t cpu = 0; cpu < s->side.cpu_count; cpu++)
		s->sessions[bit].told[cpu] = s->side.losses[64 * cpu + bit];
}

int hw_sessions_room(const struct hw_sessions *s)
{
	uint64_t ending = s->ended | s->unread | s->unhandled;

	for (unsigned bit = 0; bit < HW_SESSIONS_MAX; bit++)
		if (!is_taken(s, bit))
			return 0;
	return ending ? -EAGAIN : -ENOSPC;
}

int hw_sessions_add(struct hw_sessions *s, const struct hw_session_options *options, unsigned *result,
                    struct hw_error *err)
{
	struct session *session;
	unsigned bit = 0;
	int r;

	while (bit < HW_SESSIONS_MAX && is_taken(s, bit))
		bit++;
	if (bit == HW_SESSIONS_MAX)
		return hw_fail(err, -ENOSPC, "more than %d sessions at once", HW_SESSIONS_MAX);
	session = &s->sessions[bit];
	session->options = *options;
	session->told = calloc(s->side.cpu_count, sizeof(*session->told));
	if (!session->told)
		return hw_fail(err, -ENOMEM, "out of memory");
	begin_losses(s, bit);
	r = hw_session_filter_set(&s->side, bit, options, true);
	if (r)
		hw_fail(err, r, "cannot set the session's filter: %s", strerror(-r));
	if (!r && !s->band_enabled)
		r = hw_side_band_enable(s->band, err);
	if (!r) {
		s->band_enabled = true;
		r = hw_shared_event_take(&s->events, options, bit, err);
	}
	if (r < 0) {
		hw_session_filter_set(&s->side, bit, &s->sessions[bit].options, false);
		free(session->told);
		memset(session, 0, sizeof(*session));
		return r;
	}
	session->event = (unsigned)r;
	session->used = true;
	session->options.event = s->events.events[r].kind.name;
	hw_set_bit(&s->live, bit, true);
	*result = bit;
	return 0;
}

int hw_sessions_add_process(struct hw_sessions *s, unsigned bit, pid_t pid, struct hw_error *err)
{
	uint32_t key = (uint32_t)pid;
	struct hw_target target = {0};
	int r;

	bpf_map_lookup_elem(s->side.targets, &key, &target);
	target.live |= 1ull << bit;
	r = bpf_map_update_elem(s->side.targets, &key, &target, BPF_ANY);
	return r ? hw_fail(err, r, "cannot add process %d: %s", (int)pid, strerror(-r)) : 0;
}

bool hw_sessions_has_process(const struct hw_sessions *s, unsigned bit, pid_t pid)
{
	struct hw_target target = {0};
	uint32_t key = (uint32_t)pid;

	bpf_map_lookup_elem(s->side.targets, &key, &target);
	return (target.live | target.gone) >> bit & 1;
}

int hw_sessions_start(struct hw_sessions *s, unsigned bit, struct hw_error *err)
{
	struct session *session = &s->sessions[bit];

	session->started = true;
	hw_set_bit(&s->side.masks->active, bit, true);
	return hw_shared_event_start(&s->events, session->event, bit, err);
}

int hw_sessions_stop(struct hw_sessions *s, unsigned bit, struct hw_error *err)
{
	struct session *session = &s->sessions[bit];

	(void)err;
	hw_set_bit(&s->side.masks->active, bit, false);
	if (session->started)
		hw_shared_event_stop(&s->events, session->event, bit);
	session->started = false;
	return 0;
}

int hw_sessions_owed(struct hw_sessions *s, unsigned bit)
{
	int r = hw_kernel_side_look(&s->side, 1ull << bit, 0);

	return r ? r : (int)s->side.look->owed;
}

void hw_sessions_remove(struct hw_sessions *s, unsigned bit)
{
	struct session *session = &s->sessions[bit];

	if (!session->used)
		return;
	hw_sessions_stop(s, bit, NULL);
	pthread_mutex_lock(&s->sink_lock); /* after this, nobody is delivering to it */
	hw_set_bit(&s->live, bit, false);
	pthread_mutex_unlock(&s->sink_lock);
	hw_shared_event_drop(&s->events, session->event, bit);
	session->used = false;
	s->ended |= 1ull << bit;
}

/* ---- reading ---- */

/* Sessions that may know of a process for sure: see hw_sessions_sink.process. */
static uint64_t who_may_know(struct hw_sessions *s, int32_t pid)
{
	const struct hw_session_masks *masks = s->side.masks;
	uint64_t sessions = s->live & ~(masks->limited | masks->by_uid | masks->by_cgroup);
	uint64_t asked = sessions & masks->by_process;
	struct hw_target target = {0};
	uint32_t key = (uint32_t)pid;

	if (asked && pid > 0)
		bpf_map_lookup_elem(s->side.targets, &key, &target);
	if (asked && pid > 0)
		sessions &= ~asked | target.live | target.gone;
	return sessions;
}

/* Kernel code is of no process: for all who may see the kernel at all. */
static uint64_t who_may_know_kernel(const struct hw_sessions *s)
{
	return s->live & ~s->side.masks->limited;
}

static int deliver_process(void *context, const struct perf_event_header *record, struct hw_error *err)
{
	struct hw_sessions *s = context;
	const int32_t *pid = (const int32_t *)(record + 1);
	uint64_t sessions;
	int r;

	if (record->type == PERF_RECORD_LOST)
		return 0; /* told with the other losses */
	if (record->type == PERF_RECORD_KSYMBOL && s->symbols &&
	    !hw_kernel_symbols_follow(s->symbols, record))
		forget_symbols(s);
	sessions = record->type == PERF_RECORD_KSYMBOL ? who_may_know_kernel(s) : who_may_know(s, *pid);
	hw_loader_saw(s->loader, record);
	pthread_mutex_lock(&s->sink_lock);
	r = s->sink.process(s->sink.context, sessions, record, err);
	pthread_mutex_unlock(&s->sink_lock);
	return r;
}

static int read_all(struct hw_sessions *s, struct hw_error *err)
{
	int r = hw_side_band_read(s->band, deliver_process, s, err);

	if (r)
		return r;
	r = ring_buffer__consume(s->side.reader);
	if (r < 0 && s->failed) {
		if (err)
			*err = s->error;
		return s->failed;
	}
	return r < 0 && r != -EINTR ? hw_fail(err, r, "cannot read the rings: %s", strerror(-r)) : 0;
}

static int tell_loss(struct hw_sessions *s, unsigned bit, uint32_t cpu, uint64_t samples, uint64_t callchains,
                     struct hw_error *err)
{
	struct hw_record_id id = {.cpu = cpu};
	struct timespec clock;
	uint64_t buffer[16];
	int size = 0, r = 0;

	clock_gettime(CLOCK_MONOTONIC, &clock);
	id.time_ns = (uint64_t)clock.tv_sec * 1000000000ull + (uint64_t)clock.tv_nsec;
	if (samples)
		size = hw_build_lost_samples(buffer, sizeof(buffer), &id, samples);
	if (size > 0)
		r = deliver(s, 1ull << bit, buffer, (size_t)size, err);
	size = 0;
	if (!r && callchains)
		size = hw_build_lost(buffer, sizeof(buffer), &id, callchains, HW_LOST_CALLCHAINS);
	if (size > 0)
		r = deliver(s, 1ull << bit, buffer, (size_t)size, err);
	return r;
}

/* Deliver what was lost since the last time, to each session its own, CPU by CPU. */
static int tell_losses(struct hw_sessions *s, struct hw_error *err)
{
	struct hw_counters now;
	int r = 0;

	hw_kernel_side_count(&s->side, &now);
	if (now.lost_samples == s->counted.lost_samples && now.lost_callchains == s->counted.lost_callchains)
		return 0;
	s->counted = now;
	for (unsigned bit = 0; bit < HW_SESSIONS_MAX && !r; bit++) {
		struct session *session = &s->sessions[bit];

		for (uint32_t cpu = 0; session->used && cpu < s->side.cpu_count && !r; cpu++) {
			struct hw_losses lost = s->side.losses[64 * cpu + bit];

			r = tell_loss(s, bit, cpu, lost.samples - session->told[cpu].samples,
			              lost.callchains - session->told[cpu].callchains, err);
			session->told[cpu] = lost;
		}
	}
	return r;
}

int hw_sessions_fd(const struct hw_sessions *s)
{
	return ring_buffer__epoll_fd(s->side.reader);
}

static void cpu_came(void *context, uint32_t cpu)
{
	struct hw_sessions *s = context;

	hw_side_band_cpu_came(s->band, cpu);
	hw_shared_events_cpu_came(&s->events, cpu);
}

int hw_sessions_poll(struct hw_sessions *s, int timeout_ms, struct hw_error *err)
{
	struct pollfd ready = {.fd = hw_sessions_fd(s), .events = POLLIN};
	int r;

	if (timeout_ms)
		poll(&ready, 1, timeout_ms);
	r = read_all(s, err);
	if (!r)
		r = tell_losses(s, err);
	hw_sessions_advance_ended(s);
	if (s->symbols && hw_kernel_symbols_abandoned(s->symbols))
		forget_symbols(s);
	hw_cpus_look(s->cpus, cpu_came, s);
	return r;
}

void hw_sessions_drain(struct hw_sessions *s)
{
	hw_loader_drain(s->loader);
}

static uint8_t build_id_of(const void *loader, pid_t pid, uint64_t start, uint8_t build_id[20])
{
	return hw_loader_build_id(loader, pid, start, build_id);
}

uint64_t hw_sessions_handed(const struct hw_sessions *s, uint64_t *done)
{
	*done = hw_loader_handled(s->loader);
	return hw_loader_pushed(s->loader);
}

int hw_sessions_existing(struct hw_sessions *s, bool (*wanted)(void *context, pid_t pid),
                         int (*emit)(void *context, const struct perf_event_header *record,
                                     struct hw_error *err),
                         void *context, struct hw_error *err)
{
	struct hw_existing_walk *walk;
	int r = hw_sessions_existing_begin(s, wanted, emit, context, &walk, err);

	if (r)
		return r;
	while ((r = hw_existing_step(walk, err)) > 0)
		;
	hw_existing_end(walk);
	return r;
}

int hw_sessions_existing_begin(struct hw_sessions *s, bool (*wanted)(void *context, pid_t pid),
                               int (*emit)(void *context, const struct perf_event_header *record,
                                           struct hw_error *err),
                               void *context, struct hw_existing_walk **walk, struct hw_error *err)
{
	if (s->symbols_lost != hw_side_band_lost(s->band))
		forget_symbols(s);
	if (!s->symbols) {
		s->symbols = hw_kernel_symbols_new();
		s->symbols_lost = hw_side_band_lost(s->band);
		if (s->symbols && !s->side.masks->signal_code[0].size)
			hw_kernel_symbols_publish(s->symbols, s->side.masks);
	}
	return hw_existing_begin(wanted, s->symbols, build_id_of, s->loader, emit, context, walk, err);
}

const char *hw_sessions_event(const struct hw_sessions *s, unsigned bit, struct perf_event_attr *attr)
{
	const struct session *session = &s->sessions[bit];
	const struct hw_shared_event *event = &s->events.events[session->event];
	const struct hw_event_options options = {.frequency = session->options.frequency,
	                                         .rate = session->options.rate};

	*attr = event->attr;
	hw_event_for_file(attr, &options);
	if (!hw_event_period_varies(&event->attr)) { /* then samples do not repeat it: see bpf/abi.h */
		attr->sample_type &= ~(uint64_t)PERF_SAMPLE_PERIOD;
		attr->freq = 0;
		attr->sample_period = event->attr.sample_period;
	}
	return event->kind.name;
}

void hw_sessions_status(const struct hw_sessions *s, struct hw_sessions_status *status)
{
	memset(status, 0, sizeof(*status));
	hw_kernel_side_count(&s->side, &status->counters);
	status->tables = s->tables.loaded.count;
	status->table_rows = s->tables.rows;
	status->table_bytes = s->tables.bytes;
	status->table_failures = s->tables.failures;
	status->misses = hw_loader_misses(s->loader);
	status->finished = hw_loader_finished(s->loader);
	status->lost_side_band = hw_side_band_lost(s->band);
	status->pending = hw_loader_pushed(s->loader) - hw_loader_handled(s->loader);
	status->sessions = (unsigned)__builtin_popcountll(s->live);
	status->ending = (unsigned)__builtin_popcountll(s->ended | s->unread | s->unhandled);
	status->due = s->events.due_unknown ? 0 : s->events.due;
	status->kernel_events = hw_shared_events_count(&s->events);
}
