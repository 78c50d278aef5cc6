/* Parts of files, directories and the page cache, op by op through the file backend. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backends/content.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "temp-dir.h"
#include "worker-run.h"

/* Of /dev/null: 1, 3. */
#define NULL_DEVICE 0x103
#define MIB 1048576u

static const struct backend *file;
static void *job, *thread;

static void begin(enum page_cache mode)
{
	struct backend_config cfg = {.data = &run_data, .threads = 1, .page_cache = mode};
	struct err err = ERR_INIT;

	job = calloc(1, file->job_size);
	thread = aligned_alloc(64, (file->thread_size + 63) / 64 * 64);
	memset(thread, 0, file->thread_size);
	CHECK(file->job_init(job, &cfg, &err) == 0, "%s", err.text);
	CHECK(file->thread_init(job, thread, NULL, &err) == 0, "%s", err.text);
}

static void end(void)
{
	file->thread_fini(thread);
	file->job_fini(job);
	free(thread);
	free(job);
}

static void test_set_up(void)
{
	struct err err = ERR_INIT;

	temp_begin();
	CHECK(data_init(&run_data, &err) == 0, "%s", err.text);
	file = backend_for("file:///x");
	begin(PAGES_AUTO);
	CHECK(file->keeps(job) > 0);
}

/* One op on a file of the test's own. */
static struct io run_op(enum op_kind kind, const char *name, struct io io)
{
	AUTO_FREE char *uri = text_printf("file://%s/%s", temp_dir, name);
	struct io *op = &io, *done[2];

	io.kind = kind;
	io.uri = uri;
	file->submit(thread, &op, 1);
	CHECK(file->wait(thread, done, 2, clock_ns()) == 1 && done[0] == op);
	CHECK(io.start_ns > 0 && io.end_ns >= io.start_ns, "%s", name);
	CHECK(io.end_ns <= clock_ns());
	CHECK(io.first_byte_ns == 0 ||
		(io.first_byte_ns >= io.start_ns && io.first_byte_ns <= io.end_ns));
	CHECK((io.error != OP_OK) == (io.error_text[0] != '\0'));
	CHECK(!io.error ||
			(strstr(io.error_text, name) &&
				text_starts_with(io.error_text, op_infos[kind].display)),
		"%s", io.error_text);
	io.uri = NULL;
	return io;
}

static bool exists(const char *name)
{
	AUTO_FREE char *path = path_of(name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static void flip_byte(const char *name, off_t at)
{
	AUTO_FREE char *path = path_of(name);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
	char c;

	CHECK(pread(fd, &c, 1, at) == 1);
	c = (char)~c;
	CHECK(pwrite(fd, &c, 1, at) == 1);
}

/* What an object holds: all that a put, a range_put and a read that verifies are told. */
static struct io object(int fill, uint32_t dedup, uint32_t compress, uint64_t size)
{
	return (struct io){
		.size = size,
		.object_size = size,
		.data_at = 640,
		.stamp = 77,
		.fill = (uint8_t)fill,
		.dedup = dedup,
		.compress = compress,
	};
}

static void test_verified(void)
{
	static const uint64_t sizes[] = {
		0, 1, 4096, 5000, MIB, MIB + 513, 5 * MIB + 3, 17 * MIB + 1};
	static const struct {
		int fill;
		uint32_t dedup, compress;
	} rows[] = {{FILL_RANDOM, 1, 1}, {FILL_ZERO, 1, 1}, {FILL_UNIQUE, 1, 1},
		{FILL_RANDOM, 3, 1}, {FILL_RANDOM, 1, 4}, {FILL_UNIQUE, 2, 2}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct io o = object(
				rows[r].fill, rows[r].dedup, rows[r].compress, sizes[i]);
			struct io io = run_op(OP_PUT, "verified", o);

			CHECK(!io.error && io.bytes == sizes[i], "%s", io.error_text);
			o.verify = true;
			io = run_op(OP_GET, "verified", o);
			CHECK(!io.error && io.bytes == sizes[i], "row %zu size %ju: %s",
				r, (uintmax_t)sizes[i], io.error_text);
			if (sizes[i] == 0)
				continue;
			flip_byte("verified", (off_t)sizes[i] / 2);
			io = run_op(OP_GET, "verified", o);
			CHECK(io.error == OP_ERR_CORRUPT, "row %zu size %ju", r,
				(uintmax_t)sizes[i]);
			o.verify = false;
			io = run_op(OP_GET, "verified", o);
			CHECK(!io.error && io.bytes == sizes[i]);
		}
	}
}

/* A part is content of the object at that place, whatever its begin and length. */
static void test_ranges(void)
{
	static const struct {
		uint64_t offset, len;
	} parts[] = {{0, 1}, {0, 4096}, {4096, 4096}, {512, 1024}, {1, 510}, {511, 2},
		{5000, 3 * MIB}, {MIB - 1, MIB + 2}, {3 * MIB + 17, 5 * MIB},
		{9 * MIB - 1, 1}, {0, 9 * MIB}};
	static const int fills[] = {FILL_RANDOM, FILL_ZERO, FILL_UNIQUE};
	const uint64_t size = 9 * MIB;

	for (size_t f = 0; f < 2 * sizeof(fills) / sizeof(fills[0]); f++) {
		const int fill = fills[f / 2];
		const uint32_t dedup = f % 2 ? 3 : 1;
		struct io wrong = object(fill, dedup, 1, size), whole = wrong;

		/* what was there before is something else */
		wrong.data_at = 64;
		wrong.stamp = 3;
		wrong.fill = fill == FILL_ZERO ? FILL_RANDOM : (uint8_t)fill;
		CHECK(!run_op(OP_PUT, "ranges", wrong).error);
		whole.verify = true;
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			struct io part = object(fill, dedup, 1, parts[i].len), io;

			part.offset = parts[i].offset;
			part.object_size = size;
			part.fsync = i == 1;
			io = run_op(OP_RANGE_PUT, "ranges", part);
			CHECK(!io.error && io.bytes == parts[i].len, "%s", io.error_text);
			part.verify = true;
			io = run_op(OP_RANGE_GET, "ranges", part);
			CHECK(!io.error && io.bytes == parts[i].len, "part %zu: %s", i,
				io.error_text);
			CHECK(io.first_byte_ns > 0);
			io = run_op(OP_GET, "ranges", whole);
			/* the last one is all of it */
			CHECK((io.error == OP_OK) ==
					(i + 1 == sizeof(parts) / sizeof(parts[0])),
				"fill %d part %zu: %s", fill, i, io.error_text);
		}
	}
}

static void test_range_errors(void)
{
	struct io io, part = {.size = 4096, .offset = 4096};
	AUTO_FREE char *path = path_of("short"), *link = path_of("short-link");

	CHECK(!run_op(OP_PUT, "short", (struct io){.size = 6000}).error);
	CHECK(symlink("short", link) == 0);
	io = run_op(OP_RANGE_GET, "short", part);
	CHECK(io.error == OP_ERR_SHORT && io.bytes == 6000 - 4096, "%s", io.error_text);
	io = run_op(OP_RANGE_GET, "none", part);
	CHECK(io.error == OP_ERR_NOT_FOUND && io.bytes == 0);
	io = run_op(OP_RANGE_PUT, "none", part);
	CHECK(io.error == OP_ERR_NOT_FOUND && !exists("none"));
	io = run_op(OP_RANGE_PUT, "short-link", part);
	CHECK(io.error == op_error_from_errno(ELOOP), "%s", io.error_text);
	part.size = 100;
	CHECK(!run_op(OP_RANGE_GET, "short-link", part).error);

	/* what stays open is read on when its name is gone; a short read looks again */
	CHECK(!run_op(OP_RANGE_GET, "short", part).error);
	CHECK(unlink(path) == 0);
	CHECK(!run_op(OP_RANGE_GET, "short", part).error);
	part.size = 4096;
	CHECK(run_op(OP_RANGE_GET, "short", part).error == OP_ERR_SHORT);
	CHECK(run_op(OP_RANGE_GET, "short", part).error == OP_ERR_NOT_FOUND);
}

/* A put that fails leaves no half of an object; but what was there, and is written over as it lies, stays. */
static void test_failed_puts(void)
{
	struct io whole = {.size = 2 * MIB};
	struct rlimit before, small;

	CHECK(!run_op(OP_PUT, "over", whole).error);
	signal(SIGXFSZ, SIG_IGN);
	CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
	small = (struct rlimit){MIB, before.rlim_max};
	CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
	whole.in_place = true;
	CHECK(run_op(OP_PUT, "over", whole).error != OP_OK && exists("over"));
	whole.in_place = false;
	CHECK(run_op(OP_PUT, "over", whole).error != OP_OK && !exists("over"));
	CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
}

static void test_full(void)
{
	struct io part = {.size = 4096};
	AUTO_FREE char *path = path_of("full");

	if (access("/dev/full", W_OK) < 0 || symlink("/dev/full", path) < 0)
		return;
	/* a device behind a link is neither written nor made a file of */
	CHECK(run_op(OP_RANGE_PUT, "full", part).error == op_error_from_errno(ELOOP));
	CHECK(run_op(OP_PUT, "full", part).error == op_error_from_errno(ELOOP));
	CHECK(exists("full"));
}

/* Nobody waits for the other end of a pipe, or writes to a device that lies where an object is to be. */
static void test_what_is_in_the_way(void)
{
	static const struct {
		const char *name;
		mode_t mode;
		dev_t dev;
	} rows[] = {
		{"pipe", S_IFIFO | 0600, 0},
		{"socket", S_IFSOCK | 0600, 0},
		{"null", S_IFCHR | 0600, NULL_DEVICE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_FREE char *path = path_of(rows[i].name);
		struct io io;

		/* devices are made by root alone */
		if (mknod(path, rows[i].mode, rows[i].dev) < 0)
			continue;
		for (unsigned in_place = 0; in_place < 2; in_place++) {
			io = run_op(OP_PUT, rows[i].name,
				(struct io){.size = 4096, .in_place = in_place});
			CHECK(io.error == OP_ERR_EXISTS && io.bytes == 0, "%s",
				io.error_text);
			CHECK(exists(rows[i].name), "%s", rows[i].name);
		}
		CHECK(unlink(path) == 0);
	}
}

static void test_mkdir_and_rmdir(void)
{
	static const struct {
		enum op_kind kind;
		const char *name;
		bool recursive;
		enum op_error error;
	} rows[] = {
		{OP_MKDIR, "d", false, OP_OK},
		{OP_MKDIR, "d", false, OP_ERR_EXISTS},
		{OP_MKDIR, "d", true, OP_ERR_EXISTS},
		{OP_MKDIR, "d/e", false, OP_OK},
		{OP_MKDIR, "d/f/g/h", false, OP_OK},
		{OP_MKDIR, "d/i/j/k/", true, OP_OK},
		{OP_RMDIR, "d/f", true, OP_OK},
		{OP_MKDIR, "d/f/g/h", false, OP_ERR_NOT_FOUND}, /* was there */
		{OP_MKDIR, "d/f/g/h", true, OP_OK},
		{OP_RMDIR, "d", false, OP_ERR_EXISTS}, /* not empty */
		{OP_RMDIR, "d/e", false, OP_OK},
		{OP_RMDIR, "d/e", false, OP_ERR_NOT_FOUND},
		{OP_RMDIR, "d/e", true, OP_ERR_NOT_FOUND},
		{OP_RMDIR, "d/f/g/h/", false, OP_OK},
		{OP_RMDIR, "d/", true, OP_OK},
		{OP_RMDIR, "d", true, OP_ERR_NOT_FOUND},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct io io = run_op(rows[i].kind, rows[i].name,
			(struct io){.recursive = rows[i].recursive});

		CHECK(io.error == rows[i].error && io.bytes == 0, "row %zu: %s", i,
			io.error_text);
	}
	CHECK(!exists("d"));
}

static void make_files(const char *dir, int n)
{
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *name =
			text_printf("%s/file-with-a-long-name-%08d", dir, i);

		CHECK(!run_op(OP_PUT, name, (struct io){.size = 0}).error);
	}
}

/* Wide, deep, and with links that lead elsewhere: those go, and what they lead to stays. */
static void test_rmdir_of_trees(void)
{
	AUTO_FREE char *outside = path_of("outside"), *in = path_of("tree/a/link"),
		       *up = path_of("tree/up"), *root_link = path_of("tree-link"),
		       *tree = path_of("tree");
	char deep[600] = "deep";
	size_t len = 4;
	struct stat st;

	make_files("outside", 3);
	make_files("tree/a/b", 10);
	make_files("tree/a/empty/c", 0);
	make_files("tree/wide", 3000);
	make_files("tree/z/y/x", 2);
	CHECK(!run_op(OP_MKDIR, "tree/a/none/at/all", (struct io){.recursive = true})
			.error);
	CHECK(symlink(outside, in) == 0 && symlink("../..", up) == 0);
	CHECK(symlink(tree, root_link) == 0);

	CHECK(run_op(OP_RMDIR, "tree-link", (struct io){.recursive = true}).error);
	CHECK(run_op(OP_RMDIR, "tree-link/", (struct io){.recursive = true}).error);
	CHECK(exists("tree/a/b/file-with-a-long-name-00000009"));
	struct io io = run_op(OP_RMDIR, "tree/", (struct io){.recursive = true});

	CHECK(io.error == OP_ERR_DENIED, "%s",
		io.error_text); /* links are nobody's here */
	CHECK(lstat(up, &st) == 0);
	io = run_op(OP_RMDIR, "tree/", (struct io){.recursive = true, .others = true});
	CHECK(!io.error, "%s", io.error_text);
	CHECK(!exists("tree") && exists("outside/file-with-a-long-name-00000002"));

	/* as deep as it goes, and deeper */
	for (int i = 1; i <= 130; i++, len += 2) {
		memcpy(deep + len, "/d", 3);
		if (i != 120 && i != 130)
			continue;
		CHECK(!run_op(OP_MKDIR, deep, (struct io){.recursive = true}).error);
		io = run_op(OP_RMDIR, "deep", (struct io){.recursive = true});
		CHECK((io.error == OP_OK) == (i == 120), "%d: %s", i, io.error_text);
	}
}

static void test_rmdir_denied(void)
{
	AUTO_FREE char *locked = path_of("locked/in");
	struct io io;

	if (geteuid() == 0)
		return; /* who may do everything */
	make_files("locked/in", 2);
	CHECK(chmod(locked, 0500) == 0);
	io = run_op(OP_RMDIR, "locked", (struct io){.recursive = true});
	CHECK(io.error == OP_ERR_DENIED, "%s", io.error_text);
	CHECK(chmod(locked, 0700) == 0);
	CHECK(!run_op(OP_RMDIR, "locked", (struct io){.recursive = true}).error);
}

static void test_check(void)
{
	static const struct {
		enum op_kind kind;
		const char *name, *why; /* NULL: fine */
	} rows[] = {
		{OP_RANGE_PUT, "checked", NULL},
		{OP_RANGE_PUT, "checked-link", "is a symbolic link"},
		{OP_RANGE_GET, "checked-link", NULL},
		{OP_RANGE_PUT, "nothing", "No such file"},
		{OP_MKDIR, "new/dirs/", NULL},
		{OP_MKDIR, "checked/", "Not a directory"},
		{OP_RMDIR, "outside", NULL},
		{OP_RMDIR, "new/dirs/", NULL},
		{OP_RMDIR, "checked/x/", "Not a directory"},
	};
	AUTO_FREE char *link = path_of("checked-link");

	CHECK(!run_op(OP_PUT, "checked", (struct io){.size = 1}).error);
	CHECK(symlink("checked", link) == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_FREE char *uri = text_printf("file://%s/%s", temp_dir, rows[i].name);
		struct err err = ERR_INIT;
		int rc = file->check(job, rows[i].kind, uri, &err);

		CHECK((rc < 0) == (rows[i].why != NULL), "row %zu: %s", i, err.text);
		CHECK(!rows[i].why || strstr(err.text, rows[i].why), "row %zu: %s", i,
			err.text);
	}
}

/* Pages of a file that lie in memory. */
static size_t resident(const char *name)
{
	AUTO_FREE char *path = path_of(name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	static unsigned char pages[MIB];
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct stat st;
	size_t n = 0;

	CHECK(fstat(fd, &st) == 0);
	const size_t len = (size_t)st.st_size;
	void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(at != MAP_FAILED && mincore(at, len, pages) == 0);
	for (size_t i = 0; i < (len + page - 1) / page; i++)
		n += pages[i] & 1;
	munmap(at, len);
	return n;
}

static bool pages_can_leave(void)
{
	struct statfs fs;

	/* tmpfs and ramfs have nowhere else to keep them */
	return statfs(temp_dir, &fs) == 0 && fs.f_type != 0x01021994 &&
	       fs.f_type != (__typeof__(fs.f_type))0x858458f6;
}

/* What reads find in memory and what is left there by a put, in each mode. */
static void test_page_cache(void)
{
	static const enum page_cache modes[] = {
		PAGES_AUTO, PAGES_NORMAL, PAGES_SEQUENTIAL, PAGES_RANDOM, PAGES_DONTNEED};
	struct io o = object(FILL_UNIQUE, 1, 1, 6 * MIB);

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		bool stays = modes[i] != PAGES_DONTNEED || !pages_can_leave();
		struct io part = {.size = 4096, .offset = 4096};

		end();
		begin(modes[i]);
		o.verify = false;
		CHECK(!run_op(OP_PUT, "paged", o).error);
		CHECK((resident("paged") > 0) == stays, "mode %zu: %zu pages", i,
			resident("paged"));
		o.verify = true;
		CHECK(!run_op(OP_GET, "paged", o).error);
		CHECK(resident("paged") > 0);
		CHECK(!run_op(OP_RANGE_PUT, "paged", part).error);
		CHECK((resident("paged") > 0) == stays, "mode %zu: %zu pages", i,
			resident("paged"));
		CHECK(!run_op(OP_RANGE_GET, "paged", part).error);
		CHECK(resident("paged") > 0);
	}
	end();
	begin(PAGES_AUTO);
}

static void test_tear_down(void)
{
	end();
	data_finish(&run_data);
	temp_end();
}

TEST_MAIN(TEST(test_set_up), TEST(test_verified), TEST(test_ranges),
	TEST(test_range_errors), TEST(test_failed_puts), TEST(test_full),
	TEST(test_what_is_in_the_way), TEST(test_mkdir_and_rmdir),
	TEST(test_rmdir_of_trees), TEST(test_rmdir_denied), TEST(test_check),
	TEST(test_page_cache), TEST(test_tear_down))
