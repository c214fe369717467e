/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "processes.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES  20000 /* on a busy machine it takes a while */
#define TRY_US 1000

/* State letter and parent of a process; false if there is none. */
static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
	char path[64], text[512], *end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	end = strrchr(text, ')');
	return end && sscanf(end + 1, " %c %d", state, parent) == 2;
}

pid_t child_of(pid_t parent)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0, its_parent;
	char state;

	while (proc && !found && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && read_stat(pid, &state, &its_parent) && its_parent == parent && state != 'Z')
			found = pid;
	}
	if (proc)
		closedir(proc);
	return found;
}

pid_t await_child_of(pid_t parent)
{
	pid_t found = 0;

	for (int i = 0; i < TRIES && !found; i++) {
		found = child_of(parent);
		if (!found)
			usleep(TRY_US);
	}
	return found;
}

bool is_gone_soon(pid_t pid)
{
	pid_t parent;
	char state;

	for (int i = 0; i < TRIES; i++) {
		if (!read_stat(pid, &state, &parent) || state == 'Z')
			return true;
		usleep(TRY_US);
	}
	return false;
}

const char *status_line(pid_t pid, const char *name)
{
	static char line[512];
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) || line[strlen(name)] != ':')
			continue;
		fclose(file);
		line[strcspn(line, "\n")] = 0;
		return line + strlen(name) + 1 + strspn(line + strlen(name) + 1, " \t");
	}
	if (file)
		fclose(file);
	return "";
}

int open_files(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	int count = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	if (!fds)
		return -1;
	while ((entry = readdir(fds)))
		count += entry->d_name[0] != '.';
	closedir(fds);
	return count;
}
