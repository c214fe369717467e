/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/dump.h"

#include <inttypes.h>
#include <sys/mman.h>

#define MISC_COMM_EXEC     (1u << 13)
#define MISC_MMAP_BUILD_ID (1u << 14)
#define COLUMNS            16

static const char *const kernel_types[] = {
    [PERF_RECORD_MMAP] = "MMAP",
    [PERF_RECORD_LOST] = "LOST",
    [PERF_RECORD_COMM] = "COMM",
    [PERF_RECORD_EXIT] = "EXIT",
    [PERF_RECORD_THROTTLE] = "THROTTLE",
    [PERF_RECORD_UNTHROTTLE] = "UNTHROTTLE",
    [PERF_RECORD_FORK] = "FORK",
    [PERF_RECORD_READ] = "READ",
    [PERF_RECORD_SAMPLE] = "SAMPLE",
    [PERF_RECORD_MMAP2] = "MMAP2",
    [PERF_RECORD_AUX] = "AUX",
    [PERF_RECORD_ITRACE_START] = "ITRACE_START",
    [PERF_RECORD_LOST_SAMPLES] = "LOST_SAMPLES",
    [PERF_RECORD_SWITCH] = "SWITCH",
    [PERF_RECORD_SWITCH_CPU_WIDE] = "SWITCH_CPU_WIDE",
    [PERF_RECORD_NAMESPACES] = "NAMESPACES",
    [PERF_RECORD_KSYMBOL] = "KSYMBOL",
    [PERF_RECORD_BPF_EVENT] = "BPF_EVENT",
    [PERF_RECORD_CGROUP] = "CGROUP",
    [PERF_RECORD_TEXT_POKE] = "TEXT_POKE",
    [PERF_RECORD_AUX_OUTPUT_HW_ID] = "AUX_OUTPUT_HW_ID",
    [PERF_RECORD_CALLCHAIN_DEFERRED] = "CALLCHAIN_DEFERRED",
};

static const char *const perf_types[] = {
    "ATTR",          "EVENT_TYPE",  "TRACING_DATA",   "BUILD_ID",   "FINISHED_ROUND", "ID_INDEX",
    "AUXTRACE_INFO", "AUXTRACE",    "AUXTRACE_ERROR", "THREAD_MAP", "CPU_MAP",        "STAT_CONFIG",
    "STAT",          "STAT_ROUND",  "EVENT_UPDATE",   "TIME_CONV",  "FEATURE",        "COMPRESSED",
    "FINISHED_INIT", "COMPRESSED2", "BPF_METADATA",
};

static const char *name_of(uint32_t type)
{
	if (type < sizeof(kernel_types) / sizeof(*kernel_types))
		return kernel_types[type];
	if (type >= PERF_RECORD_USER_TYPE_START &&
	    type - PERF_RECORD_USER_TYPE_START < sizeof(perf_types) / sizeof(*perf_types))
		return perf_types[type - PERF_RECORD_USER_TYPE_START];
	return NULL;
}

/*
 * Text from a record, up to its end or size bytes, with nothing in it that a terminal would obey: C1 control
 * characters hide beyond ASCII. The bytes stand above it in full.
 */
static void print_text(FILE *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size && text[i]; i++)
		fputc(text[i] < ' ' || text[i] > '~' ? '?' : text[i], out);
}

static void print_bytes(FILE *out, const struct perf_event_header *record)
{
	const unsigned char *bytes = (const unsigned char *)record;

	fprintf(out, ".\n. ... raw event: size %u bytes\n", record->size);
	for (size_t line = 0; line < record->size; line += COLUMNS) {
		size_t left = record->size - line < COLUMNS ? record->size - line : COLUMNS;

		fprintf(out, ".  %04zx: ", line);
		for (size_t i = 0; i < COLUMNS; i++) {
			if (i < left)
				fprintf(out, " %02x", bytes[line + i]);
			else
				fputs("   ", out);
		}
		fputs("  ", out);
		for (size_t i = 0; i < COLUMNS; i++)
			fputc(i >= left                                          ? ' '
			      : bytes[line + i] >= ' ' && bytes[line + i] < 0x7f ? bytes[line + i]
			                                                         : '.',
			      out);
		fputc('\n', out);
	}
	fputc('\n', out);
}

static const char *context_name(uint64_t ip)
{
	switch (ip) {
	case (uint64_t)PERF_CONTEXT_HV:
		return "PERF_CONTEXT_HV";
	case (uint64_t)PERF_CONTEXT_KERNEL:
		return "PERF_CONTEXT_KERNEL";
	case (uint64_t)PERF_CONTEXT_USER:
		return "PERF_CONTEXT_USER";
	case PERF_CONTEXT_USER_DEFERRED:
		return "PERF_CONTEXT_USER_DEFERRED";
	default:
		return ip >= (uint64_t)-4095 ? "PERF_CONTEXT" : NULL;
	}
}

static void print_sample(FILE *out, const struct perf_event_header *record, const struct hw_decoded *d)
{
	bool deferred = false;

	fprintf(out,
	        "(IP, 0x%x): %" PRId32 "/%" PRId32 ": %#" PRIx64 " period: %" PRIu64 " addr: %#" PRIx64 "\n",
	        record->misc, (int32_t)d->pid, (int32_t)d->tid, d->ip, d->period, d->address);
	if (!d->callchain)
		return;
	fprintf(out, "... FP chain: nr:%" PRIu64 "\n", d->nr);
	for (uint64_t i = 0; i < d->nr; i++) {
		const char *name = deferred ? NULL : context_name(d->callchain[i]);

		fprintf(out, "..... %2" PRIu64 ": %016" PRIx64, i, d->callchain[i]);
		fprintf(out, name ? " (%s)\n" : "\n", name);
		deferred = d->callchain[i] == PERF_CONTEXT_USER_DEFERRED;
	}
	if (d->nr >= 2 && d->callchain[d->nr - 2] == PERF_CONTEXT_USER_DEFERRED)
		fputs("...... (deferred)\n", out);
}

static void print_map(FILE *out, const struct perf_event_header *record, const struct hw_decoded *d)
{
	const char *bytes = (const char *)record;
	bool two = record->type == PERF_RECORD_MMAP2;
	size_t name_at = two ? 72 : 40;
	uint32_t ids[2], device[2], protection, flags;
	uint64_t range[3], inode[2];

	if (d->body_size <= name_at)
		return;
	memcpy(ids, bytes + 8, sizeof(ids));
	memcpy(range, bytes + 16, sizeof(range));
	fprintf(out, " %" PRId32 "/%" PRId32 ": [%#" PRIx64 "(%#" PRIx64 ") @ %#" PRIx64, (int32_t)ids[0],
	        (int32_t)ids[1], range[0], range[1], range[2]);
	if (two && record->misc & MISC_MMAP_BUILD_ID) {
		size_t size = (uint8_t)bytes[40] <= 20 ? (uint8_t)bytes[40] : 20;

		fputs(" <", out);
		for (size_t i = 0; i < size; i++)
			fprintf(out, "%02x", (uint8_t)bytes[44 + i]);
		fputc('>', out);
	} else if (two) {
		memcpy(device, bytes + 40, sizeof(device));
		memcpy(inode, bytes + 48, sizeof(inode));
		fprintf(out, " %02x:%02x %" PRIu64 " %" PRIu64, device[0], device[1], inode[0], inode[1]);
	}
	if (two) {
		memcpy(&protection, bytes + 64, 4);
		memcpy(&flags, bytes + 68, 4);
		fprintf(out, "]: %c%c%c%c ", protection & PROT_READ ? 'r' : '-',
		        protection & PROT_WRITE ? 'w' : '-', protection & PROT_EXEC ? 'x' : '-',
		        flags & MAP_SHARED ? 's' : 'p');
	} else {
		fputs("]: x ", out);
	}
	print_text(out, bytes + name_at, d->body_size - name_at);
	fputc('\n', out);
}

static void print_comm(FILE *out, const struct perf_event_header *record, const struct hw_decoded *d)
{
	uint32_t ids[2];

	if (d->body_size <= 16)
		return;
	memcpy(ids, record + 1, sizeof(ids));
	fputs(record->misc & MISC_COMM_EXEC ? " exec: " : ": ", out);
	print_text(out, (const char *)record + 16, d->body_size - 16);
	fprintf(out, ":%" PRId32 "/%" PRId32 "\n", (int32_t)ids[0], (int32_t)ids[1]);
}

/* 0, or -1: not decoded here. */
static int print_kernel(FILE *out, const struct perf_event_header *record, const struct hw_decoded *d)
{
	const uint64_t *words = (const uint64_t *)record;
	int32_t ids[4];

	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		print_sample(out, record, d);
		return 0;
	case PERF_RECORD_CALLCHAIN_DEFERRED:
		if (d->body_size < 24)
			return -1;
		fprintf(out, "(IP, 0x%x): %" PRId32 "/%" PRId32 ": %#" PRIx64 "\n", record->misc,
		        (int32_t)d->pid, (int32_t)d->tid, words[1]);
		return 0;
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		print_map(out, record, d);
		return 0;
	case PERF_RECORD_COMM:
		print_comm(out, record, d);
		return 0;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		if (d->body_size < 32)
			return -1;
		memcpy(ids, record + 1, sizeof(ids)); /* pid, ppid, tid, ptid */
		fprintf(out, "(%d:%d):(%d:%d)\n", ids[0], ids[2], ids[1], ids[3]);
		return 0;
	case PERF_RECORD_LOST:
		if (d->body_size < 24)
			return -1;
		fprintf(out, " lost %" PRIu64 "\n", words[2]);
		return 0;
	case PERF_RECORD_LOST_SAMPLES:
		if (d->body_size < 16)
			return -1;
		fprintf(out, " lost %" PRIu64 "\n", words[1]);
		return 0;
	default:
		return -1;
	}
}

static void print_id_index(FILE *out, const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;
	uint64_t most = (record->size / 8u - 2) / 4;

	fprintf(out, " nr: %" PRIu64 "\n", words[1]);
	for (uint64_t i = 0; i < words[1] && i < most; i++) {
		const uint64_t *entry = words + 2 + 4 * i;

		fprintf(out, " ... id: %" PRIu64 "  idx: %" PRIu64 "  cpu: %" PRId64 "  tid: %" PRId64 "\n",
		        entry[0], entry[1], (int64_t)entry[2], (int64_t)entry[3]);
	}
}

static void print_update(FILE *out, const struct perf_event_header *record)
{
	static const char *const names[] = {"unit:  ", "scale: ", "name:  "};
	const uint64_t *words = (const uint64_t *)record;
	const char *text = (const char *)(words + 3);
	double scale;

	fprintf(out, "\n... id:    %" PRIu64 "\n", words[2]);
	if (words[1] > 2)
		return;
	fprintf(out, "... %s", names[words[1]]);
	if (words[1] == 1 && record->size >= 32) {
		memcpy(&scale, text, sizeof(scale));
		fprintf(out, "%f", scale);
	} else {
		print_text(out, text, record->size - 24u);
	}
	fputc('\n', out);
}

/* Types of perf's own, of which few need to be looked into. */
static void print_perf(FILE *out, const struct perf_event_header *record)
{
	const uint64_t *words = (const uint64_t *)record;

	if (record->type == PERF_RECORD_ID_INDEX && record->size >= 16)
		print_id_index(out, record);
	else if (record->type == PERF_RECORD_EVENT_UPDATE && record->size >= 24)
		print_update(out, record);
	else if (record->type == PERF_RECORD_THREAD_MAP && record->size >= 24)
		fprintf(out, " nr: %" PRIu64 " thread: %" PRId64 "\n", words[1], (int64_t)words[2]);
	else if (record->type == PERF_RECORD_CPU_MAP && record->size >= 16 && (words[1] & 0xffff) == 2)
		fprintf(out, ": %u-%u\n", (unsigned int)(words[1] >> 32 & 0xffff),
		        (unsigned int)(words[1] >> 48)); /* PERF_CPU_MAP__RANGE_CPUS */
	else if (record->type == PERF_RECORD_FINISHED_INIT)
		fputs(": unhandled!\n", out);
	else
		fputc('\n', out);
}

void hw_dump_record(FILE *out, const char *file_name, struct hw_reader *reader,
                    const struct perf_event_header *record)
{
	uint64_t offset = hw_reader_offset(reader);
	const char *name = name_of(record->type);
	bool by_perf = record->type >= PERF_RECORD_USER_TYPE_START;
	struct hw_decoded d;

	if (offset == (uint64_t)-1)
		offset = hw_reader_position(reader); /* inside of a compressed record, or of a pipe */
	fprintf(out, "\n%#" PRIx64 "@", offset);
	print_text(out, file_name, 4096);
	fprintf(out, " [%#x]: event: %u\n", record->size, record->type);
	print_bytes(out, record);
	if (hw_reader_decode(reader, record, &d)) {
		fprintf(out, "-1 -1 %#" PRIx64 " [%#x]: PERF_RECORD_%s: makes no sense\n", offset,
		        record->size, name ? name : "UNKNOWN");
		return;
	}
	fprintf(out, "%u %" PRIu64 " %#" PRIx64 " [%#x]: ", d.cpu, d.time_ns, offset, record->size);
	if (name)
		fprintf(out, "PERF_RECORD_%s", name);
	else
		fprintf(out, "PERF_RECORD_UNKNOWN (%u)", record->type);
	if (by_perf)
		print_perf(out, record);
	else if (print_kernel(out, record, &d))
		fputc('\n', out);
}
