/* The ops of a workload as its source makes them: which object, how many at once; and the
 * endpoints that they go through. */
#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "load-run.h"
#include "worker/engine/endpoints.h"
#include "worker/load/cleanup.h"

static struct job null_job(void)
{
	struct job j = run_job(4, NS_PER_SEC);

	j.target = strdup("null://x/");
	return j;
}

static void test_copies(void)
{
	struct job j = null_job();
	struct slot s;

	run_add_op(&j, OP_COPY, 1, "null://x/s/*")->to = strdup("null://x/copies/");
	run_add_op(&j, OP_MULTIPART_PUT, 1, "null://x/big/")->part_size = 5;
	j.ops[1].size = (struct size_spec){.type = SIZE_FIXED, .min = 12, .max = 12};
	run_add_set(&j, "prepared", 5, 700, "null://x/s/");

	struct task *t = must_task(&j);
	void *thread = must_thread(t, 2, 3);
	uint64_t seq = 0;

	for (int k = 0; k < 100; k++) {
		AUTO_FREE char *want = NULL;

		CHECK(next_op(thread, &s) == NEXT_OP);
		want = text_printf("null://x/%s/testtesttest-w-1-2-%ju",
			s.io.kind == OP_COPY ? "copies" : "big", (uintmax_t)seq++);
		CHECK_STR(s.io.kind == OP_COPY ? s.io.to : s.io.uri, want);
		if (s.io.kind == OP_COPY)
			CHECK(text_starts_with(s.io.uri, "null://x/s/prepared-0000000") &&
					s.io.size == 700,
				"%s", s.io.uri);
		else
			CHECK(s.io.part_size == 5 && s.io.size == 12);
		load_source.done(thread, &s.io);
	}
	load_source.thread_fini(thread);
	task_destroy(t);
}

/* Marks what an op deletes; returns how many objects that are. */
static unsigned mark(const struct io *io, const char *prefix, unsigned char *seen)
{
	const char *name = io->uri;
	const char *more = io->more;

	for (uint32_t i = 0; i <= io->n_more; i++) {
		CHECK(text_starts_with(name, prefix), "%s", name);
		seen[atoi(name + strlen(prefix))]++;
		name = more;
		more = i < io->n_more ? more + strlen(more) + 1 : more;
	}
	return io->n_more + 1;
}

/* Each object once, over all threads, whatever the batch. */
static void test_batches(void)
{
	const uint32_t batches[] = {0, 1, 2, 7, 100, 1000};

	for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
		struct job j = null_job();
		unsigned char seen[103] = {0};
		unsigned deleted = 0;

		run_add_op(&j, OP_DELETE, 1, "null://x/s/*")->batch = batches[i];
		run_add_set(&j, "deletable", 103, 10, "null://x/s/");

		struct task *t = must_task(&j);
		uint32_t most = batches[i] ? batches[i] : 1;

		CHECK(load_more_bytes(t) <= MORE * 2, "%zu", load_more_bytes(t));
		for (uint32_t th = 0; th < 3; th++) {
			void *thread = must_thread(t, th, 3);
			struct slot s;

			while (next_op(thread, &s) == NEXT_OP) {
				CHECK(s.io.n_more < most &&
					(s.io.n_more > 0) == (s.io.more != NULL));
				deleted += mark(&s.io, "null://x/s/deletable-", seen);
				load_source.done(thread, &s.io);
			}
			load_source.thread_fini(thread);
		}
		CHECK(deleted == 103, "batch %u: %u", batches[i], deleted);
		for (int k = 0; k < 103; k++)
			CHECK(seen[k] == 1, "batch %u: object %d", batches[i], k);
		task_destroy(t);
	}
}

/* What the thread has made goes in the order in which it came to be, as many at once as there are. */
static void test_batches_of_own(void)
{
	struct job j = null_job();
	unsigned char seen[1000] = {0};
	unsigned puts = 0, deleted = 0;
	struct slot s;

	run_add_op(&j, OP_PUT, 4, "null://x/out/");
	run_add_op(&j, OP_DELETE, 1, "null://x/out/*")->batch = 3;

	struct task *t = must_task(&j);
	void *thread = must_thread(t, 0, 1);

	while (puts < 1000) {
		CHECK(next_op(thread, &s) == NEXT_OP);
		if (s.io.kind == OP_DELETE)
			deleted += mark(&s.io, "null://x/out/testtesttest-w-1-0-", seen);
		puts += s.io.kind == OP_PUT;
		load_source.done(thread, &s.io);
	}
	CHECK(deleted > 300 && deleted <= puts, "%u", deleted);
	for (unsigned k = 0; k < 1000; k++)
		CHECK(seen[k] == (k < deleted), "object %u", k);
	load_source.thread_fini(thread);
	task_destroy(t);
}

static void test_shards(void)
{
	struct job_set set = {.uri = (char[]){"s3://b/p/"},
		.name = (char[]){"prepared"},
		.count = 1000,
		.shards = 40};
	const struct {
		const char *uri;
		bool covers;
	} covers[] = {
		{"s3://b/p/", true},
		{"s3://b/", true},
		{"s3://b/p/*", true},
		{"s3://b/p/prepared-*", true},
		{"s3://b/p/*/*", true},
		{"s3://b/p/0a/*", true},
		{"s3://b/p/28/*", false}, /* 40: there is no such shard */
		{"s3://b/p/0a/prepared-00000010.dat", true},
		{"s3://b/p/0b/prepared-00000010.dat", false},
		{"s3://b/p/prepared-00000010.dat", false},
		{"s3://b/p/0a/", false},
	};
	const struct {
		const char *name;
		bool ok;
		uint64_t index;
	} names[] = {
		{"00/prepared-00000000.dat", true, 0},
		{"27/prepared-00000039.dat", true, 39},
		{"00/prepared-00000040.dat", true, 40},
		{"01/prepared-00000040.dat", false, 0},
		{"0A/prepared-00000010.dat", false, 0},
		{"prepared-00000010.dat", false, 0},
		{"0a", false, 0},
		{"0a/", false, 0},
		{"", false, 0},
	};
	AUTO_FREE char *key = malloc(set_key_room(&set));

	CHECK(set_key(&set, 39, key) == strlen("s3://b/p/27/prepared-00000039.dat"));
	CHECK_STR(key, "s3://b/p/27/prepared-00000039.dat");
	for (size_t i = 0; i < ARRAY_LEN(covers); i++)
		CHECK(keyset_covers(covers[i].uri, &set) == covers[i].covers, "%s",
			covers[i].uri);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint64_t index = 0;

		CHECK(set_index(&set, names[i].name, &index) == names[i].ok, "%s",
			names[i].name);
		CHECK(!names[i].ok || index == names[i].index, "%s", names[i].name);
	}
}

/* Globs over a set in shards: written as if there were none, or with them. */
static void test_keys_in_shards(void)
{
	const struct {
		const char *uri;
		uint64_t n;
	} rows[] = {
		{"null://x/s/*", 100},
		{"null://x/s/prepared-*", 100},
		{"null://x/s/prepared-0000000*", 10},
		{"null://x/s/03/*", 13},
		{"null://x/s/*/prepared-0000000*", 10},
		{"null://x/s/", 100},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = null_job();

		run_add_op(&j, OP_GET, 1, rows[i].uri);
		run_add_set(&j, "prepared", 100, 10, "null://x/s/")->shards = 8;

		struct task *t = must_task(&j);
		const struct keyset *k = &t->keys[0];

		CHECK(k->n == rows[i].n, "%s: %ju", rows[i].uri, (uintmax_t)k->n);
		for (uint64_t at = 0; at < k->n; at++) {
			char uri[ENGINE_URI];
			uint64_t size, index;

			keyset_key(k, at, uri, &size);
			CHECK(set_index(&t->job.sets[0], uri + strlen("null://x/s/"),
				      &index) &&
					size == 10,
				"%s", uri);
		}
		task_destroy(t);
	}
}

/* --- endpoints --- */

static const struct job_endpoints three = {
	.base = (char[]){"s3://base/"},
	.uris = (char *[]){(char[]){"s3://one:9000/b/"}, (char[]){"s3://2/"},
		(char[]){"s3://base/"}, NULL},
};

static void test_routes(void)
{
	struct endpoints e;
	char uri[200] = "s3://base/key", more[200];

	CHECK(endpoints_init(&e, &three, 4) == 0 && e.n == 3 && e.turn == 1);
	struct io io = {.uri = uri};

	/* in place, to a shorter, an equal and a longer one */
	endpoints_route(&e, &io, uri, more);
	CHECK_STR(io.uri, "s3://2/key");
	CHECK(io.endpoint == 1);
	io = (struct io){.uri = "s3://base/", .to = "s3://base/to"};
	endpoints_route(&e, &io, uri, more);
	CHECK_STR(io.uri, "s3://base/");
	CHECK_STR(io.to, "s3://base/to");
	io = (struct io){.uri = strcpy(uri, "s3://base/a"),
		.more = "s3://base/b\0s3://base/c\0s3://else/d",
		.n_more = 3};
	endpoints_route(&e, &io, uri, more);
	CHECK(io.endpoint == 0);
	CHECK_STR(io.uri, "s3://one:9000/b/a");
	CHECK(memcmp(io.more, "s3://one:9000/b/b\0s3://one:9000/b/c\0s3://else/d", 48) ==
		0);
	io = (struct io){.uri = "s3://basement/x"};
	endpoints_route(&e, &io, uri, more);
	CHECK(io.endpoint == 3);
	CHECK_STR(io.uri, "s3://basement/x");
	endpoints_done(&e, &io, true);
	CHECK(e.records[3].response.total == 1);
	endpoints_finish(&e);
}

static uint16_t route_one(struct endpoints *e)
{
	char uri[100] = "s3://base/x", more[1];
	struct io io = {.uri = uri};

	endpoints_route(e, &io, uri, more);
	return io.endpoint;
}

static void end_one(struct endpoints *e, uint16_t endpoint)
{
	struct io io = {.endpoint = endpoint, .end_ns = 10, .bytes = 7};

	endpoints_done(e, &io, true);
}

static void test_strategies(void)
{
	struct job_endpoints spec = three;
	struct endpoints e;

	CHECK(endpoints_init(&e, &spec, 0) == 0);
	for (uint16_t i = 0; i < 9; i++)
		CHECK(route_one(&e) == i % 3);
	endpoints_finish(&e);

	spec.strategy = ENDPOINT_LEAST_CONNECTIONS;
	CHECK(endpoints_init(&e, &spec, 0) == 0);
	for (uint16_t i = 0; i < 6; i++)
		CHECK(route_one(&e) == i % 3);
	/* 1 is the fast one */
	for (int i = 0; i < 5; i++) {
		end_one(&e, 1);
		CHECK(route_one(&e) == 1);
	}
	end_one(&e, 2);
	end_one(&e, 0);
	CHECK(route_one(&e) == 2 && route_one(&e) == 0);
	CHECK(e.records[1].response.total == 5 && e.records[1].bytes == 35);
	endpoints_finish(&e);
}

static void test_refused(void)
{
	const struct {
		const char *scheme;
		enum op_kind kind;
		uint32_t batch;
		const char *endpoint, *why;
	} rows[] = {
		{"file:///tmp/", OP_DELETE, 2, NULL, "one object per request"},
		{"null://x/", OP_DELETE, 1001, NULL, "at most 1000 objects per request"},
		{"null://x/", OP_GET, 0, "file:///tmp/", "a job has one scheme"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = run_job(1, NS_PER_SEC);
		struct err err = ERR_INIT;
		char *place = NULL;

		run_add_op(&j, rows[i].kind, 1, rows[i].scheme)->batch = rows[i].batch;
		if (rows[i].endpoint) {
			j.endpoints.base = strdup(rows[i].scheme);
			j.endpoints.uris = calloc(2, sizeof(char *));
			j.endpoints.uris[0] = strdup(rows[i].endpoint);
		}
		CHECK(run_task(&j, NULL, &place, &err) == NULL, "row %zu", i);
		CHECK(strstr(err.text, rows[i].why) && err.kind == ERR_INPUT,
			"row %zu: %s", i, err.text);
		free(place);
	}
}

/* --- cleanup in batches --- */

/* Drives a cleanup as a thread would: a batch that holds a bad object fails as a whole, and what is gone or
 * bad fails by itself. */
static void test_cleanup_batches(void)
{
	struct job j = null_job();
	struct err err = ERR_INIT;
	void *thread;
	struct slot s;
	unsigned batches = 0, singles = 0;

	j.load = false;
	run_add_set(&j, "prepared", 25, 10, "null://x/s/");
	struct task *t = must_task(&j);
	struct cleanup c;
	const uint32_t none = 0;

	CHECK(cleanup_plan(&c, t, &none, &err) == 0 && c.batch == 1);
	c.found[0].bits = calloc(1, sizeof(uint64_t));
	c.found[0].bits[0] = (1 << 25) - 1;
	c.found[0].words = 1;
	c.n = 25;
	c.batch = 10;
	c.positions = 70; /* 64, in batches */
	CHECK(cleanup_source.thread_init(&c, 0, 1, 1, &thread, &err) == 0);
	for (;;) {
		unsigned char seen[25] = {0};

		s.io = (struct io){.uri = s.uri};
		if (cleanup_source.next(thread, &s.io, s.uri, s.more) == NEXT_END)
			break;
		CHECK(s.io.kind == OP_DELETE);
		mark(&s.io, "null://x/s/prepared-", seen);
		batches += s.io.n_more > 0;
		singles += s.io.n_more == 0;
		if (seen[13]) { /* bad */
			s.io.error = OP_ERR_DENIED;
			strcpy(s.io.error_text, "DELETE 13: no");
		} else if (seen[14] && s.io.n_more == 0) {
			s.io.error = OP_ERR_NOT_FOUND;
		}
		cleanup_source.done(thread, &s.io);
	}
	CHECK(batches == 3 && singles == 10, "%u %u", batches, singles);
	CHECK(c.removed == 23 && c.gone == 1 && c.failed == 1 && cleanup_done(&c) == 24,
		"%ju %ju %ju", (uintmax_t)c.removed, (uintmax_t)c.gone,
		(uintmax_t)c.failed);
	CHECK_STR(c.first_error, "DELETE 13: no");
	cleanup_source.thread_fini(thread);
	cleanup_finish(&c);
	task_destroy(t);
	data_finish(&run_data);
}

/* A thread removes what it has made itself: where more removals are asked for than that, the result says which mix
 * it was. */
static void test_missed(void)
{
	const struct {
		enum op_kind kind;
		double weight;
		bool said;
	} rows[] = {{OP_DELETE, 3, true}, {OP_STAT, 3, false}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = run_job(4, NS_PER_SEC / 20);

		j.target = strdup("null://x/");
		run_add_op(&j, OP_PUT, 1, "null://x/p/");
		j.ops[0].size =
			(struct size_spec){.type = SIZE_FIXED, .min = 1, .max = 1};
		run_add_op(&j, rows[i].kind, rows[i].weight, "null://x/p/*");

		struct task *t = must_task(&j);
		struct work *w = run_begin(t, PHASE_MEASURE);
		AUTO_FREE char *text = NULL;

		run_wait(w, WORK_DONE);
		text = w->result.text ? strdup(w->result.text) : NULL;
		run_free(w);
		if (!rows[i].said) {
			CHECK(text == NULL, "%s", text ? text : "");
		} else if (CHECK(text != NULL)) {
			double was = 0;

			CHECK(sscanf(text,
				      "delete was %lf %% of the operations, asked 75.0 "
				      "%%: ",
				      &was) == 1 &&
					was > 10 && was <= 50,
				"%s", text);
			CHECK(strstr(text,
				      " times there was nothing of its own thread to "
				      "be removed") != NULL,
				"%s", text);
		}
		task_destroy(t);
	}
}

TEST_MAIN(TEST(test_copies), TEST(test_batches), TEST(test_batches_of_own),
	TEST(test_shards), TEST(test_keys_in_shards), TEST(test_routes),
	TEST(test_strategies), TEST(test_refused), TEST(test_cleanup_batches),
	TEST(test_missed))
