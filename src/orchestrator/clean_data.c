/* clean_data: what one run left on its hosts, removed by a cleanup job on each worker. */
#include "orchestrator/clean_data.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/environment.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/status.h"
#include "orchestrator/context.h"
#include "orchestrator/fleet/fleet.h"
#include "orchestrator/forward.h"
#include "orchestrator/run/journal.h"
#include "transport/transport.h"
#include "workload/store_config.h"

#define NAMES_SHOWN 8

struct clean_data {
	struct context ctx;
	struct journal journal;
	struct cloud_forwarded forwarded;
	struct store_config store; /* --workload-config */
	struct fleet *fleet;
	bool *over;   /* by worker */
	bool *untold; /* by worker: it went, and nobody has been told why */
	size_t left, failed;
	size_t settled; /* online, or gone before the jobs were dealt */
	bool dealt;
	uint64_t removed;
	int signo;
};

static struct job *job_of(const struct clean_data *c, const struct fleet_worker *w)
{
	for (size_t i = 0; i < c->journal.n; i++)
		if (strcmp(c->journal.entries[i].worker, w->id) == 0)
			return c->journal.entries[i].job;
	return NULL;
}

static void show_status(struct clean_data *c)
{
	size_t n = fleet_size(c->fleet);

	status_show(c->ctx.status, "  %zu/%zu workers done", n - c->left, n);
}

static void data_over(struct clean_data *c, struct fleet_worker *w, bool ok)
{
	if (c->over[w->index])
		return;
	c->over[w->index] = true;
	c->failed += !ok;
	c->left--;
	show_status(c);
	if (c->left == 0)
		loop_stop(c->ctx.loop);
}

static void send_job(struct fleet_worker *w, struct job *job)
{
	struct msg m = {.type = MSG_JOB};

	job->generation = 1;
	job->prepare = job->load = false;
	job->cleanup = true;
	m.u.job = *job;
	fleet_send(w, &m);
}

static bool is_here(const struct clean_data *c, const struct journal_entry *e)
{
	for (size_t i = 0; i < fleet_size(c->fleet); i++) {
		const struct fleet_worker *w = fleet_worker(c->fleet, i);

		if (w->online && !worker_gone(w) && strcmp(w->id, e->worker) == 0)
			return true;
	}
	return false;
}

/* Those who are not there, by their names in put names. */
static char **absent(const struct clean_data *c)
{
	char **names = calloc(c->journal.n + 1, sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; names && i < c->journal.n; i++)
		if (!is_here(c, &c->journal.entries[i]))
			names[n++] = text_printf("%s", c->journal.entries[i].job->worker);
	return names;
}

/* Whether two jobs see the same objects: endpoints of a run all do. */
static bool same_store(const struct job *a, const struct job *b)
{
	if (a->endpoints.uris || b->endpoints.uris)
		return a->endpoints.uris && b->endpoints.uris;
	return strcmp(a->target ? a->target : "", b->target ? b->target : "") == 0;
}

/* Which of how many workers that are there and see the same objects this one is. */
static void take_share(
	const struct clean_data *c, const struct fleet_worker *w, struct job *job)
{
	job->share_index = job->share_count = 0;
	for (size_t i = 0; i < fleet_size(c->fleet); i++) {
		const struct fleet_worker *other = fleet_worker(c->fleet, i);
		const struct job *theirs = job_of(c, other);

		if (!other->online || worker_gone(other) || !theirs ||
			!same_store(theirs, job))
			continue;
		job->share_index += i < w->index;
		job->share_count++;
	}
}

/* Shared storage: all parts are dealt anew, over those who are there. */
static void deal(struct clean_data *c)
{
	c->dealt = true;
	for (size_t i = 0; i < fleet_size(c->fleet); i++) {
		struct fleet_worker *w = fleet_worker(c->fleet, i);
		struct job *job = job_of(c, w);

		if (!w->online || worker_gone(w))
			continue;
		if (!job) {
			data_over(c, w, true);
			continue;
		}
		take_share(c, w, job);
		if (job->share_index == 0)
			job->heirs_of = absent(c);
		send_job(w, job);
	}
}

static void settle(struct clean_data *c)
{
	if (++c->settled == fleet_size(c->fleet))
		deal(c);
}

static void data_online(struct fleet_worker *w, void *user)
{
	struct clean_data *c = user;
	struct job *job = job_of(c, w);

	if (c->journal.shared)
		settle(c);
	else if (job)
		send_job(w, job);
	else
		data_over(c, w, true);
}

static bool is_given(const struct clean_data *c, const struct journal_entry *e)
{
	for (size_t i = 0; i < fleet_size(c->fleet); i++)
		if (strcmp(fleet_worker(c->fleet, i)->id, e->worker) == 0)
			return true;
	return false;
}

/* On shared storage those who are there see what the others made, if it is the same store. */
static bool is_seen(const struct clean_data *c, const struct journal_entry *e)
{
	for (size_t i = 0; c->journal.shared && i < c->journal.n; i++)
		if (is_given(c, &c->journal.entries[i]) &&
			same_store(c->journal.entries[i].job, e->job))
			return true;
	return is_given(c, e);
}

/* Workers of the run that are not among those of the hosts we have. */
static size_t name_missing(struct clean_data *c)
{
	size_t missing = 0;

	for (size_t i = 0; i < c->journal.n; i++) {
		const struct journal_entry *e = &c->journal.entries[i];

		if (is_seen(c, e))
			continue;
		log_warn("%s: what the run made there stays, for it is not among the "
			 "hosts given",
			e->worker);
		missing++;
	}
	return missing;
}

static void data_gone(struct fleet_worker *w, void *user)
{
	struct clean_data *c = user;

	if (c->over[w->index])
		return;
	c->untold[w->index] = true;
	if (!c->journal.shared || c->dealt) {
		data_over(c, w, false);
		return;
	}
	/* the others do its part, if there are any */
	data_over(c, w, c->left > 1);
	settle(c);
}

static void data_done(
	struct clean_data *c, struct fleet_worker *w, const struct msg_phase *p)
{
	bool ok = !p->errors && !p->left;

	c->removed += p->done;
	console_line(c->ctx.console, "  %s %s: removed %s%s", ok ? "✓" : "✗", w->id,
		units_of(p->done, "object").s,
		p->foreign ? ", others' objects stay" : "");
	if (!ok)
		log_error("%s: %s could not be removed%s%s", w->id,
			units_of(p->left, "object").s, p->text ? ": " : "",
			p->text ? p->text : "");
	data_over(c, w, ok);
}

static void data_message(struct fleet_worker *w, struct msg *m, void *user)
{
	struct clean_data *c = user;
	int64_t offset = 0;
	uint64_t bound;
	struct msg start = {
		.type = MSG_START, .u.start = {.generation = 1, .phase = PHASE_CLEANUP}};

	if (m->type == MSG_READY || (m->type == MSG_ARMED && m->u.armed.lead_ns <= 0)) {
		clock_sync_at(&w->clock, clock_ns(), &offset, &bound);
		start.u.start.at_ns = clock_ns() + (uint64_t)offset + 50 * NS_PER_MS +
				      2 * w->clock.rtt_ns;
		fleet_send(w, &start);
	} else if (m->type == MSG_ERROR) {
		fleet_fail(w, WORKER_ERROR, m->u.error.text);
	} else if (m->type == MSG_PHASE && m->u.phase.phase == PHASE_CLEANUP) {
		data_done(c, w, &m->u.phase);
	}
}

static void data_signal(int signo, void *user)
{
	struct clean_data *c = user;

	c->signo = signo;
	loop_stop(c->ctx.loop);
}

/* The run's own hosts.yaml; without one, the run was on this machine. */
static int data_hosts(struct clean_data *c, const char *dir, struct err *err)
{
	struct inventory_options io = context_inventory_options(c->ctx.app);
	struct inventory own = {0};
	AUTO_FREE char *path = text_printf("%s/hosts.yaml", dir);
	int r = 0;

	if (!path)
		return err_sys(err, ENOMEM, "clean");
	if (access(path, R_OK) == 0)
		r = inventory_load(path, NULL, &io, &own, err);
	else if (!c->ctx.app->o.workers)
		c->ctx.app->o.workers = c->journal.n;
	if (r == 0)
		r = context_hosts(&c->ctx, &own, err);
	inventory_finish(&own);
	return r;
}

/* The journal leaves variables out. Those of hosts that are given now come back (the run's own inventory has
 * them without values); true: each worker has credentials by that. */
static int add_own(struct clean_data *c, bool *ret_all, struct err *err)
{
	const struct options *o = &c->ctx.app->o;

	*ret_all = true;
	if (o->store_config && store_config_load(o->store_config, &c->store, err) < 0)
		return err_prefix(err, "--workload-config");
	for (size_t i = 0; i < c->journal.n; i++) {
		struct journal_entry *e = &c->journal.entries[i];
		const struct host *host = o->hosts || o->hosts_file
						  ? inventory_find(&c->ctx.hosts, e->host)
						  : NULL;

		if (inventory_env_merge(&e->job->env, c->store.env) < 0 ||
			(host && inventory_env_merge(&e->job->env, host->env) < 0))
			return err_sys(err, ENOMEM, "clean");
		*ret_all = *ret_all && environment_has_identity(e->job->env);
	}
	return 0;
}

static int add_variables(struct clean_data *c, struct err *err)
{
	bool own;

	if (add_own(c, &own, err) < 0)
		return -1;
	if (c->ctx.app->o.no_forward_env || !c->journal.n)
		return 0;
	if (forward_find(c->journal.entries[0].job, own, 0, &c->forwarded, err) < 0)
		return -1;
	for (size_t i = 0; i < c->journal.n; i++)
		if (inventory_env_merge(&c->journal.entries[i].job->env_default,
			    c->forwarded.list) < 0)
			return err_sys(err, ENOMEM, "clean");
	return 0;
}

/* Why workers went: once for all that went for the same reason. */
static void tell_gone(struct clean_data *c)
{
	size_t n = fleet_size(c->fleet);
	const char **names = calloc(n, sizeof(*names));

	for (size_t i = 0; names && i < n; i++) {
		const char *reason = fleet_worker(c->fleet, i)->reason;
		AUTO_BUF struct buf who = BUF_INIT;
		size_t alike = 0;

		if (!c->untold[i])
			continue;
		for (size_t k = i; k < n; k++) {
			struct fleet_worker *w = fleet_worker(c->fleet, k);

			if (!c->untold[k] || strcmp(w->reason, reason) != 0)
				continue;
			c->untold[k] = false;
			names[alike++] = w->id;
		}
		display_names(&who, names, alike, NAMES_SHOWN);
		log_error("%s: %s", who.data ? who.data : names[0], reason);
	}
	free(names);
}

static void give_up_the_rest(struct clean_data *c)
{
	for (size_t i = 0; i < fleet_size(c->fleet); i++) {
		struct fleet_worker *w = fleet_worker(c->fleet, i);

		if (!c->over[i])
			log_error("%s: not done before muster was interrupted", w->id);
		data_over(c, w, false);
	}
}

static int clean_over(struct clean_data *c, struct err *err)
{
	struct fleet_config config = {
		.events = {.online = data_online,
			.gone = data_gone,
			.message = data_message},
		.user = c,
	};
	const char *dir = c->ctx.app->o.data;
	size_t missing;

	if (journal_read(dir, &c->journal, err) < 0 || data_hosts(c, dir, err) < 0 ||
		add_variables(c, err) < 0 || context_transport(&c->ctx, err) < 0)
		return -1;
	if (!loop_signal_add(c->ctx.loop, SIGINT, data_signal, c, err) ||
		!loop_signal_add(c->ctx.loop, SIGTERM, data_signal, c, err))
		return -1;
	c->fleet = context_fleet(&c->ctx, &config, err);
	if (!c->fleet)
		return -1;
	missing = name_missing(c);
	c->left = fleet_size(c->fleet);
	c->over = calloc(c->left, sizeof(*c->over));
	c->untold = calloc(c->left, sizeof(*c->untold));
	if (!c->over || !c->untold)
		return err_sys(err, ENOMEM, "clean");
	console_line(c->ctx.console, "Removing what %s left on %s...", dir,
		units_of(c->left, "worker").s);
	forward_show(&c->forwarded, c->ctx.console);
	show_status(c);
	context_start(&c->ctx, c->fleet);
	if (loop_run(c->ctx.loop, err) < 0)
		return -1;
	if (c->signo)
		give_up_the_rest(c);
	status_clear(c->ctx.status);
	tell_gone(c);
	console_always(c->ctx.console, "Result: %s removed, %zu/%zu workers done",
		units_of(c->removed, "object").s, fleet_size(c->fleet) - c->failed,
		fleet_size(c->fleet));
	if (c->signo)
		return 128 + c->signo;
	return c->failed ? 3 : missing ? 1 : 0;
}

int clean_data(struct app *app, struct err *err)
{
	struct clean_data c = {0};
	int r = context_open(&c.ctx, app, false, err);

	if (r == 0)
		r = clean_over(&c, err);
	fleet_destroy(c.fleet);
	free(c.over);
	free(c.untold);
	journal_finish(&c.journal);
	cloud_forwarded_finish(&c.forwarded);
	store_config_finish(&c.store);
	context_close(&c.ctx);
	return r;
}
