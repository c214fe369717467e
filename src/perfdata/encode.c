/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/encode.h"

#include <stdio.h>

int hw_bytes_put(struct hw_bytes *bytes, const void *data, size_t size)
{
	if (size > SIZE_MAX - bytes->count || array_reserve(bytes, bytes->count + size))
		return -ENOMEM;
	if (size)
		memcpy(bytes->items + bytes->count, data, size);
	bytes->count += size;
	return 0;
}

int hw_bytes_put_zeros(struct hw_bytes *bytes, size_t size)
{
	if (size > SIZE_MAX - bytes->count || array_reserve(bytes, bytes->count + size))
		return -ENOMEM;
	if (size)
		memset(bytes->items + bytes->count, 0, size);
	bytes->count += size;
	return 0;
}

static int put_u32(struct hw_bytes *bytes, uint32_t value)
{
	return hw_bytes_put(bytes, &value, sizeof(value));
}

static int put_u64(struct hw_bytes *bytes, uint64_t value)
{
	return hw_bytes_put(bytes, &value, sizeof(value));
}

static size_t padded(size_t size, size_t align)
{
	return (size + align - 1) / align * align;
}

/* struct perf_header_string: u32 length, then the text, which is zero terminated and padded. */
static int put_string(struct hw_bytes *bytes, const char *text)
{
	size_t length = strlen(text), size;

	if (length > 65536)
		length = 65536;
	size = padded(length + 1, HW_FEATURE_STRING_ALIGN);
	if (put_u32(bytes, (uint32_t)size) || hw_bytes_put(bytes, text, length))
		return -ENOMEM;
	return hw_bytes_put_zeros(bytes, size - length);
}

static int put_known_string(struct hw_bytes *bytes, const char *text)
{
	return text && *text ? put_string(bytes, text) : -ENOENT;
}

static int put_version(struct hw_bytes *bytes, const struct hw_feature_input *input)
{
	const char *backend = input->options->backend;
	char text[128];

	if (input->machine->version)
		return put_string(bytes, input->machine->version);
	snprintf(text, sizeof(text), backend ? "homeward %s (%s)" : "homeward %s", HW_VERSION, backend);
	return put_string(bytes, text);
}

static int put_command(struct hw_bytes *bytes, const struct hw_writer_options *options)
{
	size_t count = options->command_count;

	if (!options->command || !count)
		return -ENOENT;
	if (count > 65536)
		count = 65536;
	if (put_u32(bytes, (uint32_t)count))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (put_string(bytes, options->command[i]))
			return -ENOMEM;
	return 0;
}

static int put_event_descriptions(struct hw_bytes *bytes, const struct hw_feature_input *input)
{
	const struct hw_writer_options *o = input->options;

	if (put_u32(bytes, (uint32_t)o->event_count) || put_u32(bytes, input->attrs[0].size))
		return -ENOMEM;
	for (size_t i = 0; i < o->event_count; i++) {
		const struct hw_writer_event *event = &o->events[i];

		if (hw_bytes_put(bytes, input->attrs[i].bytes, input->attrs[i].size) ||
		    put_u32(bytes, (uint32_t)event->id_count) || put_string(bytes, event->name) ||
		    hw_bytes_put(bytes, event->ids, event->id_count * sizeof(uint64_t)))
			return -ENOMEM;
	}
	return 0;
}

/* Available first: so perf writes and reads it, though its documentation says the opposite. */
static int put_cpus(struct hw_bytes *bytes, const struct hw_machine *machine)
{
	if (!machine->cpus_online)
		return -ENOENT;
	if (put_u32(bytes, machine->cpus_available))
		return -ENOMEM;
	return put_u32(bytes, machine->cpus_online);
}

static int put_clock(struct hw_bytes *bytes, const struct hw_machine *machine)
{
	if (!machine->clock_known)
		return -ENOENT;
	if (put_u32(bytes, 1) || put_u32(bytes, (uint32_t)machine->clock_id) ||
	    put_u64(bytes, machine->clock_wall_ns))
		return -ENOMEM;
	return put_u64(bytes, machine->clock_ns);
}

/* Version, type (zstd), level, ratio, and how many bytes one compressed record may hold. */
static int put_compression(struct hw_bytes *bytes, const struct hw_writer_options *options)
{
	const uint32_t words[5] = {1, 1, (uint32_t)options->compression_level, 1, 131072};

	return options->compression_level ? hw_bytes_put(bytes, words, sizeof(words)) : -ENOENT;
}

int hw_feature_encode(enum hw_feature feature, const struct hw_feature_input *input, struct hw_bytes *bytes)
{
	const struct hw_machine *machine = input->machine;

	switch (feature) {
	case HW_FEATURE_HOSTNAME:
		return put_known_string(bytes, machine->hostname);
	case HW_FEATURE_OSRELEASE:
		return put_known_string(bytes, machine->os_release);
	case HW_FEATURE_VERSION:
		return put_version(bytes, input);
	case HW_FEATURE_ARCH:
		return put_known_string(bytes, machine->arch);
	case HW_FEATURE_NRCPUS:
		return put_cpus(bytes, machine);
	case HW_FEATURE_CPUDESC:
		return put_known_string(bytes, machine->cpu_description);
	case HW_FEATURE_CPUID:
		return put_known_string(bytes, machine->cpu_id);
	case HW_FEATURE_TOTAL_MEM:
		return machine->memory_bytes ? put_u64(bytes, machine->memory_bytes / 1024) : -ENOENT;
	case HW_FEATURE_CMDLINE:
		return put_command(bytes, input->options);
	case HW_FEATURE_EVENT_DESC:
		return put_event_descriptions(bytes, input);
	case HW_FEATURE_CLOCKID:
		return machine->clock_known ? put_u64(bytes, machine->clock_resolution_ns) : -ENOENT;
	case HW_FEATURE_COMPRESSED:
		return put_compression(bytes, input->options);
	case HW_FEATURE_CLOCK_DATA:
		return put_clock(bytes, machine);
	default:
		return -ENOENT;
	}
}

int hw_feature_encode_build_id(uint16_t misc, pid_t pid, const uint8_t *build_id, size_t size,
                               const char *path, struct hw_bytes *bytes)
{
	uint8_t id[24] = {0}; /* 20 bytes, then their number, then padding */
	size_t name_size = padded(strlen(path) + 1, HW_FEATURE_STRING_ALIGN);
	size_t record_size = sizeof(struct perf_event_header) + sizeof(pid) + sizeof(id) + name_size;
	struct perf_event_header header = {.misc = misc | HW_MISC_BUILD_ID_SIZE};

	if (!size || size > 20 || record_size > HW_RECORD_SIZE_MAX)
		return -EINVAL;
	header.size = (uint16_t)record_size;
	memcpy(id, build_id, size);
	id[20] = (uint8_t)size;
	if (array_reserve(bytes, bytes->count + record_size) ||
	    hw_bytes_put(bytes, &header, sizeof(header)) || hw_bytes_put(bytes, &pid, sizeof(pid)) ||
	    hw_bytes_put(bytes, id, sizeof(id)) || hw_bytes_put(bytes, path, strlen(path)))
		return -ENOMEM;
	return hw_bytes_put_zeros(bytes, name_size - strlen(path));
}
