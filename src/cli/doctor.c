/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward doctor: what this machine allows, what is missing for recording, and how to get it. */
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "capture/probe.h"
#include "cli/cli.h"

static const char *const state_names[] = {
    [HW_FINDING_OK] = "ok",
    [HW_FINDING_LIMITED] = "limited",
    [HW_FINDING_MISSING] = "missing",
};

static void print_usage(FILE *out)
{
	fputs("usage: homeward doctor [--json]\n"
	      "\n"
	      "Say what this machine allows: kernel, BTF, BPF, rights, events, symbols; for what is missing, "
	      "how\n"
	      "to get it. The exit status is 0 only if \"homeward record\" would work.\n"
	      "\n"
	      "  --json      one JSON object instead of text\n"
	      "  -h, --help  show this\n",
	      out);
}

static const char *event_name(const struct hw_probe *probe)
{
	return probe->cycles_error ? "cpu-clock" : "cycles";
}

static void print_text(const struct hw_probe *probe, const struct hw_finding *findings, size_t count,
                       const struct hw_error *blocker)
{
	for (size_t i = 0; i < count; i++) {
		printf("%-8s %-15s %s\n", state_names[findings[i].state], findings[i].name,
		       findings[i].found);
		if (findings[i].remedy[0])
			printf("%24s to get it: %s\n", "", findings[i].remedy);
	}
	if (blocker)
		printf("\nrecord would not work: %s\n", blocker->text);
	else
		printf("\nrecord would work: backend bpf, event %s, user stacks by unwind table\n",
		       event_name(probe));
}

static struct json_object *finding_json(const struct hw_finding *finding)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "name", json_object_new_string(finding->name));
	json_object_object_add(object, "state", json_object_new_string(state_names[finding->state]));
	json_object_object_add(object, "found", json_object_new_string(finding->found));
	if (finding->remedy[0])
		json_object_object_add(object, "remedy", json_object_new_string(finding->remedy));
	return object;
}

static void print_json(const struct hw_probe *probe, const struct hw_finding *findings, size_t count,
                       const struct hw_error *blocker)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, finding_json(&findings[i]));
	json_object_object_add(object, "version", json_object_new_string(HW_VERSION));
	json_object_object_add(object, "kernel", json_object_new_string(probe->release));
	json_object_object_add(object, "record", json_object_new_boolean(!blocker));
	json_object_object_add(object, "backend", blocker ? NULL : json_object_new_string("bpf"));
	json_object_object_add(object, "event", blocker ? NULL : json_object_new_string(event_name(probe)));
	json_object_object_add(object, "blocker", blocker ? json_object_new_string(blocker->text) : NULL);
	json_object_object_add(object, "findings", list);
	puts(
	    json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

int hw_cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	struct hw_finding findings[HW_FINDINGS_MAX];
	struct hw_error err;
	struct hw_probe probe;
	bool json = false, blocked;
	size_t count;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_usage(stdout);
			return HW_EXIT_OK;
		default:
			print_usage(stderr);
			return HW_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "homeward doctor: unexpected argument '%s'\n", argv[optind]);
		return HW_EXIT_USAGE;
	}
	if (hw_probe(&probe)) {
		fprintf(stderr, "homeward doctor: out of memory\n");
		return HW_EXIT_FAILURE;
	}
	count = hw_probe_findings(&probe, findings);
	blocked = hw_probe_blocker(&probe, &err) != 0;
	(json ? print_json : print_text)(&probe, findings, count, blocked ? &err : NULL);
	return blocked ? HW_EXIT_FAILURE : HW_EXIT_OK;
}
