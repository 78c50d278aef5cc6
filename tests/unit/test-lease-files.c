/* test-lease-files: where the files of leased servers may lie, whatever others have put there first. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/process.h"
#include "common/text.h"
#include "worker/host/own_dirs.h"
#include "worker/lease/lease_file.h"

#define PORT 23456

/* A cache directory of our own; what is to be found or made is there. */
static char root[] = "/tmp/test-lease-files-XXXXXX";
static char *own; /* its muster-<uid> */

static void set_up(void)
{
	CHECK(mkdtemp(root) != NULL);
	setenv("XDG_CACHE_HOME", root, 1);
	own = text_printf("%s/muster-%u", root, (unsigned)geteuid());
}

static void make_directory(mode_t mode)
{
	CHECK(mkdir(own, 0700) == 0 && chmod(own, mode) == 0);
}

static void make_link(mode_t mode)
{
	AUTO_FREE char *there = text_printf("%s/there", root);

	CHECK(mkdir(there, mode) == 0 && symlink(there, own) == 0);
}

static void make_file(mode_t mode)
{
	struct err err = ERR_INIT;

	CHECK(file_write_atomic(own, "", 0, mode, &err) == 0, "%s", err.text);
}

static void make_others(mode_t mode)
{
	make_directory(mode);
	/* only root can give things away */
	if (chown(own, 65534, (gid_t)-1) < 0)
		chmod(own, 0777);
}

static void remove_all(void)
{
	AUTO_FREE char *there = text_printf("%s/there", root);

	unlink(own);
	rmdir(own);
	rmdir(there);
}

static void test_what_lies_there(void)
{
	static const struct {
		const char *what;
		void (*make)(mode_t mode);
		mode_t mode;
		bool good;
	} rows[] = {
		{"ours", make_directory, 0700, true},
		{"open to read", make_directory, 0755, false},
		{"open to a group", make_directory, 0770, false},
		{"open to all", make_directory, 01777, false},
		{"a link to a good one", make_link, 0700, false},
		{"a file", make_file, 0600, false},
		{"another user's", make_others, 0700, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rows[i].make(rows[i].mode);
		CHECK(own_dir_ok(own) == rows[i].good, "%s", rows[i].what);
		CHECK(own_dir_make(own) == rows[i].good, "%s", rows[i].what);
		remove_all();
	}
	CHECK(!own_dir_ok(own));
	CHECK(own_dir_make(own) && own_dir_ok(own));
	remove_all();
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

/* Both files are ours alone, found again, and gone with their process. */
static void test_a_server(void)
{
	struct lease_file f = {.address = (char *)(uintptr_t) "",
		.port = PORT,
		.engine = (char *)(uintptr_t) "native",
		.version = (char *)(uintptr_t) "0.1.0",
		.protocol = 1,
		.end_boot_ns = UINT64_MAX / 2};
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *address = NULL;
	CLEANUP(lease_finish) struct lease found = {.path = NULL};
	struct err err = ERR_INIT;
	AUTO_CLOSE int fd = -1;

	umask(0);
	CHECK(process_self(&f.process, &err) == 0, "%s", err.text);
	if (!CHECK(lease_file_make(&f, &path, &fd, &err) == 0, "%s", err.text))
		return;
	CHECK(text_starts_with(path, own), "%s", path);
	address = text_printf("%s" LEASE_SOCKET, path);
	CHECK(mode_of(path) == 0600 && mode_of(address) == 0600, "%s", path);
	CHECK(lease_find("", PORT, false, &found) && found.state == LEASE_RUNNING);
	CHECK(!lease_find("10.9.1.10", PORT, false, &(struct lease){.path = NULL}));
	/* another process's are not removed */
	f.process.start_ticks++;
	lease_file_remove(path, &f.process);
	CHECK(mode_of(path) == 0600);
	f.process.start_ticks--;
	lease_file_remove(path, &f.process);
	CHECK(!mode_of(path) && !mode_of(address));
	remove_all();
}

static void tear_down(void)
{
	CHECK(rmdir(root) == 0, "%s", root);
	free(own);
}

TEST_MAIN(TEST(set_up), TEST(test_what_lies_there), TEST(test_a_server), TEST(tear_down))
