/* Files that stay open: found again, closed for others, opened anew where something changed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/file_open.h"
#include "common/cleanup.h"
#include "temp-dir.h"

#define FILES 40

static char *paths[FILES];

static void test_set_up(void)
{
	temp_begin();
	for (int i = 0; i < FILES; i++) {
		AUTO_FREE char *name = text_printf("%s-%d", i % 2 ? "f" : "a-file", i);

		paths[i] = path_of(name);
		int fd = open(paths[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		CHECK(fd >= 0 && write(fd, &i, sizeof(i)) == sizeof(i));
		close(fd);
	}
}

/* The number in a file, by its kept descriptor; or -errno. ret_kept: it was open. */
static int number_of(struct open_files *o, const char *path, bool *ret_kept)
{
	struct open_file *f = open_files_take(o, path, false);
	int rc = 0, n = -1;

	CHECK(f != NULL);
	*ret_kept = f->fd >= 0;
	if (!*ret_kept)
		rc = open_files_open(o, f);
	if (rc)
		return -rc;
	CHECK(pread(f->fd, &n, sizeof(n), 0) == sizeof(n));
	return n;
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_found_again(void)
{
	static const uint32_t bounds[] = {1, 2, 7, FILES - 1, FILES, 1000};

	for (size_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
		struct open_files o;
		int before = open_descriptors(), hits = 0;
		bool kept;

		CHECK(open_files_init(&o, bounds[b], 0) == 0);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < FILES; i++) {
				CHECK(number_of(&o, paths[i], &kept) == i,
					"bound %u file %d", bounds[b], i);
				hits += kept;
				CHECK(number_of(&o, paths[i], &kept) == i && kept);
			}
			CHECK(o.n <= bounds[b] &&
				open_descriptors() - before == (int)o.n);
		}
		/* nothing is closed while there is room */
		CHECK(bounds[b] < FILES || hits == 2 * FILES, "bound %u: %d", bounds[b],
			hits);
		open_files_finish(&o);
		CHECK(open_descriptors() == before);
	}
}

/* What is used again and again stays while others come and go. */
static void test_used_stay(void)
{
	struct open_files o;
	int hits = 0;
	bool kept;

	CHECK(open_files_init(&o, 4, 0) == 0);
	for (int i = 0; i < 100; i++) {
		CHECK(number_of(&o, paths[1], &kept) == 1);
		hits += kept;
		CHECK(number_of(&o, paths[2 + i % (FILES - 2)], &kept) >= 0);
	}
	CHECK(hits >= 66, "%d of 100", hits);
	open_files_finish(&o);
}

static void test_gone_and_replaced(void)
{
	struct open_files o;
	AUTO_FREE char *path = path_of("replaced");
	bool kept;

	CHECK(open_files_init(&o, 4, 0) == 0);
	CHECK(link(paths[3], path) == 0);
	CHECK(number_of(&o, path, &kept) == 3 && !kept);
	/* the file that was opened is the one that is read */
	CHECK(unlink(path) == 0);
	CHECK(number_of(&o, path, &kept) == 3 && kept);
	CHECK(link(paths[5], path) == 0);
	CHECK(number_of(&o, path, &kept) == 3 && kept);
	/* until it is dropped */
	open_files_drop(&o, open_files_take(&o, path, false));
	CHECK(number_of(&o, path, &kept) == 5 && !kept);
	open_files_drop(&o, open_files_take(&o, path, false));
	CHECK(unlink(path) == 0);
	CHECK(number_of(&o, path, &kept) == -ENOENT && o.n == 0);
	CHECK(number_of(&o, path, &kept) == -ENOENT && o.n == 0);
	open_files_finish(&o);
}

static void test_written(void)
{
	struct open_files o;
	AUTO_FREE char *to = path_of("link"), *none = path_of("none");
	struct open_file *f;
	struct stat st;
	bool kept;

	CHECK(open_files_init(&o, 4, 0) == 0);
	CHECK(number_of(&o, paths[0], &kept) == 0);
	f = open_files_take(&o, paths[0], true);
	CHECK(f->fd < 0 && open_files_open(&o, f) == 0);
	CHECK((fcntl(f->fd, F_GETFL) & O_ACCMODE) == O_RDWR && o.n == 1);
	CHECK(number_of(&o, paths[0], &kept) == 0 && kept);

	/* a link is read, and not written through; nothing is made */
	CHECK(symlink(paths[1], to) == 0);
	CHECK(number_of(&o, to, &kept) == 1);
	CHECK(open_files_open(&o, open_files_take(&o, to, true)) == ELOOP);
	CHECK(number_of(&o, to, &kept) == 1 && !kept);
	CHECK(open_files_open(&o, open_files_take(&o, none, true)) == ENOENT);
	CHECK(lstat(none, &st) < 0);
	open_files_finish(&o);
}

/* The limit that leaves so many. */
static rlim_t limit_for(int n)
{
	int fd = 0;

	for (; n > 0; fd++)
		n -= fcntl(fd, F_GETFD) < 0;
	return (rlim_t)fd;
}

/* Descriptors that others take are fewer for files, and no op fails for it. */
static void test_fewer_descriptors(void)
{
	struct rlimit whole, tight;
	struct open_files o;
	bool kept;

	CHECK(getrlimit(RLIMIT_NOFILE, &whole) == 0);
	CHECK(open_files_init(&o, FILES, 0) == 0);
	tight = whole;
	tight.rlim_cur = limit_for(5);
	CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < FILES; i++)
			CHECK(number_of(&o, paths[i], &kept) == i, "file %d", i);
	CHECK(o.limit <= 5 && o.n <= 5, "%u %u", o.limit, o.n);
	open_files_finish(&o);

	/* where there is none at all the op says so */
	CHECK(open_files_init(&o, FILES, 0) == 0);
	tight.rlim_cur = 0;
	CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK(number_of(&o, paths[0], &kept) == -EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &whole) == 0);
	CHECK(number_of(&o, paths[0], &kept) == 0);
	open_files_finish(&o);
}

static void test_bound(void)
{
	static const struct {
		rlim_t limit;
		uint32_t threads;
		bool own;
		uint32_t bound;
	} rows[] = {
		{1024, 1, true, 960},
		{1024, 16, true, 960},
		{1024, 16, false, 60},
		{100, 1, true, 50},
		{100, 200, false, 1},
		{65536, 1, true, 65472},
		{65536, 64, true, 16384},
		{65536, 4096, true, 256},
	};
	struct rlimit whole, tight;

	CHECK(getrlimit(RLIMIT_NOFILE, &whole) == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tight = whole;
		tight.rlim_cur = rows[i].limit;
		if (rows[i].limit > whole.rlim_max) {
			printf("# row %zu: the hard limit is lower\n", i);
			continue;
		}
		CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
		uint32_t bound = open_files_bound(rows[i].threads, rows[i].own);

		CHECK(bound == rows[i].bound, "row %zu: %u", i, bound);
	}
	CHECK(setrlimit(RLIMIT_NOFILE, &whole) == 0);
}

static void test_tear_down(void)
{
	for (int i = 0; i < FILES; i++)
		free(paths[i]);
	temp_end();
}

TEST_MAIN(TEST(test_set_up), TEST(test_found_again), TEST(test_used_stay),
	TEST(test_gone_and_replaced), TEST(test_written), TEST(test_fewer_descriptors),
	TEST(test_bound), TEST(test_tear_down))
