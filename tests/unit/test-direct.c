/* direct://, op by op, with a ring and without: sizes to the byte, content, many at once, what is given up. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/content.h"
#include "backends/direct.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "temp-dir.h"
#include "worker-run.h"

#define SLOTS 16u
#define TMPFS 0x01021994
#define PATIENCE_NS (20 * NS_PER_SEC)

static const struct backend *direct;
static void *job, *thread;
static uint32_t n_pages;

struct op {
	struct io io;
	char uri[300];
};

static void count_page(
	void *user, const struct io *io, uint64_t start_ns, uint64_t end_ns)
{
	CHECK(user == &n_pages && io->kind == OP_LIST && start_ns <= end_ns);
	n_pages++;
}

/* keeps: files that stay open at most; 0: as many as the machine lets it. */
static void begin_with(const struct backend *backend, uint32_t keeps)
{
	struct backend_config cfg = {.data = &run_data,
		.concurrency = SLOTS,
		.threads = 1,
		.page = count_page};
	struct err err = ERR_INIT;

	direct = backend;
	job = calloc(1, direct->job_size);
	thread = aligned_alloc(64, (direct->thread_size + 63) / 64 * 64);
	memset(thread, 0, direct->thread_size);
	CHECK(direct->job_init(job, &cfg, &err) == 0, "%s", err.text);
	if (keeps)
		((struct direct_job *)job)->file.keeps = keeps;
	CHECK(direct->thread_init(job, thread, &n_pages, &err) == 0, "%s", err.text);
}

static void begin(const struct backend *backend)
{
	begin_with(backend, 0);
}

static void end(void)
{
	direct->thread_fini(thread);
	direct->job_fini(job);
	free(thread);
	free(job);
}

static struct op make(enum op_kind kind, const char *name, struct io io)
{
	struct op op = {.io = io};

	op.io.kind = kind;
	snprintf(op.uri, sizeof(op.uri), "direct://%s/%s", temp_dir, name);
	return op;
}

/* Gives n ops and waits for all of them. */
static void run_all(struct op *ops, size_t n, bool cancelled)
{
	uint64_t until = clock_ns() + PATIENCE_NS;
	struct io *given[SLOTS], *done[SLOTS];
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		ops[i].io.uri = ops[i].uri;
		given[i] = &ops[i].io;
	}
	direct->submit(thread, given, n);
	if (cancelled)
		direct->cancel(thread);
	while (got < n && clock_ns() < until)
		got += direct->wait(thread, done, SLOTS, clock_ns() + 10 * NS_PER_MS);
	CHECK(got == n, "%zu of %zu came back", got, n);
	for (size_t i = 0; i < n; i++) {
		const struct io *io = &ops[i].io;

		CHECK(io->start_ns > 0 && io->end_ns >= io->start_ns &&
				io->end_ns <= clock_ns(),
			"%s", ops[i].uri);
		CHECK((io->error != OP_OK) == (io->error_text[0] != '\0'), "%s",
			io->error_text);
	}
}

static struct io run_op(enum op_kind kind, const char *name, struct io io)
{
	struct op op = make(kind, name, io);

	run_all(&op, 1, false);
	return op.io;
}

static off_t size_of(const char *name)
{
	AUTO_FREE char *path = path_of(name);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* ---- without files ---- */

static void test_lengths(void)
{
	static const struct {
		uint64_t size, done;
		uint32_t block, want;
	} rows[] = {
		{0, 0, 4096, 4096},
		{1, 0, 4096, 4096},
		{4096, 0, 4096, 4096},
		{4097, 0, 4096, 8192},
		{5000000, 4194304, 4096, 806912},
		{5000000, 0, 4096, DIRECT_PIECE},
		{UINT64_MAX, 8192, 4096, DIRECT_PIECE},
		{20000, 0, 65536, 65536},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct direct_job j = {.block = rows[i].block};
		const struct io io = {.size = rows[i].size, .bytes = rows[i].done};

		CHECK(direct_read_len(&j, &io) == rows[i].want, "row %zu: %u", i,
			direct_read_len(&j, &io));
	}
}

/* Any piece is the content that a reader expects there, and zero behind its end. */
static void test_content(void)
{
	static const uint8_t fills[] = {FILL_RANDOM, FILL_ZERO, FILL_UNIQUE};
	uint8_t *out = aligned_alloc(4096, 3 * 4096);

	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		struct io io = {.kind = OP_RANGE_PUT,
			.uri = "direct:///x",
			.size = 9000,
			.offset = 1024,
			.data_at = 64 * 77,
			.stamp = 5,
			.fill = fills[i],
			.object_size = 20000};

		memset(out, 0xee, 3 * 4096);
		direct_content(&run_data, &io, 4096, out, 8192);
		CHECK(content_check(&run_data, &io, 1024 + 4096, out, 9000 - 4096),
			"fill %zu: %s", i, io.error_text);
		for (size_t k = 9000 - 4096; k < 8192; k++)
			CHECK(out[k] == 0, "fill %zu, byte %zu", i, k);
		CHECK(out[8192] == 0xee);
	}
	free(out);
}

static void test_judgement(void)
{
	const struct direct_job j = {.block = 4096, .align = 512};
	struct io get = {.kind = OP_GET, .uri = "direct:///x", .size = 10, .bytes = 10};
	struct io range = {.kind = OP_RANGE_GET, .uri = "direct:///x", .size = 10};

	direct_judge(&j, &get, 0);
	CHECK(get.error == OP_OK);
	get.bytes = 9;
	direct_judge(&j, &get, 0);
	CHECK(get.error == OP_ERR_SHORT);
	direct_judge(&j, &get, EIO);
	CHECK(get.error == OP_ERR_SHORT, "what was found first stays");
	direct_judge(&j, &range, EINVAL);
	CHECK(strstr(range.error_text, "(direct I/O in multiples of 512 bytes)"), "%s",
		range.error_text);
}

static void test_memory_is_refused(void)
{
	struct direct_align align;
	struct err err = ERR_INIT;
	struct statfs fs;

	if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS)
		return;
	CHECK(direct_align_at("/dev/shm/not/there/yet/", &align, &err) < 0);
	CHECK(err.kind == ERR_INPUT && strstr(err.text, "/dev/shm: tmpfs lies in memory"),
		"%s", err.text);
}

static void test_registered_buffers(void)
{
	uint64_t limit;
	size_t few = direct_ring_fixed_bytes(1, 1, &limit);
	size_t many = direct_ring_fixed_bytes(4096, 4, &limit);

	CHECK(few <= DIRECT_PIECE && many <= few);
	CHECK(few % DIRECT_BLOCK == 0 && many % DIRECT_BLOCK == 0);
	CHECK(limit == UINT64_MAX || few <= limit);
}

/* ---- ops ---- */

static void check_sizes(void)
{
	static const uint64_t sizes[] = {
		0, 1, 511, 4096, 4097, 1048576, 1048577, 3000000};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct io io = {.size = sizes[i],
			.data_at = 640,
			.stamp = 9,
			.fill = FILL_UNIQUE,
			.fsync = i % 2};
		struct io put = run_op(OP_PUT, "dir/sub/one", io), get;

		CHECK(!put.error && put.bytes == sizes[i], "%s", put.error_text);
		CHECK(size_of("dir/sub/one") == (off_t)sizes[i]);
		io.verify = true;
		get = run_op(OP_GET, "dir/sub/one", io);
		CHECK(!get.error && get.bytes == sizes[i], "%zu: %s", i, get.error_text);
		CHECK((get.first_byte_ns != 0) == (sizes[i] > 0));
		/* of one that nobody knows the size of: all of it, to the byte */
		get = run_op(OP_GET, "dir/sub/one", (struct io){.size = UINT64_MAX});
		CHECK(!get.error && get.bytes == sizes[i], "%zu: %s", i, get.error_text);
	}
	struct io other = {.size = 3000000, .data_at = 704, .verify = true};
	struct io got = run_op(OP_GET, "dir/sub/one", other);

	CHECK(got.error == OP_ERR_CORRUPT, "%d", got.error);
	got = run_op(OP_GET, "dir/sub/one", (struct io){.size = 4000000});
	CHECK(got.error == OP_ERR_SHORT, "%d", got.error);
}

static void check_ranges(void)
{
	const struct io whole = {
		.size = 2500000, .data_at = 128, .stamp = 3, .fill = FILL_UNIQUE};
	struct io io = whole, got;

	CHECK(!run_op(OP_PUT, "ranges", whole).error);
	io.object_size = whole.size;
	io.verify = true;
	for (uint64_t at = 0; at < whole.size - 1200000; at += 409600) {
		io.offset = at;
		io.size = at % 8192 ? 4096 : 1200128;
		io.size -= io.size % 4096;
		got = run_op(OP_RANGE_GET, "ranges", io);
		CHECK(!got.error && got.bytes == io.size, "%s", got.error_text);
	}
	/* another content, and that of the file again */
	io.offset = 8192;
	io.size = 1200128 - 1200128 % 4096;
	io.stamp = 4;
	CHECK(!run_op(OP_RANGE_PUT, "ranges", io).error);
	got = run_op(OP_RANGE_GET, "ranges", io);
	CHECK(!got.error, "%s", got.error_text);
	io.stamp = whole.stamp;
	got = run_op(OP_RANGE_GET, "ranges", io);
	CHECK(got.error == OP_ERR_CORRUPT);
	io.fsync = true;
	CHECK(!run_op(OP_RANGE_PUT, "ranges", io).error);
	CHECK(size_of("ranges") == (off_t)whole.size);
	io = whole;
	io.verify = true;
	got = run_op(OP_GET, "ranges", io);
	CHECK(!got.error, "%s", got.error_text);
}

static void check_names(void)
{
	struct io got;

	CHECK(run_op(OP_GET, "missing", (struct io){.size = 4096}).error ==
		OP_ERR_NOT_FOUND);
	CHECK(run_op(OP_RANGE_GET, "missing", (struct io){.size = 4096}).error ==
		OP_ERR_NOT_FOUND);
	CHECK(run_op(OP_STAT, "missing", (struct io){0}).error == OP_ERR_NOT_FOUND);
	CHECK(!run_op(OP_MKDIR, "made", (struct io){0}).error);
	CHECK(!run_op(OP_PUT, "made/a", (struct io){.size = 10}).error);
	CHECK(!run_op(OP_PUT, "made/b", (struct io){.size = 10}).error);
	n_pages = 0;
	got = run_op(OP_LIST, "made/", (struct io){.max_keys = 1});
	CHECK(!got.error && got.entries == 2 && got.pages == n_pages && n_pages >= 2,
		"%llu entries, %u pages", (unsigned long long)got.entries, n_pages);
	CHECK(!run_op(OP_DELETE, "made/a", (struct io){0}).error);
	CHECK(run_op(OP_RMDIR, "made", (struct io){0}).error != OP_OK);
	CHECK(!run_op(OP_DELETE, "made/b", (struct io){0}).error);
	CHECK(!run_op(OP_RMDIR, "made", (struct io){0}).error);
}

/* Some of each at once, again and again: nothing is mixed up. */
static void check_many(void)
{
	struct op ops[SLOTS];

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < SLOTS; i++) {
			char name[20];
			struct io io = {.size = 700u * i * i,
				.data_at = 64u * i,
				.stamp = i,
				.fill = FILL_UNIQUE};

			snprintf(name, sizeof(name), "many/%u", i);
			io.verify = round > 0 && i % 3 != round % 3;
			ops[i] = make(io.verify ? OP_GET : OP_PUT, name, io);
		}
		run_all(ops, SLOTS, false);
		for (unsigned i = 0; i < SLOTS; i++)
			CHECK(!ops[i].io.error && ops[i].io.bytes == 700u * i * i,
				"round %u: %s", round, ops[i].io.error_text);
	}
}

static void check_all(void)
{
	check_sizes();
	check_ranges();
	check_names();
	check_many();
}

static bool possible(void)
{
	struct direct_align align;
	struct err err = ERR_INIT;

	if (direct_align_at(temp_dir, &align, &err) == 0)
		return true;
	printf("# %s\n", err.text);
	return false;
}

static void test_ops_by_blocking_calls(void)
{
	if (!possible())
		return;
	begin(backend_for("direct:///x")->instead);
	check_all();
	end();
}

static bool ring(void)
{
	char why[200];
	bool works = backend_for("direct:///x")->works(why, sizeof(why));

	if (!works)
		printf("# %s\n", why);
	return works && possible();
}

static void test_ops_in_the_ring(void)
{
	if (!ring())
		return;
	begin(backend_for("direct:///x"));
	check_all();
	end();
}

/* A file is closed for another's sake, or to be opened for writing, while ranges of it have still to go off; with
 * files that the kernel knows by their index, and (as before Linux 5.19) without. */
static void *check_closed_early(void *user)
{
	const bool fixed = user != NULL;
	struct direct_thread *t;
	struct op ops[SLOTS];
	char name[20];

	begin_with(backend_for("direct:///x"), 2);
	t = thread;
	if (!fixed)
		t->ring.fixed_files = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		struct io io = {.size = 8192, .data_at = 64u * i, .object_size = 8192};

		snprintf(name, sizeof(name), "closed/%u", i);
		CHECK(!run_op(OP_PUT, name, io).error);
	}
	for (unsigned i = 0; i < SLOTS; i++) {
		unsigned file = i < SLOTS / 2 ? 0 : i;
		struct io io = {.size = 4096,
			.offset = 4096,
			.data_at = 64u * file,
			.object_size = 8192};

		snprintf(name, sizeof(name), "closed/%u", file);
		io.verify = io.fsync = true;
		ops[i] = make(i % 2 ? OP_RANGE_PUT : OP_RANGE_GET, name, io);
	}
	run_all(ops, SLOTS, false);
	for (unsigned i = 0; i < SLOTS; i++)
		CHECK(!ops[i].io.error, "%s", ops[i].io.error_text);
	end();
	return NULL;
}

/* By threads of their own: the kernel's workers for a thread have the descriptors that it had at first. */
static void test_files_closed_early(void)
{
	static bool fixed = true;
	pthread_t id;

	for (unsigned round = 0; ring() && round < 20; round++) {
		CHECK(pthread_create(&id, NULL, check_closed_early,
			      round % 2 ? &fixed : NULL) == 0);
		pthread_join(id, NULL);
	}
}

/* A wait ends when it should, and at once when its time has passed. */
static void test_deadlines(void)
{
	struct io *done[2];
	uint64_t at;

	if (!ring())
		return;
	begin(backend_for("direct:///x"));
	for (uint64_t ns = 1000; ns < 20 * NS_PER_MS; ns *= 10) {
		at = clock_ns() + ns;
		CHECK(direct->wait(thread, done, 2, at) == 0 && clock_ns() >= at);
	}
	at = clock_ns();
	CHECK(direct->wait(thread, done, 2, 0) == 0);
	CHECK(direct->wait(thread, done, 2, at) == 0);
	end();
}

static void begin_nop(struct direct_ring *r, uint64_t n)
{
	io_uring_prep_nop(direct_ring_request(r, n));
}

/* What has ended is had in its order, whether it was taken out of the ring meanwhile or not. */
static void test_room_is_made(void)
{
	struct direct_ring r = {0};
	struct direct_end ends[200];
	struct err err = ERR_INIT;
	unsigned n = 0, begun = 0;

	if (!ring())
		return;
	CHECK(direct_ring_init(&r, 4, 0, 0, &err) == 0, "%s", err.text);
	for (unsigned round = 0; round < 8; round++) {
		/* more of them than there is room for */
		for (unsigned i = 0; i < 25; i++)
			begin_nop(&r, begun++);
		direct_ring_send_all(&r);
		io_uring_get_events(&r.ring);
		if (round % 2)
			continue;
		direct_ring_keep(&r);
		CHECK(r.kept_n <= r.kept_room);
		n += direct_ring_take(&r, ends + n, 10);
	}
	while (n < begun) {
		unsigned got = direct_ring_take(&r, ends + n, begun - n);

		n += got;
		io_uring_get_events(&r.ring);
		CHECK(got > 0 || n == begun || io_uring_cq_ready(&r.ring) > 0, "%u", n);
		if (got == 0 && io_uring_cq_ready(&r.ring) == 0)
			break;
	}
	CHECK(n == begun);
	for (unsigned i = 0; i < n; i++)
		CHECK(ends[i].user_data == i && ends[i].res == 0, "%u: %ju", i,
			(uintmax_t)ends[i].user_data);
	direct_ring_fini(&r, false);
}

static void test_given_up(void)
{
	struct op ops[SLOTS];

	if (!ring())
		return;
	begin(backend_for("direct:///x"));
	for (unsigned i = 0; i < SLOTS; i++)
		ops[i] = make(i % 2 ? OP_PUT : OP_GET, i % 2 ? "given-up" : "ranges",
			(struct io){.size = i % 2 ? 4096 : 2500000});
	run_all(ops, SLOTS, true);
	for (unsigned i = 0; i < SLOTS; i++)
		CHECK(!ops[i].io.error || ops[i].io.error == OP_ERR_TIMEOUT, "%s",
			ops[i].io.error_text);
	end();
}

static void test_set_up(void)
{
	struct err err = ERR_INIT;
	char here[150];

	/* /tmp may lie in memory */
	if (!getenv("TMPDIR") && getcwd(here, sizeof(here)))
		setenv("TMPDIR", here, 1);
	temp_begin();
	CHECK(data_init(&run_data, &err) == 0, "%s", err.text);
}

static void test_tear_down(void)
{
	data_finish(&run_data);
	temp_end();
}

TEST_MAIN(TEST(test_set_up), TEST(test_lengths), TEST(test_content), TEST(test_judgement),
	TEST(test_memory_is_refused), TEST(test_registered_buffers),
	TEST(test_ops_by_blocking_calls), TEST(test_ops_in_the_ring),
	TEST(test_files_closed_early), TEST(test_deadlines), TEST(test_room_is_made),
	TEST(test_given_up), TEST(test_tear_down))
