/* A load that works through its objects once, and one that a seed repeats: what the threads of several workers
 * choose, without running anything. */
#include <sched.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "load-run.h"
#include "temp-dir.h"
#include "worker/load/once.h"
#include "worker/objects/tree.h"

#define SET "null://x/s/"

static struct job once_job(uint32_t worker, uint32_t workers)
{
	struct job j = run_job(4, NS_PER_SEC);

	j.target = strdup("null://x/");
	j.once = true;
	j.index = j.share_index = worker;
	j.count = j.share_count = workers;
	return j;
}

/* Which object of the set an op is for. */
static uint64_t index_of(const struct task *t, const char *uri)
{
	uint64_t index = UINT64_MAX;

	CHECK(text_starts_with(uri, SET) &&
			set_index(&t->job.sets[0], uri + strlen(SET), &index),
		"%s", uri);
	return index;
}

/* Marks what the ops of one thread are for, until it ends; every third one fails. */
static void take_all(struct task *t, void *thread, unsigned *seen)
{
	struct slot s;
	unsigned n = 0;

	while (next_op(thread, &s) == NEXT_OP) {
		const char *more = s.io.more;

		seen[index_of(t, s.io.uri)]++;
		for (uint32_t i = 0; i < s.io.n_more; i++, more += strlen(more) + 1)
			seen[index_of(t, more)]++;
		s.io.error = ++n % 3 ? OP_OK : OP_ERR_IO;
		load_source.done(thread, &s.io);
		if (!CHECK(n <= 1000, "no end"))
			return;
	}
	CHECK(next_op(thread, &s) == NEXT_END);
}

static void work_all(struct task *t, uint32_t threads, unsigned *seen)
{
	void *states[8];

	for (uint32_t i = 0; i < threads; i++)
		states[i] = must_thread(t, i, threads);
	CHECK(once_done(&t->once) == 0);
	for (uint32_t i = 0; i < threads; i++)
		take_all(t, states[i], seen);
	CHECK(once_done(&t->once) == t->once.total, "%ju of %ju",
		(uintmax_t)once_done(&t->once), (uintmax_t)t->once.total);
	for (uint32_t i = 0; i < threads; i++)
		load_source.thread_fini(states[i]);
}

static void test_each_object_once(void)
{
	const struct {
		enum op_kind kind;
		enum selection how;
		uint64_t count;
		uint32_t workers, threads, batch;
	} rows[] = {
		{OP_GET, SELECT_UNIFORM, 100, 1, 1, 0},
		{OP_GET, SELECT_UNIFORM, 100, 3, 4, 0},
		{OP_GET, SELECT_SEQUENTIAL, 101, 3, 4, 0},
		{OP_STAT, SELECT_ZIPF, 10, 3, 4, 0},
		{OP_COPY, SELECT_LATEST, 100, 2, 2, 0},
		{OP_DELETE, SELECT_UNIFORM, 100, 3, 4, 0},
		{OP_DELETE, SELECT_UNIFORM, 100, 3, 4, 7},
		{OP_GET, SELECT_UNIFORM, 2, 3, 4, 0},
		{OP_RANGE_GET, SELECT_UNIFORM, 100, 3, 4, 0},
		{OP_RANGE_PUT, SELECT_SEQUENTIAL, 2, 3, 4, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned seen[128] = {0};
		uint64_t total = 0;

		for (uint32_t w = 0; w < rows[i].workers; w++) {
			struct job j = once_job(w, rows[i].workers);
			struct job_op *op = run_add_op(&j, rows[i].kind, 1, SET "*");

			op->selection = rows[i].how;
			op->theta = 0.99;
			op->batch = rows[i].batch;
			op->range_size = 5000; /* more than there is: one range each */
			if (op->kind == OP_COPY)
				op->to = strdup("null://x/copies/");
			run_add_set(&j, "prepared", rows[i].count, 500, SET);

			struct task *t = must_task(&j);

			work_all(t, rows[i].threads, seen);
			total += t->once.total;
			task_destroy(t);
		}
		CHECK(total == rows[i].count, "row %zu: %ju", i, (uintmax_t)total);
		for (uint64_t k = 0; k < rows[i].count; k++)
			CHECK(seen[k] == 1, "row %zu: object %ju: %u", i, (uintmax_t)k,
				seen[k]);
	}
}

/* Parts of a tree, too: each worker its own, none twice. A set without directories is shared out as always. */
static void test_trees_once(void)
{
	const enum path_selection paths[] = {
		PATHS_RANDOM, PATHS_PARTITIONED, PATHS_EXCLUSIVE, PATHS_WEIGHTED};
	const enum op_kind kinds[] = {OP_GET, OP_PUT};

	for (size_t i = 0; i < ARRAY_LEN(paths) * 2; i++) {
		unsigned seen[128] = {0};
		uint64_t count = 0;

		for (uint32_t w = 0; w < 3; w++) {
			struct job j = once_job(w, 3);
			struct job_set *set;

			run_add_op(&j, kinds[i % 2], 1, SET);
			j.path_selection = paths[i / 2];
			j.partition_overlap = 0.4;
			set = run_add_set(&j, "prepared", 0, 500, SET);
			set->tree = (struct job_tree){.width = 3,
				.depth = 2,
				.files_per_dir = 5,
				.dir_mask = strdup("d%d_w%d")};
			set->count = count = job_tree_files(&set->tree);

			struct task *t = must_task(&j);

			CHECK(count == 45);
			work_all(t, 2, seen);
			task_destroy(t);
		}
		for (uint64_t k = 0; k < count; k++)
			CHECK(seen[k] == 1, "row %zu: file %ju: %u", i, (uintmax_t)k,
				seen[k]);
	}
}

/* What a listing found has the same order everywhere, whatever the directory says. */
static void test_listed_objects_once(void)
{
	unsigned seen[50] = {0};

	temp_begin();
	AUTO_FREE char *glob = text_printf("file://%s/*", temp_dir);
	AUTO_FREE char *target = text_printf("file://%s/", temp_dir);

	for (unsigned i = 0; i < 50; i++) {
		AUTO_FREE char *path = text_printf("%s/%u", temp_dir, (i * 7 + 3) % 50);
		FILE *f = fopen(path, "we");

		fprintf(f, "%*s", (int)((i * 7 + 3) % 50), "");
		fclose(f);
	}
	for (uint32_t w = 0; w < 3; w++) {
		struct job j = once_job(w, 3);
		struct slot s;

		free(j.target);
		j.target = strdup(target);
		run_add_op(&j, OP_GET, 1, glob);

		struct task *t = must_task(&j);
		void *thread = must_thread(t, 0, 1);
		const struct keyset *k = &t->keys[0];

		for (uint64_t i = 1; i < k->n; i++)
			CHECK(strcmp(k->names + k->offsets[i - 1],
				      k->names + k->offsets[i]) < 0);
		while (next_op(thread, &s) == NEXT_OP) {
			unsigned i = (unsigned)atoi(s.uri + strlen(target));

			CHECK(i < 50 && s.io.size == i, "%s: %ju", s.uri,
				(uintmax_t)s.io.size);
			seen[i % 50]++;
			load_source.done(thread, &s.io);
		}
		load_source.thread_fini(thread);
		task_destroy(t);
	}
	for (unsigned i = 0; i < 50; i++)
		CHECK(seen[i] == 1, "file %u: %u", i, seen[i]);
	temp_end();
}

/* What has no objects goes on in all threads until the last one is through with its own. */
static void test_others_go_on(void)
{
	struct job j = once_job(0, 1);
	unsigned left = 10;
	void *threads[2];
	struct slot s;
	bool put = false;

	run_add_op(&j, OP_GET, 1, SET "*");
	run_add_op(&j, OP_PUT, 3, "null://x/out/");
	run_add_set(&j, "prepared", 20, 500, SET);

	struct task *t = must_task(&j);

	for (uint32_t i = 0; i < 2; i++)
		threads[i] = must_thread(t, i, 2);
	CHECK(t->once.total == 20);
	while (left > 0) {
		CHECK(next_op(threads[0], &s) == NEXT_OP);
		left -= s.io.kind == OP_GET;
		put |= s.io.kind == OP_PUT;
		load_source.done(threads[0], &s.io);
	}
	CHECK(put);
	for (int k = 0; k < 100; k++) {
		CHECK(next_op(threads[0], &s) == NEXT_OP && s.io.kind == OP_PUT);
		load_source.done(threads[0], &s.io);
	}
	CHECK(once_done(&t->once) == 10);
	for (left = 10; left > 0; load_source.done(threads[1], &s.io)) {
		CHECK(next_op(threads[1], &s) == NEXT_OP);
		left -= s.io.kind == OP_GET;
	}
	CHECK(next_op(threads[0], &s) == NEXT_END && next_op(threads[1], &s) == NEXT_END);
	CHECK(once_done(&t->once) == 20);
	for (uint32_t i = 0; i < 2; i++)
		load_source.thread_fini(threads[i]);
	task_destroy(t);
}

/* Threads that cannot put have nothing to delete either, and nothing more to do: the load ends with the last object
 * all the same. And it comes to that, also when the one thread that can put would do nothing else. */
static void test_caps_do_not_make_it_last(void)
{
	static const double puts[] = {1, 100};
	const uint64_t duration_ns = 3600 * NS_PER_SEC;

	for (size_t i = 0; i < ARRAY_LEN(puts); i++) {
		struct job j = once_job(0, 1);
		struct err err = ERR_INIT;
		struct msg_phase result;
		struct task *t;

		j.threads = 4;
		j.duration_ns = duration_ns;
		j.prepare = j.cleanup = false;
		run_add_op(&j, OP_GET, 8, SET "*");
		run_add_op(&j, OP_PUT, puts[i], "null://x/out/")->concurrency = 1;
		run_add_op(&j, OP_DELETE, 1, "null://x/out/");
		run_add_set(&j, "prepared", 2000, 500, SET);
		j.trust = true;
		t = must_task(&j);
		result = run_phase(t, PHASE_MEASURE, &err);
		CHECK(err.kind == ERR_NONE && result.left == 0, "%s", err.text);
		CHECK(result.done >= 2000, "%zu", i);
		CHECK(result.at_ns < clock_ns() + duration_ns / 2, "%zu", i);
		task_destroy(t);
	}
}

/* What was in flight when the load was ended at once is left. */
static void test_given_up_is_left(void)
{
	const char *const set = "null://ramp=1ms:1h:2ms/s/";
	struct job j = once_job(0, 1);
	struct task *t;
	struct work *w;

	free(j.target);
	j.target = strdup("null://ramp=1ms:1h:2ms/");
	j.duration_ns = 3600 * NS_PER_SEC;
	j.trust = true;
	run_add_op(&j, OP_GET, 1, set);
	run_add_set(&j, "prepared", 2000, 500, set);
	t = must_task(&j);
	w = run_begin(t, PHASE_MEASURE);
	while (once_done(&t->once) == 0)
		sched_yield();
	work_stop(w, true);
	run_wait(w, WORK_DONE);
	CHECK(!w->failed && w->result.stopped && w->result.done > 0, "%s", w->err.text);
	CHECK(w->result.left == 2000 - w->result.done - w->result.errors,
		"%ju left, %ju done", (uintmax_t)w->result.left,
		(uintmax_t)w->result.done);
	run_free(w);
	task_destroy(t);
}

static void test_no_end_is_refused(void)
{
	const struct {
		enum op_kind kind;
		const char *uri;
		bool ok;
	} rows[] = {
		{OP_PUT, "null://x/out/", false},
		{OP_LIST, SET, false},
		{OP_STAT, SET "*", true},
		{OP_DELETE, SET "*", true},
		{OP_GET, "null://x/one", true},
		{OP_DELETE, "null://x/one", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = once_job(0, 1);
		struct err err = ERR_INIT;
		char *place = NULL;

		run_add_op(&j, OP_PUT, 1, "null://x/puts/");
		run_add_op(&j, rows[i].kind, 1, rows[i].uri);
		run_add_set(&j, "prepared", 20, 500, SET);

		struct task *t = run_task(&j, NULL, &place, &err);

		CHECK((t != NULL) == rows[i].ok, "row %zu: %s", i, err.text);
		CHECK(t || (err.kind == ERR_INPUT &&
				   strstr(err.text, "--once works through")),
			"row %zu: %s", i, err.text);
		free(place);
		task_destroy(t);
	}
}

/* --- seeds --- */

static struct job mixed_job(void)
{
	struct job j = run_job(4, NS_PER_SEC);

	j.target = strdup("null://x/");
	run_add_op(&j, OP_GET, 3, SET "*")->selection = SELECT_ZIPF;
	j.ops[0].theta = 0.9;
	run_add_op(&j, OP_RANGE_GET, 2, SET "*")->range_size = 100;
	run_add_op(&j, OP_PUT, 2, "null://x/out/")->size =
		(struct size_spec){.type = SIZE_UNIFORM, .min = 1, .max = 100000};
	run_add_op(&j, OP_STAT, 1, SET "*");
	run_add_set(&j, "prepared", 1000, 5000, SET);
	return j;
}

static bool same(const struct io *a, const struct io *b)
{
	return a->kind == b->kind && strcmp(a->uri, b->uri) == 0 && a->size == b->size &&
	       a->offset == b->offset && a->data_at == b->data_at && a->stamp == b->stamp;
}

/* Ops end in another order, and more of them are in flight: the same choices. Another seed, thread or worker:
 * other ones. */
static void test_a_seed_repeats_choices(void)
{
	const struct {
		uint64_t seed;
		uint32_t index, thread;
	} others[] = {{8, 0, 1}, {7, 1, 1}, {7, 0, 0}};
	struct job jobs[2] = {mixed_job(), mixed_job()};
	struct task *tasks[2];
	void *threads[2];
	struct slot slots[2];
	struct io open[50];

	for (int i = 0; i < 2; i++) {
		tasks[i] = must_task(&jobs[i]);
		threads[i] = must_thread(tasks[i], 1, 3);
	}
	for (unsigned k = 0; k < 5000; k++) {
		for (int i = 0; i < 2; i++)
			CHECK(next_op(threads[i], &slots[i]) == NEXT_OP);
		CHECK(same(&slots[0].io, &slots[1].io), "op %u: %s, %s", k, slots[0].uri,
			slots[1].uri);
		load_source.done(threads[0], &slots[0].io);
		/* the other one keeps fifty in flight, and the newest end first */
		open[k % ARRAY_LEN(open)] = slots[1].io;
		if (k % ARRAY_LEN(open) == ARRAY_LEN(open) - 1)
			for (size_t o = ARRAY_LEN(open); o-- > 0;)
				load_source.done(threads[1], &open[o]);
	}
	for (int i = 0; i < 2; i++) {
		load_source.thread_fini(threads[i]);
		task_destroy(tasks[i]);
	}
	for (size_t o = 0; o < ARRAY_LEN(others); o++) {
		struct job j[2] = {mixed_job(), mixed_job()};
		unsigned equal = 0;

		j[1].seed = others[o].seed;
		j[1].index = others[o].index;
		for (int i = 0; i < 2; i++) {
			tasks[i] = must_task(&j[i]);
			threads[i] = must_thread(tasks[i], i ? others[o].thread : 1, 3);
		}
		for (unsigned k = 0; k < 200; k++) {
			for (int i = 0; i < 2; i++) {
				next_op(threads[i], &slots[i]);
				load_source.done(threads[i], &slots[i].io);
			}
			equal += same(&slots[0].io, &slots[1].io);
		}
		CHECK(equal < 20, "row %zu: %u of 200 are the same", o, equal);
		for (int i = 0; i < 2; i++) {
			load_source.thread_fini(threads[i]);
			task_destroy(tasks[i]);
		}
	}
}

/* A cap makes the draw depend on what is in flight: what each op is for does not. */
static void test_caps_move_no_choice(void)
{
	static struct io choices[2][OP_KINDS][600];
	static char uris[2][OP_KINDS][600][64];
	unsigned n[2][OP_KINDS] = {0};

	for (int run = 0; run < 2; run++) {
		struct job j = mixed_job();
		struct slot s, held;
		bool holds = false;

		j.ops[0].concurrency = 1;

		struct task *t = must_task(&j);
		void *thread = must_thread(t, 0, 1);

		for (unsigned k = 0; k < 1000; k++) {
			struct io *to;

			CHECK(next_op(thread, &s) == NEXT_OP);
			CHECK(!holds || s.io.kind != OP_GET);
			to = &choices[run][s.io.kind][n[run][s.io.kind]];
			*to = s.io;
			to->uri =
				strcpy(uris[run][s.io.kind][n[run][s.io.kind]++], s.uri);
			/* in one run its gets take long */
			if (run == 1 && s.io.kind == OP_GET) {
				held = s;
				holds = true;
			} else {
				load_source.done(thread, &s.io);
			}
			if (holds && k % 16 == 0) {
				load_source.done(thread, &held.io);
				holds = false;
			}
		}
		load_source.thread_fini(thread);
		task_destroy(t);
	}
	CHECK(n[1][OP_GET] < n[0][OP_GET] / 2, "%u, %u", n[0][OP_GET], n[1][OP_GET]);
	for (unsigned kind = 0; kind < OP_KINDS; kind++) {
		unsigned least = n[0][kind] < n[1][kind] ? n[0][kind] : n[1][kind];

		/* names are numbered through a thread; here one op makes some */
		for (unsigned k = 0; k < least; k++)
			CHECK(same(&choices[0][kind][k], &choices[1][kind][k]), "%s %u",
				op_infos[kind].name, k);
	}
}

/* However often a thread asks in vain, the next op is the one that was to come. */
static void test_waiting_moves_no_choice(void)
{
	enum op_kind kinds[2][200];

	for (int run = 0; run < 2; run++) {
		struct job j = mixed_job();
		struct slot s[4], more;

		for (size_t i = 0; i < j.n_ops; i++)
			j.ops[i].concurrency = 1;

		struct task *t = must_task(&j);
		void *thread = must_thread(t, 0, 1);

		/* in one run as many as can be are in flight for a while */
		for (unsigned k = 0; k < 4; k++) {
			CHECK(next_op(thread, &s[k]) == NEXT_OP);
			if (run == 0)
				load_source.done(thread, &s[k].io);
		}
		for (unsigned k = 0; run == 1 && k < 7; k++)
			CHECK(next_op(thread, &more) == NEXT_LATER);
		for (unsigned k = 0; run == 1 && k < 4; k++)
			load_source.done(thread, &s[k].io);
		for (unsigned k = 0; k < 200; k++) {
			CHECK(next_op(thread, &more) == NEXT_OP);
			kinds[run][k] = more.io.kind;
			load_source.done(thread, &more.io);
		}
		load_source.thread_fini(thread);
		task_destroy(t);
	}
	CHECK(memcmp(kinds[0], kinds[1], sizeof(kinds[0])) == 0);
}

TEST_MAIN(TEST(test_each_object_once), TEST(test_trees_once),
	TEST(test_listed_objects_once), TEST(test_others_go_on),
	TEST(test_caps_do_not_make_it_last), TEST(test_given_up_is_left),
	TEST(test_no_end_is_refused), TEST(test_a_seed_repeats_choices),
	TEST(test_caps_move_no_choice), TEST(test_waiting_moves_no_choice))
