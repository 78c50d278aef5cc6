/* validate: what each worker would do, as text. */
#include "orchestrator/validate.h"

#include <math.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/console/console.h"
#include "orchestrator/run/run_private.h"

static void size_text(const struct size_spec *s, struct buf *out)
{
	switch (s->type) {
	case SIZE_FIXED:
		buf_puts(out, units_bytes(s->min).s);
		break;
	case SIZE_UNIFORM:
		buf_printf(out, "uniform %s to %s", units_bytes(s->min).s,
			units_bytes(s->max).s);
		break;
	case SIZE_LOGNORMAL:
		buf_printf(out, "lognormal, mean %s", units_bytes((uint64_t)s->mean).s);
		if (fabs(size_spec_mean(s) - s->mean) > 0.05 * s->mean)
			buf_printf(out, ", but %s within min and max",
				units_bytes((uint64_t)size_spec_mean(s)).s);
		break;
	case SIZE_MIX:
		buf_printf(out, "mix of %zu, mean %s", s->n_parts,
			units_bytes((uint64_t)size_spec_mean(s)).s);
		break;
	}
}

/* What content is made of, where it is not just random. */
static void factors_text(uint32_t dedup, uint32_t compress, struct buf *out)
{
	if (dedup > 1)
		buf_printf(out, ", dedup %u:1", dedup);
	if (compress > 1)
		buf_printf(out, ", compress %u:1", compress);
}

static void show_tree(struct console *con, const struct job *j, const struct job_set *s)
{
	AUTO_BUF struct buf text = BUF_INIT;
	uint64_t dirs = job_tree_dirs(&s->tree);

	buf_puts(&text, units_of(dirs, "directory").s);
	if (s->count) {
		buf_printf(&text, ", %s in %s of them, ", units_of(s->count, "file").s,
			units_count(job_tree_file_dirs(&s->tree)).s);
		size_text(&s->size, &text);
		buf_printf(&text, ", fill %s", fill_names[s->fill]);
		factors_text(s->dedup, s->compress, &text);
	}
	if (j->path_selection != PATHS_RANDOM)
		buf_printf(&text, "; path_selection %s, part %u of %u",
			path_selection_names[j->path_selection], j->index + 1, j->count);
	if (j->coordinator && j->share_index > 0)
		buf_puts(&text, "; made by another worker");
	console_line(
		con, "  prepare %s: a tree of %s", s->uri, text.data ? text.data : "");
}

static void show_set(struct console *con, const struct job *j, const struct job_set *s)
{
	AUTO_BUF struct buf size = BUF_INIT;
	uint64_t mine =
		s->count / j->share_count + (s->count % j->share_count > j->share_index);

	if (j->coordinator)
		mine = j->share_index == 0 ? s->count : 0;
	size_text(&s->size, &size);
	buf_printf(&size, ", fill %s", fill_names[s->fill]);
	factors_text(s->dedup, s->compress, &size);
	console_line(con, "  prepare %s%s%s-*: %s of %s, %s", s->uri,
		s->shards ? "%02x/" : "", s->name, units_count(mine).s,
		units_of(s->count, "object").s, size.data);
}

static void selection_text(const struct job_op *op, struct buf *out)
{
	if (op->selection != SELECT_UNIFORM)
		buf_printf(out, ", %s", selection_names[op->selection]);
	if (op->selection == SELECT_ZIPF || op->selection == SELECT_LATEST)
		buf_printf(out, " (theta %g)", op->theta);
}

/* What an op does besides its path. */
static void op_text(const struct job_op *op, bool sized, struct buf *out)
{
	if (sized) {
		buf_puts(out, ", ");
		size_text(&op->size, out);
	}
	if (op->part_size)
		buf_printf(out, " in parts of %s", units_bytes(op->part_size).s);
	if (op->range_size)
		buf_printf(out, ", %s", units_bytes(op->range_size).s);
	if (op->range_align > 1)
		buf_printf(out, " at multiples of %s", units_bytes(op->range_align).s);
	selection_text(op, out);
	factors_text(op->dedup, op->compress, out);
	if (op->to)
		buf_printf(out, " to %s", op->to);
	if (op->batch > 1)
		buf_printf(out, ", %u per request", op->batch);
	buf_puts(out, op->fsync ? ", fsync" : "");
	buf_puts(out, op->verify ? ", verified" : "");
	buf_puts(out, op->recursive ? ", recursive" : "");
	if (op->concurrency)
		buf_printf(out, ", at most %u at once", op->concurrency);
}

static int op_width(const struct job *j)
{
	size_t most = strlen("DELETE");

	for (size_t i = 0; i < j->n_ops; i++)
		if (strlen(op_infos[j->ops[i].kind].display) > most)
			most = strlen(op_infos[j->ops[i].kind].display);
	return (int)most;
}

static void show_op(
	struct console *con, const struct job *j, const struct job_op *op, double weights)
{
	AUTO_BUF struct buf more = BUF_INIT;
	/* a put into a tree has no size: its files have */
	bool sized = op->kind == OP_MULTIPART_PUT ||
		     (op->kind == OP_PUT && !workload_in_tree(j, op->uri));

	op_text(op, sized, &more);
	console_line(con, "  %5.1f%% %-*s %s%s", op->weight / weights * 100, op_width(j),
		op_infos[op->kind].display, op->uri, more.data ? more.data : "");
}

static void show_endpoints(struct console *con, const struct job_endpoints *e)
{
	for (char **uri = e->uris; uri && *uri; uri++)
		console_line(con, "  endpoint %s", *uri);
}

static void command_text(char *const *words, struct buf *out)
{
	buf_puts(out, ", through");
	for (size_t i = 0; words[i]; i++) {
		const char *secret =
			inventory_env_value(words[i], i ? words[i - 1] : NULL);
		size_t shown = secret ? (size_t)(secret - words[i]) : strlen(words[i]);

		buf_printf(out, " %.*s%s", (int)shown, words[i], secret ? "***" : "");
	}
}

/* The way to a host, where it is not just SSH as ssh_config says. */
static void way_text(const struct host *h, struct buf *out)
{
	if (h->transport == TRANSPORT_COMMAND)
		command_text(h->command, out);
	else if (h->transport != TRANSPORT_AUTO)
		buf_printf(out, ", transport %s", host_transport_names[h->transport]);
	if (h->jump && strcmp(h->jump, "none") == 0)
		buf_puts(out, ", over no jump host");
	else if (h->jump)
		buf_printf(out, ", over %s", h->jump);
	if (h->container.image)
		buf_printf(out, ", in %s%s%s%s", h->container.image,
			h->container.runtime ? " (" : "",
			h->container.runtime ? h->container.runtime : "",
			h->container.runtime ? ")" : "");
	if (h->worker_path)
		buf_printf(out, ", worker %s", h->worker_path);
}

/* host: NULL for this machine without an inventory. */
/* Whether op removes or overwrites what is there. */
static bool touches(const struct job *j, const struct job_op *op)
{
	bool tree = false;

	for (size_t i = 0; i < j->n_sets; i++)
		tree |= j->sets[i].tree.depth &&
			text_starts_with(j->sets[i].uri, op->uri);
	return op->kind == OP_DELETE || op->kind == OP_RMDIR ||
	       op->kind == OP_RANGE_PUT || (op->kind == OP_PUT && tree);
}

static void show_foreign(struct console *con, const struct job *j)
{
	for (size_t i = 0; j->allow_foreign && i < j->n_ops; i++)
		if (touches(j, &j->ops[i]))
			console_line(con,
				"  --allow-foreign: %s touches what is in %s, whoever "
				"made it",
				op_infos[j->ops[i].kind].display, j->ops[i].uri);
	for (size_t i = 0; j->allow_foreign && j->overwrite && i < j->n_sets; i++)
		console_line(con,
			"  --allow-foreign: force_overwrite overwrites what is in %s, "
			"whoever made it",
			j->sets[i].uri);
}

static void show_job(struct console *con, const struct job *j, const struct host *host)
{
	AUTO_BUF struct buf way = BUF_INIT;
	double weights = 0;

	if (host)
		way_text(host, &way);
	console_line(con, "%s: %s%s", j->worker, units_of(j->concurrency, "slot").s,
		way.data ? way.data : "");
	show_endpoints(con, &j->endpoints);
	for (size_t i = 0; i < j->n_sets; i++)
		(j->sets[i].tree.depth ? show_tree : show_set)(con, j, &j->sets[i]);
	for (size_t i = 0; i < j->n_ops; i++)
		weights += j->ops[i].weight;
	for (size_t i = 0; i < j->n_ops; i++)
		show_op(con, j, &j->ops[i], weights);
	show_foreign(con, j);
}

void validate_show(const struct run *r)
{
	struct console *con = r->ctx.console;
	const struct plan *p = &r->plan;
	AUTO_BUF struct buf load = BUF_INIT, prepare = BUF_INIT;

	run_show_store(r);
	for (char **n = p->notes; n && *n; n++)
		console_line(con, "Note: %s", *n);
	for (size_t i = 0; i < p->n; i++)
		show_job(
			con, &p->jobs[i], r->ctx.embedded ? NULL : r->members[i].w->host);
	run_prepare_text(p, &prepare);
	if (prepare.len)
		console_line(con, "Prepare: %s in all, %s storage", prepare.data,
			p->shared ? "shared" : "local");
	if (p->jobs[0].rate.ops > 0 || p->jobs[0].once || p->jobs[0].verify)
		run_load_text(p, &load);
	console_line(con, "Load: %s%s%s%s on %s%s%s", p->autoterm > 0 ? "at most " : "",
		units_duration(p->duration_ns).s,
		p->autoterm > 0 ? " after a warm-up of at most "
		: p->warmup_ns  ? " after a warm-up of "
				: "",
		p->warmup_ns ? units_duration(p->warmup_ns).s : "",
		units_of(p->n, "worker").s, load.len ? ": " : "",
		load.len ? load.data : "");
	console_always(con, "%s: valid", workload_name(r->workload));
}
