/* Keys of trees: which part a worker has of them, that parts are disjoint and cover all, and what a uri
 * covers. */
#include "worker/objects/keyset.h"

#include <stdlib.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "worker-run.h"
#include "worker/objects/tree.h"

#define MASK "sai3bench.d%d_w%d.dir"
#define TREE "null://x/tree/"

static char mask[] = MASK;

static struct job tree_job(uint32_t width, uint32_t depth, uint32_t files, bool all)
{
	struct job j = run_job(4, NS_PER_SEC);
	struct job_set *set = run_add_set(&j, "prepared", 0, 10, TREE);

	j.target = strdup("null://x/");
	set->tree = (struct job_tree){.width = width,
		.depth = depth,
		.files_per_dir = files,
		.all = all,
		.dir_mask = strdup(mask)};
	set->count = job_tree_files(&set->tree);
	return j;
}

/* Counts the keys of op 0, by their numbers in the tree. */
static void count_keys(const struct task *t, bool dirs, unsigned *seen, uint64_t n)
{
	const struct keyset *k = &t->keys[0];
	const struct job_tree *tree = &t->job.sets[0].tree;
	char uri[ENGINE_URI];
	uint64_t number = 0, size;

	for (uint64_t i = 0; i < k->n; i++) {
		const char *name = uri + strlen(TREE);

		keyset_key(k, i, uri, &size);
		CHECK(strlen(uri) <= k->longest);
		if (dirs)
			CHECK(tree_dir_index(tree, name, &number), "%s", uri);
		else
			CHECK(tree_file_index(tree, name, &number) && size == 10, "%s",
				uri);
		CHECK(number < n, "%s", uri);
		if (number < n)
			seen[number]++;
	}
}

/* Which directory, of those that hold files, key i is in. */
static uint64_t dir_of(const struct task *t, uint64_t i)
{
	uint64_t index = 0;
	const struct set *set = keyset_object(&t->keys[0], i, &index);

	return index / set->spec->tree.files_per_dir;
}

static struct task *part_of(uint32_t index, uint32_t count, enum path_selection how,
	double overlap, enum op_kind kind, uint32_t width, uint32_t depth)
{
	struct job j = tree_job(width, depth, 3, depth % 2);

	run_add_op(&j, kind, 1, kind == OP_GET ? TREE "*" : TREE);
	j.index = j.share_index = index;
	j.count = j.share_count = count;
	j.path_selection = how;
	j.partition_overlap = overlap;
	return must_task(&j);
}

static const struct {
	uint32_t width, depth, workers;
} shapes[] = {{1, 1, 1}, {2, 2, 3}, {4, 3, 3}, {4, 3, 7}, {5, 2, 5}, {3, 4, 2}};

/* exclusive: together all keys, each once; each worker's are those of its directories. */
static void test_exclusive(void)
{
	for (size_t r = 0; r < ARRAY_LEN(shapes); r++) {
		struct job j = tree_job(
			shapes[r].width, shapes[r].depth, 3, shapes[r].depth % 2);
		uint64_t files = j.sets[0].count;
		AUTO_FREE unsigned *seen = calloc(files, sizeof(*seen));

		job_finish(&j);
		for (uint32_t w = 0; w < shapes[r].workers; w++) {
			struct task *t = part_of(w, shapes[r].workers, PATHS_EXCLUSIVE, 0,
				OP_GET, shapes[r].width, shapes[r].depth);

			CHECK(t->keys[0].own == t->keys[0].n);
			for (uint64_t i = 0; i < t->keys[0].n; i++)
				CHECK(dir_of(t, i) % shapes[r].workers == w);
			count_keys(t, false, seen, files);
			task_destroy(t);
		}
		for (uint64_t i = 0; i < files; i++)
			CHECK(seen[i] == 1, "row %zu: %ju %u times", r, (uintmax_t)i,
				seen[i]);
	}
}

/* weighted: all keys, those of the worker's own directories first. */
static void test_weighted(void)
{
	for (size_t r = 1; r < ARRAY_LEN(shapes); r++) {
		for (uint32_t w = 0; w < shapes[r].workers; w++) {
			struct task *t = part_of(w, shapes[r].workers, PATHS_WEIGHTED,
				0.3, OP_GET, shapes[r].width, shapes[r].depth);
			const struct keyset *k = &t->keys[0];
			AUTO_FREE unsigned *seen = calloc(k->n, sizeof(*seen));

			CHECK(k->n == t->job.sets[0].count);
			CHECK(k->own > 0 && k->own < k->n, "row %zu", r);
			for (uint64_t i = 0; i < k->n; i++)
				CHECK((dir_of(t, i) % shapes[r].workers == w) ==
						(i < k->own),
					"row %zu: %ju", r, (uintmax_t)i);
			count_keys(t, false, seen, k->n);
			for (uint64_t i = 0; i < k->n; i++)
				CHECK(seen[i] == 1, "row %zu: %ju", r, (uintmax_t)i);
			task_destroy(t);
		}
	}
}

/* partitioned: its own, and that part of the others' directories, whole ones, the same every time. */
static void test_partitioned(void)
{
	const double overlaps[] = {0, 0.25, 0.5, 1};

	for (size_t r = 0; r < ARRAY_LEN(overlaps); r++) {
		struct task *t =
			part_of(1, 4, PATHS_PARTITIONED, overlaps[r], OP_GET, 10, 2);
		struct task *again =
			part_of(1, 4, PATHS_PARTITIONED, overlaps[r], OP_GET, 10, 2);
		const struct keyset *k = &t->keys[0];
		unsigned seen[300] = {0}, twice[300] = {0};
		uint64_t dirs = 25 + (uint64_t)(75 * overlaps[r] + 0.5);

		CHECK(k->n == dirs * 3, "%ju", (uintmax_t)k->n);
		count_keys(t, false, seen, 300);
		count_keys(again, false, twice, 300);
		CHECK(memcmp(seen, twice, sizeof(seen)) == 0);
		for (uint64_t i = 0; i < 300; i++) {
			CHECK(seen[i] <= 1 && seen[i] == seen[i / 3 * 3], "%ju",
				(uintmax_t)i);
			CHECK(i / 3 % 4 != 1 || seen[i] == 1, "%ju", (uintmax_t)i);
		}
		task_destroy(t);
		task_destroy(again);
	}
}

/* Local trees, and one worker alone: everything is one's own. */
static void test_not_divided(void)
{
	for (enum path_selection how = PATHS_RANDOM; how <= PATHS_WEIGHTED; how++) {
		struct task *t = part_of(0, 1, how, 0.5, OP_GET, 3, 2);

		CHECK(t->keys[0].n == 27 && t->keys[0].own == 27);
		task_destroy(t);
	}
	struct task *t = part_of(1, 3, PATHS_RANDOM, 0, OP_GET, 3, 2);

	CHECK(t->keys[0].n == 27 && t->keys[0].own == 27);
	task_destroy(t);
}

static void test_nothing_of_its_own(void)
{
	for (uint32_t w = 0; w < 3; w++) {
		struct job j = tree_job(2, 1, 5, false);
		struct err err = ERR_INIT;
		char *place = NULL;

		run_add_op(&j, OP_GET, 1, TREE);
		j.index = j.share_index = w;
		j.count = j.share_count = 3;
		j.path_selection = PATHS_EXCLUSIVE;
		struct task *t = run_task(&j, NULL, &place, &err);

		CHECK((t != NULL) == (w < 2));
		if (!t)
			CHECK(err.kind == ERR_INPUT &&
					strstr(err.text, "worker 3 of 3 (path_selection "
							 "exclusive)"),
				"%s", err.text);
		free(place);
		task_destroy(t);
	}
}

/* Directories: mkdir and rmdir have all; which ones a worker removes is the removal's. */
static void test_dirs(void)
{
	unsigned seen[39] = {0};
	struct task *t = part_of(3, 4, PATHS_EXCLUSIVE, 0, OP_RMDIR, 3, 3);

	count_keys(t, true, seen, 39);
	CHECK(t->keys[0].n == 39);
	for (int i = 0; i < 39; i++)
		CHECK(seen[i] == 1, "%d: %u", i, seen[i]);
	task_destroy(t);
	t = part_of(1, 4, PATHS_RANDOM, 0, OP_MKDIR, 3, 3);

	CHECK(t->keys[0].n == 39);
	task_destroy(t);
	t = part_of(1, 4, PATHS_EXCLUSIVE, 0, OP_MKDIR, 3, 3);
	CHECK(t->keys[0].n == 10);
	for (uint64_t i = 0; i < t->keys[0].n; i++) {
		uint64_t number;

		CHECK(keyset_object(&t->keys[0], i, &number) != NULL && number % 4 == 1);
	}
	task_destroy(t);
}

static void test_covers(void)
{
	const struct {
		const char *uri;
		uint64_t
			keys; /* of a tree of 2 x 2 with 2 files in each of the last level */
	} rows[] = {
		{"null://x/tree/", 8},
		{"null://x/tree/*", 8},
		{"null://x/", 8},
		{"null://x/tree/*.dat", 8},
		{"null://x/tree/file_*", 8},
		{"null://x/tree/file_0000000[0-4].dat", 5},
		{"null://x/*/file_0000000[0-4].dat", 5},
		{"null://x/tree/*/*/*", 8},
		{"null://x/tree/*/*/file_*.dat", 8},
		{"null://x/tree/*/*/file_0000000[0-3].dat", 4},
		{"null://x/tree/sai3bench.d1_w1.dir/*/*", 4},
		{"null://x/tree/sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/"
		 "file_00000001.dat",
			1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = tree_job(2, 2, 2, false);

		run_add_op(&j, OP_GET, 1, rows[i].uri);
		CHECK(keyset_covers(rows[i].uri, &j.sets[0]), "%s", rows[i].uri);
		struct task *t = must_task(&j);

		CHECK(t->keys[0].n == rows[i].keys, "%s: %ju", rows[i].uri,
			(uintmax_t)t->keys[0].n);
		task_destroy(t);
	}
	const char *const others[] = {
		"null://x/tree/*/*",
		"null://x/tree/x*",
		"null://x/tre",
		"null://x/tree/sai3bench.d1_w1.dir/sai3bench.d2_w1.dir/file_00000002.dat",
		"null://x/tree/sai3bench.d1_w1.dir/",
	};
	struct job j = tree_job(2, 2, 2, false);

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		CHECK(!keyset_covers(others[i], &j.sets[0]), "%s", others[i]);
	job_finish(&j);
}

/* A narrower pattern and a part of one's own: both hold. */
static void test_patterns_in_parts(void)
{
	uint64_t keys = 0;

	for (uint32_t w = 0; w < 3; w++) {
		struct job j = tree_job(4, 2, 2, false);

		run_add_op(&j, OP_GET, 1, TREE "sai3bench.d1_w1.dir/*/*");
		j.index = j.share_index = w;
		j.count = j.share_count = 3;
		j.path_selection = PATHS_EXCLUSIVE;
		struct task *t = must_task(&j);

		for (uint64_t i = 0; i < t->keys[0].n; i++)
			CHECK(dir_of(t, i) % 3 == w && dir_of(t, i) / 4 == 0);
		keys += t->keys[0].n;
		task_destroy(t);
	}
	CHECK(keys == 8, "%ju", (uintmax_t)keys);
}

/* The last test: the pool of random data is let go. */
static void test_large(void)
{
	struct job j = tree_job(10, 6, 10, false);
	char uri[ENGINE_URI];
	uint64_t size;

	run_add_op(&j, OP_GET, 1, TREE);
	j.share_index = j.index = 1;
	j.share_count = j.count = 3;
	j.path_selection = PATHS_PARTITIONED;
	j.partition_overlap = 0.1;
	struct task *t = must_task(&j);

	CHECK(t->job.sets[0].count == 10000000 && t->keys[0].n == 4000000 - 10 + 10,
		"%ju", (uintmax_t)t->keys[0].n);
	for (uint64_t i = 0; i < t->keys[0].n; i += 99991)
		keyset_key(&t->keys[0], i, uri, &size);
	task_destroy(t);
	data_finish(&run_data);
}

TEST_MAIN(TEST(test_exclusive), TEST(test_weighted), TEST(test_partitioned),
	TEST(test_not_divided), TEST(test_nothing_of_its_own), TEST(test_dirs),
	TEST(test_covers), TEST(test_patterns_in_parts), TEST(test_large))
