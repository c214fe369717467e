/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Trees, flat lists and folded stacks: numbers checked by hand, and sums that must hold for any profile. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include "report/flat.h"
#include "report/folded.h"
#include "report/tree.h"

/* The kitchen, 10 samples: 4 × main;stir;memcpy, 1 × main;stir, 2 × main;fib;fib;fib (thread helper),
 * 1 × main;stir;syscall;do_read, 1 × dish's main, 1 × idle. */
static void tell_kitchen(void)
{
	uint32_t copying, stirring, fib;

	fake_scene();
	copying = fake_stack(0x5010, 0x1120, 0x1010, 0);
	stirring = fake_stack(0x1130, 0x1010, 0);
	fib = fake_stack(0x1210, 0x1220, 0x1220, 0x1020, 0);
	for (int i = 0; i < 4; i++)
		fake_sample(10, 10, 0, copying);
	fake_sample(10, 10, 0, stirring);
	fake_sample(10, 11, 0, fib);
	fake_sample(10, 11, 0, fib);
	fake_sample(10, 10, fake_stack(0xf110, 0xf210, 0), stirring);
	fake_sample(20, 20, 0, fake_stack(0x1010, 0));
	fake_sample(0, 0, fake_stack(0xf310, 0), 0);
}

/* The child of node that is called name, NULL if there is none. */
static const struct hw_tree_node *child(const struct hw_profile *profile, const struct hw_tree *tree,
                                        const struct hw_tree_node *node, const char *name)
{
	for (uint32_t at = node->first_child; at != HW_NO_NODE; at = tree->nodes.items[at].next_sibling) {
		const struct hw_tree_node *is = &tree->nodes.items[at];
		const char *text = is->kind == HW_NODE_FRAME
		                       ? hw_symbolizer_frame_by_id(NULL, is->label)->function
		                       : hw_names_text(&profile->names, tree->groups.items[is->label].name);

		if (text && !strcmp(text, name))
			return is;
	}
	return NULL;
}

static void assert_weights(const struct hw_tree_node *node, unsigned total, unsigned self)
{
	assert_non_null(node);
	assert_int_equal(node->total.samples, total);
	assert_int_equal(node->self.samples, self);
	assert_int_equal(node->total.period, total * 1000);
}

static void build_tree(struct hw_profile *profile, struct hw_tree *tree, struct hw_tree_options options)
{
	struct hw_error err;

	fake_profile(profile);
	assert_int_equal(hw_tree_build(tree, profile, &options, &err), 0);
}

static void a_tree_by_name_counts_every_branch(void **state)
{
	struct hw_profile profile;
	struct hw_tree tree;
	const struct hw_tree_node *root, *cook, *main_node, *stir;

	(void)state;
	tell_kitchen();
	build_tree(&profile, &tree, (struct hw_tree_options){.grouping = HW_GROUP_NAME});
	root = &tree.nodes.items[0];
	assert_weights(root, 10, 0);
	cook = child(&profile, &tree, root, "cook");
	assert_weights(cook, 8, 0);
	assert_ptr_equal(&tree.nodes.items[root->first_child], cook); /* the heaviest first */
	main_node = child(&profile, &tree, cook, "main");
	assert_weights(main_node, 8, 0);
	stir = child(&profile, &tree, main_node, "stir");
	assert_weights(stir, 6, 1);
	assert_weights(child(&profile, &tree, stir, "memcpy"), 4, 4);
	assert_weights(child(&profile, &tree, stir, "syscall"), 1, 0);
	/* recursion is a chain of its own */
	assert_weights(child(&profile, &tree, main_node, "fib"), 2, 0);
	assert_weights(child(&profile, &tree, child(&profile, &tree, main_node, "fib"), "fib"), 2, 0);
	/* the same function name in another program is another function */
	assert_weights(child(&profile, &tree, child(&profile, &tree, root, "dish"), "main"), 1, 1);
	assert_weights(child(&profile, &tree, child(&profile, &tree, root, "swapper"), "idle"), 1, 1);
	hw_tree_free(&tree);
	hw_profile_free(&profile);
}

static void threads_stand_below_their_process(void **state)
{
	struct hw_profile profile;
	struct hw_tree tree;
	const struct hw_tree_node *cook;

	(void)state;
	tell_kitchen();
	build_tree(&profile, &tree, (struct hw_tree_options){.grouping = HW_GROUP_THREAD});
	cook = child(&profile, &tree, &tree.nodes.items[0], "cook");
	assert_int_equal(tree.groups.items[cook->label].id, 10);
	assert_weights(child(&profile, &tree, cook, "cook"), 6, 0);
	assert_weights(child(&profile, &tree, cook, "helper"), 2, 0);
	assert_int_equal(tree.groups.items[child(&profile, &tree, cook, "helper")->label].id, 11);
	hw_tree_free(&tree);
	hw_profile_free(&profile);
}

static void an_inverted_tree_starts_at_what_ran(void **state)
{
	struct hw_profile profile;
	struct hw_tree tree;
	const struct hw_tree_node *copy, *fib;

	(void)state;
	tell_kitchen();
	build_tree(&profile, &tree, (struct hw_tree_options){.grouping = HW_GROUP_NAME, .inverted = true});
	copy = child(&profile, &tree, &tree.nodes.items[0], "memcpy");
	assert_weights(copy, 4, 0);
	assert_weights(child(&profile, &tree,
	                     child(&profile, &tree, child(&profile, &tree, copy, "stir"), "main"), "cook"),
	               4, 4);
	fib = child(&profile, &tree, &tree.nodes.items[0], "fib");
	assert_weights(fib, 2, 0);
	hw_tree_free(&tree);
	hw_profile_free(&profile);
}

static void depth_is_cut_but_nothing_is_lost(void **state)
{
	struct hw_profile profile;
	struct hw_tree tree;
	const struct hw_tree_node *main_node;

	(void)state;
	tell_kitchen();
	build_tree(&profile, &tree, (struct hw_tree_options){.grouping = HW_GROUP_NAME, .max_depth = 2});
	main_node = child(&profile, &tree, child(&profile, &tree, &tree.nodes.items[0], "cook"), "main");
	assert_weights(child(&profile, &tree, main_node, "stir"), 6, 6);
	assert_weights(child(&profile, &tree, main_node, "fib"), 2, 2);
	assert_weights(&tree.nodes.items[0], 10, 0);
	hw_tree_free(&tree);
	hw_profile_free(&profile);
}

/* Find the row whose function or file or comm is name. */
static const struct hw_flat_row *row(const struct hw_profile *profile, const struct hw_flat *flat,
                                     const char *name, const char *file)
{
	for (size_t i = 0; i < flat->rows.count; i++) {
		const struct hw_flat_row *is = &flat->rows.items[i];
		const char *text = is->function != HW_FLAT_NONE ? hw_names_text(&flat->names, is->function)
		                   : is->comm != HW_FLAT_NONE   ? hw_names_text(&profile->names, is->comm)
		                                                : "";

		if (!strcmp(text, name) && (!file || !strcmp(hw_names_text(&flat->names, is->file), file)))
			return is;
	}
	return NULL;
}

static void build_flat(struct hw_profile *profile, struct hw_flat *flat, const char *keys, bool by_total)
{
	struct hw_flat_options options = {.by_total = by_total};
	struct hw_error err;

	fake_profile(profile);
	assert_int_equal(hw_flat_parse_keys(keys, &options.keys, &err), 0);
	assert_int_equal(hw_flat_build(flat, profile, &options, &err), 0);
}

static void assert_row(const struct hw_flat_row *is, unsigned total, unsigned self)
{
	assert_non_null(is);
	assert_int_equal(is->total.samples, total);
	assert_int_equal(is->self.samples, self);
}

static void functions_count_once_per_sample(void **state)
{
	struct hw_profile profile;
	struct hw_flat flat;

	(void)state;
	tell_kitchen();
	build_flat(&profile, &flat, "dso,sym", false);
	assert_row(row(&profile, &flat, "memcpy", NULL), 4, 4);
	assert_row(row(&profile, &flat, "stir", NULL), 6, 1);
	assert_row(row(&profile, &flat, "fib", NULL), 2, 2); /* three times in each stack */
	assert_row(row(&profile, &flat, "main", "/bin/cook"), 8, 0);
	assert_row(row(&profile, &flat, "main", "/bin/dish"), 1, 1);
	assert_row(&flat.rows.items[0], 4, 4); /* the heaviest by self comes first */
	hw_flat_free(&flat);
	hw_profile_free(&profile);
}

static void sorting_by_children_puts_callers_first(void **state)
{
	struct hw_profile profile;
	struct hw_flat flat;

	(void)state;
	tell_kitchen();
	build_flat(&profile, &flat, "sym", true);
	/* by name alone, both programs' main are one row */
	assert_row(&flat.rows.items[0], 9, 1);
	assert_row(&flat.rows.items[1], 6, 1);
	hw_flat_free(&flat);
	hw_profile_free(&profile);
}

static void files_threads_and_processes_can_be_rows(void **state)
{
	struct hw_profile profile;
	struct hw_flat flat;

	(void)state;
	tell_kitchen();
	build_flat(&profile, &flat, "dso", false);
	assert_row(row(&profile, &flat, "", "/bin/cook"), 8, 3);
	assert_row(row(&profile, &flat, "", "/lib/libc.so.6"), 4, 4);
	assert_row(row(&profile, &flat, "", "[kernel]"), 2, 2);
	hw_flat_free(&flat);
	hw_profile_free(&profile);
	build_flat(&profile, &flat, "comm", false);
	assert_row(row(&profile, &flat, "helper", NULL), 2, 2);
	assert_row(row(&profile, &flat, "cook", NULL), 6, 6);
	hw_flat_free(&flat);
	hw_profile_free(&profile);
	build_flat(&profile, &flat, "pid", false);
	assert_int_equal(flat.rows.count, 3);
	assert_row(&flat.rows.items[0], 8, 8);
	assert_int_equal(flat.rows.items[0].pid, 10);
	hw_flat_free(&flat);
	hw_profile_free(&profile);
}

static void an_unknown_sort_key_is_named(void **state)
{
	struct hw_error err;
	unsigned keys;

	(void)state;
	assert_int_equal(hw_flat_parse_keys("comm,colour", &keys, &err), -EINVAL);
	assert_non_null(strstr(err.text, "'colour'"));
	assert_int_equal(hw_flat_parse_keys("", &keys, &err), -EINVAL);
	assert_int_equal(hw_flat_parse_keys("sym,", &keys, &err), -EINVAL);
}

static void assert_folded(struct hw_folded_options options, const char *expected)
{
	struct hw_profile profile;
	struct hw_error err;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	fake_profile(&profile);
	assert_int_equal(hw_folded_write(out, &profile, &options, &err), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	hw_profile_free(&profile);
}

static void folded_stacks_are_root_first_with_counts(void **state)
{
	(void)state;
	tell_kitchen();
	assert_folded((struct hw_folded_options){0}, "cook;main;stir;memcpy 4\n"
	                                             "cook;main;stir 1\n"
	                                             "helper;main;fib;fib;fib 2\n"
	                                             "cook;main;stir;syscall;do_read 1\n"
	                                             "dish;main 1\n"
	                                             "swapper;idle 1\n");
	assert_folded((struct hw_folded_options){.tid = true, .annotate = true, .period = true},
	              "cook-10/10;main;stir;memcpy 4000\n"
	              "cook-10/10;main;stir 1000\n"
	              "helper-10/11;main;fib;fib;fib 2000\n"
	              "cook-10/10;main;stir;syscall_[k];do_read_[k] 1000\n"
	              "dish-20/20;main 1000\n"
	              "swapper-0/0;idle_[k] 1000\n");
}

static void folded_lines_are_stacks_whatever_the_names_are(void **state)
{
	(void)state;
	fake_scene();
	fake_thread(30, 30, "a;b\nc 7");
	fake_sample(10, 10, 0, fake_stack(0x7010, 0x8010, 0x1010, 0));
	fake_sample(30, 30, 0, fake_stack(0x9999, 0));
	assert_folded((struct hw_folded_options){.pid = true}, "cook-10;main;[libstripped.so];hot:loop 1\n"
	                                                       "a:b\\x0ac 7-30;[unknown] 1\n");
}

static void the_same_stack_of_two_threads_of_one_name_is_one_line(void **state)
{
	(void)state;
	fake_scene();
	fake_thread(10, 12, "cook");
	fake_sample(10, 10, 0, fake_stack(0x1010, 0));
	fake_sample(10, 12, 0, fake_stack(0x1020, 0)); /* elsewhere in the same function */
	assert_folded((struct hw_folded_options){0}, "cook;main 2\n");
}

/* Random profiles: whatever the view, the sums are the profile's. */
static void assert_sums(const struct hw_profile *profile, struct hw_tree_options options)
{
	struct hw_tree tree;
	struct hw_error err;
	uint64_t self = 0;

	assert_int_equal(hw_tree_build(&tree, profile, &options, &err), 0);
	for (size_t i = 0; i < tree.nodes.count; i++) {
		const struct hw_tree_node *node = &tree.nodes.items[i];
		uint64_t below = node->self.period, last = UINT64_MAX;

		self += node->self.samples;
		for (uint32_t at = node->first_child; at != HW_NO_NODE;
		     at = tree.nodes.items[at].next_sibling) {
			const struct hw_tree_node *is = &tree.nodes.items[at];

			assert_int_equal(is->parent, i);
			below += is->total.period;
			assert_true(hw_profile_weight(profile, is->total) <= last);
			last = hw_profile_weight(profile, is->total);
		}
		assert_int_equal(below, node->total.period);
	}
	assert_int_equal(self, profile->total.samples);
	assert_int_equal(tree.nodes.items[0].total.period, profile->total.period);
	hw_tree_free(&tree);
}

static void totals_add_up_in_every_view(void **state)
{
	struct hw_profile profile;
	struct hw_error err;
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 30; round++) {
		uint64_t samples = 0;

		fake_scene();
		for (int i = 0; i < 200; i++) {
			uint64_t ips[9] = {0};
			unsigned depth = 1 + (unsigned)rand_r(&seed) % 8;

			for (unsigned j = 0; j < depth; j++)
				ips[j] = 0x1010 + 0x100 * ((unsigned)rand_r(&seed) % 4);
			fake_sample(
			    rand_r(&seed) % 2 ? 10 : 20, rand_r(&seed) % 2 ? 10 : 11,
			    rand_r(&seed) % 3 ? 0 : fake_stack(0xf110, 0),
			    fake_stack(ips[0], ips[1], ips[2], ips[3], ips[4], ips[5], ips[6], ips[7], 0ul))
			    ->period = (unsigned)rand_r(&seed) % 1000;
		}
		fake_profile(&profile);
		assert_int_equal(profile.total.samples, 200);
		assert_true(profile.periods_differ);
		for (int grouping = HW_GROUP_NONE; grouping <= HW_GROUP_THREAD; grouping++)
			for (int inverted = 0; inverted < 2; inverted++)
				for (unsigned depth = 0; depth < 4; depth += 3)
					assert_sums(&profile,
					            (struct hw_tree_options){(enum hw_tree_grouping)grouping,
					                                     inverted, depth});
		for (unsigned keys = 1; keys < 32; keys++) {
			struct hw_flat_options options = {.keys = keys};
			struct hw_flat flat;

			samples = 0;
			assert_int_equal(hw_flat_build(&flat, &profile, &options, &err), 0);
			for (size_t i = 0; i < flat.rows.count; i++) {
				samples += flat.rows.items[i].self.samples;
				assert_true(flat.rows.items[i].self.samples <=
				            flat.rows.items[i].total.samples);
				assert_true(flat.rows.items[i].total.samples <= 200);
			}
			assert_int_equal(samples, 200);
			hw_flat_free(&flat);
		}
		hw_profile_free(&profile);
	}
}

static void sums_saturate_instead_of_wrapping(void **state)
{
	struct hw_profile profile;

	(void)state;
	fake_scene();
	for (int i = 0; i < 3; i++)
		fake_sample(10, 10, 0, fake_stack(0x1010, 0))->period = UINT64_MAX / 2 + 1;
	fake_profile(&profile);
	assert_true(profile.total.period == UINT64_MAX);
	assert_int_equal(profile.total.samples, 3);
	hw_profile_free(&profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_tree_by_name_counts_every_branch),
	    cmocka_unit_test(threads_stand_below_their_process),
	    cmocka_unit_test(an_inverted_tree_starts_at_what_ran),
	    cmocka_unit_test(depth_is_cut_but_nothing_is_lost),
	    cmocka_unit_test(functions_count_once_per_sample),
	    cmocka_unit_test(sorting_by_children_puts_callers_first),
	    cmocka_unit_test(files_threads_and_processes_can_be_rows),
	    cmocka_unit_test(an_unknown_sort_key_is_named),
	    cmocka_unit_test(folded_stacks_are_root_first_with_counts),
	    cmocka_unit_test(folded_lines_are_stacks_whatever_the_names_are),
	    cmocka_unit_test(the_same_stack_of_two_threads_of_one_name_is_one_line),
	    cmocka_unit_test(totals_add_up_in_every_view),
	    cmocka_unit_test(sums_saturate_instead_of_wrapping),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
