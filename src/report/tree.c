/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
#include "report/tree.h"

#include <string.h>

struct builder {
	struct hw_tree *tree;
	const struct hw_profile *profile;
	const struct hw_tree_options *options;
	struct hw_frame_list frames;
};

/* The child of parent with this label, made if there is none. 0 or -ENOMEM. */
static int child(struct hw_tree *tree, uint32_t parent, enum hw_tree_kind kind, uint32_t label, uint32_t *id)
{
	uint32_t key[] = {parent, (uint32_t)kind, label};
	uint64_t hash = hw_index_hash(key, sizeof(key));
	struct hw_tree_node fresh = {.parent = parent,
	                             .first_child = HW_NO_NODE,
	                             .next_sibling = HW_NO_NODE,
	                             .label = label,
	                             .kind = (uint32_t)kind};

	hw_index_for_each_candidate(&tree->by_label, hash, probe, position)
	{
		const struct hw_tree_node *known = &tree->nodes.items[position];

		if (known->parent == parent && known->label == label && known->kind == (uint32_t)kind) {
			*id = (uint32_t)position;
			return 0;
		}
	}
	*id = (uint32_t)tree->nodes.count;
	if (array_push(&tree->nodes, fresh))
		return -ENOMEM;
	return hw_index_add(&tree->by_label, hash, *id);
}

static int group(struct hw_tree *tree, uint32_t name, uint32_t number, uint32_t *id)
{
	struct hw_tree_group wanted = {.name = name, .id = number};
	uint64_t hash = hw_index_hash(&wanted, sizeof(wanted));

	hw_index_for_each_candidate(&tree->by_group, hash, probe, position)
	{
		if (!memcmp(&tree->groups.items[position], &wanted, sizeof(wanted))) {
			*id = (uint32_t)position;
			return 0;
		}
	}
	*id = (uint32_t)tree->groups.count;
	if (array_push(&tree->groups, wanted))
		return -ENOMEM;
	return hw_index_add(&tree->by_group, hash, *id);
}

/* Go from *node down through the nodes of a context, as the grouping wants them. */
static int descend_context(struct builder *builder, const struct hw_context *context, uint32_t *node)
{
	enum hw_tree_grouping grouping = builder->options->grouping;
	bool by_name = grouping == HW_GROUP_NAME;
	uint32_t label;

	if (grouping == HW_GROUP_NONE)
		return 0;
	if (group(builder->tree, context->process, by_name ? 0 : context->pid, &label) ||
	    child(builder->tree, *node, by_name ? HW_NODE_NAME : HW_NODE_PROCESS, label, node))
		return -ENOMEM;
	if (grouping != HW_GROUP_THREAD)
		return 0;
	if (group(builder->tree, context->thread, context->tid, &label))
		return -ENOMEM;
	return child(builder->tree, *node, HW_NODE_THREAD, label, node);
}

static int descend_frames(struct builder *builder, uint32_t *node)
{
	const struct hw_frame_list *frames = &builder->frames;
	size_t most = builder->options->max_depth ? builder->options->max_depth : SIZE_MAX;

	for (size_t i = 0; i < frames->count && i < most; i++) {
		size_t at = builder->options->inverted ? i : frames->count - 1 - i;

		if (child(builder->tree, *node, HW_NODE_FRAME, frames->items[at], node))
			return -ENOMEM;
	}
	return 0;
}

static int add_entry(struct builder *builder, const struct hw_entry *entry)
{
	const struct hw_context *context = &builder->profile->contexts.items[entry->context];
	uint32_t node = 0;

	if (hw_stacks_frames(&builder->profile->stacks, entry->stack, &builder->frames))
		return -ENOMEM;
	if (builder->options->inverted) {
		if (descend_frames(builder, &node) || descend_context(builder, context, &node))
			return -ENOMEM;
	} else {
		if (descend_context(builder, context, &node) || descend_frames(builder, &node))
			return -ENOMEM;
	}
	hw_weight_add(&builder->tree->nodes.items[node].self, entry->weight);
	return 0;
}

/* Parents have lower numbers than their children: one pass from the end sums up every branch. */
static void sum_up(struct hw_tree *tree)
{
	struct hw_tree_node *nodes = tree->nodes.items;

	for (size_t i = tree->nodes.count; i-- > 0;) {
		hw_weight_add(&nodes[i].total, nodes[i].self);
		if (i)
			hw_weight_add(&nodes[nodes[i].parent].total, nodes[i].total);
	}
}

struct ranked {
	uint64_t weight;
	uint32_t node;
};

static int heaviest_first(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;

	if (a->weight != b->weight)
		return a->weight < b->weight ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node; /* as they appeared */
}

/* Sort all nodes at once and link each in front of its siblings, the lightest first. */
static int link_children(struct builder *builder)
{
	struct hw_tree_node *nodes = builder->tree->nodes.items;
	size_t count = builder->tree->nodes.count;
	struct ranked *ranking = calloc(count, sizeof(*ranking));

	if (!ranking)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		ranking[i] =
		    (struct ranked){hw_profile_weight(builder->profile, nodes[i].total), (uint32_t)i};
	qsort(ranking, count, sizeof(*ranking), heaviest_first);
	for (size_t i = count; i-- > 0;) {
		uint32_t node = ranking[i].node;

		if (!node)
			continue;
		nodes[node].next_sibling = nodes[nodes[node].parent].first_child;
		nodes[nodes[node].parent].first_child = node;
	}
	free(ranking);
	return 0;
}

int hw_tree_build(struct hw_tree *tree, const struct hw_profile *profile,
                  const struct hw_tree_options *options, struct hw_error *err)
{
	struct builder builder = {.tree = tree, .profile = profile, .options = options};
	struct hw_tree_node root = {.parent = HW_NO_NODE,
	                            .first_child = HW_NO_NODE,
	                            .next_sibling = HW_NO_NODE,
	                            .kind = HW_NODE_ROOT};
	int code;

	*tree = (struct hw_tree){0};
	code = array_push(&tree->nodes, root);
	for (size_t i = 0; i < profile->entries.count && !code; i++)
		code = add_entry(&builder, &profile->entries.items[i]);
	if (!code) {
		sum_up(tree);
		code = link_children(&builder);
	}
	array_free(&builder.frames);
	return code ? hw_fail(err, code, "out of memory for a call tree of %zu nodes", tree->nodes.count) : 0;
}

void hw_tree_free(struct hw_tree *tree)
{
	array_free(&tree->nodes);
	array_free(&tree->groups);
	hw_index_free(&tree->by_label);
	hw_index_free(&tree->by_group);
}
