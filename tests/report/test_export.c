/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What formats for other tools hold: addresses, mappings and inlined functions, and names of any kind. */
#include <json-c/json.h>
#include <string.h>
#include <zlib.h>

#include "fake.h"
#include "profile.pb-c.h"
#include "report/export_firefox.h"
#include "report/export_pprof.h"
#include "report/export_speedscope.h"

static const char hostile[] = "\"evil\\\xff\n</script>\x1b[2J";
static const struct hw_recording_event clock_event = {.name = "cpu-clock", .type = 1, .config = 0};

/* Two samples of one stack and one of another, in a mapped file with a build ID. */
static void scene(struct hw_profile *profile, unsigned details)
{
	struct hw_filter filter = {.idle = true, .any_event = true};
	struct hw_process_event map = {.type = HW_PROCESS_MMAP,
	                               .pid = 10,
	                               .tid = 10,
	                               .start = 0x1000,
	                               .length = 0x1000,
	                               .offset = 0x400,
	                               .build_id = {0xab, 0xcd, 0x01},
	                               .build_id_size = 3,
	                               .name = "/bin/cook"};
	struct hw_error err;
	uint32_t stack;

	fake_scene();
	fake_thread(30, 30, hostile);
	fake_symbol(30, 0, 0x1000, 0x1100, hostile, hostile, HW_FRAME_USER);
	fake_process_event(map);
	stack = fake_stack(0x1110, 0x1050, 0); /* in stir, where pour is inlined, called from main */
	fake_sample(10, 10, HW_NO_STACK, stack);
	fake_sample(10, 10, HW_NO_STACK, stack);
	fake_sample(10, 11, HW_NO_STACK, fake_stack(0x1190, 0))->end = HW_END_GAP;
	fake_sample(30, 30, HW_NO_STACK, fake_stack(0x1000, 0));
	assert_int_equal(
	    hw_profile_build_with(profile, fake_recording(), fake_symbolizer(), &filter, details, &err), 0);
	hw_filter_free(&filter);
}

typedef int export_to(FILE *out, const struct hw_profile *profile);

static char *exported(export_to *export, unsigned details, size_t *size)
{
	struct hw_profile profile;
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, size);

	assert_non_null(out);
	scene(&profile, details);
	assert_int_equal(export(out, &profile), 0);
	assert_int_equal(fclose(out), 0);
	hw_profile_free(&profile);
	return bytes;
}

static int to_pprof(FILE *out, const struct hw_profile *profile)
{
	return hw_export_pprof(out, profile, &clock_event, NULL);
}

static int to_speedscope(FILE *out, const struct hw_profile *profile)
{
	return hw_export_speedscope(out, profile, &clock_event, true, NULL);
}

static int to_firefox(FILE *out, const struct hw_profile *profile)
{
	return hw_export_firefox(out, profile, &clock_event, NULL);
}

static Perftools__Profiles__Profile *pprof_profile(void)
{
	static unsigned char plain[1 << 16];
	Perftools__Profiles__Profile *profile;
	z_stream stream = {.next_out = plain, .avail_out = sizeof(plain)};
	size_t size;
	char *bytes = exported(to_pprof, HW_PROFILE_LOCATIONS, &size);

	stream.next_in = (unsigned char *)bytes;
	stream.avail_in = (unsigned int)size;
	assert_int_equal(inflateInit2(&stream, 31), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	free(bytes);
	profile = perftools__profiles__profile__unpack(NULL, sizeof(plain) - stream.avail_out, plain);
	assert_non_null(profile);
	return profile;
}

static const char *line_name(const Perftools__Profiles__Profile *profile,
                             const Perftools__Profiles__Location *location, size_t line)
{
	uint64_t function = location->line[line]->function_id;

	return profile->string_table[profile->function[function - 1]->name];
}

static void pprof_has_inlined_functions_lines_and_the_mapping_with_its_build_id(void **state)
{
	Perftools__Profiles__Profile *profile = pprof_profile();
	const Perftools__Profiles__Sample *sample = profile->sample[0];
	const Perftools__Profiles__Location *leaf = NULL;
	const Perftools__Profiles__Mapping *mapping;

	(void)state;
	assert_string_equal(profile->string_table[0], "");
	assert_int_equal(sample->n_location_id, 2);
	for (size_t i = 0; i < profile->n_location; i++)
		if (profile->location[i]->id == sample->location_id[0])
			leaf = profile->location[i];
	assert_non_null(leaf);
	assert_int_equal(leaf->address, 0x1110); /* where it was interrupted, not one less */
	assert_int_equal(leaf->n_line, 2);
	assert_string_equal(line_name(profile, leaf, 0), "pour");
	assert_string_equal(line_name(profile, leaf, 1), "stir");
	assert_int_equal(leaf->line[0]->line, 7);
	assert_int_equal(leaf->line[1]->line, 42);
	mapping = profile->mapping[leaf->mapping_id - 1];
	assert_int_equal(mapping->id, leaf->mapping_id);
	assert_int_equal(mapping->memory_start, 0x1000);
	assert_int_equal(mapping->memory_limit, 0x2000);
	assert_int_equal(mapping->file_offset, 0x400);
	assert_string_equal(profile->string_table[mapping->filename], "/bin/cook");
	assert_string_equal(profile->string_table[mapping->build_id], "abcd01");
	assert_true(mapping->has_inline_frames && mapping->has_line_numbers);
	perftools__profiles__profile__free_unpacked(profile, NULL);
}

static void pprof_counts_samples_and_time_and_says_whose_and_why_it_ends(void **state)
{
	Perftools__Profiles__Profile *profile = pprof_profile();
	const Perftools__Profiles__Sample *first = profile->sample[0], *second = profile->sample[1];

	(void)state;
	assert_int_equal(profile->n_sample, 3);
	assert_string_equal(profile->string_table[profile->sample_type[1]->type], "cpu");
	assert_string_equal(profile->string_table[profile->sample_type[1]->unit], "nanoseconds");
	assert_int_equal(first->value[0], 2);
	assert_int_equal(first->value[1], 2000);
	assert_int_equal(first->n_label, 3);
	assert_string_equal(profile->string_table[first->label[0]->key], "comm");
	assert_string_equal(profile->string_table[first->label[0]->str], "cook");
	assert_int_equal(second->label[1]->num, 10);
	assert_int_equal(second->label[2]->num, 11);
	assert_int_equal(second->n_label, 4);
	assert_string_equal(profile->string_table[second->label[3]->key], "end");
	assert_string_equal(profile->string_table[second->label[3]->str], "incomplete: gap");
	assert_int_equal(second->n_location_id, 2); /* the outer one says the same as a frame */
	perftools__profiles__profile__free_unpacked(profile, NULL);
}

static void pprof_strings_are_utf8_without_control_characters_whatever_names_are(void **state)
{
	Perftools__Profiles__Profile *profile = pprof_profile();
	bool seen = false;

	(void)state;
	for (size_t i = 0; i < profile->n_string_table; i++) {
		for (const char *c = profile->string_table[i]; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
		seen |= !strncmp(profile->string_table[i], "\"evil\\", 6);
	}
	assert_true(seen);
	perftools__profiles__profile__free_unpacked(profile, NULL);
}

static json_object *field(json_object *object, const char *name)
{
	json_object *value = NULL;

	assert_true(json_object_object_get_ex(object, name, &value));
	return value;
}

static json_object *parsed(export_to *export)
{
	size_t size;
	char *text = exported(export, HW_PROFILE_POINTS, &size);
	json_object *root = json_tokener_parse(text);

	assert_non_null(root);
	free(text);
	return root;
}

static void speedscope_adds_up_equal_stacks_in_a_row_and_is_json_whatever_names_are(void **state)
{
	json_object *root = parsed(to_speedscope), *thread, *weights;

	(void)state;
	thread = json_object_array_get_idx(field(root, "profiles"), 0);
	assert_string_equal(json_object_get_string(field(thread, "name")), "cook-10/10");
	assert_string_equal(json_object_get_string(field(thread, "unit")), "nanoseconds");
	weights = field(thread, "weights");
	assert_int_equal(json_object_array_length(weights), 1);
	assert_int_equal(json_object_get_int(json_object_array_get_idx(weights, 0)), 2000);
	assert_int_equal(json_object_get_int(field(thread, "endValue")), 2000);
	assert_int_equal(json_object_array_length(field(root, "profiles")), 3);
	json_object_put(root);
}

static void firefox_keeps_each_thread_apart_and_is_json_whatever_names_are(void **state)
{
	json_object *root = parsed(to_firefox), *thread, *samples, *names;
	bool seen = false;

	(void)state;
	assert_int_equal(json_object_array_length(field(root, "threads")), 3);
	thread = json_object_array_get_idx(field(root, "threads"), 0);
	assert_string_equal(json_object_get_string(field(thread, "pid")), "10");
	samples = field(thread, "samples");
	assert_int_equal(json_object_get_int(field(samples, "length")), 2);
	assert_int_equal(json_object_array_length(field(samples, "stack")), 2);
	assert_int_equal(json_object_array_length(field(samples, "time")), 2);
	assert_int_equal(json_object_get_int(field(field(thread, "stackTable"), "length")), 2);
	thread = json_object_array_get_idx(field(root, "threads"), 2);
	names = field(thread, "stringArray");
	for (size_t i = 0; i < json_object_array_length(names); i++)
		seen |= !strncmp(json_object_get_string(json_object_array_get_idx(names, i)), "\"evil\\", 6);
	assert_true(seen);
	json_object_put(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pprof_has_inlined_functions_lines_and_the_mapping_with_its_build_id),
	    cmocka_unit_test(pprof_counts_samples_and_time_and_says_whose_and_why_it_ends),
	    cmocka_unit_test(pprof_strings_are_utf8_without_control_characters_whatever_names_are),
	    cmocka_unit_test(speedscope_adds_up_equal_stacks_in_a_row_and_is_json_whatever_names_are),
	    cmocka_unit_test(firefox_keeps_each_thread_apart_and_is_json_whatever_names_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
