/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/records.h"

#include <errno.h>

/* A record being built: words of 8 bytes. at runs past capacity where it does not fit; nothing is written
 * there. */
struct builder {
	uint64_t *words;
	size_t at, capacity;
};

static struct builder builder_begin(void *buffer, size_t size)
{
	struct builder b = {.words = buffer, .at = 1, .capacity = size / 8};

	if (b.capacity > HW_RECORD_SIZE_MAX / 8)
		b.capacity = HW_RECORD_SIZE_MAX / 8;
	return b;
}

static void put(struct builder *b, uint64_t word)
{
	if (b->at < b->capacity)
		b->words[b->at] = word;
	b->at++;
}

static void put_pair(struct builder *b, uint32_t low, uint32_t high)
{
	put(b, (uint64_t)high << 32 | low);
}

static void put_words(struct builder *b, const uint64_t *words, size_t count)
{
	if (count > HW_RECORD_SIZE_MAX / 8 || b->at > b->capacity || count > b->capacity - b->at) {
		b->at = b->capacity + 1; /* too long for any record */
		return;
	}
	if (count)
		memcpy(b->words + b->at, words, count * 8);
	b->at += count;
}

/* A string with its end, padded with zeros to whole words. */
static void put_string(struct builder *b, const char *text)
{
	size_t length = strlen(text) + 1, words = (length + 7) / 8;

	if (b->at > b->capacity || words > b->capacity - b->at) {
		b->at = b->capacity + 1;
		return;
	}
	b->words[b->at + words - 1] = 0;
	memcpy(b->words + b->at, text, length);
	b->at += words;
}

static void put_id(struct builder *b, const struct hw_record_id *id)
{
	put_pair(b, id->pid, id->tid);
	put(b, id->time_ns);
	put_pair(b, id->cpu, 0);
}

static int builder_end(struct builder *b, uint32_t type, unsigned int misc)
{
	struct perf_event_header header = {.type = type, .misc = (uint16_t)misc};

	if (b->at > b->capacity)
		return -E2BIG;
	header.size = (uint16_t)(b->at * 8);
	memcpy(b->words, &header, sizeof(header));
	return header.size;
}

static unsigned int reason_bits(unsigned int reason)
{
	return reason << HW_MISC_REASON_SHIFT & HW_MISC_REASON_MASK;
}

int hw_build_sample(void *buffer, size_t size, const struct hw_record_sample *sample)
{
	struct builder b = builder_begin(buffer, size);
	size_t nr = 0;

	nr += sample->kernel_count ? sample->kernel_count + 1 : 0;
	nr += sample->cookie ? 2 : sample->user_count ? sample->user_count + 1 : 0;
	put(&b, sample->ip);
	put_pair(&b, sample->id.pid, sample->id.tid);
	put(&b, sample->id.time_ns);
	put_pair(&b, sample->id.cpu, 0);
	put(&b, sample->period);
	put(&b, nr);
	if (sample->kernel_count) {
		put(&b, (uint64_t)PERF_CONTEXT_KERNEL);
		put_words(&b, sample->kernel_ips, sample->kernel_count);
	}
	if (sample->cookie) {
		put(&b, PERF_CONTEXT_USER_DEFERRED);
		put(&b, sample->cookie);
	} else if (sample->user_count) {
		put(&b, (uint64_t)PERF_CONTEXT_USER);
		put_words(&b, sample->user_ips, sample->user_count);
	}
	return builder_end(&b, PERF_RECORD_SAMPLE, sample->cpumode | reason_bits(sample->refusal));
}

int hw_build_deferred(void *buffer, size_t size, const struct hw_record_id *id, uint64_t cookie,
                      const uint64_t *ips, size_t count, uint8_t end)
{
	struct builder b = builder_begin(buffer, size);

	put(&b, cookie);
	put(&b, count);
	put_words(&b, ips, count);
	put_id(&b, id);
	return builder_end(&b, PERF_RECORD_CALLCHAIN_DEFERRED, PERF_RECORD_MISC_USER | reason_bits(end));
}

int hw_build_mmap(void *buffer, size_t size, const struct hw_record_mmap *mmap)
{
	struct builder b = builder_begin(buffer, size);
	unsigned int misc = mmap->cpumode;

	put_pair(&b, mmap->pid, mmap->tid);
	put(&b, mmap->start);
	put(&b, mmap->length);
	put(&b, mmap->offset);
	if (mmap->build_id_size) {
		uint64_t words[3] = {0};

		if (mmap->build_id_size > 20)
			return -E2BIG;
		words[0] = mmap->build_id_size;
		memcpy((uint8_t *)words + 4, mmap->build_id, mmap->build_id_size);
		put_words(&b, words, 3);
		misc |= PERF_RECORD_MISC_MMAP_BUILD_ID;
	} else {
		put_pair(&b, mmap->major, mmap->minor);
		put(&b, mmap->inode);
		put(&b, mmap->generation);
	}
	put_pair(&b, mmap->protection, mmap->flags);
	put_string(&b, mmap->name);
	put_id(&b, &mmap->id);
	return builder_end(&b, PERF_RECORD_MMAP2, misc);
}

int hw_build_ksymbol(void *buffer, size_t size, const struct hw_record_id *id, uint64_t start,
                     uint32_t length, const char *name)
{
	struct builder b = builder_begin(buffer, size);

	put(&b, start);
	put_pair(&b, length, PERF_RECORD_KSYMBOL_TYPE_BPF); /* and no flags */
	put_string(&b, name);
	put_id(&b, id);
	return builder_end(&b, PERF_RECORD_KSYMBOL, 0);
}

int hw_build_cost(void *buffer, size_t size, const char *cost)
{
	struct builder b = builder_begin(buffer, size);

	put(&b, HW_EVENT_UPDATE_UNIT);
	put(&b, 0);
	put_string(&b, cost);
	return builder_end(&b, PERF_RECORD_EVENT_UPDATE, 0);
}

int hw_build_comm(void *buffer, size_t size, const struct hw_record_id *id, uint32_t pid, uint32_t tid,
                  const char *name, bool exec)
{
	struct builder b = builder_begin(buffer, size);

	put_pair(&b, pid, tid);
	put_string(&b, name);
	put_id(&b, id);
	return builder_end(&b, PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
}

int hw_build_task(void *buffer, size_t size, const struct hw_record_id *id, uint32_t type, uint32_t pid,
                  uint32_t tid, uint32_t ppid, uint32_t ptid)
{
	struct builder b = builder_begin(buffer, size);

	put_pair(&b, pid, ppid);
	put_pair(&b, tid, ptid);
	put(&b, id->time_ns);
	put_id(&b, id);
	return builder_end(&b, type, 0);
}

int hw_build_lost(void *buffer, size_t size, const struct hw_record_id *id, uint64_t count, unsigned int what)
{
	struct builder b = builder_begin(buffer, size);

	put(&b, 0);
	put(&b, count);
	put_id(&b, id);
	return builder_end(&b, PERF_RECORD_LOST, reason_bits(what));
}

int hw_build_lost_samples(void *buffer, size_t size, const struct hw_record_id *id, uint64_t count)
{
	struct builder b = builder_begin(buffer, size);

	put(&b, count);
	put_id(&b, id);
	return builder_end(&b, PERF_RECORD_LOST_SAMPLES, 0);
}
