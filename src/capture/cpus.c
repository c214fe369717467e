/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "capture/cpus.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define LOOK_EVERY_NS 100000000ull

struct hw_cpus {
	uint32_t count;
	int fd; /* of the list; -1: there is none, and no CPU ever comes */
	uint64_t next_look_ns;
	bool *online, *before;
};

bool hw_cpus_parse(const char *list, bool *online, uint32_t count)
{
	unsigned long first, last;
	char *end;

	memset(online, 0, count * sizeof(*online));
	while (isdigit((unsigned char)*list)) {
		first = last = strtoul(list, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		for (unsigned long cpu = first; cpu <= last && cpu < count; cpu++)
			online[cpu] = true;
		list = *end == ',' ? end + 1 : end;
	}
	return !*list || *list == '\n';
}

static bool read_online(const struct hw_cpus *cpus, bool *online)
{
	char text[4096];
	ssize_t size = pread(cpus->fd, text, sizeof(text) - 1, 0);

	if (size <= 0)
		return false;
	text[size] = '\0';
	return hw_cpus_parse(text, online, cpus->count);
}

struct hw_cpus *hw_cpus_new(uint32_t count)
{
	struct hw_cpus *cpus = calloc(1, sizeof(*cpus));

	if (!cpus)
		return NULL;
	cpus->count = count;
	cpus->fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	cpus->online = calloc(count, sizeof(*cpus->online));
	cpus->before = calloc(count, sizeof(*cpus->before));
	if (!cpus->online || !cpus->before) {
		hw_cpus_free(cpus);
		return NULL;
	}
	read_online(cpus, cpus->online);
	return cpus;
}

void hw_cpus_free(struct hw_cpus *cpus)
{
	if (!cpus)
		return;
	if (cpus->fd >= 0)
		close(cpus->fd);
	free(cpus->online);
	free(cpus->before);
	free(cpus);
}

void hw_cpus_look(struct hw_cpus *cpus, void (*came)(void *context, uint32_t cpu), void *context)
{
	uint64_t now = hw_now_ns();
	bool *swap = cpus->before;

	if (cpus->fd < 0 || now < cpus->next_look_ns)
		return;
	cpus->next_look_ns = now + LOOK_EVERY_NS;
	if (!read_online(cpus, swap))
		return;
	cpus->before = cpus->online;
	cpus->online = swap;
	for (uint32_t cpu = 0; cpu < cpus->count; cpu++)
		if (cpus->online[cpu] && !cpus->before[cpu])
			came(context, cpu);
}
