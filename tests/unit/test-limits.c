/* limits: control groups as kernels and containers show them, in a folder of the test. */
#include "check.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "worker/host/limits.h"

static char root[] = "/tmp/muster-test-limits-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return ftw->level ? remove(path) : 0;
}

/* "PATH=TEXT" */
static void put(const char *file)
{
	AUTO_FREE char *all = text_printf("%s/%s", root, file);
	char *text = strchr(all, '='), *slash;
	struct err err = ERR_INIT;

	*text++ = '\0';
	slash = strrchr(all, '/');
	*slash = '\0';
	file_mkdir_p(all, 0755, &err);
	*slash = '/';
	CHECK(file_write_atomic(all, text, strlen(text), 0644, &err) == 0, "%s",
		err.text);
}

#define SELF "proc/self/cgroup="
#define V2 "sys/fs/cgroup/"

static void test_groups(void)
{
	static const struct {
		const char *what, *files[6];
		uint64_t memory; /* 0: that of the machine */
		uint32_t cpus;   /* 0: those of the machine */
	} rows[] = {
		{"nothing", {NULL}, 0, 0},
		{"version 2 in a container",
			{SELF "0::/\n", V2 "memory.max=1048576\n",
				V2 "cpu.max=50000 100000\n"},
			1048576, 1},
		{"no limits",
			{SELF "0::/\n", V2 "memory.max=max\n", V2 "cpu.max=max 100000\n"},
			0, 0},
		{"a group above binds too",
			{SELF "0::/a/b\n", V2 "a/memory.max=4096\n",
				V2 "a/b/memory.max=8192\n",
				V2 "a/b/cpu.max=1000 100000\n"},
			4096, 1},
		{"version 1, mounted as the root",
			{SELF "5:memory:/docker/01\n3:cpu,cpuacct:/docker/01\n",
				V2 "memory/memory.limit_in_bytes=65536\n",
				V2 "cpu,cpuacct/cpu.cfs_quota_us=100000\n",
				V2 "cpu,cpuacct/cpu.cfs_period_us=100000\n"},
			65536, 1},
		{"version 1, none",
			{SELF "5:memory:/\n3:cpu:/\n",
				V2 "memory/memory.limit_in_bytes=9223372036854771712\n",
				V2 "cpu/cpu.cfs_quota_us=-1\n",
				V2 "cpu/cpu.cfs_period_us=100000\n"},
			0, 0},
		{"more than there is", {SELF "0::/\n", V2 "cpu.max=900000000 100000\n"},
			0, 0},
		{"not well formed",
			{SELF "0::/../..\nx\n0:\n0::a\n", V2 "memory.max=\n",
				V2 "cpu.max=1\n"},
			0, 0},
	};
	struct limits machine;

	limits_read("/nonexistent", &machine);
	CHECK(machine.cpus >= 1 && machine.memory_bytes > 1048576);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct limits got;

		for (size_t k = 0; rows[i].files[k]; k++)
			put(rows[i].files[k]);
		limits_read(root, &got);
		CHECK(got.memory_bytes ==
				(rows[i].memory ? rows[i].memory : machine.memory_bytes),
			"%s: %llu", rows[i].what, (unsigned long long)got.memory_bytes);
		CHECK(got.cpus == (rows[i].cpus ? rows[i].cpus : machine.cpus), "%s: %u",
			rows[i].what, got.cpus);
		nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
}

int main(void)
{
	static const struct check_test tests[] = {TEST(test_groups)};
	int rc;

	if (!mkdtemp(root))
		return 1;
	rc = check_run_(tests, ARRAY_LEN(tests));
	remove(root);
	return rc;
}
