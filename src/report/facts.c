/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "report/text.h"

/* Add text to a fact, cut to what fits; before it, what joins it to the text before. */
__attribute__((format(printf, 3, 4))) static void join(struct hw_fact *fact, const char *glue,
                                                       const char *format, ...)
{
	size_t used = strlen(fact->text);
	va_list arguments;

	if (used && used + strlen(glue) + 1 < sizeof(fact->text)) {
		strcpy(fact->text + used, glue);
		used += strlen(glue);
	}
	va_start(arguments, format);
	vsnprintf(fact->text + used, sizeof(fact->text) - used, format, arguments);
	va_end(arguments);
}

#define DOT " · "

static void tell_recorded(struct hw_fact *fact, const struct hw_recording *recording, uint16_t event)
{
	const struct hw_recording_info *info = hw_recording_info(recording);
	const struct hw_account *account = hw_recording_account(recording);
	size_t count;
	const struct hw_recording_event *events = hw_recording_events(recording, &count);

	fact->label = "recorded";
	if (event < count && events[event].rate)
		join(fact, DOT, events[event].frequency ? "%.60s at %llu Hz" : "%.60s every %llu",
		     events[event].name, (unsigned long long)events[event].rate);
	else if (event < count)
		join(fact, DOT, "%.60s", events[event].name);
	join(fact, DOT, "%s", hw_text_duration(account->duration_ns).text);
	if (info->cpus_online)
		join(fact, DOT, "%u %s", info->cpus_online, hw_text_plural(info->cpus_online, "CPU", "CPUs"));
	if (info->backend)
		join(fact, DOT, "backend %.60s", info->backend);
	join(fact, DOT, "%s", hw_text_bytes(account->bytes).text);
}

static void tell_machine(struct hw_fact *fact, const struct hw_recording_info *info)
{
	fact->label = "on";
	if (info->hostname)
		join(fact, DOT, "%.64s", info->hostname);
	if (info->os_release)
		join(fact, DOT, "Linux %.64s", info->os_release);
	if (info->arch)
		join(fact, info->os_release ? " " : DOT, "%.32s", info->arch);
	if (info->cpu_description)
		join(fact, DOT, "%.80s", info->cpu_description);
	if (info->memory_bytes)
		join(fact, DOT, "%s", hw_text_bytes(info->memory_bytes).text);
}

static void tell_command(struct hw_fact *fact, const struct hw_recording_info *info)
{
	fact->label = "by";
	for (size_t i = 0; i < info->command_count; i++)
		join(fact, " ", "%.200s", info->command[i]);
}

/* What the source of the samples cannot see, where that is much. */
static void tell_limits(struct hw_fact *fact, const struct hw_recording_info *info)
{
	bool has_cost = info->cost && *info->cost;

	fact->label = "sees";
	if (info->backend && !strcmp(info->backend, "ptrace"))
		join(fact, DOT, "only the command's own processes, in user mode; %s%.64s",
		     has_cost ? "stopping cost " : "each sample stopped its thread",
		     has_cost ? info->cost : "");
	else if (info->backend && !strcmp(info->backend, "native"))
		join(fact, DOT, "user stacks by frame pointers only");
}

size_t hw_facts(const struct hw_recording *recording, uint16_t event, struct hw_fact facts[HW_FACTS_MAX])
{
	const struct hw_recording_info *info = hw_recording_info(recording);
	const struct hw_account *account = hw_recording_account(recording);
	size_t count = 0;

	memset(facts, 0, HW_FACTS_MAX * sizeof(*facts));
	tell_recorded(&facts[count++], recording, event);
	tell_machine(&facts[count], info);
	count += facts[count].text[0] != '\0';
	tell_command(&facts[count], info);
	count += facts[count].text[0] != '\0';
	tell_limits(&facts[count], info);
	count += facts[count].text[0] != '\0';
	if (account->damage[0]) {
		facts[count].label = "damaged";
		join(&facts[count++], DOT, "%s", account->damage);
	}
	return count;
}
