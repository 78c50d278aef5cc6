/* machine: what the machine did between two looks. */
#include "worker/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/units.h"
#include "proto/msg.h"

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
	*ret = (struct machine_cpu){0};
	for (unsigned i = 0; i < 8; i++) {
		ret->all += v[i];
		ret->busy += i == 3 || i == 4 ? 0 : v[i];
	}
	return ret->all > 0;
}

static double percent(struct machine_cpu before, struct machine_cpu now)
{
	if (now.all <= before.all || now.busy < before.busy)
		return 0;
	return 100.0 * (double)(now.busy - before.busy) / (double)(now.all - before.all);
}

static void sample_cpus(struct machine *m, struct machine_stats *ret)
{
	FILE *f = fopen("/proc/stat", "re");
	char line[512];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f) && strncmp(line, "cpu", 3) == 0) {
		struct machine_cpu now, *before = &m->total;
		char *p = line + 3;

		if (*p != ' ') {
			unsigned long i = strtoul(p, &p, 10);

			if (i >= MACHINE_CPUS)
				continue;
			before = &m->cpu[i];
		}
		if (!parse_cpu(p, &now))
			continue;
		double busy = percent(*before, now);

		if (before == &m->total)
			ret->cpu = busy;
		else if (busy > ret->busiest_core)
			ret->busiest_core = busy;
		*before = now;
	}
	fclose(f);
}

static void sample_network(struct machine *m, struct machine_stats *ret)
{
	FILE *f = fopen("/proc/net/dev", "re");
	uint64_t rx = 0, tx = 0;
	char line[512];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');
		char *name = line + strspn(line, " ");
		char *p;

		if (!colon || strncmp(name, "lo:", 3) == 0)
			continue;
		/* bytes packets errs drop fifo frame compressed multicast, then the same of tx */
		rx += strtoull(colon + 1, &p, 10);
		for (unsigned i = 0; i < 7; i++)
			strtoull(p, &p, 10);
		tx += strtoull(p, &p, 10);
	}
	fclose(f);
	/* a card that went away takes its counts with it */
	ret->net_rx_bytes = rx > m->rx_bytes ? rx - m->rx_bytes : 0;
	ret->net_tx_bytes = tx > m->tx_bytes ? tx - m->tx_bytes : 0;
	m->rx_bytes = rx;
	m->tx_bytes = tx;
}

static uint64_t rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;
	struct rusage usage;

	if (f) {
		if (fscanf(f, "%*u %llu", &pages) != 1)
			pages = 0;
		fclose(f);
		return pages * (unsigned long long)sysconf(_SC_PAGESIZE);
	}
	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024;
}

static void sample_worker(struct machine *m, struct machine_stats *ret)
{
	struct timespec ts;
	uint64_t now = clock_ns(), used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	used = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
	if (now > m->at_ns)
		ret->worker_cpu = 100.0 * (double)(used - m->worker_cpu_ns) /
				  (double)(now - m->at_ns);
	m->at_ns = now;
	m->worker_cpu_ns = used;
	ret->rss_bytes = rss_bytes();
}

void machine_sample(struct machine *m, struct machine_stats *ret)
{
	*ret = (struct machine_stats){0};
	sample_cpus(m, ret);
	sample_network(m, ret);
	sample_worker(m, ret);
}

void machine_init(struct machine *m)
{
	struct machine_stats unused;

	memset(m, 0, sizeof(*m));
	machine_sample(m, &unused);
}
