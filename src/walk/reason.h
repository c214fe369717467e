/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Why a walk ended, and why a sample did not ask for one. Shared by BPF, recorder and readers.
 *
 * Both travel in bits 3–7 of perf_event_header.misc, which readers of perf.data ignore for these record
 * types: the end reason in PERF_RECORD_CALLCHAIN_DEFERRED, the refusal in PERF_RECORD_SAMPLE. Zero means
 * "not said", as in recordings that others made. Values are part of the file: add at the end only.
 */
#ifndef HW_WALK_REASON_H
#define HW_WALK_REASON_H

#define HW_MISC_REASON_SHIFT 3
#define HW_MISC_REASON_MASK  (31u << HW_MISC_REASON_SHIFT)

/* X(constant, value, "name in output", "in words") */
#define HW_END_REASONS(X)                                                                                    \
	X(UNSAID, 0, "unsaid", "the recorder does not say")                                                  \
	X(COMPLETE, 1, "complete", "reached the outermost frame")                                            \
	X(TRUNCATED, 2, "truncated", "deeper than the limit of frames")                                      \
	X(NO_TABLE, 3, "no-table", "a file without usable unwind tables, and no frame pointer")              \
	X(GAP, 4, "gap", "code that no unwind entry covers, and no frame pointer")                           \
	X(UNFIT, 5, "unfit", "an unwind rule that does not fit a row")                                       \
	X(NO_MAPPING, 6, "no-mapping", "a return address outside of every executable mapping")               \
	X(UNREADABLE, 7, "unreadable", "stack memory that cannot be read")                                   \
	X(MAY_BLOCK, 8, "may-block",                                                                         \
	  "stack memory whose fault could wait for ever (FUSE, NFS, userfaultfd)")                           \
	X(EXEC, 9, "exec", "the program was replaced before the walk")                                       \
	X(NO_MM, 10, "no-mm", "the task had given up its memory before the walk")                            \
	X(MISS, 11, "miss", "the table was not loaded in time")                                              \
	X(SHORT_COPY, 12, "short-copy", "the bounded stack copy ended before the stack did")                 \
	X(BUSY, 13, "busy", "the mappings could not be looked up")                                           \
	X(NO_PROGRESS, 14, "no-progress", "a frame that does not lead further up the stack")                 \
	X(LOST_REGISTER, 15, "lost-register", "a rule that needs a register nobody saved")                   \
	X(ANONYMOUS, 16, "anonymous", "code without a file (JIT), and no frame pointer")                     \
	X(NO_FAULT, 17, "no-fault", "memory that is not resident, where faulting was not allowed")           \
	X(FORBIDDEN, 18, "forbidden", "the viewer may not see the task any more")                            \
	X(NO_FILE, 19, "no-file", "a file that could not be opened, and no frame pointer")                   \
	X(FRAME_POINTER, 20, "frame-pointer", "frame pointers, which end before the outermost frame")

enum hw_end_reason {
#define X(constant, value, name, words) HW_END_##constant = value,
	HW_END_REASONS(X)
#undef X
	    HW_END_REASON_COUNT
};

/* Why a sample of a task with a user part carries no cookie. */
#define HW_REFUSALS(X)                                                                                       \
	X(NONE, 0, "none", "asked, or the task has no user part, or the recorder does not say")              \
	X(EXITING, 1, "exiting", "the task was exiting")                                                     \
	X(NO_USER_REGS, 2, "no-user-regs", "the saved registers were not those of user mode")                \
	X(COMPAT, 3, "32-bit", "32-bit code")                                                                \
	X(NO_SLOT, 4, "no-slot", "no room for the task's state")                                             \
	X(SCHEDULE, 5, "schedule-failed", "the kernel refused to schedule the walk")                         \
	X(IO_WORKER, 6, "io-worker", "a worker thread that never runs user code")                            \
	X(NO_MM, 7, "no-mm", "the task has no memory of its own")

enum hw_refusal {
#define X(constant, value, name, words) HW_REFUSE_##constant = value,
	HW_REFUSALS(X)
#undef X
	    HW_REFUSAL_COUNT
};

/* Why an asked-for callchain never came, as far as a reader can tell. */
#define HW_UNANSWERED_REASONS(X)                                                                             \
	X(IN_KERNEL, 0, "in-kernel", "still in the kernel when the recording ended")                         \
	X(EXITED, 1, "exited", "the task exited first")                                                      \
	X(LOST, 2, "lost", "the task came home, but its callchain was lost")

enum hw_unanswered {
#define X(constant, value, name, words) HW_UNANSWERED_##constant = value,
	HW_UNANSWERED_REASONS(X)
#undef X
	    HW_UNANSWERED_COUNT
};

#endif
