/* plan_job: the job of one worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/plan.h"

#define OP_TIMEOUT_NS (30 * NS_PER_SEC)
#define READY_WAIT_NS (60 * NS_PER_SEC)
#define RATE_SLOTS 1024
#define DEADLINE_MARGIN_NS (120 * NS_PER_SEC)
/* of the 1 MiB that a message may have; the rest is for what names each member */
#define JOB_BYTES_MAX (900u << 10)

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "plan");
}

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

/* ---- URIs ---- */

static size_t anchor_len(const struct planner *p, const char *uri)
{
	for (char **a = p->anchors; *a; a++)
		if (text_starts_with(uri, *a))
			return strlen(*a);
	return uri_folder_len(uri);
}

/* Puts the worker's subfolder into an absolute URI. */
static char *add_subfolder(const struct planner *p, const struct seat *s, char *uri)
{
	size_t at;
	char *longer;

	if (!*s->sub || !uri)
		return uri;
	at = s->target && text_starts_with(uri, s->target) ? strlen(s->target)
							   : anchor_len(p, uri);
	longer = text_printf("%.*s%s%s", (int)at, uri, s->sub, uri + at);
	free(uri);
	return longer;
}

/* path (relative to base, or to the worker's target) as this worker's own URI. */
static int worker_uri(const struct planner *p, const struct seat *s, const char *path,
	const char *base, const struct node *place, char **ret, struct err *err)
{
	struct err why = ERR_INIT;

	if (!base)
		base = s->target;
	if (!base && !uri_is_absolute(path))
		return node_error(p->w->doc, place, err,
			"'%s' is relative, and there is no target", path);
	*ret = add_subfolder(p, s, plan_rebase(p, s, uri_resolve(base, path)));
	if (!*ret)
		return out_of_memory(err);
	/* what a relative path may hold depends on what it is relative to */
	if (uri_check(*ret, &why) < 0)
		return node_error(p->w->doc, place, err, "%s", why.text);
	return 0;
}

/* ---- sets ---- */

static int add_number(struct buf *b, const char *name, unsigned n)
{
	return n ? buf_printf(b, "|%s %u", name, n) : 0;
}

/* What a set has of a kind that most have not, whose id stays as it was without. */
static int add_content(
	const struct planner *p, const struct set_spec *spec, struct buf *b)
{
	const struct structure_spec *s = &p->w->prepare.structure;

	if (add_number(b, "dedup", spec->dedup > 1 ? spec->dedup : 0) < 0 ||
		add_number(b, "compress", spec->compress > 1 ? spec->compress : 0) < 0 ||
		add_number(b, "verify", p->verify) < 0)
		return -ENOMEM;
	if (!spec->tree)
		return 0;
	return buf_printf(b, "|tree %u %u %u %d %s", s->width, s->depth, s->files_per_dir,
		s->distribution, s->dir_mask);
}

#define DIRECT "direct://"

/* What tells a set from another one at the same place: all but the count. direct:// is another way to the files
 * of file://. */
static int set_id(const struct planner *p, const struct set_spec *spec, const char *name,
	uint64_t *ret)
{
	struct buf b AUTO_BUF = BUF_INIT;
	AUTO_FREE char *base = NULL;
	const char *path = spec->base_uri ? spec->base_uri : "";
	const struct size_spec *size = &spec->size;
	bool direct;
	int r;

	if (uri_is_absolute(path) || p->target)
		base = uri_resolve(p->target, path);
	else
		base = strdup(path);
	if (!base)
		return -ENOMEM;
	direct = text_starts_with(base, DIRECT);
	r = buf_printf(&b, "%s%s|%s|%d|%d|%llu|%llu|%.17g|%.17g", direct ? "file://" : "",
		base + (direct ? strlen(DIRECT) : 0), name, spec->fill, (int)size->type,
		(unsigned long long)size->min, (unsigned long long)size->max, size->mean,
		size->std_dev);
	if (r == 0 && p->w->prepare.shards) /* names are others then */
		r = buf_printf(&b, "|%u", p->w->prepare.shards);
	if (r == 0)
		r = add_content(p, spec, &b);
	for (size_t i = 0; r == 0 && i < size->n_parts; i++)
		r = buf_printf(&b, "|%.17g|%llu|%llu", size->parts[i].weight,
			(unsigned long long)size->parts[i].min,
			(unsigned long long)size->parts[i].max);
	*ret = rng_hash(b.data, b.len);
	return r;
}

static int add_set(const struct planner *p, const struct seat *s,
	const struct set_spec *spec, const char *name, struct job *j, struct err *err)
{
	struct job_set *set = &j->sets[j->n_sets++];
	const char *path = spec->base_uri ? spec->base_uri : "";
	AUTO_FREE char *folder = NULL;

	folder = text_printf("%s%s", path,
		!*path                      ? "./"
		: text_ends_with(path, "/") ? ""
					    : "/");
	if (!folder)
		return out_of_memory(err);
	if (worker_uri(p, s, folder, NULL, at_key(spec->node, "base_uri"), &set->uri,
		    err) < 0)
		return -1;
	set->name = strdup(name);
	set->count = spec->count;
	set->shards = p->w->prepare.shards;
	set->fill = (enum fill)spec->fill;
	set->dedup = spec->dedup;
	set->compress = spec->compress;
	set->place = node_place(p->w->doc, spec->node);
	if (!set->name || !set->place || plan_job_tree(p, spec, set) < 0 ||
		size_spec_copy(&set->size, &spec->size) < 0 ||
		set_id(p, spec, name, &set->id) < 0)
		return out_of_memory(err);
	return 0;
}

static int add_sets(
	const struct planner *p, const struct seat *s, struct job *j, struct err *err)
{
	const struct prepare_spec *prepare = &p->w->prepare;

	if (prepare->n_sets == 0)
		return 0;
	j->sets = calloc(prepare->n_sets * 2, sizeof(*j->sets));
	if (!j->sets)
		return out_of_memory(err);
	for (size_t i = 0; i < prepare->n_sets; i++) {
		const struct set_spec *spec = &prepare->sets[i];

		if (add_set(p, s, spec, "prepared", j, err) < 0)
			return -1;
		if (p->deletable && p->deletable[i] &&
			add_set(p, s, spec, "deletable", j, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- ops ---- */

/* What writes is not checked itself: job.verify makes its content such that it can be. */
static bool op_verifies(const struct planner *p, const struct op_spec *spec)
{
	if (spec->kind != OP_GET && spec->kind != OP_RANGE_GET)
		return false;
	return spec->has_verify ? spec->verify : p->o->verify || p->w->verify;
}

static int add_op(const struct planner *p, const struct seat *s,
	const struct op_spec *spec, struct job_op *op, struct err *err)
{
	*op = (struct job_op){.kind = spec->kind,
		.weight = spec->weight,
		.fill = (enum fill)spec->fill,
		.dedup = spec->dedup,
		.compress = spec->compress,
		.selection = (enum selection)spec->selection.how,
		.theta = spec->selection.theta,
		.verify = op_verifies(p, spec),
		.recursive = spec->recursive,
		.concurrency = spec->concurrency,
		.range_size = spec->range_size,
		.range_align = spec->range_align,
		.part_size = spec->part_size,
		.batch = spec->batch,
		.fsync = spec->fsync,
		.max_keys = spec->max_keys};
	op->place = node_place(p->w->doc, spec->node);
	op->delimiter = spec->delimiter ? strdup(spec->delimiter) : NULL;
	if (!op->place || (spec->delimiter && !op->delimiter) ||
		size_spec_copy(&op->size, &spec->size) < 0)
		return out_of_memory(err);
	if (spec->to && worker_uri(p, s, spec->to, spec->target, at_key(spec->node, "to"),
				&op->to, err) < 0)
		return -1;
	return worker_uri(p, s, spec->path, spec->target, at_key(spec->node, "path"),
		&op->uri, err);
}

static int add_ops(
	const struct planner *p, const struct seat *s, struct job *j, struct err *err)
{
	j->ops = calloc(p->w->n_ops, sizeof(*j->ops));
	if (!j->ops)
		return out_of_memory(err);
	for (size_t i = 0; i < p->w->n_ops; i++) {
		j->n_ops++; /* what is made of it is freed too */
		if (add_op(p, s, &p->w->ops[i], &j->ops[i], err) < 0)
			return -1;
	}
	if (p->w->dynamic_put_pool)
		plan_pools(j);
	return 0;
}

/* ---- the rest ---- */

/* Whether what an op works on is chosen among objects that are there. */
static bool chooses(enum op_kind kind)
{
	return kind != OP_PUT && kind != OP_MULTIPART_PUT && kind != OP_LIST &&
	       kind != OP_MKDIR;
}

bool plan_has_rate(const struct planner *p)
{
	return p->o->rate > 0 || (p->o->rate >= 0 && p->w->rate.ops > 0);
}

/* The part of one worker. */
static struct job_rate rate_of(const struct planner *p)
{
	const struct workload_overrides *o = p->o;
	const struct rate_spec *r = &p->w->rate;
	bool per_worker = o->rate <= 0 && r->per_worker;

	if (!plan_has_rate(p))
		return (struct job_rate){.ops = 0};
	return (struct job_rate){
		.ops = (o->rate > 0 ? o->rate : r->ops) / (per_worker ? 1 : (double)p->n),
		.arrival = (enum arrival)(o->arrival ? o->arrival - 1 : r->arrival),
		.timer = (enum timer)(o->timer ? o->timer - 1 : r->timer)};
}

static uint64_t concurrency_of(const struct planner *p, const struct seat *s)
{
	if (s->host && s->host->concurrency_override)
		return s->host->concurrency_override;
	if (s->agent && s->agent->concurrency_override)
		return s->agent->concurrency_override;
	if (p->o->concurrency)
		return p->o->concurrency;
	/* with a rate it is a bound, and no more */
	return plan_has_rate(p) && !p->w->concurrency_set ? RATE_SLOTS
							  : p->w->concurrency;
}

/* Whether a worker must look for objects before the load: nobody knows how long that takes. */
static bool needs_listing(const struct job *j)
{
	for (size_t i = 0; i < j->n_ops; i++) {
		const struct job_op *op = &j->ops[i];

		if (chooses(op->kind) &&
			(text_has_wildcard(op->uri) || text_ends_with(op->uri, "/")))
			return true;
	}
	return false;
}

/* How long the job may have to wait for other workers. */
static uint64_t ready_wait(const struct planner *p)
{
	uint64_t ns = p->o->ready_wait_ns ? p->o->ready_wait_ns
					  : workload_ready_timeout_ns(p->w);

	return ns ? ns : READY_WAIT_NS;
}

/* A bound for jobs whose length is known; silence of the orchestrator ends the others. */
static uint64_t deadline_of(const struct planner *p, const struct job *j)
{
	uint64_t wait = ready_wait(p);

	if (j->prepare || j->cleanup || needs_listing(j) ||
		wait > WORKLOAD_DURATION_MAX_NS)
		return 0;
	return j->warmup_ns + j->duration_ns + workload_start_delay_ns(p->w) + wait +
	       j->op_timeout_ns + DEADLINE_MARGIN_NS;
}

static size_t size_bytes(const struct size_spec *s)
{
	return 120 + s->n_parts * 80;
}

static size_t store_bytes(const struct store_options *o)
{
	const char *const texts[] = {o->endpoint, o->region, o->ca_pem,
		o->client_cert_pem, o->client_key_pem, o->proxy};
	size_t bytes = 600;

	/* a line break takes two bytes in JSON */
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (const char *c = texts[i]; c && *c; c++)
			bytes += *c == '\n' ? 2 : 1;
	return bytes;
}

static size_t env_bytes(char *const *env)
{
	size_t bytes = 0;

	for (; env && *env; env++) {
		bytes += strlen(*env) + 4;
		for (const char *c = strchr(*env, '\n'); c; c = strchr(c + 1, '\n'))
			bytes++;
	}
	return bytes;
}

static int check_bytes(const struct planner *p, const struct seat *s, const struct job *j,
	struct err *err)
{
	size_t bytes = 1000;

	bytes += store_bytes(&j->store) + env_bytes(j->endpoints.uris);
	for (size_t i = 0; i < j->n_ops; i++)
		bytes += strlen(j->ops[i].uri) + strlen(j->ops[i].place) + 480 +
			 (j->ops[i].to ? strlen(j->ops[i].to) : 0) +
			 size_bytes(&j->ops[i].size);
	for (size_t i = 0; i < j->n_sets; i++)
		bytes += strlen(j->sets[i].uri) + strlen(j->sets[i].place) + 400 +
			 size_bytes(&j->sets[i].size);
	bytes += env_bytes(j->env) + env_bytes(j->env_default);
	if (bytes <= JOB_BYTES_MAX)
		return 0;
	return err_set(err, ERR_INPUT,
		"%s: the job of %s would be larger than a message may be; fewer or "
		"shorter "
		"entries are needed",
		p->w->doc->name, s->worker->id);
}

static int fill_texts(const struct planner *p, const struct seat *s, struct job *j)
{
	j->run = strdup(p->run);
	j->worker = strdup(s->name);
	if (s->target)
		j->target = text_printf("%s%s", s->target, s->sub);
	if (!j->run || !j->worker || (s->target && !j->target))
		return -ENOMEM;
	if (p->o->env && inventory_env_merge(&j->env, p->o->env) < 0)
		return -ENOMEM;
	if (p->o->env_default &&
		inventory_env_merge(&j->env_default, p->o->env_default) < 0)
		return -ENOMEM;
	if (s->agent && inventory_env_merge(&j->env, s->agent->env) < 0)
		return -ENOMEM;
	return s->host ? inventory_env_merge(&j->env, s->host->env) : 0;
}

int plan_job(const struct planner *p, size_t i, struct job *ret, struct err *err)
{
	const struct seat *s = &p->seats[i];
	const struct workload *w = p->w;
	CLEANUP(job_finish)
	struct job j = {.generation = p->generation,
		.seed = p->seed,
		.index = (uint32_t)i,
		.count = (uint32_t)p->n,
		.share_index = p->shared ? (uint32_t)s->share : 0,
		.share_count = p->shared ? (uint32_t)s->shares : 1,
		.concurrency = (uint32_t)concurrency_of(p, s),
		.threads = w->threads,
		.warmup_ns = w->warmup_ns,
		.duration_ns = p->o->duration_ns ? p->o->duration_ns : w->duration_ns,
		.op_timeout_ns = OP_TIMEOUT_NS,
		.stats_interval_ns = w->perf_log.interval_ns,
		.rate = rate_of(p),
		.once = p->o->once,
		.open_warmup = p->o->autoterm > 0,
		.verify = p->verify,
		.allow_foreign = p->o->allow_foreign,
		.page_cache = (enum page_cache)w->page_cache,
		.prepare = w->prepare.n_sets > 0,
		.load = true,
		.cleanup = w->prepare.cleanup,
		.cleanup_mode = (enum cleanup_mode)w->prepare.cleanup_mode};

	/* measure ends it, at the latest when it was as long as what is measured may be */
	if (j.open_warmup)
		j.warmup_ns = j.duration_ns;
	plan_job_parts(p, &j);
	if (fill_texts(p, s, &j) < 0 || plan_job_endpoints(s, &j) < 0)
		return out_of_memory(err);
	if (plan_job_store(p, &j, err) < 0)
		return -1;
	if (add_sets(p, s, &j, err) < 0 || add_ops(p, s, &j, err) < 0 ||
		check_bytes(p, s, &j, err) < 0)
		return -1;
	j.deadline_ns = deadline_of(p, &j);
	*ret = j;
	j = (struct job){.generation = 0};
	return 0;
}
