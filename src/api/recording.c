/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <homeward/recording.h>

#include <stdlib.h>

#include "api/internal.h"

int homeward_recording_open(const char *path, const struct homeward_recording_options *options,
                            struct homeward_recording **result)
{
	struct homeward_recording_options known = {0};
	struct homeward_recording *recording = calloc(1, sizeof(*recording));
	struct hw_error err = {.text = "out of memory"};
	struct hw_load_options load;
	int code = -ENOMEM;

	*result = NULL;
	hw_api_take_options(&known, sizeof(known), options);
	load = (struct hw_load_options){.progress = known.progress, .context = known.context};
	if (recording)
		code = hw_recording_load(path, &load, &recording->recording, &err);
	if (code) {
		free(recording);
		return hw_api_fail(code, err.text);
	}
	*result = recording;
	return 0;
}

void homeward_recording_close(struct homeward_recording *recording)
{
	if (!recording)
		return;
	hw_recording_free(recording->recording);
	free(recording);
}

int homeward_recording_next(struct homeward_recording *recording, const struct homeward_sample **result)
{
	size_t count;
	const struct hw_sample *samples = hw_recording_samples(recording->recording, &count), *from;
	struct homeward_sample *sample = &recording->sample;

	*result = NULL;
	if (recording->next >= count)
		return 0;
	from = recording->origin = &samples[recording->next++];
	*sample = (struct homeward_sample){
	    .time_ns = from->time_ns,
	    .ip = from->ip,
	    .period = from->period,
	    .pid = from->pid,
	    .tid = from->tid,
	    .cpu = from->cpu,
	    .event = from->event,
	    .state = (enum homeward_sample_state)from->state,
	    .reason = hw_api_reason(from->state, from->refusal, from->end, from->unanswered),
	};
	sample->kernel_ips =
	    hw_recording_stack(recording->recording, from->kernel_stack, &sample->kernel_count);
	sample->user_ips = hw_recording_stack(recording->recording, from->user_stack, &sample->user_count);
	*result = sample;
	return 1;
}

void homeward_recording_rewind(struct homeward_recording *recording)
{
	recording->next = 0;
	recording->origin = NULL;
}

uint64_t homeward_recording_count(const struct homeward_recording *recording)
{
	size_t count;

	hw_recording_samples(recording->recording, &count);
	return count;
}

const char *homeward_recording_event(const struct homeward_recording *recording, uint32_t event)
{
	size_t count;
	const struct hw_recording_event *events = hw_recording_events(recording->recording, &count);

	return event < count ? events[event].name : NULL;
}

const char *homeward_recording_damage(const struct homeward_recording *recording)
{
	return hw_recording_account(recording->recording)->damage;
}
