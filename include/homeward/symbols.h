/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* libhomeward: from the addresses of a sample to functions. See homeward-symbols(3). */
#ifndef HOMEWARD_SYMBOLS_H
#define HOMEWARD_SYMBOLS_H

#include <homeward/recording.h>

#ifdef __cplusplus
extern "C" {
#endif

struct homeward_symbols;

struct homeward_symbols_options {
	size_t size;                 /* sizeof(struct homeward_symbols_options) */
	const char *kallsyms;        /* NULL: /proc/kallsyms, if the recording is of this boot */
	const char *debug_directory; /* separate debug files; NULL: /usr/lib/debug */
	const char *root;            /* look for the recorded files below this directory; NULL: none */
	int no_demangle;             /* names as they stand in the symbol table */
};

enum homeward_frame_kind {
	HOMEWARD_FRAME_USER,
	HOMEWARD_FRAME_KERNEL,
	HOMEWARD_FRAME_JIT,
	HOMEWARD_FRAME_VDSO,
	HOMEWARD_FRAME_UNKNOWN, /* no mapping is known, or a made-up frame: "[incomplete: gap]" */
};

/* Owned by the library; read through pointers only: later versions append fields. */
struct homeward_frame {
	const char *function; /* NULL: no symbol covers the address */
	const char *file;     /* that is mapped there; "[kernel.kallsyms]", "[jit]", "[unknown]" */
	enum homeward_frame_kind kind;
};

/* The recording must outlive the symbols, and have one of them at a time. options may be NULL. */
int homeward_symbols_open(struct homeward_recording *recording,
                          const struct homeward_symbols_options *options, struct homeward_symbols **symbols);
void homeward_symbols_close(struct homeward_symbols *symbols); /* may be NULL */

/*
 * Resolve the sample that homeward_recording_next gave last: the number of frames, kernel and user, or
 * -errno. Programs are named as they were at that time, so samples must come in their order: -EINVAL after
 * homeward_recording_rewind.
 */
int homeward_symbols_resolve(struct homeward_symbols *symbols, const struct homeward_sample *sample);

/* The frame, 0 being the innermost, of the sample resolved last; NULL: there are not so many. */
const struct homeward_frame *homeward_symbols_frame(const struct homeward_symbols *symbols, size_t index);

/* The name of the sample's thread at that time. Valid until the next call. */
const char *homeward_symbols_thread(struct homeward_symbols *symbols, const struct homeward_sample *sample);

#ifdef __cplusplus
}
#endif
#endif
