/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include <homeward/symbols.h>

#include <stdlib.h>

#include "api/internal.h"
#include "report/stack.h"

struct homeward_symbols {
	struct homeward_recording *recording; /* borrowed */
	struct hw_symbolizer *symbolizer;
	struct hw_stacks stacks;
	struct hw_frame_list path; /* of the sample resolved last */
	uint64_t now_ns;
	struct homeward_frame frame;
};

int homeward_symbols_open(struct homeward_recording *recording,
                          const struct homeward_symbols_options *options, struct homeward_symbols **result)
{
	struct homeward_symbols_options known = {0};
	struct homeward_symbols *symbols = calloc(1, sizeof(*symbols));
	struct hw_error err = {.text = "out of memory"};
	struct hw_symbolizer_options to = {0};
	int code = -ENOMEM;

	*result = NULL;
	hw_api_take_options(&known, sizeof(known), options);
	to.kallsyms = known.kallsyms;
	to.debug_directory = known.debug_directory;
	to.root = known.root;
	to.no_demangle = known.no_demangle;
	if (symbols) {
		symbols->recording = recording;
		code = hw_symbolizer_new(recording->recording, &to, &symbols->symbolizer, &err);
	}
	if (!code)
		code =
		    hw_stacks_init(&symbols->stacks, recording->recording, symbols->symbolizer, HW_STACK_ALL);
	if (code) {
		homeward_symbols_close(symbols);
		return hw_api_fail(code, err.text);
	}
	*result = symbols;
	return 0;
}

void homeward_symbols_close(struct homeward_symbols *symbols)
{
	if (!symbols)
		return;
	hw_stacks_free(&symbols->stacks);
	hw_symbolizer_free(symbols->symbolizer);
	array_free(&symbols->path);
	free(symbols);
}

int homeward_symbols_resolve(struct homeward_symbols *symbols, const struct homeward_sample *sample)
{
	const struct hw_sample *origin = symbols->recording->origin;
	uint32_t stack;
	int code;

	symbols->path.count = 0;
	if (sample != &symbols->recording->sample || !origin)
		return hw_api_fail(-EINVAL, "only the sample that homeward_recording_next gave last can be "
		                            "resolved");
	if (origin->time_ns < symbols->now_ns)
		return hw_api_fail(-EINVAL,
		                   "samples must be resolved in the order of time: after a rewind, open "
		                   "new symbols");
	symbols->now_ns = origin->time_ns;
	code = hw_stacks_resolve(&symbols->stacks, origin, &stack);
	if (!code)
		code = hw_stacks_frames(&symbols->stacks, stack, &symbols->path);
	return code ? hw_api_fail(code, "out of memory") : (int)symbols->path.count;
}

const struct homeward_frame *homeward_symbols_frame(const struct homeward_symbols *const_symbols,
                                                    size_t index)
{
	struct homeward_symbols *symbols = (struct homeward_symbols *)const_symbols; /* its cache only */
	const struct hw_frame *from;

	if (index >= symbols->path.count)
		return NULL;
	from = hw_symbolizer_frame_by_id(symbols->symbolizer, symbols->path.items[index]);
	symbols->frame = (struct homeward_frame){.function = from->unnamed ? NULL : from->function,
	                                         .file = from->file,
	                                         .kind = (enum homeward_frame_kind)from->kind};
	return &symbols->frame;
}

const char *homeward_symbols_thread(struct homeward_symbols *symbols, const struct homeward_sample *sample)
{
	if (sample->time_ns >= symbols->now_ns) {
		symbols->now_ns = sample->time_ns;
		hw_symbolizer_advance(symbols->symbolizer, sample->time_ns);
	}
	return hw_symbolizer_thread_name(symbols->symbolizer, sample->pid, sample->tid);
}
