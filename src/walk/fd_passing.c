/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "walk/fd_passing.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

union control {
	char bytes[CMSG_SPACE(HW_FDS_MAX * sizeof(int))];
	struct cmsghdr alignment;
};

int hw_send_fds(int socket, const void *data, size_t size, const int *fds, size_t count)
{
	struct iovec part = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;
	struct cmsghdr *header;
	ssize_t n;

	if (count > HW_FDS_MAX)
		return -EINVAL;
	if (count) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	do {
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_readable(int socket, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
	int64_t deadline = now_ms() + timeout_ms, left = timeout_ms;
	int r;

	for (;;) {
		r = poll(&poll_fd, 1, (int)left);
		if (r > 0)
			return 0;
		if (!r)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
		left = deadline - now_ms();
		if (left < 0)
			left = 0;
	}
}

/* Take the descriptors of a message: all that came, however many were expected. */
static size_t take_fds(struct msghdr *message, int fds[HW_FDS_MAX])
{
	size_t count = 0, here;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && count < HW_FDS_MAX; i++, count++)
			memcpy(&fds[count], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
	}
	return count;
}

int hw_receive_fds(int socket, void *data, size_t size, int *fds, size_t fds_max, int timeout_ms)
{
	struct iovec part = {.iov_base = data, .iov_len = size};
	union control control;
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof(control.bytes)};
	int taken[HW_FDS_MAX], r = 0;
	size_t taken_count;
	ssize_t n;

	if (timeout_ms >= 0)
		r = wait_readable(socket, timeout_ms);
	if (r)
		return r;
	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	taken_count = take_fds(&message, taken);
	if ((size_t)n == size && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && taken_count <= fds_max) {
		for (size_t i = 0; i < taken_count; i++)
			fds[i] = taken[i];
		return (int)taken_count;
	}
	for (size_t i = 0; i < taken_count; i++)
		close(taken[i]);
	return n ? -EPROTO : -EPIPE;
}
