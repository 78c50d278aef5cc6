/* Prepared sets and cleanup on files: what is made, found again, mended, split, refused, and what is
 * removed and stays. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker-run.h"

static char root[] = "/tmp/muster-test-prepare-XXXXXX";
static char base[100]; /* file://<root>/t/ */
static char set_uri[120];

static void clear(void)
{
	AUTO_FREE char *command = text_printf("rm -rf %s/t", root);

	CHECK(system(command) == 0);
}

static void test_set_up(void)
{
	CHECK(mkdtemp(root) != NULL);
	snprintf(base, sizeof(base), "file://%s/t/", root);
	snprintf(set_uri, sizeof(set_uri), "%sset/", base);
}

/* The path of an object of the set, in static memory. */
static const char *object(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/t/%s", root, name);
	return path;
}

static bool exists(const char *name)
{
	return access(object(name), F_OK) == 0;
}

static void write_file(const char *name, const char *text)
{
	AUTO_FREE char *mkdirs = text_printf("mkdir -p %s/t/set", root);
	int fd;

	CHECK(system(mkdirs) == 0);
	fd = open(object(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Files in the set's directory, the owner object too. */
static int count_files(void)
{
	DIR *d = opendir(object("set"));
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static struct job set_job(uint64_t count, uint64_t size)
{
	struct job j = run_job(4, 100 * NS_PER_MS);

	j.target = strdup(base);
	j.load = false;
	run_add_set(&j, "prepared", count, size, set_uri);
	return j;
}

static struct task *must_follow(struct job *j, const struct task *earlier)
{
	struct err err = ERR_INIT;
	char *place;
	struct task *t = run_task(j, earlier, &place, &err);

	CHECK(t != NULL, "%s", err.text);
	if (!t)
		abort();
	return t;
}

static void test_make_and_mend(void)
{
	struct err err = ERR_INIT;
	struct job j = set_job(100, 1000);
	struct task *t = must_follow(&j, NULL);
	struct msg_phase p;
	struct stat st;

	CHECK(t->sets[0].existing == 0 && t->sets[0].to_make == 100);
	p = run_phase(t, PHASE_PREPARE, &err);
	CHECK(p.done == 100 && p.done_bytes == 100000 && p.errors == 0, "%s", err.text);
	CHECK(exists("set/prepared-00000099.dat") && exists("set/.muster-owner"));
	CHECK(count_files() == 101);
	task_destroy(t);

	/* gaps and halves are found and mended, nothing else is touched */
	unlink(object("set/prepared-00000003.dat"));
	write_file("set/prepared-00000005.dat", "half");
	j = set_job(100, 1000);
	t = must_follow(&j, NULL);
	CHECK(t->sets[0].existing == 98 && t->sets[0].to_make == 2 &&
		t->sets[0].foreign == 0);
	p = run_phase(t, PHASE_PREPARE, &err);
	CHECK(p.done == 2, "%ju", (uintmax_t)p.done);
	CHECK(stat(object("set/prepared-00000005.dat"), &st) == 0 && st.st_size == 1000);
	task_destroy(t);
}

/* The owner knows of the larger set, whoever cleans up. */
static void test_count_grows(void)
{
	struct err err = ERR_INIT;
	struct job j = set_job(150, 1000);
	struct task *t = must_follow(&j, NULL);
	struct msg_phase p = run_phase(t, PHASE_PREPARE, &err);

	CHECK(p.done == 50);
	task_destroy(t);
	j = set_job(10, 1000);
	t = must_follow(&j, NULL);
	CHECK(t->sets[0].owner_count == 150 && t->sets[0].to_make == 0);
	p = run_phase(t, PHASE_CLEANUP, &err);
	CHECK(p.done == 150 && p.left == 0 && p.foreign == 0, "%s", err.text);
	CHECK(!exists("set"));
	task_destroy(t);
	clear();
}

static void test_shares(void)
{
	struct task *t[3];
	struct err err = ERR_INIT;
	uint64_t made = 0, removed = 0;

	for (uint32_t i = 0; i < 3; i++) {
		struct job j = set_job(100, 10);

		j.share_index = i;
		j.share_count = 3;
		t[i] = must_follow(&j, NULL);
		CHECK(t[i]->sets[0].to_make == (i == 0 ? 34 : 33));
	}
	for (int i = 2; i >= 0; i--)
		made += run_phase(t[i], PHASE_PREPARE, &err).done;
	CHECK(made == 100 && count_files() == 101);
	for (int i = 0; i < 3; i++) {
		struct msg_phase p = run_phase(t[i], PHASE_CLEANUP, &err);

		CHECK(p.left == 0 && p.foreign == 0 && p.errors == 0);
		removed += p.done;
	}
	/* the last one finds everything empty, the target too */
	CHECK(removed == 100 && !exists("set") && !exists("."));
	for (int i = 0; i < 3; i++)
		task_destroy(t[i]);
}

static void test_other_spec(void)
{
	struct err err = ERR_INIT;
	struct job j = set_job(10, 1000), other = set_job(10, 2000);
	struct task *t = must_follow(&j, NULL);
	char *place = NULL;

	run_phase(t, PHASE_PREPARE, &err);
	CHECK(run_task(&other, NULL, &place, &err) == NULL && err.kind == ERR_INPUT);
	CHECK(strstr(err.text, "1000 B") && strstr(err.text, "another spec"), "%s",
		err.text);
	CHECK_STR(place, "w.yaml:2:2");
	free(place);

	/* the place changes hands before cleanup: nothing is removed */
	write_file("set/.muster-owner",
		"{\"muster\":1,\"id\":\"1\",\"name\":\"prepared\",\"count\":10}");
	struct msg_phase p = run_phase(t, PHASE_CLEANUP, &err);

	CHECK(p.done == 0 && p.foreign == 10 && count_files() == 11, "%ju",
		(uintmax_t)p.foreign);
	write_file("set/.muster-owner", "not json");
	other = set_job(10, 1000);
	CHECK(run_task(&other, NULL, &place, &err) == NULL &&
			strstr(err.text, ".muster-owner"),
		"%s", err.text);
	free(place);
	task_destroy(t);
	clear();
}

static void test_foreign(void)
{
	struct err err = ERR_INIT;
	struct job j;
	struct task *t, *later;
	struct msg_phase p;
	struct stat st;

	write_file("set/prepared-00000001.dat", "theirs");
	write_file("set/else", "x");
	j = set_job(10, 1000);
	t = must_follow(&j, NULL);
	CHECK(t->sets[0].foreign == 1 && t->sets[0].to_make == 9 && t->n_warnings == 1);
	CHECK(set_size(&t->sets[0], 1) == 6 && set_size(&t->sets[0], 2) == UINT64_MAX);
	p = run_phase(t, PHASE_PREPARE, &err);
	CHECK(p.done == 9 && !exists("set/.muster-owner"));
	CHECK(set_size(&t->sets[0], 1) == 6 && set_size(&t->sets[0], 2) == 1000);
	CHECK(stat(object("set/prepared-00000001.dat"), &st) == 0 && st.st_size == 6);

	/* a later job of the run still knows what was made */
	j = set_job(10, 1000);
	j.generation = 2;
	later = must_follow(&j, t);
	p = run_phase(later, PHASE_CLEANUP, &err);
	CHECK(p.done == 9 && p.foreign == 2 && p.left == 0, "%ju %ju", (uintmax_t)p.done,
		(uintmax_t)p.foreign);
	CHECK(count_files() == 2);
	task_destroy(later);
	task_destroy(t);
	clear();
}

static void test_strict(void)
{
	const struct {
		enum cleanup_mode mode;
		uint64_t errors;
	} rows[] = {{CLEANUP_TOLERANT, 0}, {CLEANUP_STRICT, 2}, {CLEANUP_BEST_EFFORT, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		struct job j = set_job(10, 100);

		j.cleanup_mode = rows[i].mode;
		struct task *t = must_follow(&j, NULL);

		run_phase(t, PHASE_PREPARE, &err);
		unlink(object("set/prepared-00000004.dat"));
		unlink(object("set/prepared-00000007.dat"));
		struct msg_phase p = run_phase(t, PHASE_CLEANUP, &err);

		CHECK(p.done == 8 && p.errors == rows[i].errors, "row %zu: %ju errors", i,
			(uintmax_t)p.errors);
		CHECK(!exists("."));
		task_destroy(t);
	}
}

static void test_puts(void)
{
	struct err err = ERR_INIT;
	struct job j = run_job(2, 30 * NS_PER_MS);
	char uri[140];
	struct msg_phase p;

	write_file("set/stranger", "x");
	write_file("set/testtesttest-w-2-0-0", "another worker's");
	write_file("set/testtesttest-lost-3-17", "an heirloom");
	write_file("set/testtesttest-lost-3-17.bak", "not of the run's form");
	j.target = strdup(base);
	run_add_op(&j, OP_PUT, 1, set_uri)->size =
		(struct size_spec){.min = 10, .max = 10};
	snprintf(uri, sizeof(uri), "%sp-", set_uri);
	run_add_op(&j, OP_PUT, 1, uri)->size = (struct size_spec){.min = 10, .max = 10};
	j.heirs_of = calloc(2, sizeof(char *));
	j.heirs_of[0] = strdup("lost");
	struct task *t = must_follow(&j, NULL);
	struct msg_phase load = run_phase(t, PHASE_MEASURE, &err);

	CHECK(load.done > 0 && load.errors == 0);
	CHECK((uint64_t)count_files() >= load.done + 4);
	p = run_phase(t, PHASE_CLEANUP, &err);
	CHECK(p.done >= load.done + 1 && p.errors == 0, "%ju", (uintmax_t)p.done);
	CHECK(count_files() == 3 && exists("set/testtesttest-w-2-0-0"), "%d",
		count_files());
	/* what has the run's prefix is another worker's or heir's concern, the stranger is foreign */
	CHECK(p.foreign == 1, "%ju", (uintmax_t)p.foreign);
	task_destroy(t);
	clear();
}

/* Deletes of the workload take what it made, and nothing is left to cleanup but the owner. */
static void test_deletable(void)
{
	struct err err = ERR_INIT;
	struct job j = run_job(3, 5 * NS_PER_SEC);
	char uri[140];

	j.target = strdup(base);
	snprintf(uri, sizeof(uri), "%s*", set_uri);
	run_add_op(&j, OP_DELETE, 1, uri);
	run_add_set(&j, "deletable", 200, 10, set_uri);
	struct task *t = must_follow(&j, NULL);

	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 200);
	struct msg_phase p = run_phase(t, PHASE_MEASURE, &err);

	CHECK(p.done == 200 && p.errors == 0 && !p.stopped);
	CHECK(count_files() == 1 && exists("set/.muster-owner-deletable"));
	p = run_phase(t, PHASE_CLEANUP, &err);
	CHECK(p.done == 0 && p.errors == 0 && !exists("."));
	task_destroy(t);
}

/* What cannot be made ends prepare with an error that names it. */
static void test_cannot(void)
{
	struct err err = ERR_INIT;
	struct job j = set_job(10, 10);
	struct task *t = must_follow(&j, NULL);

	write_file("set/x", "y");
	CHECK(mkdir(object("set/prepared-00000002.dat"), 0700) == 0);
	struct msg_phase p = run_phase(t, PHASE_PREPARE, &err);

	CHECK(p.errors == 1 && err.kind == ERR_FAILED);
	CHECK(strstr(err.text, "1 of 10 objects could not be made") &&
			strstr(err.text, "prepared-00000002.dat: Is a directory"),
		"%s", err.text);
	task_destroy(t);
	clear();
}

/* Parts are read of any object whose size can be found out. */
static void test_sizes_for_ranges(void)
{
	const struct {
		const char *path;
		uint64_t size;
	} rows[] = {{"set/one", 6}, {"set/*", 6}, {"set/", 6}};

	write_file("set/one", "theirs");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = run_job(1, NS_PER_SEC);
		AUTO_FREE char *uri = text_printf("%s%s", base, rows[i].path);
		char key[ENGINE_URI];
		uint64_t size;

		run_add_op(&j, OP_RANGE_GET, 1, uri)->range_size = 2;
		struct task *t = must_follow(&j, NULL);

		keyset_key(&t->keys[0], 0, key, &size);
		CHECK(size == rows[i].size && t->n_warnings == 0, "%s: %ju", rows[i].path,
			(uintmax_t)size);
		task_destroy(t);
	}
	clear();
}

/* Each object in the folder of its shard; folders go with the last one, and stay when a stranger is in them. */
static void test_in_shards(void)
{
	struct err err = ERR_INIT;
	struct job j = set_job(20, 100);
	struct task *t;
	struct msg_phase p;

	j.sets[0].shards = 4;
	t = must_follow(&j, NULL);
	p = run_phase(t, PHASE_PREPARE, &err);
	CHECK(p.done == 20, "%s", err.text);
	CHECK(exists("set/03/prepared-00000003.dat") &&
		exists("set/02/prepared-00000018.dat") && exists("set/.muster-owner"));
	task_destroy(t);

	unlink(object("set/03/prepared-00000003.dat"));
	write_file("set/02/prepared-00000003.dat", "in the wrong shard");
	j = set_job(20, 100);
	j.sets[0].shards = 4;
	t = must_follow(&j, NULL);
	CHECK(t->sets[0].existing == 19 && t->sets[0].to_make == 1);
	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 1);
	p = run_phase(t, PHASE_CLEANUP, &err);
	CHECK(p.done == 20 && p.foreign == 1 && p.left == 0, "%ju %ju", (uintmax_t)p.done,
		(uintmax_t)p.foreign);
	CHECK(exists("set/02/prepared-00000003.dat") && !exists("set/03"));
	task_destroy(t);
	clear();
}

static uint64_t at_endpoint(const struct work *w, uint32_t index, uint64_t *ret_errors)
{
	uint64_t bytes = 0, errors[OP_ERRORS] = {0}, n;
	struct hist h;

	hist_init(&h, 3);
	CHECK(engine_endpoint(w->engine, index, &h, &bytes, errors) == 0);
	for (int i = 0; i < OP_ERRORS; i++)
		*ret_errors += errors[i];
	n = h.total;
	hist_finish(&h);
	return n;
}

/* Two ways to one directory, and a base that is none: everything goes through the endpoints, and cleanup
 * finds all of it whichever way it went in. */
static void test_endpoints(void)
{
	struct err err = ERR_INIT;
	struct job j = run_job(3, 100 * NS_PER_MS);
	AUTO_FREE char *command = text_printf("ln -s t %s/way", root);
	uint64_t n[3], errors = 0, all = 0;
	char uri[140];

	CHECK(system(command) == 0);
	write_file("stranger", "x");
	CHECK(rmdir(object("set")) == 0);
	j.target = text_printf("file://%s/base/", root);
	j.endpoints.base = strdup(j.target);
	j.endpoints.uris = calloc(3, sizeof(char *));
	j.endpoints.uris[0] = strdup(base);
	j.endpoints.uris[1] = text_printf("file://%s/way/", root);
	snprintf(uri, sizeof(uri), "%sset/", j.target);
	run_add_set(&j, "prepared", 30, 100, uri)->shards = 3;
	run_add_op(&j, OP_GET, 1, uri);
	run_add_op(&j, OP_LIST, 1, j.target);
	snprintf(uri, sizeof(uri), "%sout/", j.target);
	run_add_op(&j, OP_PUT, 2, uri)->size =
		(struct size_spec){.type = SIZE_FIXED, .min = 10, .max = 10};
	run_add_op(&j, OP_DELETE, 1, uri);
	struct task *t = must_follow(&j, NULL);

	CHECK(run_phase(t, PHASE_PREPARE, &err).done == 30, "%s", err.text);
	CHECK(exists("set/01/prepared-00000001.dat"));
	struct work *w = run_begin(t, PHASE_MEASURE);

	run_wait(w, WORK_DONE);
	CHECK(!w->failed && engine_endpoints(w->engine) == 2);
	for (uint32_t i = 0; i < 3; i++)
		all += n[i] = at_endpoint(w, i, &errors);
	CHECK(w->result.errors == errors && errors == 0, "%ju", (uintmax_t)errors);
	CHECK(all == w->result.done && all > 0 && n[2] == 0);
	/* in turn, in each of three threads */
	CHECK(n[0] <= n[1] + 6 && n[1] <= n[0] + 6, "%ju %ju", (uintmax_t)n[0],
		(uintmax_t)n[1]);
	run_free(w);
	struct msg_phase p = run_phase(t, PHASE_CLEANUP, &err);

	CHECK(p.done >= 30 && p.left == 0 && p.errors == 0, "%s", err.text);
	CHECK(!exists("set") && !exists("out") && exists("stranger") &&
		!exists("../base"));
	task_destroy(t);
	CHECK(unlink(object("../way")) == 0);
	clear();
}

static void test_tear_down(void)
{
	rmdir(root);
	data_finish(&run_data);
	CHECK(access(root, F_OK) < 0);
}

TEST_MAIN(TEST(test_set_up), TEST(test_make_and_mend), TEST(test_count_grows),
	TEST(test_shares), TEST(test_other_spec), TEST(test_foreign), TEST(test_strict),
	TEST(test_puts), TEST(test_deletable), TEST(test_cannot),
	TEST(test_sizes_for_ranges), TEST(test_in_shards), TEST(test_endpoints),
	TEST(test_tear_down))
