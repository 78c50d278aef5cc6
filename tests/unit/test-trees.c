/* Trees on files: what prepare makes of them, once and by several, what a load does in them, what may be
 * touched, and what cleanup removes and leaves. */
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker-run.h"

static char root[] = "/tmp/muster-test-trees-XXXXXX";
static char base[100]; /* file://<root>/t/ */
static char tree_uri[120];

static void test_set_up(void)
{
	CHECK(mkdtemp(root) != NULL);
	snprintf(base, sizeof(base), "file://%s/t/", root);
	snprintf(tree_uri, sizeof(tree_uri), "%stree/", base);
}

/* Runs a command in root; returns its exit code. */
static int shell(const char *command)
{
	AUTO_FREE char *text = text_printf("cd %s && %s", root, command);
	int rc = system(text);

	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static bool exists(const char *name)
{
	AUTO_FREE char *path = text_printf("%s/t/tree/%s", root, name);

	return access(path, F_OK) == 0;
}

/* How many of a type ("f", "d") are below t/, without the owner's file. */
static int count(const char *type)
{
	AUTO_FREE char *command = text_printf(
		"find %s/t -type %s ! -name '.muster-*' 2>/dev/null | wc -l", root, type);
	FILE *f = popen(command, "r");
	int n = -1;

	CHECK(f && fscanf(f, "%d", &n) == 1);
	if (f)
		pclose(f);
	return n;
}

static void clear(void)
{
	CHECK(shell("rm -rf t") == 0);
}

static struct job tree_job(uint32_t width, uint32_t depth, uint32_t files)
{
	struct job j = run_job(4, 100 * NS_PER_MS);
	struct job_set *set = run_add_set(&j, "prepared", 0, 100, tree_uri);

	j.target = strdup(base);
	j.load = false;
	set->tree = (struct job_tree){.width = width,
		.depth = depth,
		.files_per_dir = files,
		.dir_mask = strdup("d%d_w%d")};
	set->count = job_tree_files(&set->tree);
	return j;
}

/* The job is refused with these words. */
static void refused(struct job *j, const char *why)
{
	struct err err = ERR_INIT;
	char *place = NULL;
	struct task *t = run_task(j, NULL, &place, &err);

	CHECK(t == NULL, "not refused: %s", why);
	CHECK(t || (err.kind == ERR_INPUT && strstr(err.text, why)), "%s: %s", why,
		err.text);
	task_destroy(t);
	free(place);
}

static void must_prepare(struct job j)
{
	struct err err = ERR_INIT;
	struct task *t = must_task(&j);

	run_phase(t, PHASE_PREPARE, &err);
	CHECK(err.kind == ERR_NONE, "%s", err.text);
	task_destroy(t);
}

static void must_clean(struct job j, uint64_t done, uint64_t foreign)
{
	struct err err = ERR_INIT;
	struct task *t = must_task(&j);
	struct msg_phase p = run_phase(t, PHASE_CLEANUP, &err);

	CHECK(p.done == done && p.foreign == foreign && p.left == 0, "%ju %ju %ju: %s",
		(uintmax_t)p.done, (uintmax_t)p.foreign, (uintmax_t)p.left, err.text);
	task_destroy(t);
}

static void test_make_once(void)
{
	struct err err = ERR_INIT;
	struct job j = tree_job(3, 2, 4);
	struct task *t = must_task(&j);
	struct msg_phase p;

	CHECK(t->sets[0].to_make == 36 && t->sets[0].dirs_to_make == 9);
	p = run_phase(t, PHASE_PREPARE, &err);
	CHECK(p.done == 36 && p.errors == 0 && count("f") == 36 && count("d") == 14, "%s",
		err.text);
	CHECK(exists("d1_w3/d2_w3/file_00000035.dat"));
	task_destroy(t);

	j = tree_job(3, 2, 4);
	t = must_task(&j);
	CHECK(t->sets[0].to_make == 0 && t->sets[0].dirs_to_make == 0 &&
		t->sets[0].existing == 36);
	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 0);
	task_destroy(t);

	/* a gap is filled, with its directory */
	shell("rm -r t/tree/d1_w1/d2_w2");
	j = tree_job(3, 2, 4);
	t = must_task(&j);
	CHECK(t->sets[0].to_make == 4 && t->sets[0].dirs_to_make == 0);
	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 4);
	task_destroy(t);
	must_clean(tree_job(3, 2, 4), 36, 0);
	CHECK(count("d") == 1 && !exists(""));
	clear();
}

/* One tree of another shape has another id, as the plan makes them. */
static void test_other_shape(void)
{
	struct job j = tree_job(2, 2, 1);

	must_prepare(tree_job(3, 2, 4));
	j.sets[0].id++;
	refused(&j,
		"another spec (100 B, fill random, tree of width 3, depth 2, 4 files in "
		"each directory of the last level;");
	clear();
}

static void test_directories_alone(void)
{
	struct err err = ERR_INIT;
	struct job j = tree_job(3, 3, 0);
	struct task *t = must_task(&j);

	CHECK(t->sets[0].to_make == 0 && t->sets[0].dirs_to_make == 27);
	run_phase(t, PHASE_PREPARE, &err);
	CHECK(err.kind == ERR_NONE && count("d") == 41 && exists(".muster-owner"));
	task_destroy(t);
	j = tree_job(3, 3, 0);
	t = must_task(&j);
	CHECK(t->sets[0].dirs_to_make == 0);
	task_destroy(t);
	shell("rmdir t/tree/d1_w2/d2_w2/d3_w2");
	must_prepare(tree_job(3, 3, 0));
	CHECK(count("d") == 41);
	must_clean(tree_job(3, 3, 0), 0, 0);
	CHECK(count("d") == 1 && !exists(""));
	clear();
}

/* Strangers' files stay, with the directories above them; so do directories that were there before. */
static void test_strangers_stay(void)
{
	must_prepare(tree_job(3, 2, 2));
	shell("touch t/tree/d1_w2/theirs t/tree/d1_w3/d2_w1/file_00000000.dat");
	must_clean(tree_job(3, 2, 2), 18, 2);
	CHECK(count("f") == 2 && count("d") == 5);
	clear();
	shell("mkdir -p t/tree/d1_w2");
	must_prepare(tree_job(3, 2, 2));
	must_clean(tree_job(3, 2, 2), 18, 0);
	CHECK(exists("d1_w2") && exists("d1_w1/d2_w1") && count("f") == 0);
	clear();
}

/* All workers of shared storage, one after the other. */
static uint64_t prepare_all(struct task *t[3], bool coordinator)
{
	struct err err = ERR_INIT;
	uint64_t made = 0;

	for (uint32_t i = 0; i < 3; i++) {
		struct job j = tree_job(3, 2, 5);

		j.share_index = i;
		j.share_count = 3;
		j.coordinator = coordinator;
		t[i] = must_task(&j);
	}
	for (int i = 2; i >= 0; i--) {
		made += run_phase(t[i], PHASE_PREPARE, &err).done;
		CHECK(err.kind == ERR_NONE, "%s", err.text);
	}
	return made;
}

static void test_several(void)
{
	for (int coordinator = 0; coordinator < 2; coordinator++) {
		struct err err = ERR_INIT;
		struct task *t[3];
		uint64_t removed = 0;

		CHECK(prepare_all(t, coordinator) == 45 && count("f") == 45);
		CHECK(t[0]->sets[0].to_make == (coordinator ? 45 : 15));
		CHECK(t[1]->sets[0].to_make == (coordinator ? 0 : 15));
		for (int i = 0; i < 3; i++) {
			removed += run_phase(t[i], PHASE_CLEANUP, &err).done;
			CHECK(count("d") == (i < 2 ? 14 : 0), "%d", count("d"));
			task_destroy(t[i]);
		}
		CHECK(removed == 45);
	}
}

static void test_trust_and_overwrite(void)
{
	struct err err = ERR_INIT;
	struct job j;
	struct task *t;

	/* nobody knows whose it is: it counts as there, and stays */
	j = tree_job(2, 1, 3);
	j.trust = true;
	t = must_task(&j);
	CHECK(t->sets[0].to_make == 0 && t->sets[0].owner == SET_FOREIGN &&
		set_size(&t->sets[0], 1) == 100);
	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 0 && count("f") == 0);
	task_destroy(t);

	must_prepare(tree_job(2, 1, 3));
	shell("rm t/tree/d1_w1/file_00000001.dat");
	j = tree_job(2, 1, 3);
	j.trust = true;
	t = must_task(&j);
	CHECK(t->sets[0].to_make == 0 && t->sets[0].existing == 6 &&
		t->sets[0].owner == SET_OURS && set_size(&t->sets[0], 1) == 100);
	task_destroy(t);

	j = tree_job(2, 1, 3);
	j.overwrite = true;
	t = must_task(&j);
	CHECK(t->sets[0].to_make == 6 && t->sets[0].existing == 0);
	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 6 && count("f") == 6);
	task_destroy(t);

	/* without an owner it may be anybody's */
	shell("rm t/tree/.muster-owner");
	j = tree_job(2, 1, 3);
	j.overwrite = true;
	refused(&j, "--allow-foreign");
	j = tree_job(2, 1, 3);
	j.overwrite = j.allow_foreign = true;
	must_prepare(j);
	CHECK(exists(".muster-owner"));
	clear();
}

static void test_side_by_side(void)
{
	struct err err = ERR_INIT;
	struct job j = tree_job(2, 2, 10);
	AUTO_FREE char *plain = text_printf("%splain/", base);
	struct task *t;

	run_add_set(&j, "prepared", 100, 50, plain);
	j.interleave = true;
	t = must_task(&j);
	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 140 && count("f") == 140, "%s",
		err.text);
	CHECK(run_phase(t, PHASE_CLEANUP, &err).done == 140 && count("d") == 0);
	task_destroy(t);
}

/* Makes directories and removes the oldest of them, in the tree or beside it. */
static void test_dirs_of_a_load(void)
{
	static const char *const places[] = {"tree/", "tree/*", "plain/", "plain/new-"};

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *uri = text_printf("%s%s", base, places[i]);
		struct err err = ERR_INIT;
		struct job j = tree_job(2, 2, 2);
		struct engine_totals made, removed;
		struct msg_phase p;
		struct task *t;
		struct work *w;

		j.load = true;
		run_add_op(&j, OP_MKDIR, 3, uri);
		run_add_op(&j, OP_RMDIR, 1, uri);
		t = must_task(&j);
		CHECK(t->puts_of[1] == 0);
		run_phase(t, PHASE_PREPARE, &err);
		w = run_begin(t, PHASE_MEASURE);
		run_wait(w, WORK_DONE);
		engine_totals(w->engine, OP_MKDIR, &made);
		engine_totals(w->engine, OP_RMDIR, &removed);
		CHECK(made.count > 2 && removed.count > 0 && removed.count < made.count,
			"%s: %ju %ju", places[i], (uintmax_t)made.count,
			(uintmax_t)removed.count);
		CHECK(w->result.errors == 0, "%s: %s", places[i], removed.first_error);
		run_free(w);
		p = run_phase(t, PHASE_CLEANUP, &err);
		CHECK(p.left == 0 && p.foreign == 0 && count("d") == 0, "%s: %ju",
			places[i], (uintmax_t)p.left);
		task_destroy(t);
		shell("rm -rf t");
	}
}

/* What is in a directory of ours is not ours: it stays, and the directory too. Heirs remove what the lost made. */
static void test_dirs_left(void)
{
	struct err err = ERR_INIT;
	struct job j = tree_job(2, 1, 1);
	static char *heirs[] = {NULL, NULL};
	struct task *t;
	struct msg_phase p;

	run_add_op(&j, OP_MKDIR, 1, tree_uri);
	must_prepare(tree_job(2, 1, 1));
	shell("mkdir t/tree/d1_w1/testtesttest-w-1-0-7 t/tree/d1_w2/testtesttest-w-1-1-8 "
	      "t/tree/d1_w2/testtesttest-w-2-1-8 t/tree/d1_w2/testtesttest-w-3-1-8");
	shell("touch t/tree/d1_w2/testtesttest-w-1-1-8/theirs");
	heirs[0] = strdup("w-2");
	j.heirs_of = calloc(2, sizeof(char *));
	j.heirs_of[0] = heirs[0];
	t = must_task(&j);
	p = run_phase(t, PHASE_CLEANUP, &err);
	CHECK(p.done == 4 && p.left == 0 && p.foreign == 2, "%ju %ju %ju",
		(uintmax_t)p.done, (uintmax_t)p.left, (uintmax_t)p.foreign);
	CHECK(!exists("d1_w1") && exists("d1_w2/testtesttest-w-1-1-8/theirs") &&
		exists("d1_w2/testtesttest-w-3-1-8") &&
		!exists("d1_w2/testtesttest-w-2-1-8"));
	task_destroy(t);
	clear();
}

/* rmdir of a tree's own directories: each once, whole, over any threads; none comes too early. */
static void test_rmdir_of_tree(void)
{
	const uint32_t threads[] = {1, 4, 16};

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		struct err err = ERR_INIT;
		struct job j = tree_job(3, 4, 0);
		struct task *t;
		struct msg_phase p;

		j.load = true;
		j.concurrency = threads[i];
		j.duration_ns = 60 * NS_PER_SEC; /* it ends by itself */
		run_add_op(&j, OP_RMDIR, 1, tree_uri);
		t = must_task(&j);
		CHECK(t->keys[0].n == 120 && t->threads == threads[i]);
		run_phase(t, PHASE_PREPARE, &err);
		p = run_phase(t, PHASE_MEASURE, &err);
		CHECK(p.done == 120 && p.errors == 0 && !exists("d1_w1"),
			"%u threads: %ju, %ju errors", threads[i], (uintmax_t)p.done,
			(uintmax_t)p.errors);
		task_destroy(t);
		clear();
	}
}

/* Puts overwrite the files of a tree, and make no others. */
static void test_puts_into_tree(void)
{
	struct err err = ERR_INIT;
	struct job j = tree_job(2, 2, 3);
	struct msg_phase p;
	struct task *t;

	j.load = true;
	run_add_op(&j, OP_PUT, 1, tree_uri);
	run_add_op(&j, OP_GET, 1, tree_uri);
	t = must_task(&j);
	run_phase(t, PHASE_PREPARE, &err);
	p = run_phase(t, PHASE_MEASURE, &err);
	CHECK(p.done > 0 && p.errors == 0 && count("f") == 12);
	CHECK(run_phase(t, PHASE_CLEANUP, &err).done == 12 && count("d") == 0);
	task_destroy(t);
}

static void test_refusals(void)
{
	const struct {
		enum op_kind kind;
		const char *path; /* behind the base */
		bool recursive, ours, foreign;
		const char *why; /* NULL: it is fine */
	} rows[] = {
		{OP_PUT, "tree/", false, true, false, NULL},
		{OP_PUT, "tree/", false, false, false, "--allow-foreign"},
		{OP_PUT, "tree/", false, false, true, NULL},
		{OP_PUT, "new/", false, false, false, NULL},
		{OP_RANGE_PUT, "tree/*", false, true, false, NULL},
		{OP_RANGE_PUT, "tree/*", false, false, false, "--allow-foreign"},
		{OP_RANGE_PUT, "tree/*", false, false, true, NULL},
		{OP_RANGE_PUT, "theirs", false, true, false, "--allow-foreign"},
		{OP_RANGE_PUT, "theirs", false, true, true, NULL},
		{OP_DELETE, "tree/", false, true, false, NULL},
		{OP_DELETE, "tree/", false, false, false, "--allow-foreign"},
		{OP_DELETE, "tree/", false, false, true, NULL},
		{OP_DELETE, "theirs", false, true, false, "--allow-foreign"},
		{OP_DELETE, "theirs", false, true, true, NULL},
		{OP_DELETE, "*", false, true, true, NULL},
		{OP_RMDIR, "tree/", false, true, false, NULL},
		{OP_RMDIR, "tree/", false, false, false, "--allow-foreign"},
		{OP_RMDIR, "tree/", true, false, true, NULL},
		{OP_RMDIR, "dirs/", false, true, false, "--allow-foreign"},
		{OP_RMDIR, "dirs/", false, true, true, NULL},
		{OP_RMDIR, "dirs/a", false, true, true, NULL},
		{OP_RMDIR, "dirs/none", false, true, true, "is not there"},
		{OP_MKDIR, "tree/", false, false, false, NULL},
		{OP_MKDIR, "dirs/", false, false, false, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *uri = text_printf("%s%s", base, rows[i].path);
		struct job j = tree_job(2, 1, 2);
		struct err err = ERR_INIT;
		char *place = NULL;
		struct task *t;

		must_prepare(tree_job(2, 1, 2));
		shell("mkdir -p t/dirs/a/b && echo text >t/theirs");
		if (!rows[i].ours)
			shell("rm t/tree/.muster-owner");
		struct job_op *op = run_add_op(&j, rows[i].kind, 1, uri);

		op->recursive = rows[i].recursive;
		op->range_size = 1;
		j.load = true;
		j.allow_foreign = rows[i].foreign;
		t = run_task(&j, NULL, &place, &err);
		CHECK((t != NULL) == (rows[i].why == NULL), "row %zu: %s", i, err.text);
		CHECK(t || (err.kind == ERR_INPUT && strstr(err.text, rows[i].why)),
			"row %zu: %s", i, err.text);
		task_destroy(t);
		free(place);
		clear();
	}
}

/* With leave, directories of strangers go too, each after those in it; what is in them does not without recursive. */
static void test_foreign_rmdir(void)
{
	AUTO_FREE char *uri = text_printf("%sdirs/", base);
	struct err err = ERR_INIT;
	struct job j = run_job(1, 100 * NS_PER_MS);
	struct msg_phase p;
	struct task *t;

	shell("mkdir -p t/dirs/a/b/c t/dirs/d && echo text >t/dirs/d/theirs");
	run_add_op(&j, OP_RMDIR, 1, uri);
	j.allow_foreign = true;
	t = must_task(&j);
	CHECK(t->keys[0].n == 4);
	p = run_phase(t, PHASE_MEASURE, &err);
	CHECK(p.done == 3 && p.errors == 1, "%ju %ju", (uintmax_t)p.done,
		(uintmax_t)p.errors);
	CHECK(shell("test -e t/dirs/d/theirs && test ! -e t/dirs/a") == 0);
	task_destroy(t);
	clear();
}

/* A recursive rmdir would take what others have put into the tree. */
static void test_recursive_rmdir(void)
{
	static const struct {
		const char *theirs, *why;
	} rows[] = {
		{"touch t/tree/d1_w1/theirs", "hold 1 objects"},
		{"mkdir -p t/tree/d1_w1/theirs/too", "hold 2 directories"},
		{NULL, "nobody has looked"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job j = tree_job(2, 1, 2);

		must_prepare(tree_job(2, 1, 2));
		if (rows[i].theirs)
			shell(rows[i].theirs);
		run_add_op(&j, OP_RMDIR, 1, tree_uri)->recursive = true;
		j.load = true;
		j.trust = !rows[i].theirs;
		refused(&j, rows[i].why);
		clear();
	}
}

static void test_tear_down(void)
{
	rmdir(root);
	data_finish(&run_data);
	CHECK(access(root, F_OK) < 0);
}

TEST_MAIN(TEST(test_set_up), TEST(test_make_once), TEST(test_other_shape),
	TEST(test_directories_alone), TEST(test_strangers_stay), TEST(test_several),
	TEST(test_trust_and_overwrite), TEST(test_side_by_side),
	TEST(test_dirs_of_a_load), TEST(test_dirs_left), TEST(test_rmdir_of_tree),
	TEST(test_puts_into_tree), TEST(test_refusals), TEST(test_foreign_rmdir),
	TEST(test_recursive_rmdir), TEST(test_tear_down))
