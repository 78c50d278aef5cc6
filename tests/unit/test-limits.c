/* limits: control groups as kernels and containers show them, in a folder of the test. */
#include "check.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "proto/msg.h"
#include "worker/host/limits.h"
#include "worker/host/quota.h"

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

static bool is_about(double a, double b)
{
	return a > b - 1e-9 && a < b + 1e-9;
}

static void test_groups(void)
{
	static const struct {
		const char *what, *files[6];
		uint64_t memory; /* 0: that of the machine */
		uint32_t cpus;   /* 0: those of the machine */
		double quota;
		const char *group;
	} rows[] = {
		{"nothing", {NULL}, 0, 0},
		{"version 2 in a container",
			{SELF "0::/\n", V2 "memory.max=1048576\n",
				V2 "cpu.max=50000 100000\n"},
			1048576, 1, 0.5, "/sys/fs/cgroup"},
		{"no limits",
			{SELF "0::/\n", V2 "memory.max=max\n", V2 "cpu.max=max 100000\n"},
			0, 0},
		{"a group above binds too",
			{SELF "0::/a/b\n", V2 "a/memory.max=4096\n",
				V2 "a/b/memory.max=8192\n", V2 "a/cpu.max=2000 100000\n",
				V2 "a/b/cpu.max=1000 100000\n"},
			4096, 1, 0.01, "/sys/fs/cgroup/a/b"},
		{"version 1, mounted as the root",
			{SELF "5:memory:/docker/01\n3:cpu,cpuacct:/docker/01\n",
				V2 "memory/memory.limit_in_bytes=65536\n",
				V2 "cpu,cpuacct/cpu.cfs_quota_us=100000\n",
				V2 "cpu,cpuacct/cpu.cfs_period_us=100000\n"},
			65536, 1, 1, "/sys/fs/cgroup/cpu,cpuacct"},
		{"version 1, none",
			{SELF "5:memory:/\n3:cpu:/\n",
				V2 "memory/memory.limit_in_bytes=9223372036854771712\n",
				V2 "cpu/cpu.cfs_quota_us=-1\n",
				V2 "cpu/cpu.cfs_period_us=100000\n"},
			0, 0},
		{"more than there is", {SELF "0::/\n", V2 "cpu.max=900000000 100000\n"},
			0, 0, 9000, "/sys/fs/cgroup"},
		{"not well formed",
			{SELF "0::/../..\nx\n0:\n0::a\n", V2 "memory.max=\n",
				V2 "cpu.max=1\n"},
			0, 0},
	};
	struct limits machine;

	limits_read("/nonexistent", &machine);
	CHECK(!(machine.quota_cpus > 0) && !machine.quota_group[0]);
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
		CHECK(got.processors == machine.processors && got.cpus <= got.processors);
		CHECK(is_about(got.quota_cpus, rows[i].quota), "%s: %f", rows[i].what,
			got.quota_cpus);
		CHECK(strcmp(got.quota_group, rows[i].group ? rows[i].group : "") == 0,
			"%s: %s", rows[i].what, got.quota_group);
		nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
}

#define SECOND UINT64_C(1000000000)

/* What the counters of a group say of a second, in which the worker itself computed for half of one. */
static void test_quotas(void)
{
	static const struct {
		const char *what, *files[6], *then[3];
		double cpus, used, throttled;
	} rows[] = {
		{"none", {SELF "0::/\n", V2 "cpu.stat=usage_usec 5\n"}, {NULL}, 0, 0, 0},
		{"version 2",
			{SELF "0::/a/b\n", V2 "a/cpu.max=200000 100000\n",
				V2 "a/cpu.stat=usage_usec 1000000\nuser_usec 1\n"
				   "nr_periods 100\nnr_throttled 5\n"
				   "throttled_usec 9\n"},
			{V2 "a/cpu.stat=usage_usec 2500000\nuser_usec 2\n"
			    "nr_periods 110\nnr_throttled 9\nthrottled_usec 99\n"},
			2, 75, 40},
		{"version 1, both together",
			{SELF "3:cpu,cpuacct:/d\n",
				V2 "cpu,cpuacct/d/cpu.cfs_quota_us=50000\n",
				V2 "cpu,cpuacct/d/cpu.cfs_period_us=100000\n",
				V2 "cpu,cpuacct/d/cpu.stat=nr_periods 7\n"
				   "nr_throttled 7\nthrottled_time 1\n",
				V2 "cpu,cpuacct/d/cpuacct.usage=1000\n"},
			{V2 "cpu,cpuacct/d/cpu.stat=nr_periods 17\nnr_throttled 17\n",
				V2 "cpu,cpuacct/d/cpuacct.usage=500001000\n"},
			0.5, 100, 100},
		{"version 1, apart",
			{SELF "1:cpu:/d\n2:cpuacct:/d\n",
				V2 "cpu/d/cpu.cfs_quota_us=100000\n",
				V2 "cpu/d/cpu.cfs_period_us=100000\n",
				V2 "cpuacct/d/cpuacct.usage=0\n"},
			{V2 "cpuacct/d/cpuacct.usage=800000000\n"}, 1, 80, 0},
		{"nobody counts the group's time",
			{SELF "1:cpu:/d\n", V2 "cpu/d/cpu.cfs_quota_us=100000\n",
				V2 "cpu/d/cpu.cfs_period_us=100000\n"},
			{NULL}, 1, 50, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct machine_stats got = {0};
		struct quota q;

		for (size_t k = 0; rows[i].files[k]; k++)
			put(rows[i].files[k]);
		quota_init(&q, root);
		quota_sample(&q, 0, 0, &got);
		CHECK(!(got.quota_cpu > 0) && !(got.throttled > 0), "%s", rows[i].what);
		for (size_t k = 0; rows[i].then[k]; k++)
			put(rows[i].then[k]);
		quota_sample(&q, SECOND, SECOND / 2, &got);
		CHECK(is_about(got.quota_cpus, rows[i].cpus) &&
				is_about(got.quota_cpu, rows[i].used) &&
				is_about(got.throttled, rows[i].throttled),
			"%s: %f %f %f", rows[i].what, got.quota_cpus, got.quota_cpu,
			got.throttled);
		nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	}
}

int main(void)
{
	static const struct check_test tests[] = {TEST(test_groups), TEST(test_quotas)};
	int rc;

	if (!mkdtemp(root))
		return 1;
	rc = check_run_(tests, ARRAY_LEN(tests));
	remove(root);
	return rc;
}
