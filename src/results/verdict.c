/* verdict: what is said of the first limit that a machine reached. */
#include "results/verdict.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "results/json_writer.h"
#include "results/run_info.h"
#include "results/run_rate.h"
#include "results/verdict_impl.h"

/* Parts of the time that the slots of a closed loop waited for the store, from which on it is what they waited
 * for. The rest goes to what lies between operations, and to those that had not ended. */
#define WAITED 0.8
/* Bytes a second of all cards that are no mere SSH channel. */
#define NETWORK_MUCH 1e6

const char *const bound_names[BOUNDS] = {"none", "generator", "network", "storage"};

/* Several workers of a machine share its limits. */
static bool machine_before(const struct run_info *info, size_t i, enum limit_kind kind)
{
	for (size_t k = 0; k < i; k++)
		if (verdict_same_machine(&info->workers[k], &info->workers[i]) &&
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

		if (is_known(rw) && verdict_busy(rw) >= limit_rules[LIMIT_CPU].from &&
			(!full || verdict_busy(rw) > verdict_busy(full)))
			full = rw;
	}
	if (full)
		buf_printf(out, "the rate was kept, while %s of %s were %.0f %% busy",
			verdict_processors(full), full->host, verdict_busy(full));
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
