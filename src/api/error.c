/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <homeward/error.h>

#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "report/account.h"

static __thread char last_error[sizeof(((struct hw_error *)0)->text)];

const char *homeward_error(void)
{
	return last_error;
}

const char *homeward_version(void)
{
	return HW_VERSION;
}

int hw_api_fail(int code, const char *text)
{
	snprintf(last_error, sizeof(last_error), "%s", text);
	return code;
}

size_t hw_api_known(size_t size, size_t ours)
{
	return size < sizeof(size) ? 0 : size < ours ? size : ours;
}

void hw_api_take_options(void *known, size_t ours, const void *options)
{
	if (options)
		memcpy(known, options, hw_api_known(*(const size_t *)options, ours));
}

const char *hw_api_reason(uint8_t state, uint8_t refusal, uint8_t end, uint8_t unanswered)
{
	const char *name = state == HW_SAMPLE_REFUSED      ? hw_refusal_name(refusal)
	                   : state == HW_SAMPLE_UNANSWERED ? hw_unanswered_name(unanswered)
	                   : state == HW_SAMPLE_ANSWERED   ? hw_end_reason_name(end)
	                                                   : "";

	return name ? name : "";
}
