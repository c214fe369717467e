/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Record one process and its descendants for a second, or more: watch PID [SECONDS]. */
#include <homeward/recorder.h>
#include <stdio.h>
#include <stdlib.h>

static int print_sample(void *context, const struct homeward_sample *sample)
{
	size_t *deepest = context;

	*deepest = sample->user_count > *deepest ? sample->user_count : *deepest;
	printf("%u %zu %s\n", sample->tid, sample->user_count, sample->reason);
	return 0;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
	int seconds = argc > 2 ? atoi(argv[2]) : 1;
	struct homeward_recorder_options options = {.size = sizeof(options), .pids = &pid, .pid_count = 1};
	struct homeward_recorder_counts counts = {.size = sizeof(counts)};
	struct homeward_recorder *recorder;
	size_t deepest = 0;
	int code = homeward_recorder_open(&options, print_sample, &deepest, &recorder);

	if (!code)
		code = homeward_recorder_start(recorder);
	for (int i = 0; !code && i < 10 * seconds; i++)
		code = homeward_recorder_poll(recorder, 100);
	if (!code)
		code = homeward_recorder_stop(recorder);
	if (code)
		fprintf(stderr, "watch: %s\n", homeward_error());
	else if (!homeward_recorder_counts(recorder, &counts))
		fprintf(stderr, "%llu samples, up to %zu frames\n", (unsigned long long)counts.samples,
		        deepest);
	homeward_recorder_close(recorder);
	return code ? 1 : 0;
}
