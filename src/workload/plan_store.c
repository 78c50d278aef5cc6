/* plan_store: how the store is reached, what it can do, and what ops share. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/plan.h"

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "plan");
}

/* ---- options ---- */

int plan_job_store(const struct planner *p, struct job *j, struct err *err)
{
	const struct workload_overrides *o = p->o;
	struct store_options *s = &j->store;

	if (!p->scheme->containers)
		return 0;
	if (store_options_copy(s, &p->w->storage.options) < 0)
		return out_of_memory(err);
	if (o->http_engine)
		s->engine = o->http_engine - 1;
	s->insecure_tls |= o->insecure_tls;
	if (!o->endpoint)
		return 0;
	if (storage_check_endpoint(o->endpoint, err) < 0)
		return err_prefix(err, "--endpoint");
	free(s->endpoint);
	s->endpoint = strdup(o->endpoint);
	return s->endpoint ? 0 : out_of_memory(err);
}

/* Keys and options that have nothing to say about files. */
static int note_unused(struct planner *p, struct err *err)
{
	const struct workload *w = p->w;
	const struct workload_overrides *o = p->o;
	const struct {
		bool given;
		const char *name;
	} all[] = {{w->storage_node, "storage"},
		{!w->storage_node && w->storage.options.endpoint, "endpoint"},
		{w->retries.retry_on_error, "retry_on_error"},
		{o->endpoint, "--endpoint"}, {o->http_engine, "--http-engine"},
		{o->insecure_tls, "--insecure-tls"}};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].given &&
			plan_note(p, err, "%s is about object stores and not used for %s",
				all[i].name, p->scheme->prefix) < 0)
			return -1;
	return 0;
}

/* ---- limits ---- */

static const struct node *at_key(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n ? n : map;
}

/* Objects are no files: they lie in no directories, and change as a whole. Files have no copies that their store
 * makes, and no parts. */
static int check_kind(struct planner *p, const struct op_spec *op, struct err *err)
{
	const struct node *n = at_key(op->node, "op");

	if (p->scheme->is_local && (op->kind == OP_COPY || op->kind == OP_MULTIPART_PUT))
		return node_error(p->w->doc, n, err,
			"%s has no %s: that is for s3://, az://, gs:// and null://",
			p->scheme->prefix, op_infos[op->kind].name);
	if (!p->scheme->containers)
		return 0;
	if (op->kind == OP_MKDIR || op->kind == OP_RMDIR)
		return node_error(p->w->doc, n, err,
			"%s has no directories: %s is for file://, direct:// and null://",
			p->scheme->prefix, op_infos[op->kind].name);
	if (op->kind == OP_RANGE_PUT)
		return node_error(p->w->doc, n, err,
			"an object of %s changes as a whole: range_put is for file://, "
			"direct:// and null://",
			p->scheme->prefix);
	return 0;
}

static int check_batch(struct planner *p, const struct op_spec *op, struct err *err)
{
	unsigned most = p->scheme->batch_max ? p->scheme->batch_max : 1;

	if (op->batch <= most)
		return 0;
	return node_error(p->w->doc, at_key(op->node, "batch"), err,
		most == 1 ? "%s deletes one object per request"
			  : "%s deletes at most %u objects per request",
		p->scheme->prefix, most);
}

uint64_t plan_size_max(const struct size_spec *s)
{
	uint64_t most = s->max;

	for (size_t i = 0; i < s->n_parts; i++)
		if (s->parts[i].max > most)
			most = s->parts[i].max;
	return most;
}

static int check_parts(struct planner *p, const struct op_spec *op, struct err *err)
{
	const struct scheme *s = p->scheme;
	const struct node *n = at_key(op->node, "part_size");
	uint64_t size = op->part_size, most = plan_size_max(&op->size);

	if (!size)
		return 0;
	if (size < s->part_min)
		return node_error(p->w->doc, n, err, "a part at %s has at least %s",
			s->prefix, units_bytes(s->part_min).s);
	if (s->part_max && size > s->part_max)
		return node_error(p->w->doc, n, err, "a part at %s has at most %s",
			s->prefix, units_bytes(s->part_max).s);
	if (s->part_multiple && size % s->part_multiple)
		return node_error(p->w->doc, n, err, "a part at %s is a multiple of %s",
			s->prefix, units_bytes(s->part_multiple).s);
	if (s->parts_max && most / size + (most % size != 0) > s->parts_max)
		return node_error(p->w->doc, n, err,
			"an object of %s would have more than the %u parts that %s takes",
			units_bytes(most).s, s->parts_max, s->prefix);
	return 0;
}

static int check_put(struct planner *p, const struct op_spec *op, struct err *err)
{
	const struct scheme *s = p->scheme;

	if (!s->put_max || plan_size_max(&op->size) <= s->put_max)
		return 0;
	return plan_note(p, err,
		"put '%s': objects above %s go to %s in parts, and stay puts in the "
		"results",
		op->path, units_bytes(s->put_max).s, s->prefix);
}

int plan_limits(struct planner *p, struct err *err)
{
	if (!p->scheme->containers && note_unused(p, err) < 0)
		return -1;
	if (p->w->page_cache != PAGES_AUTO && strcmp(p->scheme->prefix, "file://") != 0 &&
		plan_note(p, err, "page_cache_mode is about file:// and not used for %s",
			p->scheme->prefix) < 0)
		return -1;
	for (size_t i = 0; i < p->w->n_ops; i++) {
		const struct op_spec *op = &p->w->ops[i];

		if (check_kind(p, op, err) < 0 || check_batch(p, op, err) < 0 ||
			check_parts(p, op, err) < 0 ||
			(op->kind == OP_PUT && check_put(p, op, err) < 0))
			return -1;
	}
	return 0;
}

/* ---- pools ---- */

static bool makes(const struct job_op *op)
{
	return op->kind == OP_PUT || op->kind == OP_MULTIPART_PUT;
}

/* Chooses among several, and what it chooses stays. */
static bool reads(const struct job_op *op)
{
	bool kind = op->kind == OP_GET || op->kind == OP_STAT ||
		    op->kind == OP_RANGE_GET || op->kind == OP_COPY;

	return kind && (text_has_wildcard(op->uri) || text_ends_with(op->uri, "/"));
}

/* Whether what a put makes is among what a reader means: below its prefix, or in the folder of its glob. */
static bool feeds(const struct job_op *put, const struct job_op *reader)
{
	size_t folder = uri_folder_len(reader->uri);

	return strncmp(put->uri, reader->uri, folder) == 0 &&
	       (text_ends_with(reader->uri, "/") || uri_folder_len(put->uri) == folder);
}

static void join(struct job *j, uint32_t from, uint32_t to)
{
	for (size_t i = 0; i < j->n_ops; i++)
		if (j->ops[i].pool == from)
			j->ops[i].pool = to;
}

void plan_pools(struct job *j)
{
	uint32_t n = 0;

	for (size_t i = 0; i < j->n_ops; i++) {
		for (size_t k = 0; makes(&j->ops[i]) && k < j->n_ops; k++) {
			struct job_op *put = &j->ops[i], *reader = &j->ops[k];

			if (!reads(reader) || !feeds(put, reader))
				continue;
			if (!put->pool)
				put->pool = reader->pool ? reader->pool : ++n;
			if (reader->pool && reader->pool != put->pool)
				join(j, reader->pool, put->pool);
			reader->pool = put->pool;
		}
	}
}
