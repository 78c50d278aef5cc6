/* matrix_files: the results directory of a matrix, and its events. docs/results.md is the schema. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "muster_version.h"
#include "orchestrator/command.h"
#include "orchestrator/console/events.h"
#include "orchestrator/matrix/matrix_private.h"
#include "results/json_writer.h"
#include "results/net_export.h"
#include "results/net_grid.h"

#define SCHEMA_VERSION 1
#define FLAT 3

static const char *const mode_names[] = {"parallel", "sequential", "concurrent"};

struct net_grid *matrix_grids(const struct matrix *m)
{
	struct net_grid *grids = calloc(m->n_tests + 1, sizeof(*grids));

	for (size_t i = 0; grids && i < m->n_tests; i++)
		if (net_grid_make(m->records, m->n_tasks, m->tests[i].name, &grids[i]) <
			0) {
			matrix_grids_free(grids, i);
			return NULL;
		}
	return grids;
}

void matrix_grids_free(struct net_grid *grids, size_t n)
{
	for (size_t i = 0; grids && i < n; i++)
		net_grid_finish(&grids[i]);
	free(grids);
}

static void put_wall(struct json_writer *w, const char *key, uint64_t wall_ns)
{
	char text[32];

	clock_format_rfc3339(wall_ns, text, sizeof(text));
	jw_text(w, key, text);
}

static void put_command_line(struct json_writer *w, const struct app *app)
{
	AUTO_BUF struct buf text = BUF_INIT;

	for (int i = 0; i < app->argc; i++) {
		if (i)
			buf_putc(&text, ' ');
		text_shell_quote(&text, app->argv[i]);
	}
	jw_text(w, "command_line", text.data);
}

static void put_tests(struct json_writer *w, const struct matrix *m)
{
	jw_array(w, "tests");
	for (size_t i = 0; i < m->n_tests; i++) {
		jw_object(w, NULL);
		jw_text(w, "name", m->tests[i].name);
		jw_text(w, "words", m->tests[i].text);
		jw_object_end(w);
	}
	jw_array_end(w);
}

static void put_facts(struct json_writer *w, const struct msg_hello *h)
{
	jw_object(w, "facts");
	jw_text(w, "version", h->version);
	jw_text(w, "sha256", h->sha256);
	jw_text(w, "arch", h->arch);
	jw_text(w, "kernel", h->kernel);
	jw_text(w, "os", h->os);
	jw_text(w, "hostname", h->hostname);
	jw_uint(w, "cpus", h->cpus);
	jw_uint(w, "memory_bytes", h->memory_bytes);
	jw_text(w, "machine_id", h->machine_id);
	jw_texts(w, "addresses", h->addresses);
	jw_object_end(w);
}

static void put_host(struct json_writer *w, const struct matrix_host *h)
{
	const struct conn_info *ci = fleet_conn_info(h->w);
	int64_t offset = 0;
	uint64_t bound = 0;

	jw_object(w, NULL);
	jw_text(w, "host", h->w->host->name);
	jw_text(w, "address", h->w->host->address);
	jw_text(w, "data_address", h->data);
	jw_bool(w, "client", h->client);
	jw_bool(w, "server", h->server);
	jw_text(w, "transport", ci ? ci->transport : NULL);
	jw_text(w, "state", worker_state_name(h->w->state));
	jw_text(w, "reason", h->w->reason);
	if (clock_sync_at(&h->w->clock, clock_ns(), &offset, &bound)) {
		jw_object(w, "clock");
		jw_int(w, "offset_ns", offset);
		jw_uint(w, "bound_ns", bound);
		jw_object_end(w);
	}
	if (h->w->said_hello)
		put_facts(w, &h->w->hello);
	jw_object_end(w);
}

static void put_plan(struct json_writer *w, const struct matrix *m)
{
	jw_object(w, "plan");
	jw_text(w, "mode", mode_names[m->mode]);
	jw_uint(w, "pairs", m->plan.n);
	jw_uint(w, "rounds", m->plan.rounds);
	jw_uint(w, "repeats", m->repeats);
	jw_uint(w, "retries", m->retries);
	jw_real(w, "planned_s", (double)matrix_plan_length_ns(&m->plan, &m->work) / 1e9,
		3);
	jw_object_end(w);
}

/* How far apart the ends of a round began, at most, and how exactly that is known. */
static void put_skew(struct json_writer *w, const struct matrix *m)
{
	jw_object(w, "start");
	jw_real(w, "skew_us", (double)m->skew_ns / 1e3, 1);
	jw_real(w, "bound_us", (double)m->skew_bound_ns / 1e3, 1);
	jw_object_end(w);
}

static void put_metadata(struct json_writer *w, const struct matrix *m, int code)
{
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	jw_object(w, NULL);
	jw_uint(w, "schema_version", SCHEMA_VERSION);
	jw_text(w, "command", "matrix");
	jw_text(w, "name", m->name);
	jw_text(w, "outcome", matrix_outcome(m));
	jw_int(w, "exit_code", code);
	jw_object(w, "versions");
	jw_text(w, "muster", MUSTER_VERSION);
	jw_uint(w, "protocol", PROTO_VERSION);
	jw_object_end(w);
	put_command_line(w, m->app);
	jw_text(w, "hostname", host);
	jw_text(w, "engine", m->engine);
	put_plan(w, m);
	jw_object(w, "clock");
	put_wall(w, "wall_start", m->wall_start_ns);
	put_wall(w, "wall_end", clock_wall_ns());
	jw_real(w, "elapsed_s", (double)(clock_ns() - m->began_ns) / 1e9, 6);
	jw_object_end(w);
	matrix_resume_put(m, w);
	put_skew(w, m);
	put_tests(w, m);
	jw_array(w, "hosts");
	for (size_t i = 0; i < m->n_hosts; i++)
		put_host(w, &m->hosts[i]);
	jw_array_end(w);
	jw_texts(w, "missed", m->missed);
	jw_texts(w, "met", m->met);
	jw_array(w, "remarks");
	for (char **r = m->remarks; r && *r; r++)
		jw_text(w, NULL, *r);
	jw_array_end(w);
	jw_object_end(w);
}

static int write_metadata(struct matrix *m, int code, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text, FLAT);
	put_metadata(&w, m, code);
	if (w.failed)
		return err_sys(err, ENOMEM, "metadata.json");
	return rundir_write(m->dir, "metadata.json", text.data, err);
}

static int write_rows(struct matrix *m, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (net_export_json(m->records, m->n_tasks, &text, err) < 0)
		return -1;
	return rundir_write(m->dir, "results.json", text.data, err);
}

static int write_grids(struct matrix *m, struct err *err)
{
	struct net_grid *grids = matrix_grids(m);
	AUTO_BUF struct buf csv = BUF_INIT;
	AUTO_BUF struct buf svg = BUF_INIT;
	int rc = -1;

	if (!grids)
		return err_sys(err, ENOMEM, "matrix.csv");
	if (net_grids_csv(grids, m->n_tests, &csv, err) == 0 &&
		net_grids_svg(grids, m->n_tests, m->name, &svg, err) == 0 &&
		rundir_write(m->dir, "matrix.csv", csv.data, err) == 0)
		rc = rundir_write(m->dir, "heatmap.svg", svg.data, err);
	matrix_grids_free(grids, m->n_tests);
	return rc;
}

int matrix_write_results(struct matrix *m, int code, struct err *err)
{
	struct err later = ERR_INIT;
	int rc = 0;

	/* a session that has come to nothing changes nothing */
	if (m->resume && !m->n_tasks)
		return 0;
	/* a file that fails says nothing about the next one */
	if (m->n_tasks && write_rows(m, err) < 0)
		rc = -1;
	if (m->n_tasks && write_grids(m, rc == 0 ? err : &later) < 0)
		rc = -1;
	if (write_metadata(m, code, rc == 0 ? err : &later) < 0)
		rc = -1;
	return rc;
}

static const char *name_of(const struct matrix *m, uint32_t host)
{
	return m->ctx.hosts.hosts[host].name;
}

void matrix_event_round(struct matrix *m)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i < m->n_flights; i++)
		json_array_append_new(pairs,
			json_pack("{s:s, s:s}", "client",
				name_of(m, m->flights[i].task->pair->client), "server",
				name_of(m, m->flights[i].task->pair->server)));
	events_emit(&m->ctx, m->dir, "round",
		json_pack("{s:i, s:s, s:i, s:o}", "round",
			(int)m->flights[0].task->record->round, "test",
			m->flights[0].task->test->name, "again", (int)m->pass, "pairs",
			pairs));
}

void matrix_event_rates(struct matrix *m, double time_s)
{
	json_t *pairs = json_array();

	for (size_t i = 0; i < m->n_flights; i++) {
		const struct matrix_flight *f = &m->flights[i];
		bool transacts = net_spec_transacts(&f->task->spec);

		if (f->rate >= 0)
			json_array_append_new(pairs,
				json_pack("{s:s, s:s, s:f}", "client",
					name_of(m, f->task->pair->client), "server",
					name_of(m, f->task->pair->server),
					transacts ? "transactions_per_s"
						  : "throughput_mbps",
					f->rate));
	}
	events_emit(&m->ctx, m->dir, "rates",
		json_pack("{s:f, s:o}", "time_s", time_s, "pairs", pairs));
}

void matrix_event_pair(struct matrix *m, const struct matrix_task *t)
{
	const struct net_record *r = t->record;
	json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:i, s:b}", "client", r->client,
		"server", r->server, "test", r->test, "round", (int)r->round, "attempts",
		(int)r->attempts, "success", r->success);

	if (r->success)
		json_object_set_new(o,
			net_spec_transacts(r->spec) ? "transactions_per_s"
						    : "throughput_mbps",
			json_real(r->values.of[SEL_THROUGHPUT].number));
	else
		json_object_set_new(o, "error",
			json_pack("{s:s, s:s}", "class", r->error_class, "message",
				r->error ? r->error : ""));
	events_emit(&m->ctx, m->dir, "pair", o);
}

void matrix_event_end(struct matrix *m, int code)
{
	events_emit(&m->ctx, m->dir, "end",
		json_pack("{s:s, s:i, s:s}", "outcome", matrix_outcome(m), "exit_code",
			code, "results", rundir_path(m->dir)));
}
