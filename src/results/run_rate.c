/* run_rate: whether an open loop got the rate that was asked for, and if not, why. */
#include "results/run_rate.h"

#include <math.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "results/json_writer.h"
#include "results/run_info.h"
#include "results/verdict.h"

/* Workers that are named in a sentence. */
#define NAMED_MAX 4u
/* Processors and slots that are in use so much of the time, in % and as a part, are full. */
#define PROCESSORS_FULL 95
#define SLOTS_FULL 0.5

const char *const rate_limit_names[RATE_LIMITS] = {
	"kept", "storage", "generator", "lost"};

static double seconds_of(const struct run_info *info)
{
	return (double)info->measured_ns / 1e9;
}

/* Operations of rw that were due in measure. A host may say anything. */
static double due_of(const struct run_info *info, const struct run_worker *rw)
{
	if (rw->rate_known)
		return fmax(0, (double)rw->started + (double)rw->never_started -
				       (double)rw->carried);
	return rw->rate * seconds_of(info);
}

/* Two operations may be missing of the fewest: one can be due at the very end. */
static bool is_missed(double due, double started)
{
	return due - started >= 2 && started < RUN_RATE_DELIVERED * due;
}

void run_rate(const struct run_info *info, struct run_rate *ret)
{
	*ret = (struct run_rate){.asked = 0};
	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		ret->asked += rw->rate;
		if (!(rw->rate > 0))
			continue;
		ret->due += due_of(info, rw);
		ret->started += rw->started;
		ret->never_started += rw->never_started;
		ret->carried += rw->carried;
	}
	if (info->measured_ns)
		ret->delivered = (double)ret->started / seconds_of(info);
	ret->missed = is_missed(ret->due, (double)ret->started);
}

bool run_rate_no_processor(const struct run_info *info, const struct run_worker *rw)
{
	return rw->slots_busy >= SLOTS_FULL && verdict_busy(rw) >= PROCESSORS_FULL &&
	       verdict_is_own(info, rw);
}

double run_rate_missed_pct(const struct run_info *info, const struct run_worker *rw)
{
	double due = due_of(info, rw);

	return due > 0 ? 100 * (1 - (double)rw->started / due) : 0;
}

enum rate_limit run_rate_limit(const struct run_info *info, const struct run_worker *rw)
{
	double due = due_of(info, rw), missed = due - (double)rw->started;

	if (!(rw->rate > 0) || !is_missed(due, (double)rw->started))
		return RATE_KEPT;
	if (!rw->rate_known)
		return RATE_LOST;
	if (rw->slots_busy < missed / due / 2 || run_rate_no_processor(info, rw))
		return RATE_GENERATOR;
	return RATE_STORAGE;
}

/* Small rates with decimals, others as people read them. */
static void put_rate(struct buf *out, double ops)
{
	if (ops < 0.1)
		buf_printf(out, "%.3g", ops);
	else if (ops < 100 && fabs(ops - nearbyint(ops)) > 1e-9)
		buf_printf(out, "%.2f", ops);
	else
		buf_printf(out, "%s", units_count((uint64_t)(ops + 0.5)).s);
}

/* Names the workers with this limit: "host1, host2 and 3 more". How many there are; the first, and the sum of
 * their rates. */
static size_t name_workers(const struct run_info *info, enum rate_limit limit,
	struct buf *out, const struct run_worker **ret_worst, double *ret_rate)
{
	size_t n = 0;

	for (size_t i = 0; i < info->n_workers; i++) {
		const struct run_worker *rw = &info->workers[i];

		if (run_rate_limit(info, rw) != limit)
			continue;
		if (n == 0 || rw->never_started > (*ret_worst)->never_started)
			*ret_worst = rw;
		*ret_rate += rw->rate;
		if (++n <= NAMED_MAX)
			buf_printf(out, "%s%s", n > 1 ? ", " : "", rw->id);
	}
	if (n > NAMED_MAX)
		buf_printf(out, " and %zu more", n - NAMED_MAX);
	return n;
}

static void put_reason(
	const struct run_info *info, enum rate_limit limit, struct buf *out)
{
	AUTO_BUF struct buf names = BUF_INIT;
	const struct run_worker *worst = NULL;
	double rate = 0, busy = 0;
	size_t n = name_workers(info, limit, &names, &worst, &rate);

	if (n == 0)
		return;
	buf_printf(out, "; %s ", names.data ? names.data : "");
	if (limit == RATE_LOST) {
		buf_printf(out, "%s lost, and with %s ", n > 1 ? "were" : "was",
			n > 1 ? "them" : "it");
		put_rate(out, rate);
		buf_puts(out, " ops/s");
	} else if (limit == RATE_STORAGE) {
		buf_printf(out,
			"had every slot busy %.0f %% of the time while operations were "
			"due: the storage is the limit, or concurrency is too low",
			worst->slots_busy * 100);
		if (limit_reached(info, worst, LIMIT_OTHERS, &busy))
			buf_printf(out,
				", or what else runs there (processors %.0f %% busy, "
				"most "
				"of it not muster's)",
				busy);
	} else if (run_rate_no_processor(info, worst)) {
		buf_printf(out,
			"had all processors %.0f %% busy, and every slot %.0f %% of the "
			"time: the load generator is the limit",
			verdict_busy(worst), worst->slots_busy * 100);
	} else {
		buf_printf(out,
			"began late with slots free: the load generator is the limit "
			"(busiest core %.0f %%)",
			machine_seen_mean(worst->machine, SEEN_BUSIEST_CORE));
	}
	if (limit != RATE_LOST && n > 1)
		buf_printf(out, "; worst is %s", worst->id);
}

/* By chance, or since there were so few that one more or less counts, others came due than the rate says. */
static void put_due(
	const struct run_info *info, const struct run_rate *rate, struct buf *out)
{
	const double asked = rate->asked * seconds_of(info);

	for (size_t i = 0; i < info->n_workers; i++)
		if (info->workers[i].rate > 0 && !info->workers[i].rate_known)
			return;
	if (fabs(rate->due - asked) > (1 - RUN_RATE_DELIVERED) * asked)
		buf_printf(out, "; %s came due", units_count((uint64_t)rate->due).s);
}

/* A store that refuses at once keeps every rate. */
static void put_failed(const struct run_info *info, struct buf *out)
{
	const double failed = (double)info->failed, all = (double)info->ended;

	if (failed > (1 - RUN_RATE_DELIVERED) * all)
		buf_printf(out, "; %.1f %% of them failed", failed / all * 100);
}

void run_rate_text(const struct run_info *info, struct buf *out)
{
	struct run_rate rate;

	run_rate(info, &rate);
	if (!(rate.asked > 0))
		return;
	buf_printf(out, "%sasked ", rate.missed ? "MISSED: " : "");
	put_rate(out, rate.asked);
	buf_printf(out, " ops/s%s, delivered ",
		info->arrival == ARRIVAL_POISSON ? " (poisson)" : "");
	put_rate(out, rate.delivered);
	buf_printf(out, " (%.2f %%)", rate.delivered / rate.asked * 100);
	put_failed(info, out);
	put_due(info, &rate, out);
	if (rate.never_started)
		buf_printf(out, "; %s never started", units_count(rate.never_started).s);
	if (rate.carried)
		buf_printf(out, "; %s were left over from warm-up",
			units_count(rate.carried).s);
	for (enum rate_limit l = RATE_STORAGE; rate.missed && l < RATE_LIMITS; l++)
		put_reason(info, l, out);
}

void run_rate_members(struct json_writer *w, const struct run_info *info)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct run_rate rate;

	run_rate(info, &rate);
	if (!(rate.asked > 0) || !info->measured_ns) {
		jw_null(w, "rate");
		return;
	}
	run_rate_text(info, &text);
	jw_object(w, "rate");
	jw_real(w, "asked_ops_per_sec", rate.asked, 3);
	jw_text(w, "arrival", arrival_names[info->arrival]);
	jw_text(w, "timer", timer_names[info->timer]);
	jw_real(w, "delivered_ops_per_sec", rate.delivered, 3);
	jw_real(w, "delivered_pct", rate.delivered / rate.asked * 100, 3);
	jw_uint(w, "started", rate.started);
	jw_uint(w, "never_started", rate.never_started);
	jw_uint(w, "carried", rate.carried);
	jw_bool(w, "missed", rate.missed);
	jw_text(w, "text", text.data);
	jw_object_end(w);
}

void run_rate_worker(
	struct json_writer *w, const struct run_info *info, const struct run_worker *rw)
{
	if (!(rw->rate > 0) || !info->measured_ns) {
		jw_null(w, "rate");
		return;
	}
	jw_object(w, "rate");
	jw_real(w, "asked_ops_per_sec", rw->rate, 3);
	jw_real(w, "delivered_ops_per_sec", (double)rw->started / seconds_of(info), 3);
	jw_uint(w, "started", rw->started);
	if (rw->rate_known) {
		jw_uint(w, "never_started", rw->never_started);
		jw_uint(w, "carried", rw->carried);
		jw_real(w, "slots_busy_pct", rw->slots_busy * 100, 3);
	} else {
		jw_null(w, "never_started");
		jw_null(w, "carried");
		jw_null(w, "slots_busy_pct");
	}
	jw_text(w, "limit", rate_limit_names[run_rate_limit(info, rw)]);
	jw_object_end(w);
}
