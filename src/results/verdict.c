/* verdict: the rules, and what is said of the first of them that a machine reached. */
#include "results/verdict.h"

#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "results/json_writer.h"
#include "results/run_info.h"
#include "results/run_rate.h"

/* Parts of the time that the slots of a closed loop waited for the store, from which on it is what they waited
 * for. The rest goes to what lies between operations, and to those that had not ended. */
#define WAITED 0.8
/* A core that its thread had so much of is that thread's. */
#define OWN_CORE 50
/* Bytes a second of all cards that are no mere SSH channel. */
#define NETWORK_MUCH 1e6
/* % of a quota that are all of it; and of the kernel's periods in which it was used up. */
#define FULL_QUOTA 95
#define THROTTLED 10
#define MIB (1024.0 * 1024.0)

const char *const bound_names[BOUNDS] = {"none", "generator", "network", "storage"};

static bool is_open(const struct run_worker *rw)
{
	return rw->rate > 0;
}

static bool is_known(const struct run_worker *rw)
{
	return rw->machine && rw->machine->seconds > 0;
}

/* ---- what machines reached ---- */

static double busy(const struct run_worker *rw)
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
	return is_known(rw) && !is_open(rw) ? busy(rw) : -1;
}

static const char *processors(const struct run_worker *rw)
{
	return machine_seen_mean(rw->machine, SEEN_CPU) < limit_rules[LIMIT_CPU].from
		       ? "the processors that the worker may use"
		       : "all processors";
}

/* Hosts may be one machine. */
static bool same_machine(const struct run_worker *a, const struct run_worker *b)
{
	const char *one = a->hello.machine_id, *other = b->hello.machine_id;

	if (one && other && *one && *other)
		return strcmp(one, other) == 0;
	return strcmp(a->host, b->host) == 0;
}

double verdict_own_part(const struct run_info *info, const struct run_worker *rw)
{
	double used = 0, busy = machine_seen_mean(rw->machine, SEEN_OWN_CPU);

	for (size_t i = 0; i < info->n_workers; i++)
		if (same_machine(&info->workers[i], rw))
			used += machine_seen_mean(
				info->workers[i].machine, SEEN_WORKER_CPU);
	if (!(busy > 0) || rw->hello.processors == 0)
		return 100;
	return 100 * used / (busy * rw->hello.processors);
}

static double others_value(const struct run_info *info, const struct run_worker *rw)
{
	if (!is_known(rw) || verdict_own_part(info, rw) >= 50)
		return -1;
	if (is_open(rw) && run_rate_limit(info, rw) == RATE_KEPT)
		return -1;
	return busy(rw);
}

static void others_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	buf_printf(out, "%s were %.0f %% busy, and %.0f %% of that was not muster's",
		processors(rw), value, 100 - verdict_own_part(info, rw));
}

static void cpu_why(const struct run_info *info, const struct run_worker *rw,
	double value, struct buf *out)
{
	(void)info;
	buf_printf(out, "%s were %.0f %% busy", processors(rw), value);
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
		processors(rw), busy(rw));
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

/* ---- the verdict ---- */

/* Several workers of a machine share its limits. */
static bool machine_before(const struct run_info *info, size_t i, enum limit_kind kind)
{
	for (size_t k = 0; k < i; k++)
		if (same_machine(&info->workers[k], &info->workers[i]) &&
			limit_reached(info, &info->workers[k], kind, NULL))
			return true;
	return false;
}

static bool find_limit(
	const struct run_info *info, enum limit_kind kind, struct verdict *ret)
{
	*ret = (struct verdict){.bound = limit_rules[kind].bound, .limit = kind};
	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];
		double value;

		if (!limit_reached(info, rw, kind, &value))
			continue;
		ret->n += !machine_before(info, i, kind);
		if (ret->worker && value <= ret->value)
			continue;
		ret->worker = rw;
		ret->value = value;
	}
	return ret->worker != NULL;
}

/* In a closed loop: part of the time in which slots waited for the store, in %; negative: not known. */
static double waited(const struct run_info *info)
{
	double sum = 0, slots = 0;

	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		if (is_open(rw))
			return -1;
		sum += rw->waited * rw->slots;
		slots += rw->slots;
	}
	return slots > 0 ? 100 * sum / slots : -1;
}

static bool any_known(const struct run_info *info)
{
	for (size_t i = 0; i < info->n_workers; i++)
		if (is_known(&info->workers[i]))
			return true;
	return false;
}

void verdict_find(const struct run_info *info, struct verdict *ret)
{
	for (enum limit_kind k = 0; k < LIMITS; k++)
		if (find_limit(info, k, ret))
			return;
	*ret = (struct verdict){.bound = BOUND_NONE, .value = waited(info)};
	if (any_known(info) && ret->value >= 100 * WAITED)
		ret->bound = BOUND_STORAGE;
}

/* Who moved most over cards that do not tell their speed: it cannot be seen whether the network was full. NULL: nobody
 * much. */
static const struct run_worker *over_unknown_cards(
	const struct run_info *info, double *ret_bytes)
{
	const struct run_worker *most = NULL;

	*ret_bytes = NETWORK_MUCH;
	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];
		double bytes = machine_seen_mean(rw->machine, SEEN_NET_RX) +
			       machine_seen_mean(rw->machine, SEEN_NET_TX);

		if (!is_known(rw) || machine_seen_card(rw->machine) || bytes < *ret_bytes)
			continue;
		most = rw;
		*ret_bytes = bytes;
	}
	return most;
}

/* The store is what is left when nothing else can be it. */
static void put_network(
	const struct run_info *info, const struct verdict *v, struct buf *out)
{
	double bytes;
	const struct run_worker *rw = over_unknown_cards(info, &bytes);

	if (!rw || v->bound != BOUND_STORAGE || (v->worker && v->limit != LIMIT_SLOTS))
		return;
	buf_printf(out,
		" (or the network: %s moved %s over cards that do not tell their speed)",
		rw->host, units_mib_per_s(bytes).s);
}

/* An open loop: that the rate was kept does not say that each operation began when it was due. */
static void why_kept(const struct run_info *info, struct buf *out)
{
	const struct run_worker *full = NULL;

	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		if (is_known(rw) && busy(rw) >= limit_rules[LIMIT_CPU].from &&
			(!full || busy(rw) > busy(full)))
			full = rw;
	}
	if (full)
		buf_printf(out, "the rate was kept, while %s of %s were %.0f %% busy",
			processors(full), full->host, busy(full));
	else
		buf_puts(out, "no machine was at a limit, and the rate was kept");
}

static void why(const struct run_info *info, const struct verdict *v, struct buf *out)
{
	struct run_rate rate;

	run_rate(info, &rate);
	if (v->worker) {
		limit_rules[v->limit].why(info, v->worker, v->value, out);
		put_network(info, v, out);
		return;
	}
	if (v->bound == BOUND_STORAGE)
		buf_printf(out,
			"no machine was at a limit, and slots waited for the store %.0f "
			"%% of the time",
			v->value);
	else if (!any_known(info))
		buf_puts(out, "it was too short to tell");
	else if (v->value >= 0)
		buf_printf(out,
			"no machine was at a limit, and slots waited for the store %.0f "
			"%% of the time alone",
			v->value);
	else if (rate.missed)
		buf_puts(out, "no machine was at a limit");
	else
		why_kept(info, out);
	put_network(info, v, out);
}

static const char *advice(const struct verdict *v)
{
	if (v->worker)
		return limit_rules[v->limit].advice;
	if (v->bound == BOUND_STORAGE)
		return "more slots show whether it has more to give";
	return NULL;
}

void verdict_text(const struct run_info *info, struct buf *out)
{
	struct verdict v;

	if (!info->measured_ns)
		return;
	verdict_find(info, &v);
	if (v.bound == BOUND_NONE)
		buf_puts(out, "no limit seen: ");
	else
		buf_printf(out, "%s bound: ", bound_names[v.bound]);
	if (v.worker)
		buf_puts(out, v.worker->host);
	if (v.n > 1)
		buf_printf(out, " (and %zu more)", v.n - 1);
	if (v.worker)
		buf_puts(out, ": ");
	why(info, &v, out);
	if (advice(&v))
		buf_printf(out, "; %s", advice(&v));
}

/* ---- for programs ---- */

void verdict_members(struct json_writer *w, const struct run_info *info)
{
	AUTO_BUF struct buf reason = BUF_INIT;
	struct verdict v;

	if (!info->measured_ns) {
		jw_null(w, "verdict");
		return;
	}
	verdict_find(info, &v);
	why(info, &v, &reason);
	jw_object(w, "verdict");
	jw_text(w, "bound", bound_names[v.bound]);
	jw_text(w, "host", v.worker ? v.worker->host : NULL);
	jw_uint(w, "hosts", v.n);
	jw_text(w, "limit", v.worker ? limit_rules[v.limit].name : NULL);
	if (v.value >= 0)
		jw_real(w, "value", v.value, 3);
	else
		jw_null(w, "value");
	jw_text(w, "why", reason.data);
	jw_text(w, "advice", advice(&v));
	jw_object_end(w);
}

void verdict_limits(struct json_writer *w, const struct run_info *info)
{
	jw_array(w, "limits");
	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		for (enum limit_kind k = 0; k < LIMITS; k++) {
			double value;

			if (!limit_reached(info, rw, k, &value))
				continue;
			jw_object(w, NULL);
			jw_text(w, "worker", rw->id);
			jw_text(w, "limit", limit_rules[k].name);
			jw_real(w, "value", value, 3);
			jw_object_end(w);
		}
	}
	jw_array_end(w);
}

void verdict_worker_limits(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw)
{
	jw_array(w, "limits");
	for (enum limit_kind k = 0; k < LIMITS; k++)
		if (limit_reached(info, rw, k, NULL))
			jw_text(w, NULL, limit_rules[k].name);
	jw_array_end(w);
}
