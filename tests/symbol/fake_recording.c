/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "fake_recording.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <cmocka.h>

#include "base/array.h"
#include "symbol/elf_file.h"

static struct {
	array_of(struct hw_process_event) events;
	struct hw_sample samples[1];
	struct hw_recording_info info;
} fake;

void fake_reset(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	array_free(&fake.events);
	memset(&fake, 0, sizeof(fake));
	fake.samples[0].time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t fake_time(uint64_t after_ns)
{
	return fake.samples[0].time_ns + after_ns;
}

struct hw_recording_info *fake_info(void)
{
	return &fake.info;
}

struct hw_process_event fake_mapping(uint32_t pid, uint64_t start, const char *path, const char *name)
{
	struct hw_process_event event = {
	    .type = HW_PROCESS_MMAP, .pid = pid, .tid = pid, .start = start, .protection = 5, .name = name};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct hw_elf_file file;
	struct stat st;

	assert_true(fd >= 0 && !fstat(fd, &st));
	assert_int_equal(hw_elf_file_open(&file, fd), 0);
	for (size_t i = 0; i < file.load_count; i++) {
		const struct hw_elf_load *load = &file.loads[i];

		if (!load->executable)
			continue;
		event.offset = load->offset & ~4095ull;
		event.length = (load->offset - event.offset + load->size + 4095) & ~4095ull;
	}
	event.build_id_size = file.build_id_size;
	memcpy(event.build_id, file.build_id, sizeof(event.build_id));
	if (!file.build_id_size) {
		event.major = major(st.st_dev);
		event.minor = minor(st.st_dev);
		event.inode = st.st_ino;
	}
	hw_elf_file_close(&file);
	return event;
}

void fake_event(struct hw_process_event event)
{
	assert_int_equal(array_push(&fake.events, event), 0);
}

void fake_exec(uint32_t pid, uint64_t after_ns)
{
	fake_event((struct hw_process_event){.time_ns = fake_time(after_ns),
	                                     .type = HW_PROCESS_COMM,
	                                     .pid = pid,
	                                     .tid = pid,
	                                     .exec = true,
	                                     .name = "another"});
}

struct hw_symbolizer *fake_symbolizer(const struct hw_symbolizer_options *options)
{
	struct hw_symbolizer *symbolizer;
	struct hw_error err;

	assert_int_equal(hw_symbolizer_new((struct hw_recording *)&fake, options, &symbolizer, &err), 0);
	hw_symbolizer_advance(symbolizer, fake_time(0));
	return symbolizer;
}

/* What merge/ has for a recording. */

const struct hw_sample *hw_recording_samples(const struct hw_recording *recording, size_t *count)
{
	(void)recording;
	*count = 1;
	return fake.samples;
}

const struct hw_process_event *hw_recording_process_events(const struct hw_recording *recording,
                                                           size_t *count)
{
	(void)recording;
	*count = fake.events.count;
	return fake.events.items;
}

const struct hw_recording_info *hw_recording_info(const struct hw_recording *recording)
{
	(void)recording;
	return &fake.info;
}
