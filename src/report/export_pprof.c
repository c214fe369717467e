/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The messages are packed one by one and go straight into the compressor: a protocol buffer is its fields in
 * any order, so nothing has to be held but the tables that samples point into. These come last.
 */
#include "report/export_pprof.h"

#include <string.h>

#include "profile.pb-c.h"
#include "report/gzip.h"
#include "report/main_program.h"
#include "report/text.h"

/* Field numbers of Profile, for what is packed apart from it. */
enum field {
	FIELD_SAMPLE = 2,
	FIELD_MAPPING = 3,
	FIELD_LOCATION = 4,
	FIELD_FUNCTION = 5,
	FIELD_STRING = 6,
};

struct mapping {
	uint64_t start, limit, offset;
	uint32_t filename, build_id; /* string ids; these five tell mappings apart */
	bool has_functions, has_sources, has_lines, has_inlined;
};

struct function {
	uint32_t name, raw_name, source; /* string ids */
};

enum label { LABEL_COMM, LABEL_PID, LABEL_TID, LABEL_END, LABELS_MOST };

struct exporter {
	const struct hw_profile *profile;
	const struct hw_recording_event *event;
	struct hw_gzip *gzip;
	struct hw_names strings;
	array_of(struct mapping) mappings; /* id is position + 1, as everywhere below */
	array_of(struct function) functions;
	struct hw_index by_mapping, by_function;
	array_of(uint8_t) used;     /* by location id */
	array_of(uint32_t) markers; /* frame ids; their locations follow those of addresses */
	array_of(char) printable;
	array_of(uint8_t) packed;
	struct hw_frame_list path;
	array_of(uint64_t) ids;
	uint32_t keys[LABELS_MOST];      /* string ids of the labels' keys; 0: not asked yet */
	array_of(uint32_t) thread_names; /* the same by name id of the profile */
};

/* ---- pieces of the protocol buffer ---- */

static void put_bytes(struct exporter *exporter, enum field field, const void *bytes, size_t size)
{
	unsigned char head[12];
	size_t at = 0;

	head[at++] = (unsigned char)(field << 3 | 2); /* a length and as many bytes */
	for (size_t rest = size; at == 1 || rest; rest >>= 7)
		head[at++] = (unsigned char)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
	hw_gzip_write(exporter->gzip, head, at);
	hw_gzip_write(exporter->gzip, bytes, size);
}

static int put_message(struct exporter *exporter, enum field field, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	if (array_reserve(&exporter->packed, size + 1))
		return -ENOMEM;
	protobuf_c_message_pack(message, exporter->packed.items);
	put_bytes(exporter, field, exporter->packed.items, size);
	return 0;
}

/* The id of a string, made printable: the format wants UTF-8, and names may be anything. */
static int string_id(struct exporter *exporter, const char *text, uint32_t *id)
{
	char piece[HW_TEXT_PIECE];
	size_t length;

	exporter->printable.count = 0;
	do {
		length = hw_text_next(&text, piece);
		if (array_reserve(&exporter->printable, exporter->printable.count + length + 1))
			return -ENOMEM;
		memcpy(exporter->printable.items + exporter->printable.count, piece, length + 1);
		exporter->printable.count += length;
	} while (length);
	return hw_names_add(&exporter->strings, exporter->printable.items, id);
}

/* ---- tables ---- */

static int build_id_string(struct exporter *exporter, const struct hw_process_event *event, uint32_t *id)
{
	char hex[2 * sizeof(event->build_id) + 1] = "";

	for (size_t i = 0; i < event->build_id_size && i < sizeof(event->build_id); i++)
		snprintf(hex + 2 * i, 3, "%02x", event->build_id[i]);
	return string_id(exporter, hex, id);
}

static int find_mapping(struct exporter *exporter, const struct hw_process_event *event, uint64_t *id)
{
	struct mapping mapping;
	const size_t key_size = offsetof(struct mapping, has_functions);
	uint64_t hash;

	memset(&mapping, 0, sizeof(mapping));
	mapping.start = event->start;
	mapping.limit = event->start + event->length;
	mapping.offset = event->offset;
	if (string_id(exporter, event->name, &mapping.filename) ||
	    build_id_string(exporter, event, &mapping.build_id))
		return -ENOMEM;
	hash = hw_index_hash(&mapping, key_size);
	hw_index_for_each_candidate(&exporter->by_mapping, hash, probe, position)
	{
		if (!memcmp(&exporter->mappings.items[position], &mapping, key_size)) {
			*id = position + 1;
			return 0;
		}
	}
	if (array_push(&exporter->mappings, mapping))
		return -ENOMEM;
	*id = exporter->mappings.count;
	return hw_index_add(&exporter->by_mapping, hash, (uint32_t)*id - 1);
}

/* raw_name: as in the symbol table, or NULL where only the readable name is known. */
static int find_function(struct exporter *exporter, const char *name, const char *raw_name,
                         const char *source, uint64_t *id)
{
	struct function function;
	uint64_t hash;

	if (string_id(exporter, name, &function.name) ||
	    string_id(exporter, raw_name ? raw_name : name, &function.raw_name) ||
	    string_id(exporter, source ? source : "", &function.source))
		return -ENOMEM;
	hash = hw_index_hash(&function, sizeof(function));
	hw_index_for_each_candidate(&exporter->by_function, hash, probe, position)
	{
		if (!memcmp(&exporter->functions.items[position], &function, sizeof(function))) {
			*id = position + 1;
			return 0;
		}
	}
	if (array_push(&exporter->functions, function))
		return -ENOMEM;
	*id = exporter->functions.count;
	return hw_index_add(&exporter->by_function, hash, (uint32_t)*id - 1);
}

static uint64_t marker_location(struct exporter *exporter, uint32_t frame)
{
	size_t at = 0;

	while (at < exporter->markers.count && exporter->markers.items[at] != frame)
		at++;
	if (at == exporter->markers.count && array_push(&exporter->markers, frame))
		return 0;
	return exporter->profile->stacks.locations.count + at + 1;
}

/* ---- samples ---- */

/* The same, asked again and again: *known is 0 until it is known. */
static int known_string_id(struct exporter *exporter, const char *text, uint32_t *known)
{
	return *known ? 0 : string_id(exporter, text, known);
}

static int add_label(struct exporter *exporter, Perftools__Profiles__Label *label, enum label kind,
                     uint64_t number)
{
	static const char *const keys[] = {"comm", "pid", "tid", "end"};

	perftools__profiles__label__init(label);
	if (known_string_id(exporter, keys[kind], &exporter->keys[kind]))
		return -ENOMEM;
	label->key = exporter->keys[kind];
	label->num = (int64_t)number;
	return 0;
}

static int add_comm_label(struct exporter *exporter, Perftools__Profiles__Label *label, uint32_t thread)
{
	while (exporter->thread_names.count <= thread)
		if (array_push(&exporter->thread_names, 0))
			return -ENOMEM;
	if (add_label(exporter, label, LABEL_COMM, 0) ||
	    known_string_id(exporter, hw_names_text(&exporter->profile->names, thread),
	                    &exporter->thread_names.items[thread]))
		return -ENOMEM;
	label->str = exporter->thread_names.items[thread];
	return 0;
}

/* "incomplete: gap" of a marker "[incomplete: gap]". */
static int add_end_label(struct exporter *exporter, Perftools__Profiles__Label *label, uint32_t marker)
{
	char text[64];
	uint32_t id;

	snprintf(text, sizeof(text), "%s",
	         hw_symbolizer_frame_by_id(exporter->profile->symbolizer, marker)->function + 1);
	text[strcspn(text, "]")] = '\0';
	if (add_label(exporter, label, LABEL_END, 0) || string_id(exporter, text, &id))
		return -ENOMEM;
	label->str = id;
	return 0;
}

static int collect_path(struct exporter *exporter, const struct hw_stack *stack, uint32_t stack_id)
{
	uint64_t id;

	exporter->ids.count = 0;
	if (hw_stacks_path_ids(&exporter->profile->stacks, stack_id, &exporter->path))
		return -ENOMEM;
	for (size_t i = 0; i < exporter->path.count; i++) {
		exporter->used.items[exporter->path.items[i]] = 1;
		id = exporter->path.items[i] + 1ull;
		if (array_push(&exporter->ids, id))
			return -ENOMEM;
	}
	if (stack->marker == HW_NO_FRAME)
		return 0;
	id = marker_location(exporter, stack->marker);
	return id ? array_push(&exporter->ids, id) : -ENOMEM;
}

static int put_sample(struct exporter *exporter, const struct hw_entry *entry)
{
	const struct hw_profile *profile = exporter->profile;
	const struct hw_context *context = &profile->contexts.items[entry->context];
	const struct hw_stack *stack = &profile->stacks.stacks.items[entry->stack];
	int64_t values[] = {(int64_t)entry->weight.samples, (int64_t)entry->weight.period};
	Perftools__Profiles__Label labels[LABELS_MOST];
	Perftools__Profiles__Label *label_pointers[LABELS_MOST];
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT;

	for (size_t i = 0; i < LABELS_MOST; i++)
		label_pointers[i] = &labels[i];
	if (collect_path(exporter, stack, entry->stack) ||
	    add_comm_label(exporter, &labels[0], context->thread) ||
	    add_label(exporter, &labels[1], LABEL_PID, context->pid) ||
	    add_label(exporter, &labels[2], LABEL_TID, context->tid))
		return -ENOMEM;
	sample.n_label = 3;
	if (stack->marker != HW_NO_FRAME && add_end_label(exporter, &labels[sample.n_label++], stack->marker))
		return -ENOMEM;
	sample.label = label_pointers;
	sample.value = values;
	sample.n_value = 2;
	sample.location_id = exporter->ids.items;
	sample.n_location_id = exporter->ids.count;
	return put_message(exporter, FIELD_SAMPLE, &sample.base);
}

/* ---- what samples point at ---- */

/* The lines of a location, into lines; marks what its mapping has. */
static int describe_lines(struct exporter *exporter, const struct hw_location *location,
                          struct mapping *mapping, Perftools__Profiles__Line *lines)
{
	const struct hw_frame *frame =
	    hw_symbolizer_frame_by_id(exporter->profile->symbolizer, location->frame);
	struct mapping nowhere;

	mapping = mapping ? mapping : &nowhere;
	for (uint32_t i = 0; i < location->line_count; i++) {
		const struct hw_location_line *line =
		    &exporter->profile->stacks.lines.items[location->first_line + i];
		bool outermost = i + 1 == location->line_count;

		perftools__profiles__line__init(&lines[i]);
		lines[i].line = line->line;
		if (find_function(exporter, line->function, outermost ? frame->raw_function : NULL,
		                  line->source, &lines[i].function_id))
			return -ENOMEM;
		mapping->has_functions = true;
		mapping->has_sources |= line->source != NULL;
		mapping->has_lines |= line->line > 0;
		mapping->has_inlined |= !outermost;
	}
	return 0;
}

static int put_location(struct exporter *exporter, size_t position)
{
	const struct hw_location *from = &exporter->profile->stacks.locations.items[position];
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Line lines[HW_LOCATION_LINES_MOST], *pointers[HW_LOCATION_LINES_MOST];

	if (from->mapping && find_mapping(exporter, from->mapping, &location.mapping_id))
		return -ENOMEM;
	if (describe_lines(exporter, from,
	                   location.mapping_id ? &exporter->mappings.items[location.mapping_id - 1] : NULL,
	                   lines))
		return -ENOMEM;
	for (uint32_t i = 0; i < from->line_count; i++)
		pointers[i] = &lines[i];
	location.id = position + 1;
	location.address = from->address;
	location.line = pointers;
	location.n_line = from->line_count;
	return put_message(exporter, FIELD_LOCATION, &location.base);
}

static int put_marker(struct exporter *exporter, size_t position)
{
	const struct hw_frame *frame =
	    hw_symbolizer_frame_by_id(exporter->profile->symbolizer, exporter->markers.items[position]);
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT;
	Perftools__Profiles__Line line = PERFTOOLS__PROFILES__LINE__INIT, *pointer = &line;

	if (find_function(exporter, frame->function, NULL, NULL, &line.function_id))
		return -ENOMEM;
	location.id = exporter->profile->stacks.locations.count + position + 1;
	location.line = &pointer;
	location.n_line = 1;
	return put_message(exporter, FIELD_LOCATION, &location.base);
}

static int put_mapping(struct exporter *exporter, size_t position)
{
	const struct mapping *from = &exporter->mappings.items[position];
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT;

	mapping.id = position + 1;
	mapping.memory_start = from->start;
	mapping.memory_limit = from->limit;
	mapping.file_offset = from->offset;
	mapping.filename = from->filename;
	mapping.build_id = from->build_id;
	mapping.has_functions = from->has_functions;
	mapping.has_filenames = from->has_sources;
	mapping.has_line_numbers = from->has_lines;
	mapping.has_inline_frames = from->has_inlined;
	return put_message(exporter, FIELD_MAPPING, &mapping.base);
}

static int put_tables(struct exporter *exporter)
{
	const struct hw_process_event *program;
	uint64_t main_id = 0;
	int code = hw_main_program(exporter->profile, &program);

	if (program && !code)
		code = find_mapping(exporter, program, &main_id);

	for (size_t i = 0; i < exporter->used.count && !code; i++)
		if (exporter->used.items[i])
			code = put_location(exporter, i);
	for (size_t i = 0; i < exporter->markers.count && !code; i++)
		code = put_marker(exporter, i);
	if (main_id && !code) /* readers take the first mapping for the main program */
		code = put_mapping(exporter, main_id - 1);
	for (size_t i = 0; i < exporter->mappings.count && !code; i++)
		if (i + 1 != main_id)
			code = put_mapping(exporter, i);
	for (size_t i = 0; i < exporter->functions.count && !code; i++) {
		Perftools__Profiles__Function function = PERFTOOLS__PROFILES__FUNCTION__INIT;

		function.id = i + 1;
		function.name = exporter->functions.items[i].name;
		function.system_name = exporter->functions.items[i].raw_name;
		function.filename = exporter->functions.items[i].source;
		code = put_message(exporter, FIELD_FUNCTION, &function.base);
	}
	for (uint32_t i = 0; i < exporter->strings.starts.count && !code; i++) {
		const char *text = hw_names_text(&exporter->strings, i);

		put_bytes(exporter, FIELD_STRING, text, strlen(text));
	}
	return code;
}

static int value_type(struct exporter *exporter, Perftools__Profiles__ValueType *value, const char *type,
                      const char *unit)
{
	uint32_t type_id, unit_id;

	perftools__profiles__value_type__init(value);
	if (string_id(exporter, type, &type_id) || string_id(exporter, unit, &unit_id))
		return -ENOMEM;
	value->type = type_id;
	value->unit = unit_id;
	return 0;
}

/* The fields of Profile itself: a message of its own, as messages may come in parts. */
static int put_head(struct exporter *exporter)
{
	const struct hw_profile *profile = exporter->profile;
	Perftools__Profiles__ValueType types[2], *pointers[2] = {&types[0], &types[1]};
	Perftools__Profiles__Profile head = PERFTOOLS__PROFILES__PROFILE__INIT;
	bool clock = exporter->event && hw_event_is_clock(exporter->event);
	const char *name = exporter->event ? exporter->event->name : "events";
	size_t size;
	uint32_t empty;

	if (string_id(exporter, "", &empty) || value_type(exporter, &types[0], "samples", "count") ||
	    value_type(exporter, &types[1], clock ? "cpu" : name, clock ? "nanoseconds" : "count"))
		return -ENOMEM;
	head.sample_type = pointers;
	head.n_sample_type = 2;
	head.period_type = &types[1];
	head.period = (int64_t)profile->period;
	head.duration_nanos = (int64_t)hw_recording_account(profile->recording)->duration_ns;
	size = protobuf_c_message_get_packed_size(&head.base);
	if (array_reserve(&exporter->packed, size + 1))
		return -ENOMEM;
	protobuf_c_message_pack(&head.base, exporter->packed.items);
	hw_gzip_write(exporter->gzip, exporter->packed.items, size);
	return 0;
}

static int write_all(struct exporter *exporter)
{
	size_t locations = exporter->profile->stacks.locations.count;
	int code;

	if (array_reserve(&exporter->used, locations + 1))
		return -ENOMEM;
	memset(exporter->used.items, 0, locations + 1);
	exporter->used.count = locations;
	code = put_head(exporter);
	for (size_t i = 0; i < exporter->profile->entries.count && !code; i++)
		code = put_sample(exporter, &exporter->profile->entries.items[i]);
	return code ? code : put_tables(exporter);
}

int hw_export_pprof(FILE *out, const struct hw_profile *profile, const struct hw_recording_event *event,
                    struct hw_error *err)
{
	struct exporter exporter = {.profile = profile, .event = event};
	int code = -ENOMEM;

	exporter.gzip = malloc(sizeof(*exporter.gzip));
	if (exporter.gzip && !hw_gzip_open(exporter.gzip, out)) {
		code = write_all(&exporter);
		hw_gzip_close(exporter.gzip);
	}
	free(exporter.gzip);
	hw_names_free(&exporter.strings);
	array_free(&exporter.mappings);
	array_free(&exporter.functions);
	hw_index_free(&exporter.by_mapping);
	hw_index_free(&exporter.by_function);
	array_free(&exporter.used);
	array_free(&exporter.markers);
	array_free(&exporter.printable);
	array_free(&exporter.packed);
	array_free(&exporter.path);
	array_free(&exporter.ids);
	array_free(&exporter.thread_names);
	return code ? hw_fail(err, code, "out of memory for %zu stacks", profile->entries.count) : 0;
}
