/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * perf.data on disk: the constants and structures, and what kernel headers older than Linux 7 lack.
 *
 * Sources: include/uapi/linux/perf_event.h (records, attributes) and
 * tools/perf/Documentation/perf.data-file-format.txt (file, header features, record types from 64 on).
 * Everything is little-endian here.
 *
 *	file header | ids | attrs | early features (ours) | records … | feature table | late features
 *
 * Early features are ours: what is known when the recording starts is written before the records, so that
 * a recording whose recorder was killed still says where it comes from. The regular feature table, which
 * has to follow the records, points at the same bytes once the recorder closes the file.
 */
#ifndef HW_PERFDATA_FORMAT_H
#define HW_PERFDATA_FORMAT_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- newer than Debian 12's linux/perf_event.h (macros over a later header's enums do no harm) ---- */

#ifndef PERF_RECORD_CALLCHAIN_DEFERRED
#define PERF_RECORD_CALLCHAIN_DEFERRED 22
#endif
#ifndef PERF_CONTEXT_USER_DEFERRED
#define PERF_CONTEXT_USER_DEFERRED ((uint64_t)-640)
#endif

/* Bits of the flag word of struct perf_event_attr, for those whose names the header may lack. */
#define HW_ATTR_FLAG_DEFER_CALLCHAIN 38 /* samples carry a cookie in place of a user callchain */
#define HW_ATTR_FLAG_DEFER_OUTPUT    39 /* deferred records are written to this event's ring */

#define HW_ATTR_SIZE_MIN      64  /* PERF_ATTR_SIZE_VER0 */
#define HW_ATTR_SIZE_DEFERRED 136 /* what a file with deferred callchains says: see hw_attr_set_deferred */
#define HW_ATTR_SIZE_NEWEST   144 /* Linux 7.3 */

/* ---- the file ---- */

#define HW_FILE_MAGIC         0x32454c4946524550ull /* "PERFILE2" */
#define HW_FILE_MAGIC_SWAPPED 0x50455246494c4532ull /* written on a big-endian machine */

struct hw_file_section {
	uint64_t offset; /* bytes from the start of the file */
	uint64_t size;   /* bytes */
};

struct hw_file_header {
	uint64_t magic;
	uint64_t size;      /* of this header: 104; 16 means a pipe's stream, which has no sections */
	uint64_t attr_size; /* of one entry of attrs: the attribute and the section of its ids */
	struct hw_file_section attrs;
	struct hw_file_section data; /* size 0, or short, while it is being recorded */
	struct hw_file_section event_types;
	uint64_t features[4]; /* bit n: header feature n stands in the table behind the data */
};

/* Before the records, at the end of the attrs: ours, other readers never look there. */
#define HW_EARLY_MAGIC 0x31594c5241455748ull /* "HWEARLY1" */

struct hw_early_header {
	uint64_t magic;
	uint64_t features; /* bit n: feature n; sections follow in the order of bits */
	struct hw_file_section sections[];
};

enum hw_feature {
	HW_FEATURE_TRACING_DATA = 1,
	HW_FEATURE_BUILD_ID = 2,
	HW_FEATURE_HOSTNAME = 3,
	HW_FEATURE_OSRELEASE = 4,
	HW_FEATURE_VERSION = 5, /* of the recorder: ours is "homeward 0.1.0 (bpf)" */
	HW_FEATURE_ARCH = 6,
	HW_FEATURE_NRCPUS = 7,
	HW_FEATURE_CPUDESC = 8,
	HW_FEATURE_CPUID = 9,
	HW_FEATURE_TOTAL_MEM = 10, /* KiB, whatever the documentation says */
	HW_FEATURE_CMDLINE = 11,
	HW_FEATURE_EVENT_DESC = 12,
	HW_FEATURE_SAMPLE_TIME = 21,
	HW_FEATURE_CLOCKID = 23,
	HW_FEATURE_COMPRESSED = 27,
	HW_FEATURE_CLOCK_DATA = 29,
	HW_FEATURE_COUNT = 256,
};

/* perf pads the strings of header features to this, and the names of build IDs too. */
#define HW_FEATURE_STRING_ALIGN 64

/* ---- records ---- */

#define HW_RECORD_SIZE_MAX 65528 /* header.size is 16 bits, a record a multiple of 8 */

/* perf's own types: never from the kernel. */
enum hw_user_record {
	PERF_RECORD_USER_TYPE_START = 64,
	PERF_RECORD_HEADER_ATTR = 64,
	PERF_RECORD_HEADER_EVENT_TYPE = 65,
	PERF_RECORD_HEADER_TRACING_DATA = 66, /* followed by u32 size bytes that header.size does not count */
	PERF_RECORD_HEADER_BUILD_ID = 67,
	PERF_RECORD_FINISHED_ROUND = 68,
	PERF_RECORD_ID_INDEX = 69,
	PERF_RECORD_AUXTRACE_INFO = 70,
	PERF_RECORD_AUXTRACE = 71, /* followed by u64 size bytes that header.size does not count */
	PERF_RECORD_AUXTRACE_ERROR = 72,
	PERF_RECORD_THREAD_MAP = 73,
	PERF_RECORD_CPU_MAP = 74,
	PERF_RECORD_EVENT_UPDATE = 78, /* u64 what, u64 event id, then for these a text: */
	PERF_RECORD_TIME_CONV = 79,
	PERF_RECORD_HEADER_FEATURE = 80,
	PERF_RECORD_COMPRESSED = 81,
	PERF_RECORD_FINISHED_INIT = 82,
	PERF_RECORD_COMPRESSED2 = 83, /* as 81, with its own u64 data_size and padding (perf 6.16) */
	PERF_RECORD_BPF_METADATA = 84,
	PERF_RECORD_USER_TYPE_END,
};

/* What a PERF_RECORD_EVENT_UPDATE tells (perf_event_update.h of perf). */
#define HW_EVENT_UPDATE_UNIT 0 /* in our recordings, without an id: what sampling itself cost, in words */
#define HW_EVENT_UPDATE_NAME 2

/* perf's own records need not be a multiple of 8 long, those of the kernel are. */
static inline bool hw_record_is_possible(const struct perf_event_header *header)
{
	return header->size >= sizeof(*header) &&
	       (header->type >= PERF_RECORD_USER_TYPE_START || header->size % 8 == 0);
}

/* Of PERF_RECORD_LOST, in the bits of HW_MISC_REASON_MASK: what was lost. */
#define HW_LOST_OTHER      0u
#define HW_LOST_CALLCHAINS 1u

/* What PERF_RECORD_MISC_BUILD_ID_SIZE means for records of the build-ID feature. */
#define HW_MISC_BUILD_ID_SIZE (1u << 15)

/* What our samples carry, in this order; side-band records end in TID, TIME and CPU of it (24 bytes). */
#define HW_SAMPLE_TYPE                                                                                       \
	(PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |        \
	 PERF_SAMPLE_CALLCHAIN)

/* ---- attributes ---- */

#define HW_ATTR_FLAGS_OFFSET (offsetof(struct perf_event_attr, read_format) + 8)

static inline bool hw_attr_flag(const struct perf_event_attr *attr, unsigned int bit)
{
	uint64_t flags;

	memcpy(&flags, (const char *)attr + HW_ATTR_FLAGS_OFFSET, sizeof(flags));
	return flags >> bit & 1;
}

static inline void hw_attr_set_flag(struct perf_event_attr *attr, unsigned int bit, bool on)
{
	uint64_t flags;

	memcpy(&flags, (const char *)attr + HW_ATTR_FLAGS_OFFSET, sizeof(flags));
	flags = on ? flags | 1ull << bit : flags & ~(1ull << bit);
	memcpy((char *)attr + HW_ATTR_FLAGS_OFFSET, &flags, sizeof(flags));
}

/*
 * Mark a file's attribute as one with deferred callchains. Its size becomes 136, though nothing stands in
 * the last eight bytes: perf 6.1 and older, which knows 128, then refuses the file when it opens it, where
 * it would otherwise stop at the first deferred record, half way, with an error nobody understands.
 */
static inline void hw_attr_set_deferred(struct perf_event_attr *attr)
{
	hw_attr_set_flag(attr, HW_ATTR_FLAG_DEFER_CALLCHAIN, true);
	hw_attr_set_flag(attr, HW_ATTR_FLAG_DEFER_OUTPUT, true);
	attr->size = HW_ATTR_SIZE_DEFERRED;
}

#endif
