/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/table_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEY_NAME      "key"
#define TEMPORARY     ".tmp." /* how names of unfinished entries begin */
#define STALE_SECONDS 3600
#define NAME_BYTES    48 /* 40 digits and a mark */

/* Ours, and nobody else's to write or read. */
static bool is_private(int fd, mode_t type)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IRWXG | S_IRWXO));
}

/* mkdir -p, mode 0700. Whether what is there is good enough is seen later. */
static void make_directories(const char *path)
{
	char part[PATH_MAX];

	if (strlen(path) >= sizeof(part))
		return;
	strcpy(part, path);
	for (char *slash = strchr(part + (*part == '/'), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(part, 0700);
		*slash = '/';
	}
	mkdir(part, 0700);
}

static int fill_randomly(void *to, size_t size)
{
	return getrandom(to, size, 0) == (ssize_t)size ? 0 : -EIO;
}

/* Open an existing private file for reading, or -errno. */
static int open_private(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (!is_private(fd, S_IFREG)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static void temporary_name(char name[NAME_BYTES])
{
	static unsigned int serial;

	snprintf(name, NAME_BYTES, TEMPORARY "%d.%u", (int)getpid(),
	         __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED));
}

static int create_temporary(int directory, char name[NAME_BYTES])
{
	int fd;

	temporary_name(name);
	unlinkat(directory, name, 0); /* of a process that died; pids are reused */
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

static int read_key(struct hw_table_cache *cache)
{
	int fd = open_private(cache->directory, KEY_NAME), r;

	if (fd < 0)
		return fd;
	r = pread(fd, cache->key, sizeof(cache->key), 0) == sizeof(cache->key) ? 0 : -EINVAL;
	close(fd);
	return r;
}

/* Make the secret; where another process is first, take the other's. */
static int make_key(struct hw_table_cache *cache)
{
	char name[NAME_BYTES];
	int fd, r;

	fd = create_temporary(cache->directory, name);
	if (fd < 0)
		return fd;
	r = write(fd, cache->key, sizeof(cache->key)) == sizeof(cache->key) ? 0 : -EIO;
	close(fd);
	if (!r && linkat(cache->directory, name, cache->directory, KEY_NAME, 0))
		r = errno == EEXIST ? read_key(cache) : -errno;
	unlinkat(cache->directory, name, 0);
	return r;
}

/* Remove what processes that died left unfinished. */
static void remove_stale(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!entries) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(entries))) {
		if (strncmp(entry->d_name, TEMPORARY, strlen(TEMPORARY)))
			continue;
		if (!fstatat(directory, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    st.st_mtime + STALE_SECONDS < time(NULL))
			unlinkat(directory, entry->d_name, 0);
	}
	closedir(entries);
}

int hw_table_cache_open(struct hw_table_cache *cache, const char *path, struct hw_error *err)
{
	int r;

	cache->directory = -1;
	if (fill_randomly(cache->key, sizeof(cache->key)))
		return hw_fail(err, -EIO, "no random numbers from the kernel");
	make_directories(path);
	cache->directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cache->directory < 0)
		return hw_fail(err, -errno, "cannot open table cache %s: %s", path, strerror(errno));
	if (!is_private(cache->directory, S_IFDIR)) {
		r = hw_fail(err, -EPERM, "table cache %s is not ours alone: it must belong to us, mode 0700",
		            path);
		goto err_out;
	}
	r = read_key(cache);
	if (r == -ENOENT)
		r = make_key(cache);
	if (r) {
		hw_fail(err, r, "cannot use %s/" KEY_NAME " of the table cache: %s; remove it", path,
		        strerror(-r));
		goto err_out;
	}
	remove_stale(cache->directory);
	return 0;
err_out:
	hw_table_cache_close(cache);
	return r;
}

void hw_table_cache_close(struct hw_table_cache *cache)
{
	if (cache->directory >= 0)
		close(cache->directory);
	cache->directory = -1;
}

/* The build ID in hexadecimal; without one, the digest. */
static void entry_name(const struct hw_table_identity *identity, char name[NAME_BYTES])
{
	const uint8_t *bytes = identity->build_id_size ? identity->build_id : identity->digest;
	size_t size = identity->build_id_size ? identity->build_id_size : sizeof(identity->digest);
	char *at = name;

	if (!identity->build_id_size)
		*at++ = '-';
	for (size_t i = 0; i < size && i < sizeof(identity->build_id); i++)
		at += snprintf(at, 3, "%02x", bytes[i]);
}

int hw_table_cache_load(const struct hw_table_cache *cache, const struct hw_table_identity *identity,
                        uint32_t row_count_max, struct hw_table *table)
{
	char name[NAME_BYTES];
	int fd, r;

	memset(table, 0, sizeof(*table));
	if (cache->directory < 0)
		return -ENOENT;
	entry_name(identity, name);
	fd = open_private(cache->directory, name);
	if (fd < 0)
		return fd;
	r = hw_table_read(fd, identity, row_count_max, table);
	close(fd);
	return r;
}

int hw_table_cache_store(const struct hw_table_cache *cache, const struct hw_table_identity *identity,
                         const struct hw_table *table)
{
	char name[NAME_BYTES], temporary[NAME_BYTES];
	int fd, r;

	if (cache->directory < 0)
		return 0;
	fd = create_temporary(cache->directory, temporary);
	if (fd < 0)
		return fd;
	r = hw_table_write(fd, table, identity);
	if (close(fd) && !r)
		r = -errno;
	entry_name(identity, name);
	if (!r && renameat(cache->directory, temporary, cache->directory, name))
		r = -errno;
	if (r)
		unlinkat(cache->directory, temporary, 0);
	return r;
}
