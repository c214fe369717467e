/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What a client and the daemon say to each other, over a Unix socket of type SOCK_SEQPACKET. Every message is
 * one struct hw_message, whole: any other size is an error. The order, with the answers of the daemon:
 *
 *	HELLO (what to record)   WELCOME, with the ring's memfd and an eventfd
 *	ADD_PROCESS (a pid)      none, or ERROR
 *	START                    STARTED, after what there was before came into the ring; nothing may be
 *	                         said until then; records follow
 *	STOP                     STOPPED, when what was owed has come, or a second later; the ring is complete
 *
 * A connection is one recording; a program may have several. Closing the socket ends it at any point. ERROR
 *is the daemon's last word: it closes then. Both sides are on one machine, so integers are the machine's.
 *
 * The ring (shared_ring.h) holds complete perf.data records. The eventfd becomes readable when it fills.
 */
#ifndef HW_SESSION_PROTOCOL_H
#define HW_SESSION_PROTOCOL_H

#include <stdint.h>

#define HW_PROTOCOL_MAGIC   0x64777768u /* "hwwd" */
#define HW_PROTOCOL_VERSION 1           /* raised when a message changes: the two then say so and part */
#define HW_DEFAULT_SOCKET   "/run/homeward/homeward.sock"

enum hw_message_type {
	HW_MESSAGE_HELLO = 1,
	HW_MESSAGE_ADD_PROCESS,
	HW_MESSAGE_START,
	HW_MESSAGE_STOP,
	HW_MESSAGE_WELCOME = 64,
	HW_MESSAGE_STARTED,
	HW_MESSAGE_STOPPED,
	HW_MESSAGE_ERROR,
};

/* The same as enum hw_session_filter. */
enum hw_wish_filter { HW_WISH_ALL, HW_WISH_PROCESSES, HW_WISH_UID, HW_WISH_CGROUP };

struct hw_wish {
	char event[32];     /* name, "" for the machine's best */
	uint64_t rate;      /* Hz, or a period */
	uint32_t frequency; /* 1: rate is in Hz */
	uint32_t user_only;
	uint32_t filter; /* enum hw_wish_filter */
	uint32_t uid;
	uint64_t cgroup;
	uint64_t ring_bytes; /* 0: the daemon's default; else a power of two */
};

struct hw_welcome {
	char event[32];
	uint32_t attr_size; /* bytes used of attr: a struct perf_event_attr */
	uint32_t limited;   /* only the client's own processes are shown */
	uint64_t ring_bytes;
	uint8_t attr[256];
};

struct hw_message {
	uint32_t magic;
	uint16_t version;
	uint16_t type; /* enum hw_message_type */
	int32_t code;  /* ERROR: -errno */
	int32_t pid;   /* ADD_PROCESS */
	union {
		struct hw_wish wish;
		struct hw_welcome welcome;
		char text[480]; /* ERROR: one line */
	};
};

#endif
