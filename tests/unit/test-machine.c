/* test-machine: which disks lie below a path, and what this machine says of itself. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "proto/job.h"
#include "temp-dir.h"
#include "worker/host/machine.h"

static void make_dir(const char *root, const char *path)
{
	AUTO_FREE char *all = text_printf("%s/%s", root, path);
	struct err err = ERR_INIT;

	CHECK(file_mkdir_p(all, 0755, &err) == 0, "%s", err.text);
}

static void make_link(const char *root, const char *path, const char *to)
{
	AUTO_FREE char *all = text_printf("%s/%s", root, path);

	CHECK(symlink(to, all) == 0, "%s", all);
}

/* sysfs of a machine with a partition, a mapping over two disks, one of them by a partition, a mapping of a
 * mapping, and an odd name. */
static void make_sysfs(const char *root)
{
	static const char *const dirs[] = {"sys/dev/block",
		"sys/devices/pci/nvme0n1/nvme0n1p1/partition", "sys/devices/pci/sdb",
		"sys/devices/virtual/dm-0/slaves", "sys/devices/virtual/dm-1/slaves",
		"sys/devices/pci/cciss!c0d0/slaves"};
	static const char *const links[][2] = {
		{"sys/dev/block/259:1", "../../devices/pci/nvme0n1/nvme0n1p1"},
		{"sys/dev/block/8:16", "../../devices/pci/sdb"},
		{"sys/dev/block/254:1", "../../devices/virtual/dm-1"},
		{"sys/dev/block/104:0", "../../devices/pci/cciss!c0d0"},
		{"sys/devices/virtual/dm-0/slaves/nvme0n1p1",
			"../../../pci/nvme0n1/nvme0n1p1"},
		{"sys/devices/virtual/dm-1/slaves/dm-0", "../../dm-0"},
		{"sys/devices/virtual/dm-1/slaves/sdb", "../../../pci/sdb"},
	};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		make_dir(root, dirs[i]);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		make_link(root, links[i][0], links[i][1]);
}

static bool has_disk(const struct mounts *m, const char *name)
{
	for (size_t i = 0; i < m->n_disks; i++)
		if (strcmp(m->disks[i], name) == 0)
			return true;
	return false;
}

static void disks(void)
{
	CLEANUP(mounts_finish) struct mounts m = {.n = 0};
	char list[256];

	temp_begin();
	make_sysfs(temp_dir);
	mounts_disks_under(&m, temp_dir, 259, 1, list, sizeof(list));
	CHECK_STR(list, "nvme0n1");
	mounts_disks_under(&m, temp_dir, 254, 1, list, sizeof(list));
	CHECK(strcmp(list, "nvme0n1 sdb") == 0 || strcmp(list, "sdb nvme0n1") == 0, "%s",
		list);
	mounts_disks_under(&m, temp_dir, 8, 16, list, sizeof(list));
	CHECK_STR(list, "sdb");
	mounts_disks_under(&m, temp_dir, 104, 0, list, sizeof(list));
	CHECK_STR(list, "cciss/c0d0");
	mounts_disks_under(&m, temp_dir, 0, 45, list, sizeof(list));
	CHECK_STR(list, "");
	CHECK(m.n_disks == 3 && has_disk(&m, "sdb") && has_disk(&m, "cciss/c0d0"));
	temp_end();
}

static const char mountinfo[] =
	"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
	"27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
	"broken\n"
	"30 27 0:40 / /mnt rw - tmpfs none rw\n"
	"31 27 0:41 / /mnt/with\\040blank rw shared:2 master:1 - btrfs /dev/sd\\134 rw\n"
	"32 27 8:1 / /mnt rw - xfs /dev/sda1 rw\n";

static void points(void)
{
	static const struct {
		const char *path, *point, *type, *source;
	} rows[] = {
		{"/", "/", "ext4", "/dev/vda"},
		{"/mntx/y", "/", "ext4", "/dev/vda"},
		{"/mnt", "/mnt", "xfs", "/dev/sda1"}, /* it hides the tmpfs */
		{"/mnt/a/b", "/mnt", "xfs", "/dev/sda1"},
		{"/mnt/with blank/x", "/mnt/with blank", "btrfs", "/dev/sd\\"},
		{"/proc/1", "/proc", "proc", "proc"},
	};
	char point[PATH_MAX], type[PATH_MAX], source[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK(mounts_look_up(mountinfo, rows[i].path, point, type, source), "%s",
			rows[i].path);
		CHECK_STR(point, rows[i].point);
		CHECK_STR(type, rows[i].type);
		CHECK_STR(source, rows[i].source);
	}
	CHECK(!mounts_look_up("", "/x", point, type, source));
}

/* A target that is not there yet lies where its folder will; other schemes have none. */
static void of_a_job(void)
{
	CLEANUP(mounts_finish) struct mounts m = {.n = 0};
	AUTO_FREE char *uri = NULL;
	temp_begin();
	uri = text_printf("file://%s/not/there/yet*/", temp_dir);

	struct job_op ops[] = {
		{.uri = uri}, {.uri = (char *)"null://x/"}, {.uri = (char *)"file:///"}};
	struct job_set set = {.uri = (char *)"direct:///proc/self/"};
	const struct job job = {.ops = ops, .n_ops = 3, .sets = &set, .n_sets = 1};
	bool proc = false;

	mounts_find(&m, &job);
	CHECK(m.n >= 2, "%zu", m.n);
	for (size_t i = 0; i < m.n; i++) {
		CHECK(*m.items[i].filesystem != '\0');
		if (strcmp(m.items[i].path, "/proc") == 0)
			proc = !*m.items[i].disks;
	}
	CHECK(proc, "proc has no disk");
	temp_end();
}

static void sample(void)
{
	static struct machine m;
	struct machine_stats s;
	uint64_t until;

	machine_init(&m, NULL);
	/* ticks are 10 ms */
	until = clock_ns() + 50000000;
	while (clock_ns() < until)
		;
	machine_sample(&m, &s);
	CHECK(s.worker_cpu > 0 && s.rss_bytes > 0, "%f", s.worker_cpu);
	CHECK(s.cpu >= 0 && s.cpu <= 100 && s.busiest_core <= 100 && s.own_cpu <= 100);
	CHECK(s.user + s.system + s.iowait + s.steal <= 101, "%f %f", s.user, s.system);
	CHECK(s.available_bytes > 0 && s.n_disks == 0);
	CHECK(s.n_cards <= MACHINE_CARDS_MAX);
	for (size_t i = 0; i < s.n_cards; i++)
		CHECK(s.cards[i].rx_bytes + s.cards[i].tx_bytes > 0 &&
				(s.cards[i].speed_mbps || s.cards[i].share <= 0),
			"%s", s.cards[i].name);
}

TEST_MAIN(TEST(disks), TEST(points), TEST(of_a_job), TEST(sample))
