/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What the parts of the loader share: its queue and thread (loader.c), walks (loader_walk.c), start
 * (loader_start.c). */
#ifndef HW_CAPTURE_LOADER_H
#define HW_CAPTURE_LOADER_H

#include "capture/finished.h"
#include "capture/internal.h"
#include "capture/seen.h"
#include "walk/opener.h"

#define QUEUE_BYTES_MAX (64u << 20)
#define ASK_SOON_NS     20000000ull
#define WAIT_MAX_NS     300000000ull

struct item {
	struct item *next;
	uint64_t number;   /* in the order in which they came */
	uint64_t until_ns; /* a walk may wait for a table until then, */
	uint32_t ask;      /* for this one */
	size_t size;
	/* Of a miss: opened at once, its process may not live long. fd -1: none. */
	struct hw_opened file;
	bool open_later; /* what may take its time is left to the loader's thread */
	uint64_t bytes[];
};

struct known_build_id {
	uint64_t start;
	uint32_t pid;
	uint8_t size;
	uint8_t build_id[20];
};

struct asked {
	uint32_t ask, serial, slot;
};

struct hw_loader {
	struct hw_kernel_side *side;
	struct hw_tables *tables;
	struct hw_compiler *compiler;
	struct hw_opener *opener;
	hw_loader_emit emit;
	void *context;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	struct item *first, **last;
	struct item *waiting; /* walks whose table was asked for and has not come */
	size_t queued_bytes;
	bool busy, quit;
	bool no_spares; /* they could not be made: not tried again */
	uint64_t finished, misses, pushed;
	uint64_t busy_number;       /* of the item in work */
	struct hw_finished *recent; /* walks for sessions that come late */
	array_of(struct known_build_id) build_ids;
	array_of(struct asked) answers;
	struct hw_seen *seen; /* of the reader's thread */
};

/* loader.c */
/* 0 with *file, or -errno and its fd -1; -EAGAIN: it cannot be had at once. See walk/opener.h. */
int hw_loader_open_mapped(struct hw_loader *loader, uint32_t pid, uint64_t start, uint64_t end, bool at_once,
                          struct hw_opened *file);
/* 0 with *table; -ESTALE: the file is not there any more (ask again later); else it has none. Closes the
 * file. */
int hw_loader_compile(struct hw_loader *loader, const struct hw_file_key *key, const struct hw_opened *file,
                      struct hw_table *table);

/*
 * loader_walk.c: finish a walk and emit it. -EAGAIN, unless it is the last try: the table asked for under
 * *ask may come yet.
 */
int hw_loader_finish_walk(struct hw_loader *loader, const struct hw_unfinished *u, size_t size, bool last,
                          uint32_t *ask);
bool hw_loader_is_answered(const struct hw_loader *loader, uint32_t ask);
/* Emit it as it is. keep: remember it for sessions that come late; only on the loader's own thread. */
void hw_loader_give_up(struct hw_loader *loader, const struct hw_unfinished *u, bool keep);
/* To sessions that came late. */
void hw_loader_hand_out_again(struct hw_loader *loader, const struct hw_late *late);

#endif
