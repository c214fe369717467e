/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "finish/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"

#define TABLE_BYTES_DEFAULT (256ull << 20)

static char *copy_or_null(const char *text)
{
	return text ? strdup(text) : NULL;
}

int hw_finish_files_init(struct hw_finish_files *files, const struct hw_finish_options *options,
                         struct hw_error *err)
{
	struct hw_compiler_options compiler = {0};
	int r;

	files->fd = -1;
	if (options)
		files->options = *options;
	files->root = copy_or_null(files->options.root);
	files->cache_directory = copy_or_null(files->options.cache_directory);
	files->bytes_max = files->options.table_bytes ? files->options.table_bytes : TABLE_BYTES_DEFAULT;
	compiler.cache_directory = files->cache_directory;
	r = hw_compiler_new(&compiler, &files->compiler, &files->status.problem);
	if (r == -ENOMEM)
		return hw_fail(err, r, "out of memory");
	return 0; /* without a compiler every file is refused, which the status tells */
}

void hw_finish_files_free(struct hw_finish_files *files)
{
	struct hw_finish_file *file, *next;

	HASH_ITER (hh, files->by_key, file, next) {
		HASH_DEL(files->by_key, file);
		hw_table_clear(&file->table);
		free(file->key);
		free(file->path);
		free(file);
	}
	if (files->fd >= 0)
		close(files->fd);
	hw_compiler_free(files->compiler);
	free(files->root);
	free(files->cache_directory);
}

static bool is_vdso(const char *path)
{
	return !strcmp(path, "[vdso]");
}

/* Names that the kernel gives to memory without a file, and files that nobody finds again. */
static bool has_no_file(const char *path)
{
	return path[0] != '/' || !strncmp(path, "//anon", 6) || !strncmp(path, "/dev/zero", 9) ||
	       !strncmp(path, "/memfd:", 7) || !strncmp(path, "/SYSV", 5) ||
	       !strncmp(path, "/anon_hugepage", 14);
}

static char *key_of(const struct hw_finish_map *map)
{
	char id[41] = "";
	char *key;

	for (uint8_t i = 0; i < map->build_id_size && i < 20; i++)
		snprintf(id + 2 * (size_t)i, 3, "%02x", map->build_id[i]);
	if (asprintf(&key, "%s|%x:%x:%llx|%s", id, map->major, map->minor, (unsigned long long)map->inode,
	             map->path) < 0)
		return NULL;
	return key;
}

int hw_finish_files_get(struct hw_finish_files *files, const struct hw_finish_map *map,
                        struct hw_finish_file **result)
{
	struct hw_finish_file *file = NULL;
	char *key;

	*result = NULL;
	if (has_no_file(map->path) && !is_vdso(map->path))
		return 0;
	key = key_of(map);
	if (!key)
		return -ENOMEM;
	HASH_FIND_STR(files->by_key, key, file);
	if (file) {
		free(key);
	} else {
		file = calloc(1, sizeof(*file));
		if (file)
			file->path = strdup(map->path);
		if (!file || !file->path) {
			free(file);
			free(key);
			return -ENOMEM;
		}
		file->key = key;
		file->vdso = is_vdso(map->path);
		file->major = map->major;
		file->minor = map->minor;
		file->inode = map->inode;
		file->build_id_size = map->build_id_size < 20 ? map->build_id_size : 20;
		if (file->build_id_size)
			memcpy(file->build_id, map->build_id, file->build_id_size);
		HASH_ADD_KEYPTR(hh, files->by_key, file->key, strlen(file->key), file);
	}
	*result = file;
	return 0;
}

/* ---- opening ---- */

static int open_regular(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = ENOENT;
	}
	return -1;
}

/* Where nothing but device and inode tells a file from its successor. */
static bool is_same_inode(const struct hw_finish_files *files, const struct hw_finish_file *file, int fd)
{
	struct stat st;

	if (file->build_id_size || !file->inode || !files->options.this_boot)
		return true;
	return !fstat(fd, &st) && st.st_ino == file->inode;
}

/* Where perf keeps copies of the files that it saw: ~/.debug/.build-id/ab/cdef…/elf */
static int open_perf_copy(const struct hw_finish_file *file)
{
	const char *home = getenv("HOME");
	char id[41] = "", path[4096];

	if (!home || file->build_id_size < 2)
		return -1;
	for (uint8_t i = 0; i < file->build_id_size; i++)
		snprintf(id + 2 * (size_t)i, 3, "%02x", file->build_id[i]);
	if ((size_t)snprintf(path, sizeof(path), "%s/.debug/.build-id/%.2s/%s/elf", home, id, id + 2) >=
	    sizeof(path))
		return -1;
	return open_regular(path);
}

/* The which-th place to look for the file; -1: it is not there (errno: why), -2: there are no more places. */
static int open_place(const struct hw_finish_files *files, const struct hw_finish_file *file, int which)
{
	char path[8192];
	int fd;

	errno = ENOENT;
	switch (which) {
	case 0:
		if ((size_t)snprintf(path, sizeof(path), "%s%s", files->root ? files->root : "",
		                     file->path) >= sizeof(path))
			return -1;
		fd = open_regular(path);
		if (fd >= 0 && !is_same_inode(files, file, fd)) {
			close(fd);
			errno = ESTALE;
			return -1;
		}
		return fd;
	case 1:
		return open_perf_copy(file);
	default:
		return -2;
	}
}

/* ---- tables ---- */

/* perf before 5.12 always says 20 bytes and fills up with zeros. */
static bool is_same_id(const struct hw_finish_file *file, const struct hw_table *table)
{
	uint8_t want[20] = {0}, have[20] = {0};

	if (!file->build_id_size)
		return true;
	memcpy(want, file->build_id, file->build_id_size);
	memcpy(have, table->build_id, table->build_id_size <= 20 ? table->build_id_size : 20);
	return !memcmp(want, have, sizeof(want));
}

static int compile_vdso(const struct hw_finish_files *files, struct hw_finish_file *file)
{
	int r;

	if (!file->build_id_size && !files->options.this_boot)
		return -ENOENT;
	r = hw_table_compile_vdso(&file->table);
	if (!r && !is_same_id(file, &file->table)) {
		hw_table_clear(&file->table);
		r = -ENOENT;
	}
	return r;
}

static const char is_gone[] = "the file is gone, or not seen from here";
static const char is_another[] = "the file that was recorded has been replaced";
static const char is_unreadable[] = "no right to read the file";

/* Where no place has the right file, it is not found. */
static int compile(struct hw_finish_files *files, struct hw_finish_file *file)
{
	int fd, r = -ENOENT, code;

	if (file->vdso)
		return compile_vdso(files, file);
	for (int which = 0; (fd = open_place(files, file, which)) != -2; which++) {
		if (fd < 0) {
			file->missing = errno == ESTALE                     ? is_another
			                : errno == EACCES && !file->missing ? is_unreadable
			                                                    : file->missing;
			continue;
		}
		code = files->compiler ? hw_compiler_table(files->compiler, fd, &file->table, NULL) : -EAGAIN;
		close(fd);
		if (!code && !is_same_id(file, &file->table)) {
			hw_table_clear(&file->table);
			file->missing = is_another;
			continue;
		}
		file->found = true;
		file->missing = NULL;
		file->place = which;
		if (!code)
			return 0;
		r = code;
	}
	return r;
}

/* Let tables go until there is room; never one of the walk that is under way. */
static void make_room(struct hw_finish_files *files, uint64_t now)
{
	while (files->status.table_bytes > files->bytes_max) {
		struct hw_finish_file *file, *next, *oldest = NULL;

		HASH_ITER (hh, files->by_key, file, next)
			if (file->state == HW_FINISH_LOADED && file->used < now &&
			    (!oldest || file->used < oldest->used))
				oldest = file;
		if (!oldest)
			return;
		files->status.table_bytes -= hw_table_bytes(&oldest->table);
		files->status.tables--;
		hw_table_clear(&oldest->table);
		oldest->state = HW_FINISH_UNTRIED;
	}
}

void hw_finish_files_load(struct hw_finish_files *files, struct hw_finish_file *file, uint64_t now)
{
	int r = compile(files, file);

	file->used = now;
	file->state = r ? HW_FINISH_REFUSED : HW_FINISH_LOADED;
	if (!r) {
		files->status.tables++;
		files->status.table_bytes += hw_table_bytes(&file->table);
		make_room(files, now);
	} else if (!file->found && !file->vdso) {
		files->status.files_missing++;
		if (!file->missing)
			file->missing = is_gone;
	}
}

static int most_first(const void *a, const void *b)
{
	const struct hw_finish_missing *x = a, *y = b;

	return x->walks != y->walks ? (x->walks < y->walks) - (x->walks > y->walks)
	                            : strcmp(x->path, y->path);
}

size_t hw_finish_files_missing(const struct hw_finish_files *files, struct hw_finish_missing *list,
                               size_t max)
{
	array_of(struct hw_finish_missing) all = {0};
	const struct hw_finish_file *file;
	size_t count;

	for (file = files->by_key; file; file = file->hh.next) {
		struct hw_finish_missing missing = {file->path, file->missing, file->ended};

		if (file->missing && array_push(&all, missing))
			break;
	}
	count = all.count < max ? all.count : max;
	if (count) {
		qsort(all.items, all.count, sizeof(*all.items), most_first);
		memcpy(list, all.items, count * sizeof(*list));
	}
	array_free(&all);
	return count;
}

int hw_finish_files_read(struct hw_finish_files *files, const struct hw_finish_file *file, uint64_t offset,
                         uint64_t *eight_bytes)
{
	if (!file->found || offset > INT64_MAX)
		return -1;
	if (files->open != file) {
		if (files->fd >= 0)
			close(files->fd);
		files->open = file;
		files->fd = open_place(files, file, file->place);
	}
	return files->fd >= 0 && pread(files->fd, eight_bytes, 8, (off_t)offset) == 8 ? 0 : -1;
}
