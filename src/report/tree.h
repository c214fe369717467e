/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The call tree of a profile. Nodes are numbered, node 0 is the root, and parents come before their
 * children, so sums need no recursion. A node's label says what it is: a process or thread (an index into
 * hw_tree.groups) or a frame (a frame id of the symbolizer).
 *
 * Inverted trees start at the functions that were running and grow towards their callers; a node's total
 * is then what it ran (or what its callees below ran) when called that way, and the groups come last.
 */
#ifndef HW_REPORT_TREE_H
#define HW_REPORT_TREE_H

#include "report/profile.h"

enum hw_tree_grouping {
	HW_GROUP_NONE,    /* all stacks in one tree */
	HW_GROUP_NAME,    /* by process name */
	HW_GROUP_PROCESS, /* by process: name and pid */
	HW_GROUP_THREAD,  /* by process, then thread: name and tid */
};

enum hw_tree_kind {
	HW_NODE_ROOT,
	HW_NODE_NAME,
	HW_NODE_PROCESS,
	HW_NODE_THREAD,
	HW_NODE_FRAME,
};

struct hw_tree_group {
	uint32_t name; /* name id */
	uint32_t id;   /* pid or tid */
};

#define HW_NO_NODE UINT32_MAX

struct hw_tree_node {
	uint32_t parent, first_child, next_sibling; /* HW_NO_NODE: none */
	uint32_t label;
	uint32_t kind;                /* enum hw_tree_kind */
	struct hw_weight self, total; /* total: with everything below */
};

struct hw_tree {
	array_of(struct hw_tree_node) nodes;
	array_of(struct hw_tree_group) groups;
	struct hw_index by_label, by_group;
};

struct hw_tree_options {
	enum hw_tree_grouping grouping;
	bool inverted;
	uint32_t
	    max_depth; /* frames of a stack, from the tree's root; deeper ones count for the last; 0: all */
};

/* 0 or -ENOMEM; the caller calls hw_tree_free in either case. Children are sorted, the heaviest first. */
int hw_tree_build(struct hw_tree *tree, const struct hw_profile *profile,
                  const struct hw_tree_options *options, struct hw_error *err);
void hw_tree_free(struct hw_tree *tree);

#endif
