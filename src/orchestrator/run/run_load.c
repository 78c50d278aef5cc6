/* run_load: the workload of a run, what the command line overrides, and what is said about its store. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/profiles/profile_find.h"
#include "orchestrator/run/run_private.h"

#define AUTOTERM_PCT 5

static const char *workload_operand(const struct run *r)
{
	return r->app->operands.n ? r->app->operands.items[0] : r->app->o.config;
}

static bool is_preset(const struct run *r)
{
	return text_starts_with(workload_operand(r), PRESET_PREFIX);
}

/* --workload-config: the store of the command line, where that does not say more itself. */
static int take_store_config(struct run *r, struct err *err)
{
	const char *path = r->app->o.store_config;
	struct workload_overrides *o = &r->overrides;

	if (!path)
		return 0;
	if (store_config_load(path, &r->store, err) < 0)
		return err_prefix(err, "--workload-config");
	if (o->target && !text_starts_with(o->target, "s3://"))
		return err_set(err, ERR_INPUT,
			"--workload-config is about S3, and --target is not");
	if (!o->target)
		o->target = r->store.target;
	if (!o->endpoint)
		o->endpoint = r->store.endpoint;
	o->env = r->store.env;
	return 0;
}

static int take_rate(struct run *r, struct err *err)
{
	const struct options *o = &r->app->o;
	struct workload_overrides *to = &r->overrides;

	to->arrival = o->arrival_set ? 1 + o->arrival : 0;
	to->timer = o->timer_set ? 1 + o->timer : 0;
	if (o->rate && strcmp(o->rate, "max") == 0)
		to->rate = -1;
	else if (o->rate && workload_parse_rate(o->rate, &to->rate) < 0)
		return err_set(err, ERR_INPUT,
			"--rate wants ops per second above 0, such as 5000, or max, not "
			"'%.50s'",
			o->rate);
	return 0;
}

/* A number, with or without "%". */
static int take_autoterm(struct run *r, struct err *err)
{
	const char *text = r->app->o.autoterm;
	double pct = AUTOTERM_PCT;
	char number[32];

	if (!text)
		return 0;
	snprintf(number, sizeof(number), "%.*s",
		(int)(strlen(text) - (text_ends_with(text, "%") ? 1 : 0)), text);
	if (*text && (units_parse_double(number, &pct) < 0 || !(pct > 0 && pct <= 100)))
		return err_set(err, ERR_INPUT,
			"--autoterm wants per cent above 0 and up to 100, such as 5, not "
			"'%.50s'",
			text);
	r->overrides.autoterm = pct / 100;
	return 0;
}

static int take_options(struct run *r, struct err *err)
{
	const struct options *o = &r->app->o;

	r->overrides = (struct workload_overrides){
		.target = o->target,
		.duration_ns = o->duration_set ? o->duration_ns : 0,
		.concurrency = o->concurrency_set ? o->concurrency : 0,
		.seed_set = o->seed_set,
		.seed = o->seed,
		.ready_wait_ns = !o->expect_wait_set ? 0
				 : o->expect_wait_ns ? o->expect_wait_ns
						     : UINT64_MAX,
		.shared_prepare = o->shared_prepare_set ? o->shared_prepare : -1,
		.endpoint = o->endpoint,
		.http_engine = o->http_engine_set ? 1 + o->http_engine : 0,
		.insecure_tls = o->insecure_tls,
		.once = o->once,
		.verify = o->verify,
		.allow_foreign = o->allow_foreign,
	};
	if (take_rate(r, err) < 0 || take_autoterm(r, err) < 0)
		return -1;
	if ((o->duration_set && !o->duration_ns) ||
		(o->concurrency_set && !o->concurrency))
		return err_set(
			err, ERR_INPUT, "--duration and --concurrency must be over 0");
	return take_store_config(r, err);
}

static int load_file(struct run *r, struct err *err)
{
	struct inventory_options io = context_inventory_options(r->app);
	struct workload_options wo = {
		.lenient = r->app->o.lenient, .warn = context_warn, .hosts = &io};
	const char *path = workload_operand(r);
	AUTO_FREE char *preset = NULL;

	if (is_preset(r)) {
		preset = preset_find(path + strlen(PRESET_PREFIX), err);
		if (!preset)
			return -1;
		if (!r->overrides.target)
			return err_set(err, ERR_INPUT,
				"%s runs where --target says: --target "
				"s3://BUCKET/PREFIX/",
				path);
		path = preset;
	}
	return workload_load(path, &wo, &r->workload, err);
}

int run_load(struct run *r, struct err *err)
{
	if (!workload_operand(r))
		return err_set(err, ERR_INPUT,
			"muster %s needs a workload (muster %s --help)",
			r->app->command->name, r->app->command->name);
	if (r->app->operands.n && r->app->o.config)
		return err_set(err, ERR_INPUT, "a workload is given twice: '%s' and '%s'",
			r->app->operands.items[0], r->app->o.config);
	if (take_options(r, err) < 0 || load_file(r, err) < 0)
		return -1;
	return context_hosts(&r->ctx, workload_inventory(r->workload), err);
}

/* Workers of one run have different endpoints at most, of which the first one's are shown. */
static void show_endpoints(struct console *con, const struct job_endpoints *e)
{
	size_t n = 0;

	while (e->uris && e->uris[n])
		n++;
	if (n)
		console_line(con, "Endpoints: %zu per worker, %s", n,
			e->strategy == ENDPOINT_ROUND_ROBIN ? "round robin"
							    : "least connections");
}

/* A name and a password in it stay out. */
static void show_proxy(struct console *con, const char *url)
{
	const char *at = url ? strrchr(url, '@') : NULL;

	if (url)
		console_line(con, "Proxy: %s", at ? at + 1 : url);
}

void run_show_store(const struct run *r)
{
	struct console *con = r->ctx.console;
	const struct job *first = &r->plan.jobs[0];

	if (first->store.endpoint)
		console_line(con, "Endpoint: %s", first->store.endpoint);
	show_proxy(con, first->store.proxy);
	show_endpoints(con, &first->endpoints);
	if (first->store.engine == STORE_ENGINE_CURL)
		console_line(con, "HTTP: libcurl (http_engine curl)");
	if (first->store.anonymous)
		console_line(con, "Credentials: none (anonymous)");
	if (r->plan.tls_unverified)
		console_line(con, "TLS: the store's certificate is NOT verified");
}

/* "5,000", and "0.5" of rates that are no whole number. */
static void rate_text(double ops, struct buf *out)
{
	double whole = floor(ops + 0.5);

	if (fabs(ops - whole) < 1e-6 * ops)
		buf_puts(out, units_count((uint64_t)whole).s);
	else
		buf_printf(out, "%.6g", ops);
}

const char *run_fsync(const struct plan *p, unsigned kinds)
{
	const struct job *first = &p->jobs[0];
	size_t writes = 0, synced = 0;

	for (size_t i = 0; i < first->n_ops; i++) {
		const struct job_op *op = &first->ops[i];

		if (!(kinds & RUN_WRITES & 1u << op->kind) ||
			text_starts_with(op->uri, "null://"))
			continue;
		writes++;
		synced += op->fsync;
	}
	if (writes == 0 || p->object_store)
		return NULL;
	if (synced == 0)
		return "none";
	return synced == writes ? "all" : "some";
}

void run_load_text(const struct plan *p, struct buf *out)
{
	const struct job *first = &p->jobs[0];
	const char *fsync = run_fsync(p, RUN_WRITES);
	uint32_t least = UINT32_MAX, most = 0;
	double ops = 0;

	for (size_t i = 0; i < p->n; i++) {
		uint32_t slots = p->jobs[i].concurrency;

		ops += p->jobs[i].rate.ops;
		least = slots < least ? slots : least;
		most = slots > most ? slots : most;
	}
	buf_puts(out, ops > 0 ? "open loop, " : "closed loop, ");
	if (ops > 0) {
		rate_text(ops, out);
		buf_printf(
			out, " ops/s (%s), up to ", arrival_names[first->rate.arrival]);
	}
	if (least < most)
		buf_printf(out, "%u to ", least);
	buf_printf(out, "%u ", most);
	if (ops > 0)
		buf_puts(out, "in flight per worker");
	else
		buf_printf(out, "slot%s per worker", most == 1 ? "" : "s");
	buf_puts(out, first->once ? ", every object once" : "");
	buf_puts(out, first->verify ? ", content verified" : "");
	if (fsync && strcmp(fsync, "none") != 0)
		buf_printf(out, ", fsync of %s writes", fsync);
}

void run_prepare_text(const struct plan *p, struct buf *out)
{
	if (p->prepare_objects)
		buf_puts(out, units_of(p->prepare_objects, "object").s);
	if (p->prepare_dirs)
		buf_printf(out, "%s%s", p->prepare_objects ? " in " : "",
			units_of(p->prepare_dirs, "directory").s);
	if (p->prepare_objects)
		buf_printf(out, ", about %s", units_bytes(p->prepare_bytes).s);
}

void run_show_load(const struct run *r)
{
	AUTO_BUF struct buf text = BUF_INIT;

	run_load_text(&r->plan, &text);
	console_line(r->ctx.console, "Load: %s", text.data ? text.data : "");
}
