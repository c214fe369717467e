/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/machine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Copy the value of the first line of file that begins with key ("model name\t: X") into value. */
static bool read_key(const char *file, const char *key, char *value, size_t size)
{
	FILE *f = fopen(file, "re");
	char line[256];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *colon;

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		colon = strchr(line, ':');
		if (!colon)
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		found = true;
	}
	fclose(f);
	return found;
}

/* As perf names a CPU: vendor,family,model,stepping (Intel SDM vol. 2, CPUID, leaf 1). */
static bool cpu_id(char *text, size_t size)
{
#if defined(__x86_64__)
	unsigned int a, b, c, d, family, model;
	char vendor[13] = "";

	if (!__get_cpuid(0, &a, &b, &c, &d))
		return false;
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &d, 4);
	memcpy(vendor + 8, &c, 4);
	if (!__get_cpuid(1, &a, &b, &c, &d))
		return false;
	family = a >> 8 & 15;
	model = a >> 4 & 15;
	if (family == 6 || family == 15)
		model |= a >> 12 & 0xf0;
	if (family == 15)
		family += a >> 20 & 255;
	snprintf(text, size, "%s,%u,%u,%u", vendor, family, model, a & 15);
	return true;
#else
	(void)text;
	(void)size;
	return false;
#endif
}

static uint64_t nanoseconds(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static void relate_clock(struct hw_machine *m, int clock_id)
{
	struct timespec resolution, wall, clock;

	if (clock_id < 0 || clock_getres(clock_id, &resolution) || clock_gettime(clock_id, &clock) ||
	    clock_gettime(CLOCK_REALTIME, &wall))
		return;
	m->clock_known = true;
	m->clock_id = clock_id;
	m->clock_resolution_ns = nanoseconds(&resolution);
	m->clock_wall_ns = nanoseconds(&wall);
	m->clock_ns = nanoseconds(&clock);
}

void hw_machine_this(struct hw_this_machine *here, int clock_id)
{
	struct hw_machine *m = &here->machine;
	long pages, page_bytes, online, available;

	memset(here, 0, sizeof(*here));
	if (!uname(&here->names)) {
		m->hostname = here->names.nodename;
		m->os_release = here->names.release;
		m->arch = here->names.machine;
	}
	if (read_key("/proc/cpuinfo", "model name", here->cpu_description, sizeof(here->cpu_description)))
		m->cpu_description = here->cpu_description;
	if (cpu_id(here->cpu_id, sizeof(here->cpu_id)))
		m->cpu_id = here->cpu_id;
	online = sysconf(_SC_NPROCESSORS_ONLN);
	available = sysconf(_SC_NPROCESSORS_CONF);
	if (online > 0 && available > 0) {
		m->cpus_online = (uint32_t)online;
		m->cpus_available = (uint32_t)available;
	}
	pages = sysconf(_SC_PHYS_PAGES);
	page_bytes = sysconf(_SC_PAGESIZE);
	if (pages > 0 && page_bytes > 0)
		m->memory_bytes = (uint64_t)pages * (uint64_t)page_bytes;
	relate_clock(m, clock_id);
}
