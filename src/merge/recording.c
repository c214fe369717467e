/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Loading a recording: every record once, in file order, into samples, callchains and process events; then
 * the callchains are sorted by (tid, cookie) and each sample finds its own; then all is sorted by time.
 */
#include "merge/recording.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "merge/interned.h"
#include "perfdata/reader.h"

struct callchain {
	uint64_t cookie;
	uint64_t time_ns;
	uint32_t tid;
	uint32_t stack;
	uint8_t end;
	bool used;
};

struct task_end {
	uint64_t time_ns;
	uint32_t tid;
};

struct hw_recording {
	array_of(struct hw_sample) samples;
	array_of(struct hw_process_event) process_events;
	array_of(struct hw_recording_event) events;
	array_of(struct callchain) callchains;
	array_of(struct task_end) exits;
	array_of(char *) names;
	struct hw_interned stacks;
	struct hw_recording_info info;
	struct hw_account account;
	struct hw_reader *reader; /* owns the strings of info */
	char backend[32];
};

static int keep_name(struct hw_recording *recording, const char *text, size_t max, const char **name)
{
	char *copy = strndup(text, max);

	if (!copy || array_push(&recording->names, copy)) {
		free(copy);
		return -ENOMEM;
	}
	*name = copy;
	return 0;
}

/* ---- samples and callchains ---- */

#define CONTEXT_FIRST ((uint64_t)-4095) /* PERF_CONTEXT_MAX: markers are above it */

static int split_callchain(struct hw_recording *recording, struct hw_sample *sample,
                           const struct hw_decoded *d)
{
	uint64_t context =
	    sample->cpumode == PERF_RECORD_MISC_KERNEL ? PERF_CONTEXT_KERNEL : PERF_CONTEXT_USER;
	size_t from = 0;
	int r = 0;

	for (size_t i = 0; i <= d->nr && !r; i++) {
		if (i < d->nr && d->callchain[i] < CONTEXT_FIRST)
			continue;
		if (i > from && context == PERF_CONTEXT_KERNEL)
			r = hw_intern_add(&recording->stacks, d->callchain + from, i - from,
			                  &sample->kernel_stack);
		else if (i > from && context == PERF_CONTEXT_USER)
			r = hw_intern_add(&recording->stacks, d->callchain + from, i - from,
			                  &sample->user_stack);
		if (i == d->nr)
			break;
		context = d->callchain[i];
		from = i + 1;
		if (context == PERF_CONTEXT_USER_DEFERRED && from < d->nr)
			sample->cookie = d->callchain[from];
	}
	return r;
}

static int add_sample(struct hw_recording *recording, const struct perf_event_header *record,
                      const struct hw_decoded *d)
{
	unsigned int refusal = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct hw_sample sample = {
	    .time_ns = d->time_ns,
	    .ip = d->ip,
	    .period = d->period,
	    .pid = d->pid,
	    .tid = d->tid,
	    .cpu = d->cpu,
	    .event = (uint16_t)d->event,
	    .cpumode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK,
	};
	int r = split_callchain(recording, &sample, d);

	if (r)
		return r;
	if (!d->nr && sample.cpumode != PERF_RECORD_MISC_KERNEL && sample.ip)
		r = hw_intern_add(&recording->stacks, &sample.ip, 1, &sample.user_stack);
	if (sample.cookie)
		sample.state = HW_SAMPLE_UNANSWERED;
	else if (refusal && refusal < HW_REFUSAL_COUNT)
		sample.state = HW_SAMPLE_REFUSED;
	else
		sample.state = sample.user_stack ? HW_SAMPLE_DIRECT : HW_SAMPLE_KERNEL_ONLY;
	sample.refusal = sample.state == HW_SAMPLE_REFUSED ? (uint8_t)refusal : 0;
	return r ? r : array_push(&recording->samples, sample);
}

static int add_callchain(struct hw_recording *recording, const struct perf_event_header *record,
                         const struct hw_decoded *d)
{
	const uint64_t *words = (const uint64_t *)record;
	unsigned int end = (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT;
	struct callchain callchain = {.tid = d->tid, .time_ns = d->time_ns};

	if (d->body_size < 24 || words[2] > (d->body_size - 24) / 8)
		return -EINVAL;
	callchain.cookie = words[1];
	callchain.end = end < HW_END_REASON_COUNT ? (uint8_t)end : HW_END_UNSAID;
	if (hw_intern_add(&recording->stacks, words + 3, words[2], &callchain.stack))
		return -ENOMEM;
	return array_push(&recording->callchains, callchain);
}

/* ---- process events ---- */

static int add_map(struct hw_recording *recording, const struct perf_event_header *record, size_t size,
                   uint64_t time_ns)
{
	const char *bytes = (const char *)record;
	size_t name_at = record->type == PERF_RECORD_MMAP2 ? 72 : 40;
	struct hw_process_event event = {.time_ns = time_ns, .type = HW_PROCESS_MMAP};
	unsigned int mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;

	if (size <= name_at ||
	    (record->type == PERF_RECORD_MMAP && record->misc & PERF_RECORD_MISC_MMAP_DATA))
		return 0;
	memcpy(&event.pid, bytes + 8, 4);
	memcpy(&event.tid, bytes + 12, 4);
	memcpy(&event.start, bytes + 16, 8);
	memcpy(&event.length, bytes + 24, 8);
	memcpy(&event.offset, bytes + 32, 8);
	event.kernel = mode == PERF_RECORD_MISC_KERNEL;
	event.protection = 4;
	if (record->type == PERF_RECORD_MMAP2) {
		memcpy(&event.protection, bytes + 64, 4);
		if (record->misc & (1u << 14)) { /* PERF_RECORD_MISC_MMAP_BUILD_ID */
			event.build_id_size = (uint8_t)bytes[40] <= 20 ? (uint8_t)bytes[40] : 20;
			memcpy(event.build_id, bytes + 44, 20);
		} else {
			memcpy(&event.major, bytes + 40, 4);
			memcpy(&event.minor, bytes + 44, 4);
			memcpy(&event.inode, bytes + 48, 8);
		}
	}
	if (keep_name(recording, bytes + name_at, size - name_at, &event.name))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

static int add_comm(struct hw_recording *recording, const struct perf_event_header *record, size_t size,
                    uint64_t time_ns)
{
	struct hw_process_event event = {.time_ns = time_ns, .type = HW_PROCESS_COMM};
	const char *bytes = (const char *)record;

	if (size <= 16)
		return 0;
	memcpy(&event.pid, bytes + 8, 4);
	memcpy(&event.tid, bytes + 12, 4);
	event.exec = record->misc >> 13 & 1; /* PERF_RECORD_MISC_COMM_EXEC */
	if (keep_name(recording, bytes + 16, size - 16, &event.name))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

static int add_task(struct hw_recording *recording, const struct perf_event_header *record, size_t size)
{
	struct hw_process_event event = {.type = record->type == PERF_RECORD_FORK ? HW_PROCESS_FORK
	                                                                          : HW_PROCESS_EXIT};
	struct task_end end;
	uint32_t ids[4];

	if (size < 32)
		return 0;
	memcpy(ids, record + 1, sizeof(ids));
	memcpy(&event.time_ns, (const char *)record + 24, 8);
	event.pid = ids[0];
	event.ppid = ids[1];
	event.tid = ids[2];
	event.ptid = ids[3];
	end.time_ns = event.time_ns;
	end.tid = event.tid;
	if (event.type == HW_PROCESS_EXIT && array_push(&recording->exits, end))
		return -ENOMEM;
	return array_push(&recording->process_events, event);
}

static void add_lost(struct hw_account *account, const struct perf_event_header *record, size_t size)
{
	const uint64_t *words = (const uint64_t *)record;

	if (record->type == PERF_RECORD_LOST_SAMPLES && size >= 16)
		account->lost_samples += words[1];
	else if (record->type == PERF_RECORD_LOST && size >= 24 &&
	         (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT == HW_LOST_CALLCHAINS)
		account->lost_callchains += words[2];
	else if (record->type == PERF_RECORD_LOST && size >= 24)
		account->lost_other += words[2];
}

static int add_record(struct hw_recording *recording, const struct perf_event_header *record)
{
	struct hw_decoded d;

	if (hw_reader_decode(recording->reader, record, &d))
		return -EINVAL;
	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		return add_sample(recording, record, &d);
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		return add_callchain(recording, record, &d);
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return add_map(recording, record, d.body_size, d.time_ns);
	case PERF_RECORD_COMM:
		return add_comm(recording, record, d.body_size, d.time_ns);
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return add_task(recording, record, d.body_size);
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		add_lost(&recording->account, record, d.body_size);
		return 0;
	case PERF_RECORD_COMPRESSED:
	case PERF_RECORD_COMPRESSED2:
		if (!recording->account.damage[0])
			snprintf(recording->account.damage, sizeof(recording->account.damage),
			         "compressed records cannot be read yet: record without -z");
		recording->account.unread_bytes += record->size;
		return 0;
	default:
		return 0;
	}
}

/* ---- joining ---- */

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_tid_cookie(const void *a, const void *b)
{
	const struct callchain *x = a, *y = b;
	int r = order(x->tid, y->tid);

	if (!r)
		r = order(x->cookie, y->cookie);
	return r ? r : order(x->time_ns, y->time_ns);
}

static int sample_by_time(const void *a, const void *b)
{
	return order(((const struct hw_sample *)a)->time_ns, ((const struct hw_sample *)b)->time_ns);
}

static int event_by_time(const void *a, const void *b)
{
	return order(((const struct hw_process_event *)a)->time_ns,
	             ((const struct hw_process_event *)b)->time_ns);
}

static int end_by_tid(const void *a, const void *b)
{
	return order(((const struct task_end *)a)->tid, ((const struct task_end *)b)->tid);
}

/* Ignore repeats of one cookie: the first counts. */
static void drop_repeats(struct hw_recording *recording)
{
	size_t kept = 0;

	for (size_t i = 0; i < recording->callchains.count; i++) {
		struct callchain *c = &recording->callchains.items[i], *before = c;

		if (kept) {
			before = &recording->callchains.items[kept - 1];
			if (before->tid == c->tid && before->cookie == c->cookie) {
				recording->account.repeated++;
				continue;
			}
		}
		recording->callchains.items[kept++] = *c;
	}
	recording->callchains.count = kept;
}

/* The first callchain of tid that is younger than time_ns exists: it came home after that. */
static bool came_home_later(const struct hw_recording *recording, uint32_t tid, uint64_t time_ns)
{
	size_t low = 0, high = recording->callchains.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (recording->callchains.items[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < recording->callchains.count && recording->callchains.items[low].tid == tid; low++)
		if (recording->callchains.items[low].time_ns > time_ns)
			return true;
	return false;
}

static uint8_t why_unanswered(const struct hw_recording *recording, const struct hw_sample *sample)
{
	struct task_end key = {.tid = sample->tid};
	const struct task_end *end;

	if (came_home_later(recording, sample->tid, sample->time_ns))
		return HW_UNANSWERED_LOST;
	end = recording->exits.count
	          ? bsearch(&key, recording->exits.items, recording->exits.count, sizeof(key), end_by_tid)
	          : NULL;
	return end ? HW_UNANSWERED_EXITED : HW_UNANSWERED_IN_KERNEL;
}

static void join(struct hw_recording *recording)
{
	if (recording->callchains.count)
		qsort(recording->callchains.items, recording->callchains.count, sizeof(struct callchain),
		      by_tid_cookie);
	drop_repeats(recording);
	if (recording->exits.count)
		qsort(recording->exits.items, recording->exits.count, sizeof(struct task_end), end_by_tid);
	array_for_each (&recording->samples, sample) {
		size_t low = 0, high = recording->callchains.count;

		if (sample->state != HW_SAMPLE_UNANSWERED)
			continue;
		while (low < high) {
			size_t middle = low + (high - low) / 2;
			const struct callchain *c = &recording->callchains.items[middle];

			if (c->tid < sample->tid || (c->tid == sample->tid && c->cookie < sample->cookie))
				low = middle + 1;
			else
				high = middle;
		}
		if (low < recording->callchains.count &&
		    recording->callchains.items[low].tid == sample->tid &&
		    recording->callchains.items[low].cookie == sample->cookie) {
			sample->state = HW_SAMPLE_ANSWERED;
			sample->user_stack = recording->callchains.items[low].stack;
			sample->end = recording->callchains.items[low].end;
		} else {
			sample->unanswered = why_unanswered(recording, sample);
		}
	}
}

static void count(struct hw_recording *recording)
{
	struct hw_account *a = &recording->account;
	uint64_t first = UINT64_MAX, last = 0;

	a->samples = recording->samples.count;
	a->callchains = recording->callchains.count;
	array_for_each (&recording->samples, s) {
		first = s->time_ns < first ? s->time_ns : first;
		last = s->time_ns > last ? s->time_ns : last;
		if (s->state == HW_SAMPLE_KERNEL_ONLY)
			continue;
		a->user_samples++;
		if (s->state == HW_SAMPLE_DIRECT) {
			a->direct++;
		} else if (s->state == HW_SAMPLE_REFUSED) {
			a->refused[s->refusal]++;
		} else {
			a->asked++;
			if (s->state == HW_SAMPLE_ANSWERED) {
				a->answered++;
				a->ended[s->end]++;
				a->complete += s->end == HW_END_COMPLETE;
			} else {
				a->unanswered[s->unanswered]++;
			}
		}
	}
	a->duration_ns = last > first ? last - first : 0;
}

/* ---- all together ---- */

static void tell_info(struct hw_recording *recording)
{
	const struct hw_reader_info *from = hw_reader_info(recording->reader);
	struct hw_recording_info *info = &recording->info;
	const char *open = from->version ? strchr(from->version, '(') : NULL;

	info->hostname = from->hostname;
	info->os_release = from->os_release;
	info->arch = from->arch;
	info->cpu_description = from->cpu_description;
	info->tool_version = from->version;
	info->command = (const char *const *)from->command;
	info->command_count = from->command_count;
	info->cpus_online = from->cpus_online;
	info->cpus_available = from->cpus_available;
	info->memory_bytes = from->memory_bytes;
	if (open && !strncmp(from->version, "homeward", 8)) {
		snprintf(recording->backend, sizeof(recording->backend), "%.*s", (int)strcspn(open + 1, ")"),
		         open + 1);
		info->backend = recording->backend;
	}
	recording->account.ended_cleanly = from->ended_cleanly;
}

static int add_events(struct hw_recording *recording)
{
	size_t events;
	const struct hw_reader_event *from = hw_reader_events(recording->reader, &events);

	for (size_t i = 0; i < events; i++) {
		struct hw_recording_event event = {.frequency = from[i].attr.freq,
		                                   .rate = from[i].attr.sample_freq,
		                                   .type = from[i].attr.type,
		                                   .config = from[i].attr.config};

		memcpy(event.name, from[i].name, sizeof(event.name));
		if (array_push(&recording->events, event))
			return -ENOMEM;
	}
	return 0;
}

static int read_records(struct hw_recording *recording, const struct hw_load_options *options)
{
	const struct perf_event_header *record;
	uint64_t bytes = hw_reader_file_bytes(recording->reader), read = 0;
	int r;

	while (hw_reader_next(recording->reader, &record) > 0) {
		r = add_record(recording, record);
		if (r == -ENOMEM)
			return r;
		if (r) {
			recording->account.unread_bytes += record->size;
			if (!recording->account.damage[0])
				snprintf(recording->account.damage, sizeof(recording->account.damage),
				         "a record of type %u makes no sense before byte %llu", record->type,
				         (unsigned long long)hw_reader_position(recording->reader));
		}
		if (options && options->progress && !(++read & 0xffff))
			options->progress(options->context, hw_reader_position(recording->reader), bytes);
	}
	return 0;
}

int hw_recording_load(const char *path, const struct hw_load_options *options, struct hw_recording **result,
                      struct hw_error *err)
{
	struct hw_recording *recording = calloc(1, sizeof(*recording));
	uint64_t unread;
	const char *damage;
	int r;

	if (!recording || hw_intern_init(&recording->stacks)) {
		hw_recording_free(recording);
		return hw_fail(err, -ENOMEM, "out of memory");
	}
	r = hw_reader_open(path, &recording->reader, err);
	if (r) {
		hw_recording_free(recording);
		return r;
	}
	r = add_events(recording);
	if (!r)
		r = read_records(recording, options);
	if (r) {
		hw_recording_free(recording);
		return hw_fail(err, r, "cannot read %s: out of memory", path);
	}
	tell_info(recording);
	join(recording);
	count(recording);
	recording->account.bytes = hw_reader_file_bytes(recording->reader);
	damage = hw_reader_damage(recording->reader, &unread);
	recording->account.unread_bytes += unread;
	if (damage[0] && !recording->account.damage[0])
		snprintf(recording->account.damage, sizeof(recording->account.damage), "%s", damage);
	if (recording->samples.count)
		qsort(recording->samples.items, recording->samples.count, sizeof(struct hw_sample),
		      sample_by_time);
	if (recording->process_events.count)
		qsort(recording->process_events.items, recording->process_events.count,
		      sizeof(struct hw_process_event), event_by_time);
	array_free(&recording->callchains);
	array_free(&recording->exits);
	*result = recording;
	return 0;
}

void hw_recording_free(struct hw_recording *recording)
{
	if (!recording)
		return;
	array_for_each (&recording->names, name)
		free(*name);
	array_free(&recording->names);
	array_free(&recording->samples);
	array_free(&recording->process_events);
	array_free(&recording->events);
	array_free(&recording->callchains);
	array_free(&recording->exits);
	hw_intern_free(&recording->stacks);
	hw_reader_close(recording->reader);
	free(recording);
}

const struct hw_sample *hw_recording_samples(const struct hw_recording *recording, size_t *n)
{
	*n = recording->samples.count;
	return recording->samples.items;
}

const struct hw_process_event *hw_recording_process_events(const struct hw_recording *recording, size_t *n)
{
	*n = recording->process_events.count;
	return recording->process_events.items;
}

const struct hw_recording_event *hw_recording_events(const struct hw_recording *recording, size_t *n)
{
	*n = recording->events.count;
	return recording->events.items;
}

const struct hw_recording_info *hw_recording_info(const struct hw_recording *recording)
{
	return &recording->info;
}

const struct hw_account *hw_recording_account(const struct hw_recording *recording)
{
	return &recording->account;
}

const uint64_t *hw_recording_stack(const struct hw_recording *recording, uint32_t stack, size_t *n)
{
	if (stack + 1ull >= recording->stacks.starts.count) {
		*n = 0;
		return NULL;
	}
	*n = recording->stacks.starts.items[stack + 1] - recording->stacks.starts.items[stack];
	return recording->stacks.ips.items + recording->stacks.starts.items[stack];
}

size_t hw_recording_stack_count(const struct hw_recording *recording)
{
	return recording->stacks.starts.count - 1;
}
