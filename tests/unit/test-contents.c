/* Who makes, overwrites and reads an object means the same content; and sets and puts repeat as many of their blocks
 * as was asked for. */
#include "check.h"

#include "backends/content.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/text.h"
#include "load-run.h"

/* Blocks of a measurement at most. */
#define MIB 1048576u
#define BLOCKS 20000u

/* Begun and ended. */
static void whole_op(void *thread, struct slot *s)
{
	CHECK(next_op(thread, s) == NEXT_OP);
	load_source.done(thread, &s->io);
}

static struct job null_job(void)
{
	struct job j = run_job(4, NS_PER_SEC);

	j.target = strdup("null://x/");
	return j;
}

/* ---- blocks ---- */

/* Hashes of the blocks that were written. */
struct store {
	uint64_t blocks[BLOCKS];
	size_t n;
};

static void add(struct store *s, const struct io *io)
{
	uint8_t block[CONTENT_BLOCK];

	for (uint64_t at = 0; at < io->size && s->n < BLOCKS; at += CONTENT_BLOCK) {
		size_t n = io->size - at < CONTENT_BLOCK ? (size_t)(io->size - at)
							 : CONTENT_BLOCK;

		content_build(&run_data, io, io->offset + at, block, n);
		s->blocks[s->n++] = rng_hash(block, n);
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double ratio(struct store *s)
{
	size_t differ = s->n > 0;

	qsort(s->blocks, s->n, sizeof(*s->blocks), compare);
	for (size_t i = 1; i < s->n; i++)
		differ += s->blocks[i] != s->blocks[i - 1];
	return (double)s->n / (double)differ;
}

static bool is_near(double got, double want)
{
	return got > 0.95 * want && got < 1.05 * want;
}

/* Whole blocks; tails of one size; whole blocks of several sizes; tails of any size, of which none is like another, but
 * which are few. */
static struct size_part parts[] = {{.weight = 1, .min = 4096, .max = 4096},
	{.weight = 1, .min = 3 * 4096, .max = 3 * 4096},
	{.weight = 1, .min = 20 * 4096, .max = 20 * 4096}};
static const struct size_spec sizes[] = {
	{.type = SIZE_FIXED, .min = 4096, .max = 4096},
	{.type = SIZE_FIXED, .min = 100000, .max = 100000},
	{.type = SIZE_FIXED, .min = 700, .max = 700},
	{.type = SIZE_MIX, .parts = parts, .n_parts = 3},
	{.type = SIZE_UNIFORM, .min = 490 * 4096, .max = 510 * 4096},
};
static const uint32_t factors[] = {2, 3, 10};

static struct size_spec size_copy(const struct size_spec *spec)
{
	struct size_spec s;

	CHECK(size_spec_copy(&s, spec) == 0);
	return s;
}

static void test_sets(void)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(factors); i++) {
		AUTO_FREE struct store *store = calloc(1, sizeof(*store));
		const uint32_t factor = factors[i % ARRAY_LEN(factors)];
		const struct size_spec *size = &sizes[i / ARRAY_LEN(factors)];
		struct job j = null_job();
		struct job_set *set = run_add_set(&j, "prepared", 1000, 0, "null://x/s/");
		struct task *t;

		run_add_op(&j, OP_GET, 1, "null://x/s/*");
		set->size = size_copy(size);
		set->dedup = factor;
		t = must_task(&j);
		/* the order in which objects are made does not matter: backwards */
		for (uint64_t k = 1000; store && k-- > 0;) {
			struct io io = {.kind = OP_PUT};

			io.size = sizes_at(&t->sets[0].sizes, t->job.sets[0].id, k);
			contents_of_set(&t->contents, &t->sets[0], k, "", &io);
			add(store, &io);
		}
		if (store) {
			double got = ratio(store);

			CHECK(is_near(got, factor), "dedup %u, sizes %zu: %f", factor,
				i / ARRAY_LEN(factors), got);
		}
		task_destroy(t);
	}
}

/* What the only op of a job writes repeats as it should. */
static void check_writes(struct job *j, uint32_t factor, const char *what, size_t row)
{
	AUTO_FREE struct store *store = calloc(1, sizeof(*store));
	struct task *t = must_task(j);
	void *thread = must_thread(t, 0, 1);
	struct slot s;

	for (int k = 0; store && k < 1000; k++) {
		whole_op(thread, &s);
		add(store, &s.io);
	}
	double got = store ? ratio(store) : 0;

	CHECK(is_near(got, factor), "dedup %u, %s %zu: %f", factor, what, row, got);
	load_source.thread_fini(thread);
	task_destroy(t);
}

static void test_puts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(factors); i++) {
		const uint32_t factor = factors[i % ARRAY_LEN(factors)];
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_PUT, 1, "null://x/out/");

		op->size = size_copy(&sizes[i / ARRAY_LEN(factors)]);
		op->dedup = factor;
		check_writes(&j, factor, "sizes", i / ARRAY_LEN(factors));
	}
}

/* Without a factor no block of a thread's puts is like another, whatever their sizes, and where ever they write. */
static void test_no_block_twice(void)
{
	for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		AUTO_FREE struct store *store = calloc(1, sizeof(*store));
		const bool range = i % 2;
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, range ? OP_RANGE_PUT : OP_PUT, 1,
			range ? "null://x/s/*" : "null://x/out/");
		struct task *t;
		struct slot s;
		void *thread;

		run_add_set(&j, "prepared", 10, 4u << 20, "null://x/s/");
		op->size = size_copy(&sizes[i / 2]);
		op->range_size = UINT64_C(12288) << i;
		op->range_align = 4096;
		t = must_task(&j);
		thread = must_thread(t, 0, 1);
		for (int k = 0; store && k < 1000; k++) {
			whole_op(thread, &s);
			add(store, &s.io);
		}
		CHECK(store && store->n > 0 && ratio(store) == 1.0, "row %zu", i);
		load_source.thread_fini(thread);
		task_destroy(t);
	}
}

/* Nor is a block of one thread like that of another one, but for a few, in what they write first: the pool is small, and
 * the parts of it that they take overlap. */
static void test_threads_apart(void)
{
	AUTO_FREE struct store *store = calloc(1, sizeof(*store));
	struct job j = null_job();
	struct job_op *op = run_add_op(&j, OP_PUT, 1, "null://x/out/");
	struct task *t;

	op->size = (struct size_spec){.type = SIZE_FIXED, .min = 65536, .max = 65536};
	j.concurrency = j.threads = 32;
	t = must_task(&j);
	for (unsigned i = 0; store && i < 32; i++) {
		void *thread = must_thread(t, i, 32);
		struct slot s;

		for (int k = 0; k < 40; k++) {
			whole_op(thread, &s);
			add(store, &s.io);
		}
		load_source.thread_fini(thread);
	}
	CHECK(store && ratio(store) < 1.15, "%f", ratio(store));
	task_destroy(t);
}

/* Nor has what is written into one object, range by range, anything that compression would find again. */
static void test_side_by_side(void)
{
	static const uint64_t ranges[] = {512, 4096, 20000};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		AUTO_FREE struct store *store = calloc(1, sizeof(*store));
		AUTO_FREE uint8_t *whole = malloc(MIB);
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_RANGE_PUT, 1, "null://x/s/*");
		struct task *t;
		struct slot s;
		void *thread;

		run_add_set(&j, "prepared", 1, MIB, "null://x/s/");
		op->range_size = ranges[i];
		op->range_align = 512;
		op->selection = SELECT_SEQUENTIAL;
		t = must_task(&j);
		thread = must_thread(t, 0, 1);
		for (uint64_t at = 0; store && whole && at < MIB; at += s.io.size) {
			const uint8_t *p;
			size_t len;

			whole_op(thread, &s);
			CHECK(s.io.offset == at && at + s.io.size <= MIB);
			p = content_in_place(&run_data, &s.io, at, &len);
			memcpy(whole + at, p, s.io.size);
		}
		for (size_t at = 0; store && whole && at < MIB; at += 64)
			store->blocks[store->n++] = rng_hash(whole + at, 64);
		CHECK(store && ratio(store) == 1.0, "ranges of %ju",
			(uintmax_t)ranges[i]);
		load_source.thread_fini(thread);
		task_destroy(t);
	}
}

/* Blocks of objects that are written anew, anywhere. */
static void test_range_puts(void)
{
	static const uint64_t ranges[] = {4096, 65536};

	for (size_t i = 0; i < ARRAY_LEN(ranges) * ARRAY_LEN(factors); i++) {
		const uint32_t factor = factors[i % ARRAY_LEN(factors)];
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_RANGE_PUT, 1, "null://x/s/*");

		run_add_set(&j, "prepared", 10, 1u << 20, "null://x/s/");
		op->range_size = ranges[i / ARRAY_LEN(factors)];
		op->range_align = 4096;
		op->dedup = factor;
		check_writes(&j, factor, "ranges", i / ARRAY_LEN(factors));
	}
}

/* ---- the same object ---- */

/* Sets as they lie on disks since the first version. */
static void test_sets_stay(void)
{
	struct job j = null_job();
	struct task *t;

	run_add_op(&j, OP_GET, 1, "null://x/s/*");
	run_add_set(&j, "prepared", 100, 5000, "null://x/s/")->fill = FILL_UNIQUE;
	t = must_task(&j);
	for (uint64_t i = 0; i < 100; i++) {
		struct io io = {.kind = OP_PUT};
		uint64_t content = rng_mix(rng_mix(t->job.sets[0].id) ^ i);

		contents_of_set(&t->contents, &t->sets[0], i, "", &io);
		CHECK(io.stamp == content && io.fill == FILL_UNIQUE);
		CHECK(io.data_at == (content & (run_data.size - 1) & ~UINT64_C(63)));
	}
	task_destroy(t);
}

/* With verify what is written can be read by any name of it: by another worker with another target, as part of a
 * set, or found by a listing. */
static void test_written_and_read(void)
{
	struct job j = null_job();
	struct job_op *op = run_add_op(&j, OP_PUT, 1, "null://x/out/");
	struct slot s;

	j.verify = true;
	op->size = (struct size_spec){.type = SIZE_FIXED, .min = 9000, .max = 9000};
	op->fill = FILL_UNIQUE;
	op->dedup = 2;
	run_add_set(&j, "prepared", 10, 9000, "null://x/s/")->dedup = 3;

	struct task *t = must_task(&j);
	void *thread = must_thread(t, 0, 1);

	for (int k = 0; k < 20; k++) {
		struct job other = {.target = (char *)"s3://bucket/", .verify = true};
		struct contents reader = {.job = &other, .data = &run_data};
		AUTO_FREE char *uri = NULL;
		struct io io = {.kind = OP_GET, .size = 9000};
		uint8_t read[9000];

		whole_op(thread, &s);
		content_build(&run_data, &s.io, 0, read, sizeof(read));
		uri = text_printf("s3://bucket/%s", s.uri + strlen("null://x/"));
		io.uri = uri;
		contents_of_key(&reader, &t->job.ops[0], uri, &io);
		CHECK(content_check(&run_data, &io, 0, read, sizeof(read)), "%s",
			io.error_text);
	}
	for (uint64_t i = 0; i < 10; i++) {
		struct io made = {.kind = OP_PUT}, read = {.kind = OP_GET};
		struct job_op get = {.kind = OP_GET, .dedup = 3};
		char uri[100];

		set_key(&t->job.sets[0], i, uri);
		contents_of_set(&t->contents, &t->sets[0], i, uri, &made);
		contents_of_key(&t->contents, &get, uri, &read);
		CHECK(made.stamp == read.stamp && made.data_at == read.data_at &&
			made.block == 0 && read.block == 0 && made.dedup == read.dedup);
	}
	load_source.thread_fini(thread);
	task_destroy(t);
}

/* What reads and overwrites find: objects of a set as it made them, with and without verify for the whole
 * job. */
static void test_reads_of_sets(void)
{
	for (int verify = 0; verify < 2; verify++) {
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_RANGE_GET, 1, "null://x/s/*");
		struct slot s;
		int writes = 0;

		j.verify = verify;
		op->verify = true;
		op->range_size = 5000;
		op = run_add_op(&j, OP_RANGE_PUT, 1, "null://x/s/*");
		op->range_size = 5120;
		op->range_align = 512;
		op->fill = FILL_ZERO; /* the set's own counts, with verify */
		struct job_set *set = run_add_set(&j, "prepared", 50, 0, "null://x/s/");

		set->size = size_copy(&sizes[3]);
		set->fill = FILL_UNIQUE;
		set->dedup = 2;
		set->compress = 3;

		struct task *t = must_task(&j);
		void *thread = must_thread(t, 0, 1);

		for (int k = 0; k < 500; k++) {
			AUTO_FREE uint8_t *whole = calloc(1, 25 * 4096);
			struct io made = {.kind = OP_PUT};
			uint64_t i;

			whole_op(thread, &s);
			CHECK(set_index(&t->job.sets[0], strstr(s.uri, "prepared"), &i),
				"%s", s.uri);
			made.size = sizes_at(&t->sets[0].sizes, t->job.sets[0].id, i);
			CHECK(s.io.object_size == made.size);
			contents_of_set(&t->contents, &t->sets[0], i, s.uri, &made);
			if (!whole)
				continue;
			content_build(&run_data, &made, 0, whole, (size_t)made.size);
			CHECK(s.io.verify == (s.io.kind == OP_RANGE_GET));
			if (s.io.kind == OP_RANGE_PUT && !verify) {
				CHECK(s.io.fill == FILL_ZERO);
				continue;
			}
			writes += s.io.kind == OP_RANGE_PUT;
			CHECK(content_check(&run_data, &s.io, s.io.offset,
				      whole + s.io.offset, (size_t)s.io.size),
				"%s", s.io.error_text);
		}
		CHECK(verify == (writes > 0));
		load_source.thread_fini(thread);
		task_destroy(t);
	}
}

/* A seed repeats what is written, byte for byte. */
static void test_seeds(void)
{
	struct slot s[2];
	struct task *t[2];
	void *thread[2];

	for (int i = 0; i < 2; i++) {
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_PUT, 1, "null://x/out/");

		op->size = size_copy(&sizes[3]);
		op->fill = FILL_UNIQUE;
		t[i] = must_task(&j);
		thread[i] = must_thread(t[i], 0, 1);
	}
	for (int k = 0; k < 100; k++) {
		whole_op(thread[0], &s[0]);
		whole_op(thread[1], &s[1]);
		CHECK(s[0].io.size == s[1].io.size && s[0].io.stamp == s[1].io.stamp &&
			s[0].io.data_at == s[1].io.data_at);
	}
	for (int i = 0; i < 2; i++) {
		load_source.thread_fini(thread[i]);
		task_destroy(t[i]);
	}
}

/* Numbers of a large set end where all is to end. */
static void test_cancelled(void)
{
	const uint32_t cancel = 1;
	struct job j = null_job();
	struct set sets[1] = {{0}};
	struct contents c;
	struct err err = ERR_INIT;
	struct job_set *set = run_add_set(&j, "prepared", 400000000, 0, "null://x/s/");

	set->dedup = 3;
	set->size = size_copy(&sizes[3]);
	CHECK(contents_init(&c, &j, &run_data, sets, &cancel, &err) == 0, "%s", err.text);
	CHECK(c.blocks[0] && c.blocks[0][1] == 0);
	contents_finish(&c);
	job_finish(&j);
}

TEST_MAIN(TEST(test_sets), TEST(test_puts), TEST(test_no_block_twice),
	TEST(test_threads_apart), TEST(test_side_by_side), TEST(test_range_puts),
	TEST(test_sets_stay), TEST(test_written_and_read), TEST(test_reads_of_sets),
	TEST(test_seeds), TEST(test_cancelled))
