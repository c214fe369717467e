/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/account.h"

#include "report/text.h"

struct reason {
	const char *name, *words;
};

#define X(constant, value, name, words) [value] = {name, words},
static const struct reason end_reasons[] = {HW_END_REASONS(X)};
static const struct reason refusals[] = {HW_REFUSALS(X)};
static const struct reason unanswered_reasons[] = {HW_UNANSWERED_REASONS(X)};
#undef X

const char *hw_end_reason_name(unsigned reason)
{
	return reason < HW_END_REASON_COUNT ? end_reasons[reason].name : NULL;
}

const char *hw_refusal_name(unsigned refusal)
{
	return refusal == HW_REFUSE_NONE    ? "unsaid" /* "none" would claim that there was no refusal */
	       : refusal < HW_REFUSAL_COUNT ? refusals[refusal].name
	                                    : NULL;
}

const char *hw_unanswered_name(unsigned unanswered)
{
	return unanswered < HW_UNANSWERED_COUNT ? unanswered_reasons[unanswered].name : NULL;
}

struct list {
	struct hw_account_line *lines;
	size_t count;
};

static void add_line(struct list *list, bool reason, unsigned level, uint64_t count, uint64_t whole,
                     const char *name, const char *words)
{
	if (count && list->count < HW_ACCOUNT_LINES_MAX)
		list->lines[list->count++] =
		    (struct hw_account_line){level, count, whole, name, reason, words};
}

/* A count; then one that a reason has. */
#define add(list, ...)        add_line(list, false, __VA_ARGS__)
#define add_reason(list, ...) add_line(list, true, __VA_ARGS__)

size_t hw_account_lines(const struct hw_account *a, struct hw_account_line lines[HW_ACCOUNT_LINES_MAX])
{
	struct list list = {.lines = lines};

	add(&list, 0, a->samples, 0, NULL, hw_text_plural(a->samples, "sample", "samples"));
	add(&list, 1, a->samples - a->user_samples, a->samples, NULL,
	    "of tasks without a user part: kernel threads, idle");
	add(&list, 1, a->user_samples, a->samples, NULL, "of tasks with a user part");
	add(&list, 2, a->asked, a->user_samples, "asked", "asked for the user stack");
	add(&list, 3, a->answered, a->asked, "answered", "were answered");
	for (unsigned i = HW_END_COMPLETE; i < HW_END_REASON_COUNT; i++)
		add_reason(&list, 4, a->ended[i], a->answered, end_reasons[i].name, end_reasons[i].words);
	add_reason(&list, 4, a->ended[HW_END_UNSAID], a->answered, end_reasons[0].name, end_reasons[0].words);
	add(&list, 3, a->asked - a->answered, a->asked, "unanswered", "were not answered");
	for (unsigned i = 0; i < HW_UNANSWERED_COUNT; i++)
		add_reason(&list, 4, a->unanswered[i], a->asked, unanswered_reasons[i].name,
		           unanswered_reasons[i].words);
	add(&list, 2, a->direct, a->user_samples, "direct", "brought their user stack with them");
	add(&list, 2, a->user_samples - a->asked - a->direct, a->user_samples, "refused", "did not ask");
	for (unsigned i = HW_REFUSE_NONE + 1; i < HW_REFUSAL_COUNT; i++)
		add_reason(&list, 3, a->refused[i], a->user_samples, refusals[i].name, refusals[i].words);
	add_reason(&list, 3, a->refused[HW_REFUSE_NONE], a->user_samples, "unsaid",
	           "the recorder does not say why");
	add(&list, 0, a->callchains, 0, "callchains",
	    hw_text_plural(a->callchains, "user stack walked", "user stacks walked"));
	add(&list, 1, a->walks_missing, a->callchains, "missing",
	    "ended in a file that is not here, or not as it was recorded");
	add(&list, 1, a->repeated, 0, "repeated", "more came twice and were ignored");
	add(&list, 0, a->lost_samples, 0, "lost",
	    hw_text_plural(a->lost_samples, "sample lost", "samples lost"));
	add(&list, 0, a->lost_callchains, 0, "lost",
	    hw_text_plural(a->lost_callchains, "user stack lost", "user stacks lost"));
	add(&list, 0, a->lost_other, 0, "lost",
	    hw_text_plural(a->lost_other, "other record lost", "other records lost"));
	add(&list, 0, a->unread_bytes, 0, "unread", "bytes of the file could not be read");
	return list.count;
}
