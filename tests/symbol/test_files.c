/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The right file for a mapping, and never another: files that were replaced, deleted, are in memory only or
 * in another mount namespace; debug files by build ID and by link. Arguments: three directories that
 * make_variants made.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_recording.h"

#define START 0x7f0000000000ull
#define GONE  4000000u /* no process has this number: it is beyond pid_max's default */

static char **directories;
static char home[] = "/tmp/homeward-files-XXXXXX";

static void copy(const char *directory, const char *name, const char *to)
{
	char command[12000];

	snprintf(command, sizeof(command), "cp '%s/%s' '%s'", directory, name, to);
	assert_int_equal(system(command), 0);
}

static unsigned long long address_of(const char *directory, const char *wanted)
{
	char path[4096], name[256];
	unsigned long long address;
	FILE *file;

	snprintf(path, sizeof(path), "%s/expected", directory);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fscanf(file, "%llx %255s", &address, name) == 2)
		if (!strcmp(name, wanted)) {
			fclose(file);
			return address;
		}
	fail_msg("no %s", wanted);
	return 0;
}

/* What a symbolizer calls an address of the library that was mapped; in the library's own terms. */
static const struct hw_frame *frame_at(struct hw_symbolizer *symbolizer, uint32_t pid,
                                       const struct hw_process_event *map, uint64_t address)
{
	/* In these libraries, addresses of code are offsets in the file. */
	uint32_t id = hw_symbolizer_frame(symbolizer, pid, address - map->offset + map->start, false);

	return hw_symbolizer_frame_by_id(symbolizer, id);
}

static const char *name_of(const struct hw_symbolizer_options *options, const struct hw_process_event *map,
                           const char *wanted, char *text)
{
	struct hw_symbolizer *symbolizer = fake_symbolizer(options);
	const struct hw_frame *frame =
	    frame_at(symbolizer, map->pid, map, address_of(directories[0], wanted) + 1);

	strcpy(text, frame->unnamed ? "" : frame->function);
	hw_symbolizer_free(symbolizer);
	return text;
}

#define assert_named(options, map, wanted, expected)                                                         \
	do {                                                                                                 \
		char got_text[256];                                                                          \
		assert_string_equal(name_of(options, map, wanted, got_text), expected);                      \
	} while (0)

static struct hw_process_event mapped(uint32_t pid, const char *path)
{
	struct hw_process_event map;

	fake_reset();
	map = fake_mapping(pid, START, path, path);
	fake_event(map);
	return map;
}

static const struct hw_gap *only_gap(struct hw_symbolizer *symbolizer, const struct hw_process_event *map)
{
	static struct hw_gap gaps[HW_GAP_COUNT];

	frame_at(symbolizer, map->pid, map, address_of(directories[0], "sample_static"));
	assert_int_equal(hw_symbolizer_gaps(symbolizer, gaps), 1);
	return gaps;
}

static void assert_gap(const struct hw_process_event *map, const char *words)
{
	struct hw_symbolizer *symbolizer = fake_symbolizer(NULL);
	const struct hw_gap *gap = only_gap(symbolizer, map);

	assert_int_equal(gap->addresses, 1);
	assert_int_equal(gap->files, 1);
	assert_string_equal(gap->examples[0], map->name);
	if (!strstr(gap->words, words))
		fail_msg("'%s' does not say '%s'", gap->words, words);
	hw_symbolizer_free(symbolizer);
}

static const char *here(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	return path;
}

static void a_file_in_its_place_is_used(void **state)
{
	const char *path = here("whole.so");
	struct hw_process_event map;

	(void)state;
	copy(directories[0], "whole.so", path);
	map = mapped(GONE, path);
	assert_named(NULL, &map, "sample_static", "sample_static");
	assert_named(NULL, &map, "strlen@plt", "strlen@plt");
	unlink(path);
	assert_gap(&map, "gone");
}

static void a_file_replaced_by_another_is_not_used(void **state)
{
	const char *path = here("whole.so");
	struct hw_process_event map;

	(void)state;
	copy(directories[0], "whole.so", path);
	map = mapped(GONE, path);
	copy(directories[1], "whole.so", path);
	assert_named(NULL, &map, "sample_static", "");
	assert_gap(&map, "replaced");
	assert_int_equal(truncate(path, 100), 0);
	assert_gap(&map, "replaced");
	unlink(path);
}

static void write_hex(char *text, const struct hw_process_event *map)
{
	for (size_t i = 0; i < map->build_id_size; i++)
		sprintf(text + 2 * i, "%02x", map->build_id[i]);
}

static void a_replaced_file_is_found_by_its_build_id(void **state)
{
	const char *path = here("whole.so");
	char hex[41], directory[4096], file[8192], command[20000];
	struct hw_symbolizer_options options = {.debug_directory = directory};
	struct hw_process_event map;

	(void)state;
	copy(directories[0], "whole.so", path);
	map = mapped(GONE, path);
	write_hex(hex, &map);
	copy(directories[1], "whole.so", path);
	snprintf(directory, sizeof(directory), "/nonexistent:%s/debug", home);
	snprintf(file, sizeof(file), "%s/debug/.build-id/%.2s", home, hex);
	snprintf(command, sizeof(command), "mkdir -p %s", file);
	assert_int_equal(system(command), 0);
	snprintf(file + strlen(file), 60, "/%s.debug", hex + 2);

	/* Only the debug file is left, which does not say where the code stood in the file */
	copy(directories[0], "sample.debug", file);
	assert_named(&options, &map, "sample_static", "sample_static");
	assert_named(&options, &map, "sample_global", "sample_global");
	/* What stands there under a wrong name */
	copy(directories[1], "sample.debug", file);
	assert_named(&options, &map, "sample_static", "");
	unlink(file);
	/* The program itself */
	file[strlen(file) - 6] = '\0';
	copy(directories[0], "whole.so", file);
	assert_named(&options, &map, "strlen@plt", "strlen@plt");
	unlink(path);
}

static void a_function_without_a_symbol_is_called_by_where_it_begins(void **state)
{
	unsigned long long begin = address_of(directories[0], "sample_static");
	unsigned long long code = address_of(directories[0], "sample_outer") + 60;
	struct hw_symbolizer *symbolizer;
	struct hw_process_event map;
	const struct hw_frame *frame;
	char expected[64];

	(void)state;
	copy(directories[0], "bare.so", here("bare.so"));
	map = mapped(GONE, here("bare.so"));
	symbolizer = fake_symbolizer(NULL);
	snprintf(expected, sizeof(expected), "[bare.so+0x%llx]", begin);
	for (int i = 0; i < 3; i++) {
		frame = frame_at(symbolizer, GONE, &map, begin + (unsigned)i);
		assert_string_equal(frame->function, expected);
		assert_true(frame->unnamed);
	}
	/* Without a symbol and an unwind entry nothing is known */
	frame = frame_at(symbolizer, GONE, &map, code);
	assert_null(frame->function);
	assert_true(frame->unnamed);
	hw_symbolizer_free(symbolizer);
	unlink(here("bare.so"));
}

static void what_debuginfod_has_fetched_is_used(void **state)
{
	const char *path = here("bare.so");
	char hex[41], file[8192], command[20000];
	struct hw_process_event map;

	(void)state;
	copy(directories[0], "bare.so", path);
	map = mapped(GONE, path);
	assert_named(NULL, &map, "sample_static", "");
	assert_gap(&map, "no symbols");
	write_hex(hex, &map);
	snprintf(file, sizeof(file), "%s/cache/%s", home, hex);
	snprintf(command, sizeof(command), "mkdir -p %s", file);
	assert_int_equal(system(command), 0);
	strcat(file, "/debuginfo");
	copy(directories[0], "sample.debug", file);
	setenv("DEBUGINFOD_CACHE_PATH", here("cache"), 1);
	assert_named(NULL, &map, "sample_static", "sample_static");
	unsetenv("DEBUGINFOD_CACHE_PATH");
	unlink(here("bare.so"));
}

static void a_debug_link_is_followed_to_the_right_file_only(void **state)
{
	char path[4096];
	struct hw_process_event map;
	FILE *file;

	(void)state;
	strcpy(path, here("linked.so"));
	copy(directories[0], "linked.so", path);
	map = mapped(GONE, path);
	assert_named(NULL, &map, "sample_static", "");
	copy(directories[1], "sample.debug", here("sample.debug"));
	assert_named(NULL, &map, "sample_static", "");
	copy(directories[0], "sample.debug", here("sample.debug"));
	assert_named(NULL, &map, "sample_static", "sample_static");
	unlink(here("sample.debug"));
	mkdir(here(".debug"), 0755);
	copy(directories[0], "sample.debug", here(".debug/sample.debug"));
	assert_named(NULL, &map, "sample_static", "sample_static");

	/* Without a build ID the checksum decides. */
	strcpy(path, here("checked.so"));
	copy(directories[0], "checked.so", path);
	map = mapped(GONE, path);
	assert_int_equal(map.build_id_size, 0);
	assert_named(NULL, &map, "sample_static", "sample_static");
	file = fopen(here(".debug/sample.debug"), "a");
	fputc(0, file);
	fclose(file);
	assert_named(NULL, &map, "sample_static", "");
	assert_named(NULL, &map, "sample_global", "sample_global");
	unlink(path);
}

static void without_a_build_id_only_the_unchanged_inode_is_used(void **state)
{
	struct timespec later[2] = {{0}, {0}};
	char path[4096];
	struct hw_process_event map;

	(void)state;
	strcpy(path, here("checked.so"));
	copy(directories[0], "checked.so", path);
	map = mapped(GONE, path);
	assert_named(NULL, &map, "sample_global", "sample_global");
	/* Written to after the recording began */
	clock_gettime(CLOCK_REALTIME, &later[0]);
	later[0].tv_sec += 3600;
	later[1] = later[0];
	assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
	assert_gap(&map, "replaced");
	/* Another one renamed over it */
	copy(directories[0], "checked.so", here("other.so"));
	assert_int_equal(rename(here("other.so"), path), 0);
	assert_gap(&map, "replaced");
	unlink(path);
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
	char path[4096];
	struct hw_process_event map;

	(void)state;
	strcpy(path, here("fifo.so"));
	copy(directories[0], "whole.so", path);
	map = mapped(GONE, path);
	unlink(path);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_gap(&map, "cannot be read");
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_gap(&map, "cannot be read");
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_gap(&map, "cannot be read");
	rmdir(path);
}

static void a_program_that_execs_is_named_as_it_was_then(void **state)
{
	char first[4096], second[4096];
	struct hw_process_event map, next, only;
	struct hw_symbolizer *symbolizer;
	uint64_t address = address_of(directories[0], "sample_static");

	(void)state;
	strcpy(first, here("first.so"));
	strcpy(second, here("second.so"));
	copy(directories[0], "whole.so", first);
	copy(directories[0], "bare.so", second);
	fake_reset();
	map = fake_mapping(GONE, START, first, first);
	only = fake_mapping(GONE, START + 0x10000000, first, first);
	next = fake_mapping(GONE, START, second, second);
	next.time_ns = fake_time(2000);
	fake_event(map);
	fake_event(only);
	fake_exec(GONE, 1000);
	fake_event(next);
	symbolizer = fake_symbolizer(NULL);
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->file, first);
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->function, "sample_static");
	hw_symbolizer_advance(symbolizer, fake_time(1500));
	/* The stack that called execve: until the new image is mapped, there is no other */
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->file, first);
	hw_symbolizer_advance(symbolizer, fake_time(2500));
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->file, second);
	/* What the new image does not have, so shortly after, is of the one before */
	assert_string_equal(frame_at(symbolizer, GONE, &only, address)->function, "sample_static");
	hw_symbolizer_walked(symbolizer, fake_time(1000000000));
	assert_string_equal(frame_at(symbolizer, GONE, &only, address)->file, "[unknown]");
	assert_true(frame_at(symbolizer, GONE, &map, address)->unnamed);
	/* A sample of now whose stack was walked before */
	hw_symbolizer_walked(symbolizer, fake_time(900));
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->file, first);
	hw_symbolizer_walked(symbolizer, fake_time(1100));
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->file, second);
	hw_symbolizer_free(symbolizer);
	unlink(first);
	unlink(second);
}

static struct hw_process_event forked(uint32_t pid, uint32_t parent, uint64_t after_ns)
{
	return (struct hw_process_event){.time_ns = fake_time(after_ns),
	                                 .type = HW_PROCESS_FORK,
	                                 .pid = pid,
	                                 .tid = pid,
	                                 .ppid = parent,
	                                 .ptid = parent};
}

static void a_fork_has_its_parents_mappings_or_its_own_never_a_dead_ones(void **state)
{
	uint64_t address = address_of(directories[0], "sample_static");
	struct hw_symbolizer *symbolizer;
	struct hw_process_event map;
	char path[4096];

	(void)state;
	strcpy(path, here("whole.so"));
	copy(directories[0], "whole.so", path);
	fake_reset();
	map = fake_mapping(GONE, START, path, path);
	fake_event(map);
	fake_event(forked(GONE, GONE + 1, 100)); /* of a parent that is not in the recording */
	fake_event(forked(GONE + 2, GONE, 200));
	fake_event((struct hw_process_event){
	    .time_ns = fake_time(300), .type = HW_PROCESS_EXIT, .pid = GONE, .tid = GONE});
	fake_event(forked(GONE, GONE + 1, 400)); /* another process with that number */
	symbolizer = fake_symbolizer(NULL);
	hw_symbolizer_advance(symbolizer, fake_time(150));
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->function, "sample_static");
	hw_symbolizer_advance(symbolizer, fake_time(350));
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->function, "sample_static");
	assert_string_equal(frame_at(symbolizer, GONE + 2, &map, address)->function, "sample_static");
	hw_symbolizer_advance(symbolizer, fake_time(450));
	assert_string_equal(frame_at(symbolizer, GONE, &map, address)->file, "[unknown]");
	assert_string_equal(frame_at(symbolizer, GONE + 2, &map, address)->function, "sample_static");
	hw_symbolizer_free(symbolizer);
	unlink(path);
}

static void addresses_mean_the_same_exactly_where_the_layout_is_the_same(void **state)
{
	const uint32_t forked_one = GONE + 1, other = GONE + 2, with_memory = GONE + 3, its_fork = GONE + 4;
	struct hw_symbolizer *symbolizer;
	struct hw_process_event map, same;
	uint64_t layout, after;
	char path[4096];

	(void)state;
	strcpy(path, here("whole.so"));
	copy(directories[0], "whole.so", path);
	fake_reset();
	map = fake_mapping(GONE, START, path, path);
	fake_event(map);
	same = map;
	same.pid = same.tid = other;
	fake_event(same);
	same.pid = same.tid = with_memory;
	fake_event(same);
	same.start += 0x40000000;
	same.name = "//anon";
	fake_event(same);
	fake_event(forked(forked_one, GONE, 100));
	fake_event(forked(its_fork, with_memory, 100));
	map.time_ns = fake_time(200); /* once more */
	fake_event(map);
	map.time_ns = fake_time(300); /* another part of the file at the same place */
	map.offset += 4096;
	fake_event(map);
	fake_exec(other, 1000);
	map.pid = map.tid = other;
	map.time_ns = fake_time(1100);
	fake_event(map);
	symbolizer = fake_symbolizer(NULL);
	layout = hw_symbolizer_layout(symbolizer, GONE, false);
	assert_int_equal(hw_symbolizer_layout(symbolizer, other, false), layout);
	hw_symbolizer_advance(symbolizer, fake_time(150));
	assert_int_equal(hw_symbolizer_layout(symbolizer, forked_one, false), layout);
	assert_int_not_equal(hw_symbolizer_layout(symbolizer, with_memory, false),
	                     hw_symbolizer_layout(symbolizer, its_fork, false));
	hw_symbolizer_advance(symbolizer, fake_time(250));
	assert_int_equal(hw_symbolizer_layout(symbolizer, GONE, false), layout);
	hw_symbolizer_advance(symbolizer, fake_time(350));
	assert_int_not_equal(hw_symbolizer_layout(symbolizer, GONE, false), layout);
	assert_int_equal(hw_symbolizer_layout(symbolizer, forked_one, false), layout);
	/* Through an execve: walked before it, just after it, and long after it */
	hw_symbolizer_advance(symbolizer, fake_time(1200));
	after = hw_symbolizer_layout(symbolizer, other, false);
	hw_symbolizer_walked(symbolizer, fake_time(900));
	assert_int_equal(hw_symbolizer_layout(symbolizer, other, false), layout);
	assert_int_not_equal(after, layout);
	hw_symbolizer_advance(symbolizer, fake_time(1000000000));
	assert_int_equal(hw_symbolizer_layout(symbolizer, other, false),
	                 hw_symbolizer_layout(symbolizer, GONE, false));
	assert_int_not_equal(hw_symbolizer_layout(symbolizer, other, false), after);
	hw_symbolizer_free(symbolizer);
	unlink(path);
}

/* ---- what only the process still has ---- */

struct mapper {
	pid_t pid;
	uint64_t start;
};

/* A process that runs prepare, maps the executable segment of what is open then, and waits. */
static struct mapper start_mapper(int (*prepare)(void), const struct hw_process_event *like)
{
	struct mapper mapper;
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	mapper.pid = fork();
	if (!mapper.pid) {
		int fd;
		void *memory;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = prepare();
		memory = fd < 0 ? MAP_FAILED
		                : mmap(NULL, like->length, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
		                       (off_t)like->offset);
		mapper.start = memory == MAP_FAILED ? 0 : (uintptr_t)memory;
		if (write(ready[1], &mapper.start, 8) == 8)
			pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &mapper.start, 8), 8);
	close(ready[0]);
	assert_true(mapper.start);
	return mapper;
}

static void end_mapper(const struct mapper *mapper)
{
	kill(mapper->pid, SIGKILL);
	waitpid(mapper->pid, NULL, 0);
}

static int open_and_delete(void)
{
	int fd = open(here("deleted.so"), O_RDONLY | O_CLOEXEC);

	unlink(here("deleted.so"));
	return fd;
}

static int open_memory_file(void)
{
	int from = open(here("deleted.so"), O_RDONLY | O_CLOEXEC), fd = memfd_create("program", MFD_CLOEXEC);
	char bytes[65536];
	ssize_t size = read(from, bytes, sizeof(bytes));

	return size > 0 && write(fd, bytes, (size_t)size) == size ? fd : -1;
}

static int open_in_own_namespace(void)
{
	char from[8192];
	int r = unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	        mkdir(here("hidden"), 0755) || mount("none", here("hidden"), "tmpfs", 0, NULL);

	snprintf(from, sizeof(from), "cp %s/deleted.so %s/hidden/deleted.so", home, home);
	if (r || system(from))
		return -1;
	return open(here("hidden/deleted.so"), O_RDONLY | O_CLOEXEC);
}

/* What is mapped can be opened only with CAP_CHECKPOINT_RESTORE (proc(5), /proc/PID/map_files). */
static bool mapped_files_can_be_opened(void)
{
	DIR *files = opendir("/proc/self/map_files");
	struct dirent *entry;
	int fd = -1;

	while (files && fd < 0 && (entry = readdir(files)))
		fd = entry->d_name[0] == '.' ? -1 : openat(dirfd(files), entry->d_name, O_RDONLY | O_CLOEXEC);
	if (files)
		closedir(files);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void only_the_process_has_it(int (*prepare)(void), const char *name)
{
	char path[4096];
	struct hw_process_event map;
	struct mapper mapper;

	if (!mapped_files_can_be_opened()) {
		print_message("no right to open mapped files\n");
		skip();
	}
	copy(directories[0], "whole.so", here("deleted.so"));
	strcpy(path, here("deleted.so"));
	fake_reset();
	map = fake_mapping(0, 0, path, name);
	mapper = start_mapper(prepare, &map);
	map.pid = map.tid = (uint32_t)mapper.pid;
	map.start = mapper.start;
	fake_reset();
	fake_event(map);
	assert_named(NULL, &map, "sample_static", "sample_static");
	end_mapper(&mapper);
	assert_named(NULL, &map, "sample_static", "");
	unlink(path);
}

static void a_deleted_file_is_read_through_its_process(void **state)
{
	char name[8192];

	(void)state;
	snprintf(name, sizeof(name), "%s/deleted.so (deleted)", home);
	only_the_process_has_it(open_and_delete, name);
}

static void a_program_in_memory_is_read_through_its_process(void **state)
{
	(void)state;
	only_the_process_has_it(open_memory_file, "/memfd:program (deleted)");
}

static void a_file_of_another_mount_namespace_is_read_through_its_process(void **state)
{
	char name[8192];

	(void)state;
	if (geteuid())
		skip();
	snprintf(name, sizeof(name), "%s/hidden/deleted.so", home);
	only_the_process_has_it(open_in_own_namespace, name);
	rmdir(here("hidden"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_in_its_place_is_used),
	    cmocka_unit_test(a_file_replaced_by_another_is_not_used),
	    cmocka_unit_test(a_replaced_file_is_found_by_its_build_id),
	    cmocka_unit_test(a_function_without_a_symbol_is_called_by_where_it_begins),
	    cmocka_unit_test(what_debuginfod_has_fetched_is_used),
	    cmocka_unit_test(a_debug_link_is_followed_to_the_right_file_only),
	    cmocka_unit_test(without_a_build_id_only_the_unchanged_inode_is_used),
	    cmocka_unit_test(what_is_no_regular_file_is_not_opened),
	    cmocka_unit_test(a_program_that_execs_is_named_as_it_was_then),
	    cmocka_unit_test(a_fork_has_its_parents_mappings_or_its_own_never_a_dead_ones),
	    cmocka_unit_test(addresses_mean_the_same_exactly_where_the_layout_is_the_same),
	    cmocka_unit_test(a_deleted_file_is_read_through_its_process),
	    cmocka_unit_test(a_program_in_memory_is_read_through_its_process),
	    cmocka_unit_test(a_file_of_another_mount_namespace_is_read_through_its_process),
	};
	char command[128];
	int failed;

	directories = argv + 1;
	if (argc < 3 || !mkdtemp(home))
		return 1;
	setenv("HOME", home, 1); /* nobody's caches */
	unsetenv("XDG_CACHE_HOME");
	unsetenv("DEBUGINFOD_CACHE_PATH");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", home);
	return system(command) || failed;
}
