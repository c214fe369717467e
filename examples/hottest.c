/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The innermost function of each sample in a recording: cc hottest.c $(pkg-config --cflags --libs
 * libhomeward) */
#include <homeward/symbols.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct homeward_recording *recording = NULL;
	struct homeward_symbols *symbols = NULL;
	const struct homeward_sample *sample;
	const struct homeward_frame *frame;
	int frames;

	if (homeward_recording_open(argc > 1 ? argv[1] : "homeward.data", NULL, &recording) ||
	    homeward_symbols_open(recording, NULL, &symbols)) {
		fprintf(stderr, "hottest: %s\n", homeward_error());
		homeward_recording_close(recording);
		return 1;
	}
	while (homeward_recording_next(recording, &sample) > 0) {
		frames = homeward_symbols_resolve(symbols, sample);
		frame = frames > 0 ? homeward_symbols_frame(symbols, 0) : NULL;
		printf("%s %zu %zu %s\n", homeward_symbols_thread(symbols, sample), sample->kernel_count,
		       sample->user_count, frame && frame->function ? frame->function : "?");
	}
	homeward_symbols_close(symbols);
	homeward_recording_close(recording);
	return 0;
}
