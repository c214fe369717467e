/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/shared_event.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "capture/event.h"

#define PERIOD_LEAST_NS 10000 /* of a clock: linux/kernel/events/core.c, perf_swevent_start_hrtimer() */

static void set_attr(const struct hw_event_kind *kind, const struct hw_session_options *options,
                     struct perf_event_attr *attr)
{
	const struct hw_event_options event = {
	    .frequency = options->frequency, .rate = options->rate, .user_only = options->user_only};

	hw_event_set(attr, kind, &event);
}

int hw_shared_event_choose(const struct hw_session_options *options, struct hw_event_kind *kind,
                           struct perf_event_attr *attr, struct hw_error *err)
{
	int fd, r = hw_event_find(options->event ? options->event : "cycles", kind, err);

	if (r)
		return r;
	set_attr(kind, options, attr);
	if (options->event)
		return 0;
	fd = hw_event_open(attr, -1, 0);
	if (fd >= 0)
		return close(fd);
	r = hw_event_find("cpu-clock", kind, err);
	if (!r)
		set_attr(kind, options, attr);
	return r;
}

static void close_event(struct hw_shared_event *event)
{
	array_for_each (&event->links, link)
		bpf_link__destroy(*link); /* closes its event too */
	for (size_t i = event->links.count; i < event->fds.count; i++)
		close(event->fds.items[i]);
	array_free(&event->links);
	array_free(&event->fds);
	array_free(&event->cpus);
	memset(event, 0, sizeof(*event));
}

static int attach(struct hw_shared_events *events, struct hw_shared_event *event, int fd, uint32_t cpu,
                  struct hw_error *err)
{
	uint64_t varies = hw_event_period_varies(&event->attr) ? HW_EVENT_PERIOD_VARIES : 0;
	LIBBPF_OPTS(bpf_perf_event_opts, opts, .bpf_cookie = (uint64_t)(event - events->events) | varies);
	struct bpf_link *link;

	if (array_push(&event->cpus, cpu) || array_push(&event->fds, fd)) {
		close(fd);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	link = bpf_program__attach_perf_event_opts(events->side->on_sample, fd, &opts);
	if (!link)
		return hw_fail(err, -errno, "cannot attach to a CPU's event: %s", strerror(errno));
	if (array_push(&event->links, link)) {
		bpf_link__destroy(link);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	/* Attaching enables the event: it shall be silent until a session starts. */
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	return 0;
}

static int cannot_open(const struct hw_shared_event *event, uint32_t cpu, int error, struct hw_error *err)
{
	if (error == ENOENT || error == EOPNOTSUPP || error == ENXIO)
		return hw_fail(err, -error, "this machine has no event %s: try -e cpu-clock",
		               event->kind.name);
	if (error == EACCES || error == EPERM)
		return hw_fail(err, -error,
		               "cannot open %s on CPU %u (%s): run as root or with CAP_PERFMON, or lower "
		               "/proc/sys/kernel/perf_event_paranoid",
		               event->kind.name, cpu, strerror(error));
	return hw_fail(err, -error, "cannot open %s on CPU %u: %s", event->kind.name, cpu, strerror(error));
}

static int open_event(struct hw_shared_events *events, struct hw_shared_event *event, struct hw_error *err)
{
	int fd, r;

	for (uint32_t cpu = 0; cpu < events->side->cpu_count; cpu++) {
		fd = hw_event_open(&event->attr, -1, (int)cpu);
		if (fd == -ENODEV)
			continue; /* offline */
		r = fd < 0 ? cannot_open(event, cpu, -fd, err) : attach(events, event, fd, cpu, err);
		if (r)
			return r;
	}
	return event->fds.count ? 0 : hw_fail(err, -ENODEV, "no CPU is online");
}

/* Take entry i out of an event: its CPU went. */
static void forget_cpu(struct hw_shared_event *event, size_t i)
{
	size_t last = --event->links.count;

	bpf_link__destroy(event->links.items[i]);
	event->fds.count = event->cpus.count = last;
	event->links.items[i] = event->links.items[last];
	event->fds.items[i] = event->fds.items[last];
	event->cpus.items[i] = event->cpus.items[last];
}

void hw_shared_events_cpu_came(struct hw_shared_events *events, uint32_t cpu)
{
	for (unsigned index = 0; index < HW_EVENTS_MAX; index++) {
		struct hw_shared_event *event = &events->events[index];
		int fd;

		if (!event->used)
			continue;
		for (size_t i = event->links.count; i; i--)
			if (event->cpus.items[i - 1] == cpu)
				forget_cpu(event, i - 1);
		fd = hw_event_open(&event->attr, -1, (int)cpu);
		if (fd < 0)
			continue;
		if (!attach(events, event, fd, cpu, NULL)) {
			if (events->side->masks->events[index])
				ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
			continue;
		}
		while (event->fds.count > event->links.count)
			close(event->fds.items[--event->fds.count]);
		event->cpus.count = event->links.count;
	}
}

int hw_shared_event_take(struct hw_shared_events *events, const struct hw_session_options *options,
                         unsigned bit, struct hw_error *err)
{
	struct hw_shared_event *event = NULL;
	struct perf_event_attr attr;
	struct hw_event_kind kind;
	int r = hw_shared_event_choose(options, &kind, &attr, err);

	for (unsigned i = 0; i < HW_EVENTS_MAX && !r; i++) {
		struct hw_shared_event *each = &events->events[i];

		if (each->used && !memcmp(&each->attr, &attr, sizeof(attr))) {
			each->sessions |= 1ull << bit;
			return (int)i;
		}
		if (!each->used && !event)
			event = each;
	}
	if (!r && !event)
		r = hw_fail(err, -ENOSPC, "more than %d different events at once", HW_EVENTS_MAX);
	if (r)
		return r;
	event->used = true;
	event->kind = kind;
	event->attr = attr;
	event->sessions = 1ull << bit;
	r = open_event(events, event, err);
	if (r) {
		close_event(event);
		return r;
	}
	return (int)(event - events->events);
}

int hw_shared_event_start(struct hw_shared_events *events, unsigned index, unsigned bit, struct hw_error *err)
{
	struct hw_shared_event *event = &events->events[index];

	__atomic_or_fetch(&events->side->masks->events[index], 1ull << bit, __ATOMIC_SEQ_CST);
	array_for_each (&event->fds, fd)
		if (ioctl(*fd, PERF_EVENT_IOC_ENABLE, 0))
			return hw_fail(err, -errno, "cannot enable %s: %s", event->kind.name,
			               strerror(errno));
	return 0;
}

/* A clock samples once in a period, whatever runs; hits that the event excludes are not due. */
static void count_due(struct hw_shared_events *events, const struct hw_shared_event *event)
{
	uint64_t period =
	    event->attr.sample_period > PERIOD_LEAST_NS ? event->attr.sample_period : PERIOD_LEAST_NS;
	uint64_t count;

	if (!event->kind.clock || event->attr.exclude_kernel) {
		events->due_unknown = true;
		return;
	}
	array_for_each (&event->fds, fd) {
		if (read(*fd, &count, sizeof(count)) == sizeof(count))
			events->due += count / period;
		ioctl(*fd, PERF_EVENT_IOC_RESET, 0);
	}
}

void hw_shared_event_stop(struct hw_shared_events *events, unsigned index, unsigned bit)
{
	struct hw_shared_event *event = &events->events[index];

	if (__atomic_and_fetch(&events->side->masks->events[index], ~(1ull << bit), __ATOMIC_SEQ_CST))
		return;
	array_for_each (&event->fds, fd)
		ioctl(*fd, PERF_EVENT_IOC_DISABLE, 0);
	count_due(events, event);
}

void hw_shared_event_drop(struct hw_shared_events *events, unsigned index, unsigned bit)
{
	struct hw_shared_event *event = &events->events[index];

	hw_shared_event_stop(events, index, bit);
	event->sessions &= ~(1ull << bit);
	if (!event->sessions)
		close_event(event);
}

unsigned hw_shared_events_count(const struct hw_shared_events *events)
{
	unsigned count = 0;

	for (unsigned i = 0; i < HW_EVENTS_MAX; i++)
		count += events->events[i].used;
	return count;
}

void hw_shared_events_close(struct hw_shared_events *events)
{
	for (unsigned i = 0; i < HW_EVENTS_MAX; i++)
		if (events->events[i].used)
			close_event(&events->events[i]);
}
