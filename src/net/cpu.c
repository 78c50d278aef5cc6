/* cpu: what the processors did between two looks at /proc/stat, and where threads run. */
#include "net/cpu.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/units.h"

/* user nice system idle iowait irq softirq steal; guests are in user. Time that was stolen is no work of
 * this machine. */
static struct net_cpu_times parse_times(const char *p)
{
	struct net_cpu_times t = {0};
	char *end;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t v = strtoull(p, &end, 10);

		if (end == p)
			break;
		p = end;
		t.all += v;
		t.busy += i == 3 || i == 4 || i == 7 ? 0 : v;
	}
	return t;
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_usec * NS_PER_US;
}

void net_cpu_look(struct net_cpu_look *ret)
{
	FILE *f = fopen("/proc/stat", "re");
	struct rusage usage;
	char line[512];

	memset(ret, 0, sizeof(*ret));
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		ret->user_ns = timeval_ns(usage.ru_utime);
		ret->system_ns = timeval_ns(usage.ru_stime);
	}
	if (!f)
		return;
	while (fgets(line, sizeof(line), f) && strncmp(line, "cpu", 3) == 0) {
		char *p = line + 3;

		if (*p == ' ') {
			ret->total = parse_times(p);
			continue;
		}
		unsigned long i = strtoul(p, &p, 10);

		if (i < NET_CPUS)
			ret->cpu[i] = parse_times(p);
		ret->count++;
	}
	fclose(f);
}

static double percent(struct net_cpu_times from, struct net_cpu_times to)
{
	if (to.all <= from.all || to.busy < from.busy)
		return 0;
	return 100.0 * (double)(to.busy - from.busy) / (double)(to.all - from.all);
}

void net_cpu_between(const struct net_cpu_look *from, const struct net_cpu_look *to,
	struct net_cpu *ret)
{
	*ret = (struct net_cpu){.count = to->count ? to->count : net_cpu_usable()};
	ret->util = percent(from->total, to->total);
	for (uint32_t i = 0; i < NET_CPUS; i++) {
		double busy = percent(from->cpu[i], to->cpu[i]);

		if (busy > ret->peak_util) {
			ret->peak_util = busy;
			ret->peak_id = i;
		}
	}
	ret->user_ns = to->user_ns - from->user_ns;
	ret->system_ns = to->system_ns - from->system_ns;
}

int net_cpu_of_thread(pid_t tid)
{
	char path[64], line[1024], *p;
	FILE *f;
	int cpu = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	/* the name in parentheses may hold anything; the processor is the 37th field behind it */
	if (fgets(line, sizeof(line), f) && (p = strrchr(line, ')'))) {
		for (unsigned i = 0; p && i < 37; i++)
			p = strchr(p + 1, ' ');
		if (p)
			cpu = atoi(p + 1);
	}
	fclose(f);
	return cpu;
}

int net_cpu_list(const char *text, unsigned *cpus, int max)
{
	int n = 0;

	for (const char *p = text;; p++) {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*p))
			return -1;
		first = last = strtoul(p, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (first > last || last >= NET_CPUS)
			return -1;
		for (unsigned long i = first; i <= last; i++) {
			if (n == max)
				return -1;
			cpus[n++] = (unsigned)i;
		}
		if (!*end)
			return n;
		if (*end != ',')
			return -1;
		p = end;
	}
}

unsigned net_cpu_usable(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) < 1)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}
