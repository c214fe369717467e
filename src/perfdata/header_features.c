/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/header_features.h"

#include <stdlib.h>
#include <string.h>

#define COMMAND_MAX   4096
#define STRINGS_MAX   256 /* event names */
#define BUILD_IDS_MAX (1u << 20)

struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *c, void *value, size_t size)
{
	if ((size_t)(c->end - c->at) < size)
		return false;
	memcpy(value, c->at, size);
	c->at += size;
	return true;
}

static char *take_string(struct cursor *c)
{
	uint32_t size;
	char *text;

	if (!take(c, &size, sizeof(size)) || (size_t)(c->end - c->at) < size)
		return NULL;
	text = strndup(c->at, size);
	c->at += size;
	return text;
}

static void set_string(char **field, struct cursor *c)
{
	char *text = take_string(c);

	if (!text)
		return;
	free(*field);
	*field = text;
}

static void read_command(struct hw_reader_info *info, struct cursor *c)
{
	uint32_t count;

	if (info->command || !take(c, &count, sizeof(count)) || count > COMMAND_MAX)
		return;
	info->command = calloc(count + 1, sizeof(char *));
	while (info->command && info->command_count < count) {
		char *word = take_string(c);

		if (!word)
			break;
		info->command[info->command_count++] = word;
	}
}

static int read_event_names(struct hw_features *features, struct cursor *c)
{
	uint32_t count, attr_size, ids;

	if (features->event_names.count || !take(c, &count, 4) || !take(c, &attr_size, 4))
		return 0;
	for (uint32_t i = 0; i < count && i < STRINGS_MAX; i++) {
		struct perf_event_attr attr = {0};
		char *name;

		if ((size_t)(c->end - c->at) < attr_size)
			return 0;
		memcpy(&attr, c->at, attr_size < sizeof(attr) ? attr_size : sizeof(attr));
		c->at += attr_size;
		if (array_push(&features->event_attrs, attr))
			return -ENOMEM;
		if (!take(c, &ids, 4))
			return 0;
		name = take_string(c);
		if (!name)
			return 0;
		if (array_push(&features->event_names, name)) {
			free(name);
			return -ENOMEM;
		}
		if ((uint64_t)(c->end - c->at) < 8ull * ids)
			return 0;
		c->at += 8ull * ids;
	}
	return 0;
}

/* struct perf_record_header_build_id: header, pid, 20 bytes and their number, file name. */
int hw_features_read_build_id(struct hw_features *features, const void *record, size_t size)
{
	const size_t name_at = sizeof(struct perf_event_header) + 4 + 24;
	struct hw_known_build_id known = {.size = 20};
	struct perf_event_header header;
	const uint8_t *bytes = record;

	if (size <= name_at || features->build_ids.count >= BUILD_IDS_MAX)
		return 0;
	memcpy(&header, bytes, sizeof(header));
	memcpy(known.id, bytes + 12, 20);
	if (header.misc & HW_MISC_BUILD_ID_SIZE)
		known.size = bytes[32] <= 20 ? bytes[32] : 20;
	if (!known.size)
		return 0;
	known.path = strndup((const char *)bytes + name_at, size - name_at);
	if (!known.path || array_push(&features->build_ids, known)) {
		free(known.path);
		return -ENOMEM;
	}
	features->build_ids_sorted = false;
	return 0;
}

static int read_build_ids(struct hw_features *features, struct cursor *c)
{
	struct perf_event_header header;

	while ((size_t)(c->end - c->at) >= sizeof(header)) {
		memcpy(&header, c->at, sizeof(header));
		if (header.size < sizeof(header) || header.size > c->end - c->at)
			return 0;
		if (hw_features_read_build_id(features, c->at, header.size))
			return -ENOMEM;
		c->at += header.size;
	}
	return 0;
}

static void read_cpus(struct hw_reader_info *info, struct cursor *c)
{
	uint32_t cpus[2];

	if (!take(c, cpus, sizeof(cpus)))
		return;
	info->cpus_available = cpus[0];
	info->cpus_online = cpus[1];
}

int hw_features_read(struct hw_features *features, unsigned int feature, const void *bytes, size_t size)
{
	struct cursor c = {.at = bytes, .end = (const char *)bytes + size};
	struct hw_reader_info *info = &features->info;
	uint64_t kib;

	switch (feature) {
	case HW_FEATURE_BUILD_ID:
		return read_build_ids(features, &c);
	case HW_FEATURE_HOSTNAME:
		set_string(&info->hostname, &c);
		return 0;
	case HW_FEATURE_OSRELEASE:
		set_string(&info->os_release, &c);
		return 0;
	case HW_FEATURE_VERSION:
		set_string(&info->version, &c);
		return 0;
	case HW_FEATURE_ARCH:
		set_string(&info->arch, &c);
		return 0;
	case HW_FEATURE_CPUDESC:
		set_string(&info->cpu_description, &c);
		return 0;
	case HW_FEATURE_NRCPUS:
		read_cpus(info, &c);
		return 0;
	case HW_FEATURE_TOTAL_MEM:
		if (take(&c, &kib, sizeof(kib)) && kib <= UINT64_MAX >> 10)
			info->memory_bytes = kib << 10;
		return 0;
	case HW_FEATURE_CMDLINE:
		read_command(info, &c);
		return 0;
	case HW_FEATURE_EVENT_DESC:
		return read_event_names(features, &c);
	default:
		return 0;
	}
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct hw_known_build_id *)a)->path,
	              ((const struct hw_known_build_id *)b)->path);
}

uint8_t hw_features_build_id(struct hw_features *features, const char *path, uint8_t id[20])
{
	struct hw_known_build_id key = {.path = (char *)path};
	const struct hw_known_build_id *found;

	if (!features->build_ids.count)
		return 0;
	if (!features->build_ids_sorted)
		qsort(features->build_ids.items, features->build_ids.count, sizeof(key), by_path);
	features->build_ids_sorted = true;
	found = bsearch(&key, features->build_ids.items, features->build_ids.count, sizeof(key), by_path);
	if (!found)
		return 0;
	memcpy(id, found->id, 20);
	return found->size;
}

void hw_features_free(struct hw_features *features)
{
	struct hw_reader_info *info = &features->info;

	for (size_t i = 0; i < info->command_count; i++)
		free(info->command[i]);
	free(info->command);
	free(info->hostname);
	free(info->os_release);
	free(info->arch);
	free(info->cpu_description);
	free(info->version);
	array_for_each (&features->event_names, name)
		free(*name);
	array_for_each (&features->build_ids, known)
		free(known->path);
	array_free(&features->event_names);
	array_free(&features->event_attrs);
	array_free(&features->build_ids);
}
