/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/stats.h"

#include <json-c/json.h>

#include "report/account.h"
#include "report/text.h"

static int add_count(struct json_object *object, const char *key, uint64_t count)
{
	struct json_object *value = json_object_new_uint64(count);

	return !value || json_object_object_add(object, key, value) ? -ENOMEM : 0;
}

static int add_reasons(struct json_object *object, const char *key, const uint64_t *counts, unsigned count,
                       const char *(*name)(unsigned), uint64_t direct)
{
	struct json_object *reasons = json_object_new_object();
	int code;

	if (!reasons || json_object_object_add(object, key, reasons))
		return -ENOMEM;
	code = direct ? add_count(reasons, "direct", direct) : 0;
	for (unsigned i = 0; i < count && !code; i++)
		if (counts[i])
			code = add_count(reasons, name(i), counts[i]);
	return code;
}

/* A name from the file is made printable: JSON must be UTF-8. */
static int add_text(struct json_object *object, const char *key, const char *text)
{
	char clean[256] = "", piece[HW_TEXT_PIECE];
	size_t used = 0, size;

	if (!text)
		return json_object_object_add(object, key, NULL) ? -ENOMEM : 0;
	while ((size = hw_text_next(&text, piece)) && used + size < sizeof(clean)) {
		snprintf(clean + used, sizeof(clean) - used, "%s", piece);
		used += size;
	}
	return json_object_object_add(object, key, json_object_new_string(clean)) ? -ENOMEM : 0;
}

/* "lost_on": [{"cpu", "samples", "callchains"}…]: the CPUs that lost something. */
static int add_lost_on(struct json_object *object, const struct hw_account *a)
{
	struct json_object *list = json_object_new_array(), *each;

	if (!list || json_object_object_add(object, "lost_on", list))
		return -ENOMEM;
	for (size_t i = 0; i < a->lost_on_count; i++) {
		each = json_object_new_object();
		if (!each || json_object_array_add(list, each) || add_count(each, "cpu", a->lost_on[i].cpu) ||
		    add_count(each, "samples", a->lost_on[i].samples) ||
		    add_count(each, "callchains", a->lost_on[i].callchains))
			return -ENOMEM;
	}
	return 0;
}

/* "missing": [{"path", "why", "walks"}…]: files that walks of stack copies lacked. */
static int add_missing(struct json_object *object, const struct hw_account *a)
{
	struct json_object *list = json_object_new_array(), *each;

	if (!list || json_object_object_add(object, "missing", list))
		return -ENOMEM;
	for (size_t i = 0; i < a->missing_count; i++) {
		each = json_object_new_object();
		if (!each || json_object_array_add(list, each) ||
		    add_text(each, "path", a->missing[i].path) || add_text(each, "why", a->missing[i].why) ||
		    add_count(each, "walks", a->missing[i].walks))
			return -ENOMEM;
	}
	return 0;
}

static int fill(struct json_object *object, const struct hw_recording *recording)
{
	const struct hw_account *a = hw_recording_account(recording);
	struct json_object *lost;

	if (add_text(object, "backend", hw_recording_info(recording)->backend) ||
	    add_count(object, "duration_ns", a->duration_ns) || add_count(object, "bytes", a->bytes) ||
	    add_count(object, "samples", a->samples) || add_count(object, "user_samples", a->user_samples) ||
	    add_count(object, "asked", a->asked) || add_count(object, "answered", a->answered) ||
	    add_count(object, "callchains", a->callchains) || add_count(object, "complete", a->complete) ||
	    add_reasons(object, "ended", a->ended, HW_END_REASON_COUNT, hw_end_reason_name, 0) ||
	    add_reasons(object, "unanswered", a->unanswered, HW_UNANSWERED_COUNT, hw_unanswered_name, 0) ||
	    add_reasons(object, "refused", a->refused, HW_REFUSAL_COUNT, hw_refusal_name, a->direct))
		return -ENOMEM;
	lost = json_object_new_object();
	if (!lost || json_object_object_add(object, "lost", lost))
		return -ENOMEM;
	if (add_count(lost, "samples", a->lost_samples) || add_count(lost, "callchains", a->lost_callchains))
		return -ENOMEM;
	return add_lost_on(object, a) || (a->missing_count && add_missing(object, a)) ? -ENOMEM : 0;
}

int hw_stats_write_json(FILE *out, const struct hw_recording *recording, struct hw_error *err)
{
	struct json_object *object = json_object_new_object();
	const char *text = NULL;

	if (object && !fill(object, recording))
		text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
		                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		fprintf(out, "%s\n", text);
	json_object_put(object);
	return text ? 0 : hw_fail(err, -ENOMEM, "out of memory");
}
