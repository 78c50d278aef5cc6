/* plan: one job per worker, and what all of them come to. */
#include "workload/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/text.h"
#include "common/units.h"

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "plan");
}

void plan_free_strings(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

static void planner_finish(struct planner *p)
{
	plan_seats_finish(p);
	free(p->target);
	plan_free_strings(p->endpoints);
	plan_free_strings(p->anchors);
	free(p->deletable);
	plan_free_strings(p->notes);
}

int plan_append(char ***list, char *s)
{
	size_t n = 0;
	char **grown;

	while (*list && (*list)[n])
		n++;
	grown = s ? realloc(*list, (n + 2) * sizeof(*grown)) : NULL;
	if (!grown) {
		free(s);
		return -ENOMEM;
	}
	grown[n] = s;
	grown[n + 1] = NULL;
	*list = grown;
	return 0;
}

int plan_note(struct planner *p, struct err *err, const char *fmt, ...)
{
	struct buf b AUTO_BUF = BUF_INIT;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_vprintf(&b, fmt, ap);
	va_end(ap);
	if (r == 0)
		r = plan_append(&p->notes, buf_steal(&b));
	return r < 0 ? out_of_memory(err) : 0;
}

/* ---- URIs that stand for themselves ---- */

static int compare_lengths(const void *a, const void *b)
{
	size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);

	return x != y ? (x > y) - (x < y) : strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keeps the folders that lie below no other one. */
static void drop_nested(char **v)
{
	size_t n = 0, kept = 0;

	while (v[n])
		n++;
	qsort(v, n, sizeof(*v), compare_lengths);
	for (size_t i = 0; i < n; i++) {
		bool nested = false;

		for (size_t j = 0; j < kept && !nested; j++)
			nested = text_starts_with(v[i], v[j]);
		if (nested)
			free(v[i]);
		else
			v[kept++] = v[i];
	}
	v[kept] = NULL;
}

static int take_uri(struct planner *p, const char *uri, bool is_folder,
	const struct node *place, struct err *err)
{
	struct err why = ERR_INIT;
	char *folder;

	if (!uri || !uri_is_absolute(uri))
		return 0;
	if (plan_take_scheme(p, uri, "an earlier path", &why) < 0)
		return node_error(p->w->doc, place, err, "%s", why.text);
	folder = is_folder ? uri_target(uri) : uri_resolve(NULL, uri);
	if (folder)
		folder[uri_folder_len(folder)] = '\0';
	return plan_append(&p->anchors, folder) < 0 ? out_of_memory(err) : 0;
}

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

int plan_anchors(struct planner *p, struct err *err)
{
	const struct workload *w = p->w;

	p->anchors = calloc(1, sizeof(*p->anchors));
	if (!p->anchors)
		return out_of_memory(err);
	for (size_t i = 0; i < w->prepare.n_sets; i++) {
		const struct set_spec *s = &w->prepare.sets[i];

		if (take_uri(p, s->base_uri, true, at_key(s->node, "base_uri"), err) < 0)
			return -1;
	}
	for (size_t i = 0; i < w->n_ops; i++) {
		const struct op_spec *op = &w->ops[i];

		if (take_uri(p, op->target, true, at_key(op->node, "target"), err) < 0 ||
			take_uri(p, op->path, false, at_key(op->node, "path"), err) < 0 ||
			take_uri(p, op->to, false, at_key(op->node, "to"), err) < 0)
			return -1;
	}
	drop_nested(p->anchors);
	return 0;
}

/* ---- deletes beside reads ---- */

static bool is_reader(enum op_kind kind)
{
	return kind == OP_GET || kind == OP_STAT || kind == OP_RANGE_GET ||
	       kind == OP_RANGE_PUT || kind == OP_COPY;
}

static const struct op_spec *reader_of(
	const struct planner *p, const struct job *j, const char *set_uri)
{
	for (size_t i = 0; i < j->n_ops; i++)
		if (is_reader(j->ops[i].kind) &&
			uri_touches(j->ops[i].uri, set_uri, "prepared"))
			return &p->w->ops[i];
	return NULL;
}

static int settle_set(struct planner *p, const struct job *j, size_t i, struct err *err)
{
	const struct set_spec *spec = &p->w->prepare.sets[i];
	const char *uri = j->sets[i].uri;
	const char *shown = spec->base_uri ? spec->base_uri : "the target";
	const struct op_spec *reader = reader_of(p, j, uri);

	for (size_t k = 0; reader && !spec->tree && k < j->n_ops; k++) {
		const struct job_op *op = &j->ops[k];

		if (op->kind != OP_DELETE || !uri_touches(op->uri, uri, "prepared"))
			continue;
		if (uri_covers(op->uri, uri, "prepared") &&
			uri_covers(op->uri, uri, "deletable")) {
			p->deletable[i] = true;
			return plan_note(p, err,
				"delete shares %s with %s: prepare makes a second set of "
				"%s "
				"objects deletable-*",
				shown, op_infos[reader->kind].name,
				units_count(spec->count).s);
		}
		return plan_note(p, err,
			"delete '%s' takes objects that %s reads: expect not_found "
			"errors",
			p->w->ops[k].path, op_infos[reader->kind].name);
	}
	return 0;
}

int plan_deletable(struct planner *p, const struct job *first, struct err *err)
{
	size_t n = p->w->prepare.n_sets;

	p->deletable = calloc(n + 1, sizeof(*p->deletable));
	if (!p->deletable)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++)
		if (settle_set(p, first, i, err) < 0)
			return -1;
	return 0;
}

/* ---- storage ---- */

static bool is_shared(const struct planner *p)
{
	const struct distributed_spec *d = &p->w->distributed;

	if (p->o->shared_prepare >= 0)
		return p->o->shared_prepare > 0;
	if (d->shared_set)
		return d->shared_filesystem;
	/* null stores nothing, so nobody could share it */
	return !p->scheme->is_local && strcmp(p->scheme->prefix, "null://") != 0;
}

static int settle_storage(struct planner *p, struct err *err)
{
	const struct workload *w = p->w;

	if (plan_anchors(p, err) < 0)
		return -1;
	if (!p->scheme)
		return node_error(w->doc, at_key(w->ops[0].node, "path"), err,
			"'%s' is relative, and there is no target", w->ops[0].path);
	p->shared = is_shared(p);
	p->isolated = p->shared && plan_isolated(p);
	p->shared &= !p->isolated;
	p->subfolders = (p->isolated || (p->scheme->is_local && !p->shared)) &&
			!(p->n == 1 && !p->seats[0].host);
	if (plan_subfolders(p, err) < 0)
		return -1;
	plan_shares(p);
	if (p->shared && p->stores > 1 && w->prepare.n_sets &&
		plan_note(p, err,
			"workers have %zu targets: each of them gets sets of its own",
			p->stores) < 0)
		return -1;
	if (p->shared && w->distributed.path_template)
		return plan_note(p, err,
			"storage is shared by all workers: path_template is not used");
	if (plan_note_trees(p, err) < 0)
		return -1;
	if (p->subfolders && !p->isolated)
		return plan_note(p, err,
			"storage is each host's own: every worker works in a folder of "
			"its own, "
			"the first one in %s%s",
			p->seats[0].target ? p->seats[0].target : "", p->seats[0].sub);
	return 0;
}

static int note_overrides(struct planner *p, struct err *err)
{
	size_t targets = 0, slots = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct host *h = p->seats[i].host;

		targets += h && h->target_override && p->o->target;
		slots += h && h->concurrency_override && p->o->concurrency;
	}
	if (targets && plan_note(p, err,
			       "%zu of %zu workers have a target_override, which wins "
			       "over --target",
			       targets, p->n) < 0)
		return -1;
	if (slots && plan_note(p, err,
			     "%zu of %zu workers have a concurrency_override, which "
			     "wins over --concurrency",
			     slots, p->n) < 0)
		return -1;
	return 0;
}

/* ---- the plan ---- */

static void sum_up(const struct planner *p, struct plan *plan)
{
	for (size_t i = 0; i < plan->jobs[0].n_sets; i++) {
		const struct job_set *set = &plan->jobs[0].sets[i];
		uint64_t copies = p->shared ? p->stores : p->n;
		double bytes =
			size_spec_mean(&set->size) * (double)set->count * (double)copies;

		plan->prepare_objects += set->count * copies;
		if (set->tree.depth && p->scheme->is_local)
			plan->prepare_dirs += job_tree_dirs(&set->tree) * copies;
		plan->prepare_bytes += bytes < 1e18 ? (uint64_t)bytes : (uint64_t)1e18;
	}
}

static int make_jobs(struct planner *p, struct plan *plan, struct err *err)
{
	struct job first;
	int r;

	if (plan_job(p, 0, &first, err) < 0)
		return -1;
	r = plan_deletable(p, &first, err);
	if (r == 0)
		r = plan_check_trees(p, &first, err);
	if (r == 0)
		r = plan_check_keys(p, &first, err);
	job_finish(&first);
	if (r < 0)
		return -1;
	plan->jobs = calloc(p->n, sizeof(*plan->jobs));
	if (!plan->jobs)
		return out_of_memory(err);
	for (size_t i = 0; i < p->n; i++) {
		if (plan_job(p, i, &plan->jobs[i], err) < 0)
			return -1;
		plan->n++;
	}
	return 0;
}

/* Whether anything of the workload is to be checked: then all of it can be. */
static bool wants_verify(const struct planner *p)
{
	bool verify = p->o->verify || p->w->verify;

	for (size_t i = 0; i < p->w->n_ops; i++)
		verify |= p->w->ops[i].verify;
	return verify;
}

static int check_rate(const struct planner *p, struct err *err)
{
	if ((!p->o->arrival && !p->o->timer) || plan_has_rate(p))
		return 0;
	return err_set(err, ERR_INPUT,
		"%s is about an open loop: give --rate, or rate in the workload, too",
		p->o->arrival ? "--arrival" : "--timer");
}

static int make_plan(struct planner *p, struct plan *plan, struct err *err)
{
	const struct workload *w = p->w;

	p->verify = wants_verify(p);
	if (check_rate(p, err) < 0)
		return -1;
	if (p->o->once && p->o->autoterm > 0)
		return err_set(err, ERR_INPUT,
			"--once ends with the last object, and --autoterm when the load "
			"is steady: leave one of them out");
	if (settle_storage(p, err) < 0 || note_overrides(p, err) < 0 ||
		plan_limits(p, err) < 0 || make_jobs(p, plan, err) < 0)
		return -1;
	plan->shared = p->shared;
	plan->isolated = p->isolated;
	plan->warmup_ns = plan->jobs[0].warmup_ns;
	plan->duration_ns = plan->jobs[0].duration_ns;
	plan->autoterm = p->o->autoterm;
	plan->least_warmup_ns = w->warmup_ns;
	plan->stats_interval_ns = plan->jobs[0].stats_interval_ns;
	plan->start_delay_ns = workload_start_delay_ns(w);
	plan->post_prepare_delay_ns = w->prepare.post_prepare_delay_ns;
	plan->seed = p->seed;
	sum_up(p, plan);
	plan->object_store = p->scheme->containers > 0;
	plan->tls_unverified = plan->jobs[0].store.insecure_tls;
	plan->target = p->target || !p->seats[0].endpoints
			       ? STEAL_PTR(&p->target)
			       : STEAL_PTR(&p->seats[0].target);
	if (!p->notes && !(p->notes = calloc(1, sizeof(*p->notes))))
		return out_of_memory(err);
	plan->notes = STEAL_PTR(&p->notes);
	return 0;
}

int workload_plan(const struct workload *w, const struct workload_overrides *o,
	const struct plan_worker *workers, size_t n, const char *run, uint32_t generation,
	struct plan *ret, struct err *err)
{
	static const struct workload_overrides none = {.shared_prepare = -1};
	CLEANUP(planner_finish)
	struct planner p = {
		.w = w, .o = o ? o : &none, .run = run, .generation = generation};
	CLEANUP(plan_finish) struct plan plan = {.n = 0};

	if (n == 0)
		return err_set(err, ERR_INPUT, "%s: there is no worker to plan for",
			w->doc->name);
	/* 53 bits: a seed that is shown can be given again through any tool */
	p.seed = p.o->seed_set ? p.o->seed : rng_hash(run, strlen(run)) >> 11;
	if (plan_seats(&p, workers, n, err) < 0 || make_plan(&p, &plan, err) < 0)
		return -1;
	*ret = plan;
	plan = (struct plan){.n = 0};
	return 0;
}

void plan_finish(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		job_finish(&p->jobs[i]);
	free(p->jobs);
	free(p->target);
	plan_free_strings(p->notes);
	*p = (struct plan){.n = 0};
}
