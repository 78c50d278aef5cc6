/* What keys of prepare and of trees become in jobs, and where they are refused. */
#include <stdlib.h>

#include "keys-data.h"

/* of a set that has nothing special, as it lies on disks */
#define PLAIN_ID UINT64_C(16235999554110183608)

/* ---- prepare ---- */

static void test_strategies(void)
{
	static const struct {
		const char *keys;
		bool interleave, trust, overwrite;
	} rows[] = {
		{"", false, false, false},
		{"prepare_strategy: sequential, ", false, false, false},
		{"prepare_strategy: parallel, ", true, false, false},
		{"skip_verification: true, ", false, true, false},
		{"force_overwrite: true, ", false, false, true},
		{"skip_verification: false, force_overwrite: true, ", false, false, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(TARGET GET
			"prepare: {%sensure_objects: [{count: 1, size_spec: 1}]}",
			rows[i].keys);
		struct planned m;

		if (!make(&m, text, NULL, 1))
			continue;
		CHECK(m.p.jobs[0].interleave == rows[i].interleave, "row %zu", i);
		CHECK(m.p.jobs[0].trust == rows[i].trust, "row %zu", i);
		CHECK(m.p.jobs[0].overwrite == rows[i].overwrite, "row %zu", i);
		drop(&m);
	}
	check_refused(TARGET GET
		"prepare: {force_overwrite: true, skip_verification: true}",
		NULL,
		"w.yaml:3:28: force_overwrite makes all objects, and skip_verification "
		"none: leave one of them out");
}

/* Ids of sets: what changes content or names changes them; what was there before keeps its own. */
static void test_ids(void)
{
#define SETS(rest)                                                                       \
	TARGET GET "prepare: {ensure_objects: [{base_uri: s, size_spec: 4k" rest
#define TREE(rest)                                                                       \
	SETS("}], directory_structure: {width: 2, depth: 1, files_per_dir: 2" rest "}}"  \
	     "\n")
	static const char *const texts[] = {
		SETS(", count: 4}]}\n"),
		SETS(", count: 4, dedup_factor: 2}]}\n"),
		SETS(", count: 4, dedup_factor: 3}]}\n"),
		SETS(", count: 4, compress_factor: 2}]}\n"),
		SETS(", count: 4}]}\nverify: true\n"),
		TREE(""),
		TREE(", distribution: all"),
		TREE(", dir_mask: \"d%d_w%d\""),
	};
	/* also: factors of 1 are no factors, and the count is no part of it */
	static const char *const same[] = {
		SETS(", count: 5}]}\n"),
		SETS(", count: 4, dedup_factor: 1, compress_factor: 1}]}\n"),
		SETS(", count: 4}]}\nverify: false\n"),
	};
	uint64_t ids[ARRAY_LEN(texts)] = {0};
	struct planned m;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!make(&m, texts[i], NULL, 1))
			return;
		ids[i] = m.p.jobs[0].sets[0].id;
		drop(&m);
		for (size_t k = 0; k < i; k++)
			CHECK(ids[i] != ids[k], "rows %zu and %zu", i, k);
	}
	CHECK(ids[0] == PLAIN_ID, "%llu", (unsigned long long)ids[0]);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		if (!make(&m, same[i], NULL, 1))
			return;
		CHECK(m.p.jobs[0].sets[0].id == ids[0], "row %zu", i);
		drop(&m);
	}
}

/* ---- trees ---- */

#define STRUCTURE "directory_structure: {width: 2, depth: 2, files_per_dir: 3}"
#define SIZED "min_size: 4k, max_size: 4k"

static void test_tree(void)
{
	static const struct {
		const char *prepare;
		uint64_t counts[2]; /* of sets */
		bool trees[2];
	} rows[] = {
		{STRUCTURE ", ensure_objects: [{base_uri: t, " SIZED "}]", {12}, {true}},
		{STRUCTURE ", ensure_objects: [{count: 0, " SIZED "}]", {12}, {true}},
		{STRUCTURE ", ensure_objects: [{count: 12, " SIZED "}]", {12}, {true}},
		{STRUCTURE ", ensure_objects: [{base_uri: p, count: 12, " SIZED
			   "}, {base_uri: t, " SIZED "}]",
			{12, 12}, {false, true}},
		{"directory_structure: {width: 2, depth: 2, files_per_dir: 3, "
		 "distribution: all}, ensure_objects: [{" SIZED "}]",
			{18}, {true}},
		{"directory_structure: {width: 2, depth: 2}", {0}, {true}},
		{"directory_structure: {width: 2, depth: 2}, ensure_objects: [{base_uri: "
		 "t, count: 0}]",
			{0}, {true}},
		{"directory_structure: {width: 2, depth: 2}, ensure_objects: [{base_uri: "
		 "p, count: 5, " SIZED "}]",
			{5, 0}, {false, true}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text =
			text_printf(TARGET GET "prepare: {%s}", rows[i].prepare);
		struct planned m;
		size_t want = rows[i].trees[1] ? 2 : 1;

		if (!make(&m, text, NULL, 1))
			continue;
		CHECK(m.p.jobs[0].n_sets == want, "row %zu: %zu", i, m.p.jobs[0].n_sets);
		for (size_t k = 0; k < want && k < m.p.jobs[0].n_sets; k++) {
			const struct job_set *s = &m.p.jobs[0].sets[k];

			CHECK(s->count == rows[i].counts[k], "row %zu", i);
			CHECK((s->tree.depth > 0) == rows[i].trees[k], "row %zu", i);
			CHECK(!s->tree.depth ||
				strcmp(s->tree.dir_mask, "sai3bench.d%d_w%d.dir") == 0);
		}
		CHECK(m.p.jobs[0].prepare);
		drop(&m);
	}
}

static void test_tree_refusals(void)
{
#define PREPARE(rest) TARGET GET "prepare: {" rest "}\n"
	static const struct {
		const char *text, *want;
	} rows[] = {
		{PREPARE(STRUCTURE),
			"w.yaml:3:32: directory_structure needs an entry of "
			"ensure_objects that says where its files are and how large: "
			"ensure_objects: [{base_uri: \"tree/\", min_size: 4KiB, "
			"max_size: 4KiB}]"},
		{PREPARE(STRUCTURE ", ensure_objects: [{count: 13, " SIZED "}]"),
			"w.yaml:3:97: count is 13, and the directory_structure has 12 "
			"files: leave count out"},
		{PREPARE(STRUCTURE ", ensure_objects: [{base_uri: t}]"),
			"w.yaml:3:89: ensure_objects needs min_size and max_size, or "
			"size_distribution"},
		{PREPARE("directory_structure: {width: 2}"),
			"w.yaml:3:32: a directory_structure needs width and depth"},
		{PREPARE("directory_structure: {width: 0, depth: 1}"),
			"w.yaml:3:40: key 'width' wants a count from 1 to 1,000,000, not "
			"'0'"},
		{PREPARE("directory_structure: {width: 1, depth: 65}"),
			"w.yaml:3:50: key 'depth' wants a count from 1 to 64, not '65'"},
		{PREPARE("directory_structure: {width: 100, depth: 5}"),
			"w.yaml:3:32: a directory_structure has at most 100,000,000 "
			"directories and as many files, this one 10,101,010,100 and 0"},
		{PREPARE("directory_structure: {width: 100, depth: 60}"),
			"w.yaml:3:32: a directory_structure has at most 100,000,000 "
			"directories and as many files, this one far more"},
		{PREPARE("directory_structure: {width: 2, depth: 2, distribution: top}"),
			"w.yaml:3:67: key 'distribution' wants one of bottom, all, not "
			"'top'"},
		{PREPARE("directory_structure: {width: 2, depth: 2, dir_mask: dir%d}"),
			"w.yaml:3:63: dir_mask 'dir%d' needs two %d: the level, and the "
			"number in the directory above"},
		{PREPARE("directory_structure: {width: 2, depth: 2, dir_mask: "
			 "\"%d/%d\"}"),
			"w.yaml:3:63: dir_mask '%d/%d' holds a '/', a wildcard or a "
			"control character"},
		{PREPARE("directory_structure: {width: 1, depth: 64, dir_mask: "
			 "\"a-name-that-is-a-little-longer-than-fifty-bytes-%d-%d\"}"),
			"w.yaml:3:64: dir_mask makes names that are too long: it has at "
			"most 100 bytes, and a path in the tree at most 3000"},
		{PREPARE("key_prefix_shards: 4, directory_structure: {width: 2, depth: "
			 "2}"),
			"w.yaml:3:54: directory_structure and key_prefix_shards exclude "
			"each other: a tree has folders of its own"},
		{PREPARE("ensure_objects: [{count: 0, " SIZED "}]"),
			"w.yaml:3:36: count 0 means as many as a directory_structure has "
			"files, and there is none"},
		{TARGET "workload: [{op: put, path: x/, weight: 1}]\n"
			"prepare: {" STRUCTURE ", ensure_objects: [{base_uri: t, " SIZED
			"}]}",
			"w.yaml:2:12: a put needs object_size or size_distribution: "
			"'x/' is not the directory_structure, whose files have sizes"},
		{TARGET GET "distributed: {tree_creation_mode: shared}",
			"w.yaml:3:35: key 'tree_creation_mode' wants one of concurrent, "
			"coordinator, isolated, not 'shared'"},
		{TARGET GET "distributed: {path_selection: own}",
			"w.yaml:3:31: key 'path_selection' wants one of random, "
			"partitioned, exclusive, weighted, not 'own'"},
		{TARGET GET "distributed: {path_selection: weighted, partition_overlap: "
			    "1.1}",
			"w.yaml:3:60: partition_overlap must be from 0 to 1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_refused(rows[i].text, NULL, rows[i].want);
}

/* Ops that mean the files of a tree. */
static void test_tree_ops(void)
{
	static const struct {
		const char *op, *note; /* part of a note, or NULL: there is none */
	} rows[] = {
		{"{op: put, path: t/, weight: 1}", NULL},
		{"{op: put, path: t, weight: 1, selection: zipf}", NULL},
		{"{op: put, path: t/*, weight: 1}", NULL},
		{"{op: put, weight: 1}", NULL},
		{"{op: put, path: t/, weight: 1, object_size: 1}",
			"put 't/' overwrites files of the tree, which keep their sizes: "
			"object_size is not used"},
		{"{op: put, path: x/, weight: 1, object_size: 1}", NULL},
		{"{op: mkdir, path: t/, weight: 1}", NULL},
		{"{op: rmdir, path: t/, weight: 1, recursive: true}", NULL},
		{"{op: mkdir, path: t/, weight: 1}, {op: rmdir, path: t/, weight: 1}",
			NULL},
		{"{op: delete, path: \"t/*\", weight: 1}, {op: rmdir, path: t/, weight: "
		 "1}",
			"rmdir 't/' comes to directories that delete has not emptied by "
			"then: expect errors of class exists"},
		{"{op: stat, path: \"t/*\", weight: 1}, {op: rmdir, path: t/, weight: 1, "
		 "recursive: true}",
			"rmdir 't/' takes directories with files that stat reads: expect "
			"not_found errors"},
		{"{op: rmdir, path: t/, weight: 1, recursive: true}, {op: rmdir, path: "
		 "./, weight: 1, recursive: true}",
			"rmdir './' takes directories of the tree that rmdir works in: "
			"expect not_found and exists errors"},
		{"{op: put, path: \"t/*\", weight: 1}, {op: rmdir, path: t/, weight: 1, "
		 "recursive: true}",
			"rmdir 't/' takes directories of the tree that put works in: "
			"expect not_found and exists errors"},
		{"{op: get, path: \"t/*\", weight: 1}, {op: delete, path: t/, weight: 1}",
			"delete 't/' takes files of the tree that get reads: expect "
			"not_found errors"},
		{"{op: get, path: x/, weight: 1}, {op: delete, path: t/, weight: 1}",
			NULL},
		{"{op: stat, path: \"t/*/*/*\", weight: 1}, {op: delete, path: "
		 "\"t/*/*/*.dat\", weight: 1}",
			"that stat reads"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *text = text_printf(TARGET
			"workload: [%s]\nprepare: {" STRUCTURE
			", ensure_objects: [{base_uri: t, " SIZED "}]}\n",
			rows[i].op);
		struct planned m;

		if (!make(&m, text, NULL, 1))
			continue;
		CHECK(rows[i].note ? has_note(&m.p, rows[i].note) : !*m.p.notes,
			"row %zu: %s", i, *m.p.notes ? *m.p.notes : "nothing");
		CHECK(m.p.jobs[0].n_sets == 1, "row %zu", i);
		drop(&m);
	}
}

/* rmdir of a tree without recursive: what is certain to fail is refused, and nothing else. */
static void test_full_directories(void)
{
#define FILES(target, keys, files, ops)                                                  \
	"target: " target "\nprepare: {" keys                                            \
	"directory_structure: {width: 2, depth: 2, files_per_dir: " files                \
	"}, ensure_objects: [{base_uri: t, " SIZED "}]}\nworkload: [" ops "]\n"
#define RMDIR "{op: rmdir, path: t/, weight: 1}"
	static const struct {
		const char *text;
		bool fine;
	} rows[] = {
		{FILES("file:///t/", "", "3", RMDIR), false},
		{FILES("direct:///t/", "", "3", RMDIR), false},
		{FILES("file:///t/", "", "3", "{op: rmdir, path: ./, weight: 1}"), false},
		{FILES("file:///t/", "", "3",
			 RMDIR ", {op: delete, path: \"other/*\", weight: 1}"),
			false},
		{FILES("file:///t/", "", "3", RMDIR ", {op: mkdir, path: u/, weight: 1}"),
			false},
		{FILES("null://x/t/", "", "3", RMDIR), true},
		{FILES("file:///t/", "skip_verification: true, ", "3", RMDIR), true},
		{FILES("file:///t/", "", "3",
			 RMDIR ", {op: delete, path: t/sub/one, weight: 1}"),
			true},
		{FILES("file:///t/", "", "3",
			 RMDIR ", {op: rmdir, path: ./, weight: 1, recursive: true}"),
			true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct planned m;

		if (rows[i].fine && make(&m, rows[i].text, NULL, 1))
			drop(&m);
		if (rows[i].fine)
			continue;
		struct err err = ERR_INIT;

		CHECK(plan_text(rows[i].text, NULL, NULL, 1, &m.w, &m.p, &err) < 0 &&
				strstr(err.text, "w.yaml:3:30: rmdir '") &&
				strstr(err.text,
					"' finds no empty directory: the tree has 3 "
					"files in each that holds files, and nothing of "
					"this workload deletes them: give it recursive: "
					"true, or the tree files_per_dir: 0"),
			"row %zu: %s", i, err.text);
	}
}

static void test_no_directories(void)
{
	static const struct {
		const char *text, *place;
	} rows[] = {
		{"target: s3://b/\nprepare: {directory_structure: {width: 2, depth: 2, "
		 "files_per_dir: 0}}\nworkload: [{op: list, path: ./, weight: 1}]\n",
			"w.yaml:2:68: s3://"},
		{"target: az://a/b/\nprepare: {directory_structure: {width: 2, depth: "
		 "2}}\nworkload: [{op: list, path: ./, weight: 1}]\n",
			"w.yaml:2:32: az://"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = ERR_INIT;
		struct planned m;

		CHECK(plan_text(rows[i].text, NULL, NULL, 1, &m.w, &m.p, &err) < 0 &&
				strstr(err.text, rows[i].place) &&
				strstr(err.text,
					" has no directories: a directory_structure is "
					"made of its files there, and needs "
					"files_per_dir"),
			"row %zu: %s", i, err.text);
	}
}

/* Directories that none of several workers removes are counted. */
static void test_directories_of_several(void)
{
#define DIRS(width, more)                                                                \
	"target: file:///t/\nprepare: {" more "directory_structure: {width: " width      \
	", depth: 3, files_per_dir: 0}}\nworkload: [{op: rmdir, path: ./, weight: 1}]\n" \
	"distributed: {shared_filesystem: true}\n"
	static const struct {
		const char *text;
		size_t workers;
		const char *note;
	} rows[] = {
		{DIRS("3", ""), 1, NULL},
		{DIRS("3", ""), 3, NULL},
		{DIRS("3", ""), 2,
			"2 of the 39 directories of a tree hold directories of several "
			"workers, and none of these removes them: they stay"},
		{DIRS("2", "cleanup: true, "), 4,
			"2 of the 14 directories of a tree hold directories of several "
			"workers, and none of these removes them: cleanup does"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct planned m;

		if (!make(&m, rows[i].text, NULL, rows[i].workers))
			continue;
		CHECK(rows[i].note ? has_note(&m.p, rows[i].note)
				   : !has_note(&m.p, "several workers"),
			"row %zu: %s", i, *m.p.notes ? *m.p.notes : "nothing");
		drop(&m);
	}
}

/* Who makes a tree, and which part of it is whose. */
static void test_tree_workers(void)
{
#define TREE_AT(target)                                                                  \
	"target: " target "\n" GET "prepare: {" STRUCTURE                                \
	", ensure_objects: [{base_uri: t, " SIZED "}]}\n"
	static const struct {
		const char *text;
		bool shared, isolated, coordinator;
		enum path_selection paths;
		double overlap;
		uint32_t shares;
		const char *uri, *note;
	} rows[] = {
		{TREE_AT("s3://b/p/"), true, false, false, PATHS_RANDOM, 0, 2,
			"s3://b/p/t/", NULL},
		{TREE_AT("s3://b/p/") "distributed: {tree_creation_mode: concurrent}",
			true, false, false, PATHS_RANDOM, 0, 2, "s3://b/p/t/", NULL},
		{TREE_AT("s3://b/p/") "distributed: {tree_creation_mode: coordinator, "
				      "path_selection: exclusive}",
			true, false, true, PATHS_EXCLUSIVE, 0, 2, "s3://b/p/t/", NULL},
		{TREE_AT("s3://b/p/") "distributed: {path_selection: partitioned}", true,
			false, false, PATHS_PARTITIONED, 0.3, 2, "s3://b/p/t/", NULL},
		{TREE_AT("s3://b/p/") "distributed: {path_selection: weighted, "
				      "partition_overlap: 0.1}",
			true, false, false, PATHS_WEIGHTED, 0.1, 2, "s3://b/p/t/", NULL},
		{TREE_AT("s3://b/p/") "distributed: {tree_creation_mode: isolated, "
				      "path_selection: exclusive}",
			false, true, false, PATHS_RANDOM, 0, 1, "s3://b/p/w1/t/",
			"every worker has a tree of its own: path_selection is not used"},
		{TREE_AT("file:///d/") "distributed: {tree_creation_mode: isolated, "
				       "shared_filesystem: true}",
			false, true, false, PATHS_RANDOM, 0, 1, "file:///d/w1/t/",
			"tree_creation_mode isolated: every worker works in a folder of "
			"its own, the first one in file:///d/w0/"},
		{TREE_AT("file:///d/") "distributed: {tree_creation_mode: coordinator}",
			false, false, false, PATHS_RANDOM, 0, 1, "file:///d/w1/t/",
			"storage is each host's own"},
		{"target: s3://b/\n" GET "distributed: {tree_creation_mode: isolated, "
		 "path_selection: weighted}\nprepare: {ensure_objects: [{base_uri: t, "
		 "count: 1, size_spec: 1}]}",
			true, false, false, PATHS_RANDOM, 0, 2, "s3://b/t/",
			"tree_creation_mode is about a directory_structure, and there is "
			"none"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct planned m;
		const struct job *j;

		if (!make(&m, rows[i].text, NULL, 2))
			continue;
		j = &m.p.jobs[1];
		CHECK(m.p.shared == rows[i].shared && m.p.isolated == rows[i].isolated,
			"row %zu", i);
		CHECK(j->coordinator == rows[i].coordinator, "row %zu", i);
		CHECK(j->path_selection == rows[i].paths, "row %zu", i);
		CHECK(close_to(j->partition_overlap, rows[i].overlap), "row %zu", i);
		CHECK(j->share_count == rows[i].shares, "row %zu", i);
		CHECK_STR(j->sets[0].uri, rows[i].uri);
		CHECK(rows[i].note ? has_note(&m.p, rows[i].note) : !*m.p.notes,
			"row %zu: %s", i, *m.p.notes ? *m.p.notes : "nothing");
		drop(&m);
	}
	check_warned(TARGET GET "distributed: {partition_overlap: 0.3}",
		"w:3:34: partition_overlap is for path_selection partitioned and "
		"weighted, and not used with random\n");
}

TEST_MAIN(TEST(test_strategies), TEST(test_ids), TEST(test_tree),
	TEST(test_tree_refusals), TEST(test_tree_ops), TEST(test_tree_workers),
	TEST(test_full_directories), TEST(test_no_directories),
	TEST(test_directories_of_several))
