/* The file backend, op by op, in a temporary directory. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker-run.h"
#include "worker/engine/holders.h"
#include "worker/engine/storage.h"

static char root[] = "/tmp/muster-test-file-XXXXXX";
static const struct backend *file;
static void *job, *thread;
static uint64_t pages, page_ns;

static void count_page(
	void *user, const struct io *io, uint64_t start_ns, uint64_t end_ns)
{
	CHECK(user == root && io->kind == OP_LIST && end_ns >= start_ns &&
		start_ns >= io->start_ns);
	pages++;
	page_ns += end_ns - start_ns;
}

static char *uri_of(const char *name)
{
	return text_printf("file://%s/%s", root, name);
}

/* One op; uri is freed. */
static struct io run_op(enum op_kind kind, char *uri, struct io io)
{
	struct io *op = &io, *done[4];

	io.kind = kind;
	io.uri = uri;
	file->submit(thread, &op, 1);
	CHECK(file->wait(thread, done, 4, clock_ns()) == 1 && done[0] == op);
	CHECK(file->wait(thread, done, 4, clock_ns()) == 0);
	CHECK(io.start_ns > 0 && io.end_ns >= io.start_ns);
	free(uri);
	io.uri = NULL;
	return io;
}

static void test_set_up(void)
{
	struct backend_config cfg = {.data = &run_data, .page = count_page};
	struct err err = ERR_INIT;

	CHECK(mkdtemp(root) != NULL);
	CHECK(data_init(&run_data, &err) == 0, "%s", err.text);
	file = backend_for("file:///x");
	CHECK(file && file->sync);
	job = calloc(1, file->job_size);
	thread = calloc(1, file->thread_size);
	CHECK(file->job_init(job, &cfg, &err) == 0, "%s", err.text);
	CHECK(file->thread_init(job, thread, root, &err) == 0, "%s", err.text);
}

/* Blocks of 512 bytes that equal the one before them. */
static uint64_t repeated_blocks(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char a[512] = "", b[512];
	uint64_t n = 0;

	for (bool first = true; read(fd, b, 512) == 512; first = false) {
		n += !first && memcmp(a, b, 512) == 0;
		memcpy(a, b, 512);
	}
	close(fd);
	return n;
}

static void test_put_and_get(void)
{
	static const uint64_t sizes[] = {
		0, 1, 511, 4096, 1048576, 1048577, 5 * 1048576 + 3, 17 * 1048576 + 1};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int fill = FILL_RANDOM; fill <= FILL_UNIQUE; fill++) {
			struct io put = {.size = sizes[i],
				.fill = (uint8_t)fill,
				.data_at = 64 * i,
				.stamp = i,
				.fsync = i == 3};
			AUTO_FREE char *path = text_printf("%s/a/b/c/object", root);
			struct stat st = {.st_size = -1};

			put = run_op(OP_PUT, uri_of("a/b/c/object"), put);
			CHECK(put.error == OP_OK && put.bytes == sizes[i], "%s",
				put.error_text);
			CHECK(stat(path, &st) == 0 && (uint64_t)st.st_size == sizes[i]);
			if (fill != FILL_ZERO)
				CHECK(repeated_blocks(path) == 0, "size %ju",
					(uintmax_t)sizes[i]);

			const uint64_t expect[] = {sizes[i], UINT64_MAX};
			for (int known = 0; known < 2; known++) {
				struct io get = run_op(OP_GET, uri_of("a/b/c/object"),
					(struct io){.size = expect[known]});

				CHECK(get.error == OP_OK && get.bytes == sizes[i], "%s",
					get.error_text);
				CHECK(get.first_byte_ns >= get.start_ns &&
					get.first_byte_ns <= get.end_ns);
			}
			struct io get = run_op(OP_GET, uri_of("a/b/c/object"),
				(struct io){.size = sizes[i] + 1});

			CHECK(get.error == OP_ERR_SHORT &&
					strstr(get.error_text, "bytes instead of"),
				"%s", get.error_text);
		}
	}
}

/* The same object twice is the same, another one is not. */
static void test_content(void)
{
	AUTO_FREE char *one = text_printf("%s/one", root),
		       *two = text_printf("%s/two", root);
	struct io same[] = {
		{.size = 8192, .data_at = 128}, {.size = 8192, .data_at = 128}};
	char a[8192], b[8192];

	for (int differ = 0; differ < 2; differ++) {
		same[1].data_at += (uint64_t)differ * 64;
		run_op(OP_PUT, uri_of("one"), same[0]);
		run_op(OP_PUT, uri_of("two"), same[1]);
		int f1 = open(one, O_RDONLY | O_CLOEXEC),
		    f2 = open(two, O_RDONLY | O_CLOEXEC);

		CHECK(read(f1, a, sizeof(a)) == 8192 && read(f2, b, sizeof(b)) == 8192);
		CHECK((memcmp(a, b, sizeof(a)) != 0) == (differ != 0));
		close(f1);
		close(f2);
	}
}

static void test_stat_and_delete(void)
{
	const struct {
		enum op_kind kind;
		const char *name;
		enum op_error error;
	} rows[] = {
		{OP_STAT, "one", OP_OK},
		{OP_DELETE, "one", OP_OK},
		{OP_STAT, "one", OP_ERR_NOT_FOUND},
		{OP_DELETE, "one", OP_ERR_NOT_FOUND},
		{OP_GET, "one", OP_ERR_NOT_FOUND},
		{OP_PUT, "two/below-a-file", op_error_from_errno(ENOTDIR)},
		{OP_LIST, "nowhere/", OP_ERR_NOT_FOUND},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct io io = run_op(
			rows[i].kind, uri_of(rows[i].name), (struct io){.size = 1});

		CHECK(io.error == rows[i].error, "row %zu: %s", i, io.error_text);
		CHECK(!io.error || strstr(io.error_text, rows[i].name), "row %zu: %s", i,
			io.error_text);
		CHECK(!io.error || text_starts_with(
					   io.error_text, op_infos[rows[i].kind].display),
			"row %zu: %s", i, io.error_text);
	}
}

/* The end of a path says which file it was. */
static void test_long_path(void)
{
	char name[240];
	struct io io;

	snprintf(name, sizeof(name), "%0*d/the-file", (int)sizeof(name) - 10, 0);
	io = run_op(OP_GET, uri_of(name), (struct io){.size = 1});
	CHECK(io.error == OP_ERR_NOT_FOUND, "%s", io.error_text);
	CHECK(text_starts_with(io.error_text, "GET ...0000"), "%s", io.error_text);
	CHECK(strstr(io.error_text, "0/the-file: No such file"), "%s", io.error_text);
}

static bool count_listed(const struct list_entry *e, void *user)
{
	uint64_t *n = user;

	CHECK(text_starts_with(e->uri, "file:///tmp/") && e->size == 3, "%s", e->uri);
	return ++*n < 20;
}

static void test_list(void)
{
	const struct {
		uint32_t max_keys;
		const char *delimiter;
		uint64_t entries, pages;
	} rows[] = {
		{0, NULL, 25, 1}, {10, NULL, 25, 3}, {5, NULL, 25, 5},
		{10, "/", 12, 2}, /* 10 files and 2 directories */
	};
	struct err err = ERR_INIT;
	uint64_t listed = 0;

	for (int i = 0; i < 10; i++) {
		run_op(OP_PUT, text_printf("file://%s/list/top-%d", root, i),
			(struct io){.size = 3});
		run_op(OP_PUT, text_printf("file://%s/list/sub/low-%d", root, i),
			(struct io){.size = 3});
	}
	for (int i = 0; i < 5; i++)
		run_op(OP_PUT, text_printf("file://%s/list/sub2/deep/low-%d", root, i),
			(struct io){.size = 3});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pages = page_ns = 0;
		struct io io = run_op(OP_LIST, uri_of("list/"),
			(struct io){.max_keys = rows[i].max_keys,
				.delimiter = rows[i].delimiter});

		CHECK(io.error == OP_OK, "%s", io.error_text);
		CHECK(io.entries == rows[i].entries, "row %zu: %ju", i,
			(uintmax_t)io.entries);
		CHECK(io.pages == rows[i].pages && pages == io.pages, "row %zu: %ju", i,
			(uintmax_t)io.pages);
		CHECK(page_ns <= io.end_ns - io.start_ns);
	}
	AUTO_FREE char *uri = uri_of("list/"), *nowhere = uri_of("nowhere/");

	CHECK(file->list(job, uri, count_listed, &listed, &err) == 0 && listed == 20);
	listed = 0;
	CHECK(file->list(job, nowhere, count_listed, &listed, &err) == 0 && listed == 0);
}

static void test_small_objects(void)
{
	AUTO_FREE char *uri = uri_of("small/dir/.owner"), *dir = uri_of("small/dir/");
	struct err err = ERR_INIT;
	char text[64];

	CHECK(file->holder_missing(job, dir));
	CHECK(file->read_small(job, uri, text, sizeof(text), &err) == -ENOENT);
	CHECK(file->write_small(job, uri, "{}", &err) == 0, "%s", err.text);
	CHECK(file->read_small(job, uri, text, sizeof(text), &err) == 2);
	CHECK_STR(text, "{}");
	file->holder_remove(job, dir);
	CHECK(!file->holder_missing(job, dir));
	CHECK(file->remove_small(job, uri, &err) == 0 &&
		file->remove_small(job, uri, &err) == 0);
	file->holder_remove(job, dir);
	CHECK(file->holder_missing(job, dir));
}

static void test_check(void)
{
	const struct {
		enum op_kind kind;
		const char *name, *why; /* NULL: fine */
	} rows[] = {
		{OP_GET, "two", NULL},
		{OP_GET, "list/", NULL},
		{OP_GET, "list", "is a directory"},
		{OP_GET, "none", "No such file or directory"},
		{OP_STAT, "two/x", "Not a directory"},
		{OP_PUT, "new/dirs/", NULL},
		{OP_PUT, "two/", "Not a directory"},
		{OP_LIST, "list/", NULL},
		{OP_LIST, "two/", "Not a directory"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_FREE char *uri = uri_of(rows[i].name);
		struct err err = ERR_INIT;
		int rc = file->check(job, rows[i].kind, uri, &err);

		CHECK((rc < 0) == (rows[i].why != NULL), "row %zu: %s", i, err.text);
		CHECK(!rows[i].why || strstr(err.text, rows[i].why), "row %zu: %s", i,
			err.text);
	}
}

/* What is free is that of the nearest place that is there. */
static void test_room(void)
{
	static const char *const names[] = {"", "not/there/yet/", "neither"};
	struct backend_room room, first = {0};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *uri = uri_of(names[i]);

		room = (struct backend_room){0};
		if (!file->room(job, uri, &room))
			return; /* memory without end */
		if (i == 0)
			first = room;
		CHECK(room.bytes > 0 && room.where == first.where, "%s", uri);
	}
}

/* Directories as far as the target are muster's, when they were not there before. */
static void test_holders(void)
{
	AUTO_FREE char *target = uri_of("target/"), *uri = uri_of("target/x/y/name-");
	AUTO_FREE char *made = uri_of("target/x/y/name-1"), *above = uri_of("list/");
	const struct storage store = {.backend = file, .job = job};
	struct holders h = {0};

	holders_note(&h, &store, target, uri);
	CHECK(h.n == 3);
	holders_note(&h, &store, target, uri);
	CHECK(h.n == 3);
	holders_note(&h, &store, target, above);
	CHECK(h.n == 3);
	run_op(OP_PUT, strdup(made), (struct io){.size = 1});
	holders_remove(&h, &store);
	CHECK(!file->holder_missing(job, target));
	run_op(OP_DELETE, strdup(made), (struct io){.size = 1});
	holders_remove(&h, &store);
	CHECK(file->holder_missing(job, target));
	holders_finish(&h);
}

static void test_tear_down(void)
{
	AUTO_FREE char *command = text_printf("rm -rf %s", root);

	file->thread_fini(thread);
	file->job_fini(job);
	free(thread);
	free(job);
	data_finish(&run_data);
	CHECK(system(command) == 0);
}

TEST_MAIN(TEST(test_set_up), TEST(test_put_and_get), TEST(test_content),
	TEST(test_stat_and_delete), TEST(test_long_path), TEST(test_list),
	TEST(test_small_objects), TEST(test_check), TEST(test_room), TEST(test_holders),
	TEST(test_tear_down))
