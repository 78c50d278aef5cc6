/* Names of trees of directories: from numbers and back, for all small trees, and what is no name of one. */
#include "worker/objects/tree.h"

#include <stdlib.h>

#include "check.h"
#include "common/cleanup.h"

#define MASK "sai3bench.d%d_w%d.dir"

static char mask[] = MASK;

static void test_order(void)
{
	struct job_tree t = {
		.width = 2, .depth = 2, .files_per_dir = 3, .dir_mask = mask};
	const char *const dirs[] = {
		"sai3bench.d1_w1.dir/",
		"sai3bench.d1_w2.dir/",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/",
		"sai3bench.d1_w1.dir/sai3bench.d2_w2.dir/",
		"sai3bench.d1_w2.dir/sai3bench.d2_w1.dir/",
		"sai3bench.d1_w2.dir/sai3bench.d2_w2.dir/",
	};
	AUTO_FREE char *out = malloc(tree_room(&t));

	for (uint64_t i = 0; i < ARRAY_LEN(dirs); i++) {
		CHECK(tree_dir(&t, i, out) == strlen(dirs[i]));
		CHECK_STR(out, dirs[i]);
	}
	tree_file(&t, 0, out);
	CHECK_STR(out, "sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_00000000.dat");
	tree_file(&t, 11, out);
	CHECK_STR(out, "sai3bench.d1_w2.dir/sai3bench.d2_w2.dir/file_00000011.dat");
	t.all = true;
	tree_file(&t, 0, out);
	CHECK_STR(out, "sai3bench.d1_w1.dir/file_00000000.dat");
	tree_file(&t, 17, out);
	CHECK_STR(out, "sai3bench.d1_w2.dir/sai3bench.d2_w2.dir/file_00000017.dat");
}

static void both_ways(const struct job_tree *t, const char *what)
{
	AUTO_FREE char *out = malloc(tree_room(t));
	uint64_t dirs = job_tree_dirs(t), files = job_tree_files(t), back;

	for (uint64_t i = 0; i < dirs; i++) {
		size_t len = tree_dir(t, i, out);

		CHECK(len < tree_room(t) && len == strlen(out), "%s: %zu", what, len);
		CHECK(tree_dir_index(t, out, &back) && back == i, "%s: %s", what, out);
		CHECK(!tree_file_index(t, out, &back), "%s: %s", what, out);
		if (i > 0) {
			/* one above comes first */
			out[len - 1] = '\0';
			char *slash = strrchr(out, '/');

			if (!slash)
				continue;
			slash[1] = '\0';
			CHECK(tree_dir_index(t, out, &back) && back < i, "%s: %s", what,
				out);
		}
	}
	for (uint64_t i = 0; i < files; i++) {
		size_t len = tree_file(t, i, out);

		CHECK(len < tree_room(t) && len == strlen(out), "%s: %zu", what, len);
		CHECK(tree_file_index(t, out, &back) && back == i, "%s: %s", what, out);
		CHECK(!tree_dir_index(t, out, &back), "%s: %s", what, out);
	}
}

static void test_both_ways(void)
{
	static char plain[] = "%d%d", odd[] = "%dx%d0";
	char *const masks[] = {mask, plain, odd};

	for (uint32_t n = 0; n < 4 * 4 * 5 * 2 * 3; n++) {
		struct job_tree t = {
			.width = n % 4 + 1,
			.depth = n / 4 % 4 + 1,
			.files_per_dir = n / 16 % 5,
			.all = n / 80 % 2,
			.dir_mask = masks[n / 160],
		};
		char what[80];

		snprintf(what, sizeof(what), "%ux%ux%u%s %s", t.width, t.depth,
			t.files_per_dir, t.all ? " all" : "", t.dir_mask);
		both_ways(&t, what);
	}
}

static void test_large(void)
{
	struct job_tree wide = {.width = 100000000, .depth = 1, .files_per_dir = 1};
	struct job_tree deep = {.width = 1, .depth = 64, .files_per_dir = 2, .all = true};
	AUTO_FREE char *out = NULL;
	uint64_t back;

	wide.dir_mask = deep.dir_mask = mask;
	out = malloc(tree_room(&deep) + tree_room(&wide));
	tree_file(&wide, 99999999, out);
	CHECK_STR(out, "sai3bench.d1_w100000000.dir/file_99999999.dat");
	CHECK(tree_file_index(&wide, out, &back) && back == 99999999);
	both_ways(&deep, "deep");
}

static void test_strangers(void)
{
	struct job_tree t = {
		.width = 3, .depth = 2, .files_per_dir = 2, .dir_mask = mask};
	const char *const rows[] = {
		"",
		"/",
		"file_00000000.dat",
		"sai3bench.d1_w1.dir",
		"sai3bench.d1_w1.dir/file_00000000.dat",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_00000002.dat",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_0000000.dat",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_000000000.dat",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_00000000.dat.part",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/x/file_00000000.dat",
		"sai3bench.d1_w1.dir/sai3bench.d1_w1.dir/file_00000000.dat",
		"sai3bench.d1_w0.dir/sai3bench.d2_w1.dir/file_00000000.dat",
		"sai3bench.d1_w4.dir/",
		"sai3bench.d1_w4.dir/sai3bench.d2_w1.dir/",
		"sai3bench.d1_w4.dir/file_00000000.dat",
		"sai3bench.d1_w01.dir/sai3bench.d2_w1.dir/",
		"sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/sai3bench.d3_w1.dir/",
		"sai3bench.d1_w1.dirt/",
		"sai3bench.d1_w1./",
		"sai3bench.d1_w18446744073709551617.dir/",
		"sai3bench.d1_w3.dir/sai3bench.d2_w3.dir/file_00000018.dat",
	};
	uint64_t i;

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		CHECK(!tree_file_index(&t, rows[n], &i), "%s", rows[n]);
		CHECK(!tree_dir_index(&t, rows[n], &i), "%s", rows[n]);
	}
}

TEST_MAIN(TEST(test_order), TEST(test_both_ways), TEST(test_large), TEST(test_strangers))
