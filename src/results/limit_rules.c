/* limit_rules: what machines can reach, how it is seen, and how it is said. */
#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/units.h"
#include "results/run_info.h"
#include "results/run_rate.h"
#include "results/verdict.h"
#include "results/verdict_impl.h"

/* % of what processors did; from then on it was muster that did it. */
#define OWN_PART 50
/* A core that its thread had so much of is that thread's. */
#define OWN_CORE 50
/* % of a quota that are all of it; and of the kernel's periods in which it was used up. */
#define FULL_QUOTA 95
#define THROTTLED 10
#define MIB (1024.0 * 1024.0)

double verdict_busy(const struct run_worker *rw)
{
	double all = machine_seen_mean(rw->machine, SEEN_CPU);
	double own = machine_seen_mean(rw->machine, SEEN_OWN_CPU);

	return own > all ? own : all;
}

/* Waiting for due times may take whole processors: in an open loop that is no limit, but for what others take when the
 * rate is missed. */
static double cpu_value(const struct run_info *info, const struct run_worker *rw)
{
	(void)info;
	return is_known(rw) && !is_open(rw) ? verdict_busy(rw) : -1;
}

const char *verdict_processors(const struct run_worker *rw)
{
	return machine_seen_mean(rw->machine, SEEN_CPU) < limit_rules[LIMIT_CPU].from
		       ? "the processors that the worker may use"
		       : "all processors";
}

bool verdict_same_machine(const struct run_worker *a, const struct run_worker *b)
{
	const char *one = a->hello.machine_id, *other = b->hello.machine_id;

	if (one && other && *one && *other)
		return strcmp(one, other) == 0;
	return strcmp(a->host, b->host) == 0;
}

/* Of what the processors that it may use did, the part of muster's workers on that machine, in %. */
static double own_part(const struct run_info *info, const struct run_worker *rw)
{
	double used = 0, busy = machine_seen_mean(rw->machine, SEEN_OWN_CPU);

	for (size_t i = 0; i < info->n_workers; i++)
		if (verdict_same_machine(&info->workers[i], rw))
			used += machine_seen_mean(
				info->workers[i].machine, SEEN_WORKER_CPU);
	if (!(busy > 0) || rw->hello.processors == 0)
		return 100;
	return 100 * used / (busy * rw->hello.processors);
}

bool verdict_is_own(const struct run_info *info, const struct run_worker *rw)
{
	return own_part(info, rw) >= OWN_PART;
}

static double others_value(const struct run_info *info, const struct run_worker *rw)
{
	if (!is_known(rw) || verdict_is_own(info, rw))
		return -1;
	if (is_open(rw) && run_rate_limit(info, rw) == RATE_KEPT)
		return -1;
	return verdict_busy(rw);
}

static void others_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	buf_printf(out, "%s were %.0f %% busy, and %.0f %% of that was not muster's",
		verdict_processors(rw), value, 100 - own_part(info, rw));
}

static void cpu_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	buf_printf(out, "%s were %.0f %% busy", verdict_processors(rw), value);
}

/* All of a quota; or, also in an open loop, that the kernel stopped it again and again until more was due to it: then
 * what happened meanwhile came late. */
static double quota_value(const struct run_info *info, const struct run_worker *rw)
{
	const double used = machine_seen_mean(rw->machine, SEEN_QUOTA_CPU);
	const bool full = used >= FULL_QUOTA && !is_open(rw);

	(void)info;
	if (!is_known(rw) || !(rw->machine->quota_cpus > 0))
		return -1;
	return full || machine_seen_mean(rw->machine, SEEN_THROTTLED) >= THROTTLED ? used
										   : -1;
}

static void quota_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	buf_printf(out,
		"its control group may use %.4g %s and used %.0f %% of that, held back "
		"in %.0f %% of its periods",
		rw->machine->quota_cpus,
		rw->machine->quota_cpus > 1 ? "processors" : "processor", value,
		machine_seen_mean(rw->machine, SEEN_THROTTLED));
}

/* How busy its threads kept processors, in % of what they could. */
static double threads_value(const struct run_info *info, const struct run_worker *rw)
{
	(void)info;
	if (!is_known(rw) || is_open(rw) || !rw->threads)
		return -1;
	return machine_seen_mean(rw->machine, SEEN_WORKER_CPU) / rw->threads;
}

static void threads_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	if (rw->threads == 1)
		buf_printf(out, "its one thread computed %.0f %% of the time",
			value < 100 ? value : 100);
	else
		buf_printf(out, "its %" PRIu32 " threads computed %.0f %% of the time",
			rw->threads, value < 100 ? value : 100);
}

static double core_value(const struct run_info *info, const struct run_worker *rw)
{
	(void)info;
	if (!is_known(rw) || is_open(rw) || rw->threads != 1 ||
		machine_seen_mean(rw->machine, SEEN_WORKER_CPU) < OWN_CORE)
		return -1;
	return machine_seen_mean(rw->machine, SEEN_BUSIEST_CORE);
}

static void core_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	(void)rw;
	buf_printf(out, "the core of its one thread was %.0f %% busy", value);
}

static double lateness_value(const struct run_info *info, const struct run_worker *rw)
{
	return run_rate_limit(info, rw) == RATE_GENERATOR ? run_rate_missed_pct(info, rw)
							  : -1;
}

static void lateness_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	buf_printf(out, "%.1f %% of its rate were missed while %s (%s %.0f %% busy)",
		value,
		run_rate_no_processor(info, rw) ? "operations kept all processors busy"
						: "slots were free",
		verdict_processors(rw), verdict_busy(rw));
}

/* MiB/s that were swapped. */
static double memory_value(const struct run_info *info, const struct run_worker *rw)
{
	(void)info;
	if (!is_known(rw))
		return -1;
	return (machine_seen_mean(rw->machine, SEEN_SWAP_IN) +
		       machine_seen_mean(rw->machine, SEEN_SWAP_OUT)) /
	       MIB;
}

static void memory_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	buf_printf(out,
		"it was short of memory and swapped %.1f MiB/s (%s available at "
		"the least)",
		value,
		units_bytes((uint64_t)machine_seen_max(rw->machine, SEEN_AVAILABLE)).s);
}

static double steal_value(const struct run_info *info, const struct run_worker *rw)
{
	(void)info;
	return is_known(rw) ? machine_seen_mean(rw->machine, SEEN_STEAL) : -1;
}

static void steal_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	(void)rw;
	buf_printf(out,
		"a noisy neighbour: the hypervisor kept %.0f %% of the processor "
		"time from it (steal)",
		value);
}

static double network_value(const struct run_info *info, const struct run_worker *rw)
{
	const struct seen_card *c = machine_seen_card(rw->machine);

	(void)info;
	return c ? seen_mean(rw->machine, &c->share) : -1;
}

static void network_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	const struct seen_card *c = machine_seen_card(rw->machine);

	(void)info;
	buf_printf(out, "card %s moved %.0f %% of its %g Gbit/s", c->name, value,
		(double)c->speed_mbps / 1e3);
}

static double slots_value(const struct run_info *info, const struct run_worker *rw)
{
	return run_rate_limit(info, rw) == RATE_STORAGE ? rw->slots_busy * 100 : -1;
}

static void slots_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	(void)rw;
	buf_printf(out,
		"every slot was waiting for the store %.0f %% of the time while "
		"operations were due",
		value);
}

static double disk_value(const struct run_info *info, const struct run_worker *rw)
{
	const struct seen_disk *d = machine_seen_disk(rw->machine);

	(void)info;
	return d ? seen_mean(rw->machine, &d->busy) : -1;
}

static void disk_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	const struct machine_seen *m = rw->machine;
	const struct seen_disk *d = machine_seen_disk(m);

	(void)info;
	buf_printf(out, "disk %s was busy %.0f %% of the time (%s read, %s written)",
		d->name, value, units_mib_per_s(seen_mean(m, &d->read_bytes)).s,
		units_mib_per_s(seen_mean(m, &d->write_bytes)).s);
}

const struct limit_rule limit_rules[LIMITS] = {
	[LIMIT_OTHERS] = {"others", "%", BOUND_GENERATOR, 95, others_value, others_why,
		"look what else runs there"},
	[LIMIT_QUOTA] = {"quota", "%", BOUND_GENERATOR, 0, quota_value, quota_why,
		"a larger CPU limit for the container or unit, or more hosts"},
	[LIMIT_CPU] = {"cpu", "%", BOUND_GENERATOR, 95, cpu_value, cpu_why,
		"more hosts, or fewer slots"},
	[LIMIT_THREADS] = {"threads", "%", BOUND_GENERATOR, 95, threads_value,
		threads_why, "more concurrency, workers or hosts"},
	[LIMIT_CORE] = {"core", "%", BOUND_GENERATOR, 97, core_value, core_why,
		"more concurrency, workers or hosts"},
	[LIMIT_LATENESS] = {"lateness", "%", BOUND_GENERATOR, 0, lateness_value,
		lateness_why, "more hosts, or a smaller rate"},
	[LIMIT_MEMORY] = {"memory", "MiB/s", BOUND_GENERATOR, 1, memory_value, memory_why,
		"more memory, or fewer slots"},
	[LIMIT_STEAL] = {"steal", "%", BOUND_GENERATOR, 5, steal_value, steal_why,
		"a machine of its own, or another hour"},
	[LIMIT_NETWORK] = {"network", "%", BOUND_NETWORK, 90, network_value, network_why,
		"more hosts, or faster cards"},
	[LIMIT_SLOTS] = {"slots", "%", BOUND_STORAGE, 0, slots_value, slots_why,
		"a smaller rate, or more concurrency if the store has more to give"},
	[LIMIT_DISK] = {"disk", "%", BOUND_STORAGE, 95, disk_value, disk_why,
		"this is what the disk gives to these operations"},
};

bool limit_reached(const struct run_info *info, const struct run_worker *rw,
	enum limit_kind kind, double *ret_value)
{
	const struct limit_rule *rule = &limit_rules[kind];
	double value = rule->value(info, rw);

	if (value < 0 || value < rule->from)
		return false;
	if (ret_value)
		*ret_value = value;
	return true;
}
