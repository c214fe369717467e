/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* homeward doctor: what this machine allows, what is missing for recording, and how to get it. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/probe.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "session/client.h"

#define WHO             "homeward doctor"
#define HW_BACKENDS_MAX 8

static const char *const state_names[] = {
    [HW_FINDING_OK] = "ok",
    [HW_FINDING_LIMITED] = "limited",
    [HW_FINDING_MISSING] = "missing",
};

struct backend {
	const char *name;
	bool machine, command; /* what it could record: the whole machine, a command of one's own */
	struct hw_error missing;
};

/* record asks the daemon first. */
struct daemon {
	const char *socket;
	bool used, limited;
	struct hw_error missing; /* unless used */
};

struct verdict {
	struct daemon daemon;
	struct backend backends[HW_BACKENDS_MAX];
	size_t backend_count;
	const struct backend *chosen; /* NULL: nothing can be recorded */
};

static void print_usage(void)
{
	fputs("usage: homeward doctor [--json]\n"
	      "\n"
	      "Say what this machine allows: kernel, BTF, BPF, rights, events, symbols, which backends\n"
	      "can record, and whether a daemon would; for what is missing, how to get it. The exit status "
	      "is 0 only if \"homeward "
	      "record\"\n"
	      "would work, at least for a command of one's own.\n"
	      "\n"
	      "  --json      one JSON object instead of text\n"
	      "  -h, --help  show this\n",
	      stdout);
}

/* bpf is judged by what was found (opening it takes long), the others are tried. */
static void try_backends(struct verdict *verdict, const struct hw_error *blocker)
{
	for (size_t i = 0; hw_capture_backend_name(i) && i < HW_BACKENDS_MAX; i++) {
		struct backend *backend = &verdict->backends[verdict->backend_count++];
		struct hw_error narrow = {0};

		backend->name = hw_capture_backend_name(i);
		if (!strcmp(backend->name, "bpf")) {
			backend->machine = backend->command = !blocker;
			if (blocker)
				backend->missing = *blocker;
		} else {
			backend->machine = !hw_capture_try(backend->name, false, &backend->missing);
			backend->command = backend->machine || !hw_capture_try(backend->name, true, &narrow);
			if (!backend->command)
				backend->missing = narrow;
		}
		if (backend->command && (!verdict->chosen || (backend->machine && !verdict->chosen->machine)))
			verdict->chosen = backend;
	}
}

static void print_backends(const struct verdict *verdict)
{
	putchar('\n');
	for (size_t i = 0; i < verdict->backend_count; i++) {
		const struct backend *backend = &verdict->backends[i];

		printf("%-8s backend %-7s %s\n",
		       backend->machine   ? "ok"
		       : backend->command ? "limited"
		                          : "missing",
		       backend->name,
		       backend->machine   ? "the whole machine"
		       : backend->command ? "a command or processes of one's own"
		                          : backend->missing.text);
		if (backend->command && !backend->machine && strcmp(backend->name, "ptrace") != 0)
			printf("%24s for more: %s\n", "", backend->missing.text);
	}
}

static void print_daemon(const struct daemon *daemon)
{
	putchar('\n');
	if (!daemon->used)
		printf("%-8s %-15s %s\n", "none", "daemon", daemon->missing.text);
	else
		printf("%-8s %-15s %s at %s\n", daemon->limited ? "limited" : "ok", "daemon",
		       daemon->limited ? "processes of one's own" : "the whole machine", daemon->socket);
	if (daemon->limited)
		printf("%24s for more: be root, or a member of the daemon's group (homeward)\n", "");
}

static const char *event_name(const struct hw_probe *probe)
{
	return probe->cycles_error ? "cpu-clock" : "cycles";
}

static void print_text(const struct hw_probe *probe, const struct hw_finding *findings, size_t count,
                       const struct hw_error *blocker, const struct verdict *verdict)
{
	for (size_t i = 0; i < count; i++) {
		printf("%-8s %-15s %s\n", state_names[findings[i].state], findings[i].name,
		       findings[i].found);
		if (findings[i].remedy[0])
			printf("%24s to get it: %s\n", "", findings[i].remedy);
	}
	print_backends(verdict);
	print_daemon(&verdict->daemon);
	if (verdict->daemon.used)
		printf("\nrecord would work: by the daemon, %s\n",
		       verdict->daemon.limited ? "processes of one's own" : "the whole machine");
	else if (verdict->chosen)
		printf("\nrecord would work: backend %s, event %s, %s\n", verdict->chosen->name,
		       event_name(probe),
		       verdict->chosen->machine ? "the whole machine"
		                                : "a command or processes of one's own");
	else
		printf("\nrecord would not work: %s\n", blocker->text);
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

static struct json_object *backends_json(const struct verdict *verdict)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < verdict->backend_count; i++) {
		const struct backend *backend = &verdict->backends[i];
		struct json_object *object = json_object_new_object();

		json_object_object_add(object, "name", json_object_new_string(backend->name));
		json_object_object_add(object, "machine", json_object_new_boolean(backend->machine));
		json_object_object_add(object, "command", json_object_new_boolean(backend->command));
		if (!backend->machine)
			json_object_object_add(object, "missing",
			                       json_object_new_string(backend->missing.text));
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *daemon_json(const struct daemon *daemon)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "socket", json_object_new_string(daemon->socket));
	json_object_object_add(object, "used", json_object_new_boolean(daemon->used));
	json_object_object_add(object, "limited", json_object_new_boolean(daemon->limited));
	if (!daemon->used)
		json_object_object_add(object, "missing", json_object_new_string(daemon->missing.text));
	return object;
}

static void print_json(const struct hw_probe *probe, const struct hw_finding *findings, size_t count,
                       const struct hw_error *blocker, const struct verdict *verdict)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, finding_json(&findings[i]));
	json_object_object_add(object, "version", json_object_new_string(HW_VERSION));
	json_object_object_add(object, "kernel", json_object_new_string(probe->release));
	json_object_object_add(object, "record",
	                       json_object_new_boolean(verdict->daemon.used || verdict->chosen));
	json_object_object_add(object, "backend",
	                       verdict->daemon.used ? json_object_new_string("daemon")
	                       : verdict->chosen    ? json_object_new_string(verdict->chosen->name)
	                                            : NULL);
	json_object_object_add(object, "daemon", daemon_json(&verdict->daemon));
	json_object_object_add(object, "backends", backends_json(verdict));
	json_object_object_add(object, "event",
	                       verdict->chosen ? json_object_new_string(event_name(probe)) : NULL);
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
	struct verdict verdict = {0};
	struct hw_probe probe;
	bool json = false, blocked;
	size_t count;
	int option;

	optind = 0;
	while ((option = hw_next_option(WHO, argc, argv, ":h", options)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_usage();
			return HW_EXIT_OK;
		default:
			return HW_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		hw_complain(WHO, "unexpected argument '%s'; see " WHO " --help", argv[optind]);
		return HW_EXIT_USAGE;
	}
	if (hw_probe(&probe))
		return hw_complain(WHO, "out of memory");
	count = hw_probe_findings(&probe, findings);
	blocked = hw_probe_blocker(&probe, &err) != 0;
	try_backends(&verdict, blocked ? &err : NULL);
	verdict.daemon.socket = hw_daemon_socket();
	verdict.daemon.used =
	    !hw_daemon_try(verdict.daemon.socket, &verdict.daemon.limited, &verdict.daemon.missing);
	(json ? print_json : print_text)(&probe, findings, count, blocked ? &err : NULL, &verdict);
	return verdict.daemon.used || verdict.chosen ? HW_EXIT_OK : HW_EXIT_FAILURE;
}
