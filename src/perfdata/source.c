/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "perfdata/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256u << 10)
#define WINDOW_MAX   (128u << 10) /* a record is 64 KiB at most */

static int open_input(const char *path)
{
	bool standard = !strcmp(path, "-");
	int fd =
	    standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

int hw_source_open(struct hw_source *source, const char *path, struct hw_error *err)
{
	struct stat st;
	int r;

	memset(source, 0, sizeof(*source));
	source->fd = -1;
	r = open_input(path);
	if (r < 0)
		goto fail;
	source->fd = r;
	r = 0;
	source->buffer = malloc(BUFFER_BYTES);
	if (!source->buffer)
		r = -ENOMEM;
	else if (fstat(source->fd, &st))
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (S_ISBLK(st.st_mode))
		r = -EINVAL;
	if (r)
		goto fail;
	source->stream = !S_ISREG(st.st_mode);
	source->file_bytes = source->stream ? 0 : (uint64_t)st.st_size;
	return 0;
fail:
	hw_source_close(source);
	return hw_fail(err, r, "cannot read %s: %s", strcmp(path, "-") ? path : "standard input",
	               r == -EINVAL ? "neither a file nor a pipe" : strerror(-r));
}

void hw_source_close(struct hw_source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	free(source->buffer);
	source->fd = -1;
	source->buffer = NULL;
}

static size_t copy_at(const struct hw_source *source, void *bytes, size_t size, uint64_t offset)
{
	size_t got = 0;

	while (got < size && offset + got <= INT64_MAX) {
		ssize_t n = pread(source->fd, (char *)bytes + got, size - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

bool hw_source_copy(const struct hw_source *source, void *bytes, size_t size, uint64_t offset)
{
	return !source->stream && offset <= INT64_MAX - size && copy_at(source, bytes, size, offset) == size;
}

/* Read on until the buffer holds size bytes. */
static void fill(struct hw_source *source, size_t size)
{
	while (source->buffer_size < size) {
		ssize_t n = read(source->fd, source->buffer + source->buffer_size,
		                 BUFFER_BYTES - source->buffer_size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			source->error = -errno;
		if (n <= 0)
			return;
		source->buffer_size += (size_t)n;
		source->file_bytes += (uint64_t)n;
	}
}

/* Let go of what is before offset, if need be by reading past it. */
static void skip_to(struct hw_source *source, uint64_t offset)
{
	while (offset > source->buffer_at + source->buffer_size) {
		source->buffer_at += source->buffer_size;
		source->buffer_size = 0;
		fill(source, 1);
		if (!source->buffer_size)
			return;
	}
	if (offset > source->buffer_at) {
		size_t gone = (size_t)(offset - source->buffer_at);

		memmove(source->buffer, source->buffer + gone, source->buffer_size - gone);
		source->buffer_at = offset;
		source->buffer_size -= gone;
	}
}

const void *hw_source_window(struct hw_source *source, uint64_t offset, size_t size)
{
	uint64_t end = source->buffer_at + source->buffer_size;

	if (size > WINDOW_MAX)
		return NULL;
	if (offset >= source->buffer_at && offset <= end && end - offset >= size)
		return source->buffer + (offset - source->buffer_at);
	if (source->stream) {
		if (offset < source->buffer_at)
			return NULL;
		skip_to(source, offset);
		fill(source, size);
	} else {
		source->buffer_at = offset;
		source->buffer_size = copy_at(source, source->buffer, BUFFER_BYTES, offset);
	}
	return offset == source->buffer_at && source->buffer_size >= size ? source->buffer : NULL;
}
