/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "cli/record_status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "walk/reason.h"

#define MISSING_LEAST 20
#define MISSING_SHARE 50 /* one of so many */

void hw_tally_count(struct hw_tally *tally, const struct perf_event_header *record)
{
	if (record->type != PERF_RECORD_CALLCHAIN_DEFERRED)
		return;
	tally->callchains++;
	tally->complete += (record->misc & HW_MISC_REASON_MASK) >> HW_MISC_REASON_SHIFT == HW_END_COMPLETE;
}

/* Rounded down: what is not complete must not read 100 %. */
static double percent(const struct hw_tally *tally)
{
	return floor(1000.0 * (double)tally->complete / (double)tally->callchains) / 10;
}

static unsigned long long lost(const struct hw_capture_status *status)
{
	return status->counters.lost_samples + status->counters.lost_callchains + status->lost_side_band;
}

void hw_status_show(double seconds, const struct hw_capture_status *status, const struct hw_tally *tally)
{
	fprintf(stderr, "\r\033[K%.1f s  %llu samples  ", seconds,
	        (unsigned long long)status->counters.samples);
	if (tally->callchains)
		fprintf(stderr, "%.1f %% complete  ", percent(tally));
	fprintf(stderr, "%llu lost", lost(status));
}

void hw_status_clear(void)
{
	fputs("\r\033[K", stderr);
}

/* For those who work on homeward itself. */
static void debug(const struct hw_capture_status *s)
{
	const struct hw_counters *c = &s->counters;
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
	    {"requests", c->requests},
	    {"shared", c->shared},
	    {"late", c->late},
	    {"at-once", c->at_once},
	    {"not-at-once", c->not_at_once},
	    {"walks", c->walks},
	    {"frames", c->frames},
	    {"faults", c->faults},
	    {"find-busy", c->find_busy},
	    {"unfinished", c->unfinished},
	    {"finished", s->finished},
	    {"misses", s->misses},
	    {"tables", s->tables},
	    {"rows", s->table_rows},
	    {"failures", s->table_failures},
	    {"due", s->due},
	    {"idle", c->idle},
	    {"filtered", c->filtered},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		fprintf(stderr, "%s%s %llu", i ? " " : "", counts[i].name,
		        (unsigned long long)counts[i].value);
	fputc('\n', stderr);
}

/*
 * Samples that never came, which nobody else counts. A few are always missing on a busy virtual machine: a
 * timer that comes late skips what it missed.
 */
static void tell_missing(const struct hw_capture_status *status)
{
	const struct hw_counters *c = &status->counters;
	uint64_t came = c->samples + c->idle + c->filtered + c->lost_samples;
	uint64_t missing = status->due > came ? status->due - came : 0;

	if (missing < MISSING_LEAST || missing * MISSING_SHARE < status->due)
		return;
	fprintf(
	    stderr,
	    "homeward record: %llu of %llu samples due did not come: interrupts were off, the host had the "
	    "CPU, or BPF was busy there (another profiler?)\n",
	    (unsigned long long)missing, (unsigned long long)status->due);
}

void hw_status_summary(const struct hw_capture_status *status, const struct hw_tally *tally, uint64_t bytes,
                       const char *output)
{
	fprintf(stderr, "homeward record: %llu samples, ", (unsigned long long)status->counters.samples);
	if (tally->callchains)
		fprintf(stderr, "%.1f %% of user stacks complete, ", percent(tally));
	fprintf(stderr, "%.1f MB in %s", (double)bytes / 1e6, output);
	if (lost(status))
		fprintf(stderr, "; LOST %llu records", lost(status));
	fputc('\n', stderr);
	tell_missing(status);
	if (status->stops)
		fprintf(stderr,
		        "homeward record: seen were only the command's own processes, and only their CPU "
		        "time in user "
		        "mode;\nhomeward record: each sample stopped its thread, for %.0f us on average, "
		        "%.2f s in "
		        "all\n",
		        (double)status->stopped_ns / 1e3 / (double)status->stops,
		        (double)status->stopped_ns / 1e9);
	if (getenv("HOMEWARD_DEBUG"))
		debug(status);
}
