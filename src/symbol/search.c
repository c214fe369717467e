/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "symbol/search.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "symbol/debug_link.h"
#include "symbol/regular_file.h"

#define HEX_BYTES      (2 * 20 + 1)
#define CLOCK_SLACK_NS 1000000000ll /* of file times, which tick slowly, and of process starts */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

bool hw_search_is_alive(const struct hw_search *search, uint32_t pid, uint64_t time_ns)
{
	unsigned long long ticks = 0;
	char path[64], line[1024];
	const char *at;
	int64_t start;
	FILE *file;

	if (!search->this_boot || search->root || !pid)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	line[fread(line, 1, sizeof(line) - 1, file)] = '\0';
	fclose(file);
	at = strrchr(line, ')'); /* the name before it may hold anything */
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%llu", &ticks) != 1)
		return false;
	start = (int64_t)(ticks * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK)) * 1000000;
	start -= clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC); /* time asleep */
	return start <=
	       (int64_t)(time_ns > search->begin_ns ? time_ns : search->begin_ns) + CLOCK_SLACK_NS / 10;
}

/* ---- is it the same file? ---- */

/* Whether a file without a build ID is the one that was mapped. */
static bool is_same_inode(const struct hw_search *search, const struct hw_process_event *map, int fd,
                          const struct stat *st)
{
	uint64_t since = map->time_ns > search->begin_ns ? map->time_ns : search->begin_ns;
	int64_t changed = st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec;
	struct statfs fs;

	if (search->root)
		return true; /* what the user put there */
	if (!search->this_boot || !map->inode || st->st_ino != map->inode)
		return false;
	if ((major(st->st_dev) != map->major || minor(st->st_dev) != map->minor) &&
	    (fstatfs(fd, &fs) || (fs.f_type != BTRFS_SUPER_MAGIC && fs.f_type != OVERLAYFS_SUPER_MAGIC)))
		return false;
	changed -= clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	return changed <= (int64_t)since + CLOCK_SLACK_NS;
}

static bool has_build_id(const struct hw_elf_file *file, const uint8_t *build_id, size_t size)
{
	return size && file->build_id_size == size && !memcmp(file->build_id, build_id, size);
}

static int try_program(const struct hw_search *search, const struct hw_process_event *map, const char *root,
                       const char *path, struct hw_elf_file *file)
{
	struct stat st;
	int fd = hw_open_regular(root, path, &st), r;

	if (fd < 0)
		return fd == -EACCES || fd == -EPERM ? -EACCES : fd == -ENOEXEC ? -ENOEXEC : -ENOENT;
	if (!map->build_id_size && !is_same_inode(search, map, fd, &st)) {
		close(fd);
		return -ESTALE;
	}
	r = hw_elf_file_open(file, fd);
	if (r)
		return map->build_id_size ? -ESTALE : -ENOEXEC;
	if (!map->build_id_size || has_build_id(file, map->build_id, map->build_id_size))
		return 0;
	hw_elf_file_close(file);
	return -ESTALE;
}

static int try_build_id(const char *path, const uint8_t *build_id, size_t size, struct hw_elf_file *file)
{
	struct stat st;
	int fd = hw_open_regular(NULL, path, &st);

	if (fd < 0 || hw_elf_file_open(file, fd))
		return -ENOENT;
	if (has_build_id(file, build_id, size))
		return 0;
	hw_elf_file_close(file);
	return -ENOENT;
}

/* ---- places by build ID ---- */

struct by_build_id {
	const uint8_t *build_id;
	size_t size;
	char hex[HEX_BYTES];
	struct hw_elf_file *file;
};

static int try_directory(const struct by_build_id *wanted, const char *root, const char *directory,
                         const char *ending)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s%s/.build-id/%.2s/%s%s", root ? root : "", directory,
	                     wanted->hex, wanted->hex + 2, ending) >= sizeof(path))
		return -ENOENT;
	return try_build_id(path, wanted->build_id, wanted->size, wanted->file);
}

static int try_directories(const struct by_build_id *wanted, const char *root, const char *directories,
                           const char *ending)
{
	char directory[PATH_MAX];
	int r = -ENOENT;

	while (r && *directories) {
		size_t length = strcspn(directories, ":");

		if (length && length < sizeof(directory)) {
			memcpy(directory, directories, length);
			directory[length] = '\0';
			r = root ? try_directory(wanted, root, directory, ending) : -ENOENT;
			if (r)
				r = try_directory(wanted, NULL, directory, ending);
		}
		directories += length + (directories[length] == ':');
	}
	return r;
}

static int try_cache(const struct by_build_id *wanted, const char *base, const char *below, const char *what)
{
	char path[PATH_MAX];

	if (!base || !*base ||
	    (size_t)snprintf(path, sizeof(path), "%s%s/%s/%s", base, below, wanted->hex, what) >=
	        sizeof(path))
		return -ENOENT;
	return try_build_id(path, wanted->build_id, wanted->size, wanted->file);
}

/* What debuginfod's client, perf and we ourselves have put aside earlier (debuginfod_find_debuginfo(3)). */
static int try_caches(const struct by_build_id *wanted, bool program)
{
	const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME"),
	           *what = program ? "executable" : "debuginfo";
	char own[PATH_MAX] = "";
	int r;

	if (cache && *cache)
		snprintf(own, sizeof(own), "%s/homeward", cache);
	else if (home && *home)
		snprintf(own, sizeof(own), "%s/.cache/homeward", home);
	r = *own ? try_directory(wanted, NULL, own, program ? "" : ".debug") : -ENOENT;
	if (r)
		r = try_cache(wanted, getenv("DEBUGINFOD_CACHE_PATH"), "", what);
	if (r)
		r = try_cache(wanted, cache, "/debuginfod_client", what);
	if (r)
		r = try_cache(wanted, home, "/.cache/debuginfod_client", what);
	if (r)
		r = try_cache(wanted, home, "/.debuginfod_client_cache", what);
	if (r && home &&
	    (size_t)snprintf(own, sizeof(own), "%s/.debug/.build-id/%.2s/%s/%s", home, wanted->hex,
	                     wanted->hex + 2, program ? "elf" : "debug") < sizeof(own))
		r = try_build_id(own, wanted->build_id, wanted->size, wanted->file);
	return r;
}

static struct by_build_id wanted_of(const uint8_t *build_id, size_t size, struct hw_elf_file *file)
{
	struct by_build_id wanted = {.build_id = build_id, .size = size, .file = file};

	for (size_t i = 0; i < size && i < 20; i++)
		snprintf(wanted.hex + 2 * i, 3, "%02x", build_id[i]);
	return wanted;
}

/* ---- both searches ---- */

static const char *debug_directories(const struct hw_search *search)
{
	return search->debug_directories ? search->debug_directories : "/usr/lib/debug";
}

/* The more a failure tells, the longer it is kept. */
static int worse(int a, int b)
{
	static const int order[] = {-ESTALE, -EACCES, -ENOEXEC};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return -ENOENT;
}

static int try_process(const struct hw_search *search, const struct hw_process_event *map, uint32_t pid,
                       struct hw_elf_file *file, int so_far)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, pid, map->start,
	         map->start + map->length);
	r = try_program(search, map, NULL, path, file);
	if (r && map->name[0] == '/') {
		so_far = worse(r, so_far);
		snprintf(path, sizeof(path), "/proc/%u/root", pid);
		r = try_program(search, map, path, map->name, file);
	}
	return r ? worse(r, so_far) : 0;
}

int hw_search_program(const struct hw_search *search, const struct hw_process_event *map, uint32_t pid,
                      bool alive, struct hw_elf_file *file, bool *symbols_only)
{
	struct by_build_id wanted = wanted_of(map->build_id, map->build_id_size, file);
	int r = -ENOENT;

	*symbols_only = false;
	if (map->name[0] == '/')
		r = try_program(search, map, search->root, map->name, file);
	if (r && alive)
		r = try_process(search, map, pid, file, r);
	if (!r || map->build_id_size < 2)
		return r;
	if (!try_directories(&wanted, search->root, debug_directories(search), "") ||
	    !try_caches(&wanted, true))
		return 0;
	*symbols_only = true;
	if (!try_directories(&wanted, search->root, debug_directories(search), ".debug") ||
	    !try_caches(&wanted, false))
		return 0;
	return r;
}

int hw_search_debug(const struct hw_search *search, const struct hw_process_event *map, uint32_t pid,
                    bool alive, const struct hw_elf_file *program, struct hw_elf_file *debug)
{
	struct by_build_id wanted = wanted_of(program->build_id, program->build_id_size, debug);
	char root[64];

	if (program->build_id_size >= 2 &&
	    (!try_directories(&wanted, search->root, debug_directories(search), ".debug") ||
	     !try_caches(&wanted, false)))
		return 0;
	if (!hw_debug_link_open(program, search->root, map->name, debug_directories(search), debug))
		return 0;
	if (!alive)
		return -ENOENT;
	snprintf(root, sizeof(root), "/proc/%u/root", pid);
	return hw_debug_link_open(program, root, map->name, debug_directories(search), debug);
}
