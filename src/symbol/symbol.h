/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * From addresses to names: which mapping of which process held an address at a time, and which function of
 * that file it is.
 *
 * A symbolizer is fed a recording's process events in time order (hw_symbolizer_advance) and asked about
 * samples in the same order, so that a program that execs, forks or exits is named as it was then. Frames
 * are interned: equal (file, function) pairs have one id, so reports count ids and look at names last.
 */
#ifndef HW_SYMBOL_SYMBOL_H
#define HW_SYMBOL_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "merge/recording.h"

enum hw_frame_kind {
	HW_FRAME_USER,
	HW_FRAME_KERNEL,
	HW_FRAME_JIT, /* anonymous executable memory, named by a perf map or not */
	HW_FRAME_VDSO,
	HW_FRAME_UNKNOWN, /* no mapping known, or a marker such as "[user stack: in-kernel]" */
};

/* What several addresses share: a function of a file. Strings are owned by the symbolizer. */
struct hw_frame {
	const char *function;     /* demangled; where no symbol covers it, "[FILE+0xSTART]" if the file's
	                           * unwind entries tell where it begins, else NULL */
	const char *raw_function; /* as in the symbol table; without a symbol as above */
	const char *file;         /* path of the mapped file, "[kernel.kallsyms]", "[MODULE]",
	                           * "[vdso]", "[jit]", "[unknown]" */
	uint8_t kind;             /* enum hw_frame_kind */
	bool unnamed;             /* no symbol covers it */
};

struct hw_symbolizer_options {
	const char *kallsyms;        /* NULL: /proc/kallsyms, if the recording is of this kernel */
	const char *debug_directory; /* several with ":" between; NULL: /usr/lib/debug */
	const char *root;            /* prefix of every path of the recording, NULL: none */
	bool no_demangle;
	bool inlined;                   /* hw_symbolizer_frames tells inlined functions, too */
	struct hw_kernel_ahead *kernel; /* kallsyms is already being read; NULL: it is not */
};

/*
 * Begin to read kernel symbols (NULL: as above), in a thread, while something else is done. For
 * hw_symbolizer_new, which uses it up even if it fails, or for hw_kernel_ahead_drop. NULL: it cannot be;
 * nothing is lost.
 */
struct hw_kernel_ahead *hw_kernel_ahead_new(const char *kallsyms);
void hw_kernel_ahead_drop(struct hw_kernel_ahead *ahead);

/* Why an address has no name, and the words for it. */
#define HW_GAPS(X)                                                                                           \
	X(HW_GAP_MISSING, "the file is gone, or not seen from here")                                         \
	X(HW_GAP_REPLACED, "the file that was recorded has been replaced")                                   \
	X(HW_GAP_UNREADABLE, "the file cannot be read")                                                      \
	X(HW_GAP_STRIPPED, "the file has no symbols for them: its debug symbols would")                      \
	X(HW_GAP_JIT, "code made at run time, and no perf map that names it")                                \
	X(HW_GAP_KERNEL_HIDDEN,                                                                              \
	  "kernel addresses are hidden here: root sees them, see kernel.kptr_restrict")                      \
	X(HW_GAP_KERNEL_OTHER, "recorded on another kernel: give its symbols with --kallsyms")               \
	X(HW_GAP_KERNEL_UNKNOWN, "no kernel symbol covers them: a module or BPF program that is gone")       \
	X(HW_GAP_UNMAPPED, "nothing is known to have been mapped there")

#define X(constant, words) constant,
enum hw_gap_cause { HW_GAPS(X) HW_GAP_COUNT };
#undef X

#define HW_GAP_EXAMPLES 3

struct hw_gap {
	const char *words;
	uint64_t addresses;                    /* different ones */
	uint64_t files;                        /* different ones; 0: it is not about files */
	const char *examples[HW_GAP_EXAMPLES]; /* files; NULL behind the last */
};

struct hw_symbolizer;

int hw_symbolizer_new(const struct hw_recording *recording, const struct hw_symbolizer_options *options,
                      struct hw_symbolizer **symbolizer, struct hw_error *err);
void hw_symbolizer_free(struct hw_symbolizer *symbolizer);

/* Apply every process event up to and including time_ns. Times must not go down. */
void hw_symbolizer_advance(struct hw_symbolizer *symbolizer, uint64_t time_ns);

/* How many process events were applied so far: until it changes, names and mappings are as they were. */
size_t hw_symbolizer_moment(const struct hw_symbolizer *symbolizer);

/*
 * Say when the user stack that is asked about next was walked, if that was before the time advanced to: in
 * execve, the image may have been replaced since. hw_symbolizer_advance forgets it.
 */
void hw_symbolizer_walked(struct hw_symbolizer *symbolizer, uint64_t time_ns);

/*
 * What addresses of pid (kernel: of the kernel) mean now, as one number. Wherever it is the same, an address
 * has the same frame, lines and mapping (of equal content), so answers can be kept by it; only after
 * hw_symbolizer_was_unsure they hold for this pid alone: a file that could not be read was met since the last
 * call, and another process may still have it open.
 */
uint64_t hw_symbolizer_layout(struct hw_symbolizer *symbolizer, uint32_t pid, bool kernel);
bool hw_symbolizer_was_unsure(struct hw_symbolizer *symbolizer);

/* Names as of the time advanced to; never NULL (":PID" as perf prints where no name is known). */
const char *hw_symbolizer_thread_name(struct hw_symbolizer *symbolizer, uint32_t pid, uint32_t tid);
const char *hw_symbolizer_process_name(struct hw_symbolizer *symbolizer, uint32_t pid);

/*
 * The frame id of an address in process pid (kernel: in the kernel) as of the time advanced to. lookup is
 * the address to look up: callers pass ip - 1 for return addresses. Always an id, if only of an unknown
 * frame. Ids are dense and begin at 0.
 */
uint32_t hw_symbolizer_frame(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel);

/* The id of a made-up frame such as "[user stack: in-kernel]"; text is copied. */
uint32_t hw_symbolizer_marker(struct hw_symbolizer *symbolizer, const char *text);

/* The mapping that an address belongs to, as of the time advanced to; NULL: not known. Of the recording. */
const struct hw_process_event *hw_symbolizer_mapping(const struct hw_symbolizer *symbolizer, uint32_t pid,
                                                     uint64_t address, bool kernel);

const struct hw_frame *hw_symbolizer_frame_by_id(const struct hw_symbolizer *symbolizer, uint32_t id);
uint32_t hw_symbolizer_frame_count(const struct hw_symbolizer *symbolizer);

/* What could not be named so far, by cause, the most addresses first; how many causes there are. */
size_t hw_symbolizer_gaps(const struct hw_symbolizer *symbolizer, struct hw_gap gaps[HW_GAP_COUNT]);

/*
 * The exact place, for "homeward script": symbol start offset of address and, where debug information is
 * there, source file and line. Any out pointer may be NULL. Returns 0 or -ENOENT.
 */
struct hw_place {
	const char *function; /* demangled, or NULL */
	uint64_t offset;      /* of the address in the function, bytes */
	const char *file;     /* mapped file, as perf names it */
	uint64_t file_offset; /* where no symbol: offset in the file */
	const char *source;   /* NULL: not known */
	int line;
};
int hw_symbolizer_place(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                        bool want_line, struct hw_place *place);

/*
 * The functions that an address is in, innermost first: those inlined there, then the function itself, which
 * is always the last one. Without debug information it is the only one, without a source.
 */
struct hw_line {
	const char *function; /* demangled; NULL: not known. Strings are owned by the symbolizer */
	const char *source;   /* path of the source file as the compiler had it; NULL: not known */
	int line;             /* 0: not known */
	bool inlined;         /* into the next one */
};
#define HW_LINES_MAX 32 /* more inlined functions at one address are left out */
/* How many lines there are, at most max; at least 1. */
size_t hw_symbolizer_lines(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                           struct hw_line *lines, size_t max);

/*
 * The frame ids of an address, innermost first: with the option, those of the functions inlined there, "NAME
 * (inlined)"; then what hw_symbolizer_frame says. How many, at most max; at least 1.
 */
size_t hw_symbolizer_frames(struct hw_symbolizer *symbolizer, uint32_t pid, uint64_t lookup, bool kernel,
                            uint32_t *ids, size_t max);

#endif
