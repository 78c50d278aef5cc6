/* quota: the counters of control groups: cpu.stat of both versions, and cpuacct.usage of the first. */
#include "worker/host/quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "proto/msg.h"

#define FILE_MAX 65536
#define CPU "/sys/fs/cgroup/cpu/"
#define CPUACCT "/sys/fs/cgroup/cpuacct/"

/* dir/name as text; false: there is no such file. */
static bool read_file(
	const struct quota *q, const char *dir, const char *name, struct buf *out)
{
	AUTO_FREE char *path = text_printf("%s%s/%s", q->root, dir, name);
	struct err ignored = ERR_INIT;

	buf_clear(out);
	return path && file_read(path, FILE_MAX, out, &ignored) == 0 && out->len > 0;
}

/* The number behind a name at the beginning of a line. */
static bool find_value(const char *text, const char *name, uint64_t *ret)
{
	const size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return sscanf(line + len, "%" SCNu64, ret) == 1;
	}
	return false;
}

/* Version 1 counts in another controller, which may be mounted elsewhere. */
static bool used_of_version_1(const struct quota *q, struct buf *b, uint64_t *ret_ns)
{
	AUTO_FREE char *other = NULL;

	if (!read_file(q, q->group, "cpuacct.usage", b)) {
		if (!text_starts_with(q->group, CPU))
			return false;
		other = text_printf("%s%s", CPUACCT, q->group + strlen(CPU));
		if (!other || !read_file(q, other, "cpuacct.usage", b))
			return false;
	}
	return sscanf(b->data, "%" SCNu64, ret_ns) == 1;
}

/* What the group's counters say now. Whether they count time. */
static bool look(const struct quota *q, struct quota *ret)
{
	AUTO_BUF struct buf b = BUF_INIT;
	uint64_t us;

	*ret = (struct quota){.used_ns = 0};
	if (!q->group[0])
		return false;
	if (read_file(q, q->group, "cpu.stat", &b)) {
		find_value(b.data, "nr_periods", &ret->periods);
		find_value(b.data, "nr_throttled", &ret->throttled);
		if (find_value(b.data, "usage_usec", &us)) {
			ret->used_ns = us * 1000;
			return true;
		}
	}
	return used_of_version_1(q, &b, &ret->used_ns);
}

void quota_init(struct quota *q, const char *root)
{
	struct limits limits;
	struct quota now;

	limits_read(root, &limits);
	*q = (struct quota){.root = root, .cpus = limits.quota_cpus};
	memcpy(q->group, limits.quota_group, sizeof(q->group));
	look(q, &now);
	q->used_ns = now.used_ns;
	q->periods = now.periods;
	q->throttled = now.throttled;
}

static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

void quota_sample(struct quota *q, uint64_t interval_ns, uint64_t worker_ns,
	struct machine_stats *ret)
{
	struct quota now;
	uint64_t used_ns = worker_ns, periods;

	ret->quota_cpus = q->cpus;
	if (!(q->cpus > 0) || interval_ns == 0)
		return;
	if (look(q, &now))
		used_ns = since(q->used_ns, now.used_ns);
	periods = since(q->periods, now.periods);
	ret->quota_cpu = 100.0 * (double)used_ns / (q->cpus * (double)interval_ns);
	if (periods > 0)
		ret->throttled = 100.0 * (double)since(q->throttled, now.throttled) /
				 (double)periods;
	q->used_ns = now.used_ns;
	q->periods = now.periods;
	q->throttled = now.throttled;
}
