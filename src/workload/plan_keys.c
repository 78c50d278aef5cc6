/* plan_keys: keys of ops that would do nothing in this plan. Those that can only be a mistake are refused where they
 * stand; those that the command line, the scheme or the sets make useless are told. What a key can never do beside
 * another one, ops.c refuses. */
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/plan.h"

/* Of what dedup counts (backends/content.h): smaller objects have one block. */
#define TWO_BLOCKS 8192u

/* An op, as written and as planned for the first worker. */
struct looked_at {
	struct planner *p;
	const struct job *job;
	const struct op_spec *spec;
	const struct job_op *op;
};

/* The sets hold what is read or written over: what the op says of content has nothing to do. */
static const char *const content_keys[] = {"fill", "dedup_factor", "compress_factor"};

static const struct node *content_key(const struct op_spec *op, const char **ret_name)
{
	for (size_t i = 0; i < ARRAY_LEN(content_keys); i++) {
		const struct node *n = node_get(op->node, content_keys[i]);

		*ret_name = content_keys[i];
		if (n)
			return n;
	}
	return NULL;
}

static bool is_range(enum op_kind kind)
{
	return kind == OP_RANGE_GET || kind == OP_RANGE_PUT;
}

/* Sets whose objects an op takes: the largest object of all, 0 when there is no such set. ret_bounded: each of them
 * has a largest one. */
static uint64_t covered_max(const struct looked_at *l, bool *ret_bounded)
{
	uint64_t most = 0;

	*ret_bounded = true;
	for (size_t i = 0; i < l->job->n_sets; i++) {
		const struct job_set *set = &l->job->sets[i];
		const uint64_t max = plan_size_max(&set->size);

		if (!plan_covers(l->op->uri, set))
			continue;
		*ret_bounded &= max > 0;
		most = max > most ? max : most;
	}
	return most;
}

static bool is_covered(const struct looked_at *l)
{
	for (size_t i = 0; i < l->job->n_sets; i++)
		if (plan_covers(l->op->uri, &l->job->sets[i]))
			return true;
	return false;
}

/* ---- content ---- */

static int check_content(const struct looked_at *l, struct err *err)
{
	const enum op_kind kind = l->op->kind;
	const bool reads = kind == OP_GET || kind == OP_RANGE_GET;
	const char *name;
	const struct node *n = content_key(l->spec, &name);

	if (!n)
		return 0;
	if (reads && !l->op->verify)
		return node_error(l->p->w->doc, n, err,
			"a %s that checks nothing takes no '%s': verify: true (or "
			"--verify) makes it check",
			op_infos[kind].name, name);
	/* what is new each time is the op's own */
	if (kind == OP_MULTIPART_PUT || (!reads && !l->p->verify) || !is_covered(l) ||
		(kind == OP_PUT && !workload_in_tree(l->job, l->op->uri)))
		return 0;
	return plan_note(l->p, err,
		"%s '%s': what the objects hold is what ensure_objects says: %s of the "
		"%s is not used",
		op_infos[kind].name, l->spec->path, name, op_infos[kind].name);
}

static int check_verify(const struct looked_at *l, struct err *err)
{
	const bool reads = l->op->kind == OP_GET || l->op->kind == OP_RANGE_GET;

	if (reads || !l->spec->has_verify || l->spec->verify || !l->p->verify)
		return 0;
	return plan_note(l->p, err,
		"%s '%s' writes content that can be checked, as all ops do when any of "
		"them is: verify: false is not used",
		op_infos[l->op->kind].name, l->spec->path);
}

/* With verify a block has its copies within its object. */
static int check_dedup(const struct looked_at *l, struct err *err)
{
	const bool writes = l->op->kind == OP_PUT || l->op->kind == OP_MULTIPART_PUT;
	const uint64_t most = plan_size_max(&l->op->size);

	if (!writes || !l->p->verify || l->op->dedup <= 1 || !most || most >= TWO_BLOCKS)
		return 0;
	return plan_note(l->p, err,
		"%s '%s': with verify, blocks of 4 KiB repeat within an object alone, "
		"and objects of %s have one: dedup_factor is not used",
		op_infos[l->op->kind].name, l->spec->path, units_bytes(most).s);
}

/* ---- choice ---- */

static int check_once(const struct looked_at *l, struct err *err)
{
	const int how = l->spec->selection.how;

	if (!l->p->o->once || (how != SELECT_ZIPF && how != SELECT_LATEST))
		return 0;
	return plan_note(l->p, err,
		"%s '%s': --once takes each object once, in any order: selection %s is "
		"not used",
		op_infos[l->op->kind].name, l->spec->path, selection_names[how]);
}

/* The same path as a put's means what that makes. */
static bool is_one_object(const struct looked_at *l)
{
	const char *uri = l->op->uri;

	if (text_has_wildcard(uri) || text_ends_with(uri, "/"))
		return false;
	for (size_t i = 0; i < l->job->n_ops; i++) {
		const char *puts = job_op_puts(&l->job->ops[i]);

		if (puts && strcmp(puts, uri) == 0)
			return false;
	}
	return true;
}

static int check_batch(const struct looked_at *l, struct err *err)
{
	if (l->op->kind != OP_DELETE || l->op->batch <= 1 || !is_one_object(l))
		return 0;
	return node_error(l->p->w->doc, node_get(l->spec->node, "batch"), err,
		"'%s' is one object: a delete of it takes no batch", l->spec->path);
}

/* ---- ranges ---- */

static int check_align(const struct looked_at *l, struct err *err)
{
	const struct op_spec *op = l->spec;
	const bool in_order = op->selection.how == SELECT_SEQUENTIAL;

	if (!is_range(l->op->kind) || op->range_align <= 1 ||
		op->range_size % op->range_align == 0 || (!in_order && !l->p->o->once))
		return 0;
	return node_error(l->p->w->doc, node_get(op->node, "range_align"), err,
		"%s takes ranges one behind the other: range_size must be a multiple of "
		"range_align, and %llu is none of %llu",
		in_order ? "selection sequential" : "--once",
		(unsigned long long)op->range_size, (unsigned long long)op->range_align);
}

static int note_offsets(const struct looked_at *l, struct err *err)
{
	const struct op_spec *op = l->spec;
	bool bounded;
	const uint64_t most = covered_max(l, &bounded);

	if (!is_range(l->op->kind) || !most || !bounded)
		return 0;
	if (most <= op->range_size)
		return plan_note(l->p, err,
			"%s '%s': objects have at most %s: each range of %s is a whole "
			"object",
			op_infos[l->op->kind].name, op->path, units_bytes(most).s,
			units_bytes(op->range_size).s);
	if (most - op->range_size >= op->range_align)
		return 0;
	return plan_note(l->p, err,
		"%s '%s': objects have at most %s: with a range_align of %s all ranges "
		"begin at 0",
		op_infos[l->op->kind].name, op->path, units_bytes(most).s,
		units_bytes(op->range_align).s);
}

/* ---- the scheme ---- */

static int note_scheme(const struct looked_at *l, struct err *err)
{
	const struct scheme *s = l->p->scheme;

	if (!l->spec->fsync || s->is_local)
		return 0;
	return plan_note(l->p, err, "%s '%s': fsync is about files and not used for %s",
		op_infos[l->op->kind].name, l->spec->path, s->prefix);
}

/* ---- all of them ---- */

static int note_pools(struct planner *p, const struct job *job, struct err *err)
{
	bool pooled = false;

	for (size_t i = 0; i < job->n_ops; i++)
		pooled |= job->ops[i].pool != 0;
	if (!p->w->dynamic_put_pool || pooled)
		return 0;
	return plan_note(p, err,
		"dynamic_put_pool: no put makes what a get, range_get, stat or copy "
		"chooses from: it is not used");
}

static int note_sets(struct planner *p, const struct job *job, struct err *err)
{
	for (size_t i = 0; p->verify && i < job->n_sets; i++) {
		const struct job_set *set = &job->sets[i];
		const uint64_t most = plan_size_max(&set->size);

		if (set->dedup > 1 && most && most < TWO_BLOCKS &&
			plan_note(p, err,
				"%s: with verify, blocks of 4 KiB repeat within an "
				"object alone, and objects of %s have one: dedup_factor "
				"is not used",
				set->uri, units_bytes(most).s) < 0)
			return -1;
	}
	return 0;
}

int plan_check_keys(struct planner *p, const struct job *first, struct err *err)
{
	static int (*const checks[])(const struct looked_at *l, struct err *err) = {
		check_content, check_verify, check_dedup, check_once, check_batch,
		check_align, note_offsets, note_scheme};

	for (size_t i = 0; i < first->n_ops; i++) {
		const struct looked_at l = {p, first, &p->w->ops[i], &first->ops[i]};

		for (size_t k = 0; k < ARRAY_LEN(checks); k++)
			if (checks[k](&l, err) < 0)
				return -1;
	}
	return note_sets(p, first, err) < 0 ? -1 : note_pools(p, first, err);
}
