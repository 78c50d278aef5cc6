/* machine: what the machine did between two looks: processors, memory, this process. */
#include "worker/host/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"

/* user nice system idle iowait irq softirq steal: all but idle and iowait are busy. */
static bool parse_cpu(const char *p, struct machine_cpu *ret)
{
	uint64_t v[8] = {0};
	char *end;

	for (unsigned i = 0; i < 8; i++) {
		v[i] = strtoull(p, &end, 10);
		if (end == p)
			break;
		p = end;
	}
	*ret = (struct machine_cpu){
		.user = v[0] + v[1],
		.system = v[2] + v[5] + v[6],
		.iowait = v[4],
		.steal = v[7],
	};
	for (unsigned i = 0; i < 8; i++) {
		ret->all += v[i];
		ret->busy += i == 3 || i == 4 ? 0 : v[i];
	}
	return ret->all > 0;
}

/* iowait may go back, and so may all of a processor that was away. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

static double percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)(part < all ? part : all) / (double)all : 0;
}

static void take_total(const struct machine_cpu *before, const struct machine_cpu *now,
	struct machine_stats *ret)
{
	const uint64_t all = since(before->all, now->all);

	ret->cpu = percent(since(before->busy, now->busy), all);
	ret->user = percent(since(before->user, now->user), all);
	ret->system = percent(since(before->system, now->system), all);
	ret->iowait = percent(since(before->iowait, now->iowait), all);
	ret->steal = percent(since(before->steal, now->steal), all);
}

static void sample_cpus(struct machine *m, struct machine_stats *ret)
{
	CLEANUP(cleanup_fclose) FILE *f = fopen("/proc/stat", "re");
	uint64_t own_busy = 0, own_all = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f) && strncmp(line, "cpu", 3) == 0) {
		struct machine_cpu now;
		unsigned long i;
		char *p = line + 3;

		if (*p == ' ') {
			if (parse_cpu(p, &now)) {
				take_total(&m->total, &now, ret);
				m->total = now;
			}
			continue;
		}
		i = strtoul(p, &p, 10);
		if (i >= MACHINE_CPUS || !parse_cpu(p, &now))
			continue;
		const uint64_t busy = since(m->cpu[i].busy, now.busy);
		const uint64_t all = since(m->cpu[i].all, now.all);

		if (percent(busy, all) > ret->busiest_core)
			ret->busiest_core = percent(busy, all);
		own_busy += m->own[i] ? busy : 0;
		own_all += m->own[i] ? all : 0;
		m->cpu[i] = now;
	}
	ret->own_cpu = percent(own_busy, own_all);
}

/* The numbers behind names in a file like /proc/meminfo. */
static void read_values(
	const char *path, const char *const *names, size_t n, uint64_t *ret)
{
	CLEANUP(cleanup_fclose) FILE *f = fopen(path, "re");
	char line[256];
	size_t found = 0;

	while (f && found < n && fgets(line, sizeof(line), f)) {
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(names[i]);

			if (strncmp(line, names[i], len) != 0)
				continue;
			ret[i] = strtoull(line + len, NULL, 10);
			found++;
		}
	}
}

static void sample_memory(struct machine *m, struct machine_stats *ret)
{
	static const char *const memory[] = {"MemAvailable:"};
	static const char *const swap[] = {"pswpin ", "pswpout "};
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t kib = 0, pages[2] = {0, 0};

	read_values("/proc/meminfo", memory, 1, &kib);
	read_values("/proc/vmstat", swap, 2, pages);
	ret->available_bytes = kib * 1024;
	ret->swap_in_bytes = since(m->swap_in_pages, pages[0]) * page;
	ret->swap_out_bytes = since(m->swap_out_pages, pages[1]) * page;
	m->swap_in_pages = pages[0];
	m->swap_out_pages = pages[1];
}

static uint64_t rss_bytes(void)
{
	CLEANUP(cleanup_fclose) FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;
	struct rusage usage;

	if (f) {
		if (fscanf(f, "%*u %llu", &pages) != 1)
			pages = 0;
		return pages * (unsigned long long)sysconf(_SC_PAGESIZE);
	}
	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024;
}

static void sample_worker(
	struct machine *m, uint64_t interval_ns, struct machine_stats *ret)
{
	struct timespec ts;
	uint64_t used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	used = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
	if (interval_ns > 0)
		ret->worker_cpu =
			100.0 * (double)(used - m->worker_cpu_ns) / (double)interval_ns;
	quota_sample(&m->quota, interval_ns, used - m->worker_cpu_ns, ret);
	m->worker_cpu_ns = used;
	ret->rss_bytes = rss_bytes();
}

void machine_sample(struct machine *m, struct machine_stats *ret)
{
	const uint64_t now = clock_ns();
	const uint64_t interval_ns = m->at_ns ? now - m->at_ns : 0;

	*ret = (struct machine_stats){0};
	sample_cpus(m, ret);
	sample_memory(m, ret);
	machine_sample_cards(m, interval_ns, ret);
	machine_sample_disks(m, interval_ns, ret);
	sample_worker(m, interval_ns, ret);
	m->at_ns = now;
}

void machine_init(struct machine *m, const struct mounts *mounts)
{
	struct machine_stats unused;
	cpu_set_t set;

	memset(m, 0, sizeof(*m));
	m->mounts = mounts;
	quota_init(&m->quota, "");
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (size_t i = 0; i < CPU_SETSIZE; i++)
			m->own[i] = CPU_ISSET(i, &set);
	machine_sample(m, &unused);
}
