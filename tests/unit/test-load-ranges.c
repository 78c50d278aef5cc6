/* Which part of which object a range_get or range_put is for. */
#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "load-run.h"

static struct job null_job(void)
{
	struct job j = run_job(4, NS_PER_SEC);

	j.target = strdup("null://x/");
	return j;
}

/* Every offset that fits is drawn, and no other. */
static void test_ranges(void)
{
	const struct {
		uint64_t object, range, align;
		uint64_t size; /* what is asked for */
		uint64_t offsets;
	} rows[] = {
		{10000, 1000, 1000, 1000, 10},
		{10500, 1000, 1000, 1000, 10},
		{1000, 100, 300, 100, 4},
		{1000, 1000, 512, 1000, 1},
		{999, 1000, 512, 999, 1},
		{20, 10, 0, 10, 11},
		{0, 10, 1, 0, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_RANGE_GET, 1, "null://x/s/*");
		bool seen[100] = {false};
		uint64_t n = 0;
		struct slot s;

		op->range_size = rows[i].range;
		op->range_align = rows[i].align;
		run_add_set(&j, "prepared", 3, rows[i].object, "null://x/s/");

		struct task *t = must_task(&j);
		void *thread = must_thread(t, 0, 1);
		uint64_t align = rows[i].align ? rows[i].align : 1;

		for (int k = 0; k < 2000; k++) {
			CHECK(next_op(thread, &s) == NEXT_OP);
			CHECK(s.io.kind == OP_RANGE_GET && s.io.size == rows[i].size,
				"row %zu: size %ju", i, (uintmax_t)s.io.size);
			CHECK(s.io.offset % align == 0 &&
					s.io.offset + s.io.size <= rows[i].object,
				"row %zu: offset %ju", i, (uintmax_t)s.io.offset);
			n += !seen[s.io.offset / align];
			seen[s.io.offset / align] = true;
			load_source.done(thread, &s.io);
		}
		CHECK(n == rows[i].offsets, "row %zu: %ju offsets", i, (uintmax_t)n);
		load_source.thread_fini(thread);
		task_destroy(t);
	}
}

/* What is written is a multiple of the unit that the store asks for, as far as an object reaches; null:// asks for
 * none, so that what is said here stays. */
static void test_units(void)
{
	static const struct size_spec sizes = {
		.type = SIZE_UNIFORM, .min = 0, .max = 9000};
	const struct {
		enum selection how;
		bool once;
	} rows[] = {{SELECT_UNIFORM, false}, {SELECT_SEQUENTIAL, false},
		{SELECT_UNIFORM, true}, {SELECT_SEQUENTIAL, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_RANGE_PUT, 1, "null://x/s/*");
		uint64_t bytes = 0, want = 0;
		struct slot s;

		j.once = rows[i].once;
		op->range_size = 4096;
		op->range_align = op->range_unit = 512;
		op->selection = rows[i].how;
		run_add_set(&j, "prepared", 50, 0, "null://x/s/")->size = sizes;

		struct task *t = must_task(&j);
		void *thread = must_thread(t, 0, 1);

		CHECK(t->n_warnings == 1 &&
				strstr(t->warnings[0], "writes multiples of 512 bytes"),
			"%zu warnings", t->n_warnings);
		for (uint64_t k = 0; k < 50; k++) {
			uint64_t size;

			keyset_key(&t->keys[0], k, s.uri, &size);
			want += size - size % 512;
		}
		for (int k = 0; k < 1000 && next_op(thread, &s) == NEXT_OP; k++) {
			CHECK(s.io.size % 512 == 0 && s.io.offset % 512 == 0 &&
					s.io.size > 0 && s.io.size <= 4096 &&
					s.io.offset + s.io.size <= s.io.object_size,
				"row %zu: %ju at %ju of %ju", i, (uintmax_t)s.io.size,
				(uintmax_t)s.io.offset, (uintmax_t)s.io.object_size);
			bytes += s.io.size;
			load_source.done(thread, &s.io);
		}
		CHECK(!rows[i].once || bytes == want, "row %zu: %ju bytes", i,
			(uintmax_t)bytes);
		load_source.thread_fini(thread);
		task_destroy(t);
	}
}

/* Objects that all have a rest which cannot be written are refused before the load. */
static void test_units_of_known_sizes(void)
{
	const struct {
		uint64_t size;
		enum selection how;
		const char *want; /* NULL: it can be written */
	} rows[] = {
		{10000, SELECT_UNIFORM, NULL},
		{10240, SELECT_SEQUENTIAL, NULL},
		{512, SELECT_UNIFORM, NULL},
		{10000, SELECT_SEQUENTIAL,
			"null://x/s/*: the last range of an object of 10000 bytes has "
			"1808 with range_size 4096, and null:// writes multiples of 512: "
			"make the objects 10240 bytes large, or write file:// instead of "
			"it"},
		{700, SELECT_UNIFORM,
			"null://x/s/*: the last range of an object of 700 bytes has 700 "
			"with range_size 4096, and null:// writes multiples of 512: make "
			"the objects 1024 bytes large, or write file:// instead of it"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job j = null_job();
		struct job_op *op = run_add_op(&j, OP_RANGE_PUT, 1, "null://x/s/*");
		struct err err = ERR_INIT;
		char *place = NULL;

		op->range_size = 4096;
		op->range_unit = 512;
		op->selection = rows[i].how;
		run_add_set(&j, "prepared", 5, rows[i].size, "null://x/s/");

		struct task *t = run_task(&j, NULL, &place, &err);

		CHECK((t == NULL) == (rows[i].want != NULL), "row %zu: %s", i, err.text);
		if (rows[i].want)
			CHECK(strstr(err.text, rows[i].want) && err.kind == ERR_INPUT &&
					place && strcmp(place, "w.yaml:1:1") == 0,
				"%s", err.text);
		free(place);
		task_destroy(t);
	}
}

/* Of an object whose size nobody knows the beginning is read. */
static void test_range_of_unknown_size(void)
{
	struct job j = null_job();
	struct slot s;

	run_add_op(&j, OP_RANGE_GET, 1, "null://x/exact")->range_size = 100;

	struct task *t = must_task(&j);
	void *thread = must_thread(t, 0, 1);

	for (int k = 0; k < 10; k++) {
		CHECK(next_op(thread, &s) == NEXT_OP);
		CHECK(s.io.offset == 0 && s.io.size == 100);
		load_source.done(thread, &s.io);
	}
	load_source.thread_fini(thread);
	task_destroy(t);
}

TEST_MAIN(TEST(test_ranges), TEST(test_units), TEST(test_units_of_known_sizes),
	TEST(test_range_of_unknown_size))
