/* limits: control groups of both versions. A group is bound by those above it too; in a container the
 * path that the kernel tells may be that of the host, and the group is what is mounted. */
#include "worker/host/limits.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"

#define FILE_MAX 65536

static bool read_text(struct buf *out, const char *root, const char *path)
{
	AUTO_FREE char *all = text_printf("%s%s", root, path);
	struct err ignored = ERR_INIT;

	buf_clear(out);
	return all && file_read(all, FILE_MAX, out, &ignored) == 0 && out->len > 0;
}

static void lower_memory(struct limits *l, const char *text)
{
	char *end;
	unsigned long long bytes = strtoull(text, &end, 10);

	/* "max", or a number past all memory, is none */
	if (end != text && bytes > 0 && bytes < l->memory_bytes)
		l->memory_bytes = bytes;
}

/* -1: no quota. */
static void lower_cpus(
	struct limits *l, const char *dir, long long quota, long long period)
{
	double share;
	long long cpus;

	if (quota <= 0 || period <= 0)
		return;
	cpus = quota / period + (quota % period != 0);
	if (cpus < l->cpus)
		l->cpus = (uint32_t)cpus;
	share = (double)quota / (double)period;
	if (l->quota_cpus > 0 && l->quota_cpus <= share)
		return;
	l->quota_cpus = share;
	snprintf(l->quota_group, sizeof(l->quota_group), "%s",
		strlen(dir) < sizeof(l->quota_group) ? dir : "");
}

static void one_group(
	struct limits *l, const char *root, const char *base, const char *path)
{
	AUTO_BUF struct buf b = BUF_INIT;
	AUTO_FREE char *dir = text_printf("%s%s", base, path);
	AUTO_FREE char *memory = text_printf("%s%s/memory.max", base, path);
	AUTO_FREE char *memory1 = text_printf("%s%s/memory.limit_in_bytes", base, path);
	AUTO_FREE char *cpu = text_printf("%s%s/cpu.max", base, path);
	AUTO_FREE char *quota1 = text_printf("%s%s/cpu.cfs_quota_us", base, path);
	AUTO_FREE char *period1 = text_printf("%s%s/cpu.cfs_period_us", base, path);
	long long quota, period;

	if (!dir)
		return;
	if (read_text(&b, root, memory) || read_text(&b, root, memory1))
		lower_memory(l, b.data);
	if (read_text(&b, root, cpu) &&
		sscanf(b.data, "%lld %lld", &quota, &period) == 2) {
		lower_cpus(l, dir, quota, period);
	} else if (read_text(&b, root, quota1)) {
		quota = strtoll(b.data, NULL, 10);
		if (read_text(&b, root, period1))
			lower_cpus(l, dir, quota, strtoll(b.data, NULL, 10));
	}
}

/* The group at path and all above it. */
static void group(struct limits *l, const char *root, const char *base, char *path)
{
	for (;;) {
		char *slash = strrchr(path, '/');

		one_group(l, root, base, path);
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* "4:memory:/docker/0123", "3:cpu,cpuacct:/...", "0::/user.slice/...". */
static void line(struct limits *l, const char *root, char *text)
{
	char *controllers = strchr(text, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	AUTO_FREE char *base = NULL;

	if (!path)
		return;
	*path++ = '\0';
	controllers++;
	if (*path != '/' || strstr(path, "/.."))
		return;
	if (path[1] == '\0')
		path++;
	base = text_printf("/sys/fs/cgroup%s%s", *controllers ? "/" : "", controllers);
	if (base)
		group(l, root, base, path);
}

void limits_read(const char *root, struct limits *ret)
{
	AUTO_BUF struct buf b = BUF_INIT;
	struct sysinfo info;
	cpu_set_t set;
	char *rest, *next;

	*ret = (struct limits){.processors = 1};
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		ret->processors = (uint32_t)CPU_COUNT(&set);
	ret->cpus = ret->processors;
	if (sysinfo(&info) == 0)
		ret->memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	if (!read_text(&b, root, "/proc/self/cgroup"))
		return;
	for (rest = b.data; (next = strsep(&rest, "\n"));)
		line(ret, root, next);
}
