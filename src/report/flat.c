/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/flat.h"

#include <string.h>

/* The part of a row that tells it apart stands first. */
#define KEY_SIZE offsetof(struct hw_flat_row, frame)

/* What a frame adds to a row's key; HW_FLAT_NONE twice until it is known. */
struct frame_names {
	uint32_t file, function;
	bool known;
};

struct builder {
	struct hw_flat *flat;
	const struct hw_profile *profile;
	struct hw_frame_list frames;
	array_of(struct frame_names) names; /* by frame id */
	array_of(uint32_t) last_entry;      /* by row: the last entry that counted in its total, plus one */
};

int hw_flat_parse_keys(const char *text, unsigned *keys, struct hw_error *err)
{
	static const struct {
		const char *name;
		unsigned key;
	} known[] = {{"comm", HW_SORT_COMM},  {"pid", HW_SORT_PID},    {"tid", HW_SORT_TID},
	             {"thread", HW_SORT_TID}, {"dso", HW_SORT_DSO},    {"sym", HW_SORT_SYM},
	             {"symbol", HW_SORT_SYM}, {"process", HW_SORT_PID}};
	size_t length;

	*keys = 0;
	for (const char *at = text;; at += length + 1) {
		unsigned key = 0;

		length = strcspn(at, ",");
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strlen(known[i].name) == length && !strncmp(known[i].name, at, length))
				key = known[i].key;
		if (!key)
			return hw_fail(err, -EINVAL,
			               "unknown sort key '%.*s': take some of comm,pid,tid,dso,sym",
			               (int)length, at);
		*keys |= key;
		if (!at[length])
			return 0;
	}
}

static int name_frame(struct builder *builder, uint32_t frame, struct frame_names *out)
{
	struct frame_names fresh = {HW_FLAT_NONE, HW_FLAT_NONE, true};
	const struct frame_names unknown = {0};
	const struct hw_frame *about;

	while (builder->names.count <= frame)
		if (array_push(&builder->names, unknown))
			return -ENOMEM;
	*out = builder->names.items[frame];
	if (out->known)
		return 0;
	about = hw_symbolizer_frame_by_id(builder->profile->symbolizer, frame);
	if (hw_names_add(&builder->flat->names, about->file, &fresh.file) ||
	    (about->function && hw_names_add(&builder->flat->names, about->function, &fresh.function)))
		return -ENOMEM;
	builder->names.items[frame] = *out = fresh;
	return 0;
}

/* The row with wanted's key, made if there is none. */
static int find_row(struct builder *builder, const struct hw_flat_row *wanted, uint32_t *id)
{
	struct hw_flat *flat = builder->flat;
	uint64_t hash = hw_index_hash(wanted, KEY_SIZE);

	hw_index_for_each_candidate(&flat->by_key, hash, probe, position)
	{
		if (!memcmp(&flat->rows.items[position], wanted, KEY_SIZE)) {
			*id = (uint32_t)position;
			return 0;
		}
	}
	*id = (uint32_t)flat->rows.count;
	if (array_push(&flat->rows, *wanted) || array_push(&builder->last_entry, 0))
		return -ENOMEM;
	return hw_index_add(&flat->by_key, hash, *id);
}

/* Count one frame of an entry for its row; frame HW_NO_FRAME stands for an entry without any. */
static int add_frame(struct builder *builder, uint32_t entry, uint32_t frame, bool leaf)
{
	const struct hw_entry *from = &builder->profile->entries.items[entry];
	const struct hw_context *context = &builder->profile->contexts.items[from->context];
	unsigned keys = builder->flat->keys;
	struct frame_names names = {HW_FLAT_NONE, HW_FLAT_NONE, true};
	struct hw_flat_row row = {.frame = frame, .context = from->context};
	uint32_t id;

	if (frame != HW_NO_FRAME && (keys & HW_SORT_FRAME) && name_frame(builder, frame, &names))
		return -ENOMEM;
	row.comm = keys & HW_SORT_COMM ? context->thread : HW_FLAT_NONE;
	row.pid = keys & (HW_SORT_PID | HW_SORT_TID) ? context->pid : HW_FLAT_NONE;
	row.tid = keys & HW_SORT_TID ? context->tid : HW_FLAT_NONE;
	row.file = keys & HW_SORT_DSO ? names.file : HW_FLAT_NONE;
	row.function = keys & HW_SORT_SYM ? names.function : HW_FLAT_NONE;
	if (find_row(builder, &row, &id))
		return -ENOMEM;
	if (leaf)
		hw_weight_add(&builder->flat->rows.items[id].self, from->weight);
	if (builder->last_entry.items[id] != entry + 1) {
		builder->last_entry.items[id] = entry + 1;
		hw_weight_add(&builder->flat->rows.items[id].total, from->weight);
	}
	return 0;
}

static int add_entry(struct builder *builder, uint32_t entry)
{
	const struct hw_profile *profile = builder->profile;
	struct hw_frame_list *frames = &builder->frames;

	if (!(builder->flat->keys & HW_SORT_FRAME))
		return add_frame(builder, entry, HW_NO_FRAME, true);
	if (hw_stacks_frames(&profile->stacks, profile->entries.items[entry].stack, frames))
		return -ENOMEM;
	if (!frames->count)
		return add_frame(builder, entry, HW_NO_FRAME, true);
	for (size_t i = 0; i < frames->count; i++)
		if (add_frame(builder, entry, frames->items[i], !i))
			return -ENOMEM;
	return 0;
}

struct ranking {
	const struct hw_profile *profile;
	bool by_total;
};

static int heaviest_first(const void *left, const void *right, void *context)
{
	const struct hw_flat_row *a = left, *b = right;
	const struct ranking *ranking = context;
	uint64_t self_a = hw_profile_weight(ranking->profile, a->self);
	uint64_t self_b = hw_profile_weight(ranking->profile, b->self);
	uint64_t total_a = hw_profile_weight(ranking->profile, a->total);
	uint64_t total_b = hw_profile_weight(ranking->profile, b->total);

	if (self_a != self_b && (!ranking->by_total || total_a == total_b))
		return self_a < self_b ? 1 : -1;
	if (total_a != total_b)
		return total_a < total_b ? 1 : -1;
	return memcmp(a, b, KEY_SIZE); /* any order, but always the same */
}

int hw_flat_build(struct hw_flat *flat, const struct hw_profile *profile,
                  const struct hw_flat_options *options, struct hw_error *err)
{
	struct builder builder = {.flat = flat, .profile = profile};
	struct ranking ranking = {profile, options->by_total};
	int code = 0;

	*flat = (struct hw_flat){.keys = options->keys};
	for (size_t i = 0; i < profile->entries.count && !code; i++) {
		const struct hw_entry *entry = &profile->entries.items[i];

		if (options->no_idle && !profile->contexts.items[entry->context].pid)
			continue;
		hw_weight_add(&flat->total, entry->weight);
		code = add_entry(&builder, (uint32_t)i);
	}
	if (!code && flat->rows.count)
		qsort_r(flat->rows.items, flat->rows.count, sizeof(*flat->rows.items), heaviest_first,
		        &ranking);
	array_free(&builder.frames);
	array_free(&builder.names);
	array_free(&builder.last_entry);
	return code ? hw_fail(err, code, "out of memory for a list of %zu rows", flat->rows.count) : 0;
}

void hw_flat_free(struct hw_flat *flat)
{
	array_free(&flat->rows);
	hw_names_free(&flat->names);
	hw_index_free(&flat->by_key);
}
