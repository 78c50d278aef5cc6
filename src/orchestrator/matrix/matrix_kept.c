/* matrix_kept: rows of a matrix that is gone on with: which of its pairs they are, and what is left to run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/matrix/matrix_private.h"
#include "orchestrator/matrix/matrix_resume.h"
#include "results/json_writer.h"

/* The task of a row, or m->resume->n. */
static size_t task_of(const struct matrix *m, const struct net_row *row)
{
	const struct host *hosts = m->ctx.hosts.hosts;
	size_t test = 0, pair = 0;

	while (test < m->n_tests && strcmp(m->tests[test].name, row->test) != 0)
		test++;
	while (pair < m->plan.n &&
		(strcmp(hosts[m->plan.pairs[pair].client].name, row->client) != 0 ||
			strcmp(hosts[m->plan.pairs[pair].server].name, row->server) != 0))
		pair++;
	if (test == m->n_tests || pair == m->plan.n || !row->record.iteration ||
		row->record.iteration > m->repeats)
		return m->resume->n;
	return ((row->record.iteration - 1) * m->n_tests + test) * m->plan.n + pair;
}

static int match_rows(struct matrix *m, struct err *err)
{
	struct matrix_resume *r = m->resume;

	r->n = m->repeats * m->n_tests * m->plan.n;
	r->row = calloc(r->n, sizeof(*r->row));
	if (!r->row)
		return err_sys(err, ENOMEM, "--resume");
	for (size_t i = 0; i < r->rows.n; i++) {
		struct net_row *row = &r->rows.items[i];
		size_t task = task_of(m, row);

		if (task == r->n)
			return err_set(err, ERR_INPUT,
				"%s/rows.jsonl:%zu: %s → %s, test %s, is no part of the "
				"matrix "
				"that %s/" MATRIX_SAVED_FILE " has",
				r->dir, row->line, row->client, row->server, row->test,
				r->dir);
		if (!row->record.success || row->record.cut_short)
			continue;
		r->kept += !r->row[task];
		r->row[task] = row;
	}
	return 0;
}

/* Hosts that something is left for come first; only they are contacted. */
static int sort_hosts(struct matrix *m, struct err *err)
{
	struct inventory *all = &m->ctx.hosts;
	AUTO_FREE uint32_t *now = calloc(all->n + 1, sizeof(*now));
	AUTO_FREE bool *needed = calloc(all->n + 1, sizeof(*needed));
	struct host *hosts = calloc(all->n + 1, sizeof(*hosts));
	bool *outside = calloc(all->n + 1, sizeof(*outside));
	uint32_t n = 0;

	if (!now || !needed || !hosts || !outside) {
		free(hosts);
		free(outside);
		return err_sys(err, ENOMEM, "--resume");
	}
	for (size_t i = 0; i < m->plan.n; i++) {
		const struct matrix_pair *p = &m->plan.pairs[i];

		needed[p->client] |= !p->done;
		needed[p->server] |= !p->done;
	}
	for (int first = 1; first >= 0; first--) {
		for (size_t i = 0; i < all->n; i++) {
			if (needed[i] != first)
				continue;
			now[i] = n;
			hosts[n] = all->hosts[i];
			outside[n++] = m->outside[i];
		}
		if (first)
			m->ctx.n_refs = n;
	}
	free(all->hosts);
	all->hosts = hosts;
	free(m->outside);
	m->outside = outside;
	for (size_t i = 0; i < all->n; i++)
		m->ctx.refs[i] = &all->hosts[i];
	for (size_t i = 0; i < m->plan.n; i++) {
		m->plan.pairs[i].client = now[m->plan.pairs[i].client];
		m->plan.pairs[i].server = now[m->plan.pairs[i].server];
	}
	for (size_t i = 0; i < m->lists.n_clients; i++)
		m->lists.clients[i] = now[m->lists.clients[i]];
	for (size_t i = 0; i < m->lists.n_servers; i++)
		m->lists.servers[i] = now[m->lists.servers[i]];
	return 0;
}

/* A pair takes part in rounds as long as any of its tests and repeats is left. */
static void mark_done(struct matrix *m)
{
	for (size_t i = 0; i < m->plan.n; i++) {
		bool done = true;

		for (size_t task = i; task < m->resume->n; task += m->plan.n)
			done &= m->resume->row[task] != NULL;
		m->plan.pairs[i].done = done;
	}
}

int matrix_resume_match(struct matrix *m, struct err *err)
{
	if (!m->resume)
		return 0;
	if (match_rows(m, err) < 0)
		return -1;
	mark_done(m);
	return sort_hosts(m, err);
}

static bool round_left(const struct matrix *m, size_t of, uint32_t round)
{
	for (size_t i = 0; i < m->plan.n; i++)
		if (!m->plan.pairs[i].done && m->plan.pairs[i].round == round &&
			!m->resume->row[of + i])
			return true;
	return false;
}

uint64_t matrix_resume_length_ns(const struct matrix *m)
{
	uint64_t all = 0;

	for (size_t of = 0; of < m->resume->n; of += m->plan.n) {
		const struct net_spec *s =
			&m->tests[of / m->plan.n % m->n_tests].words->spec;

		for (uint32_t round = 0; round < m->plan.rounds; round++)
			if (round_left(m, of, round))
				all += (s->warmup_ns + s->duration_ns +
					       MATRIX_ROUND_EXTRA_NS) *
				       m->work.iterations[0];
	}
	return all;
}

bool matrix_resume_nothing_left(const struct matrix *m)
{
	return m->resume && m->resume->kept == m->resume->n;
}

/* The row's record becomes the task's, but for what the command says anew. */
static int restore(struct matrix *m, struct matrix_task *t, struct net_row *row)
{
	struct net_record *r = t->record, *from = &row->record;
	const struct net_record said = *r;

	*r = *from;
	*from = (struct net_record){0};
	r->client = said.client;
	r->server = said.server;
	r->test = said.test;
	r->engine = said.engine;
	r->spec = said.spec;
	r->concurrent = said.concurrent;
	if (r->command)
		free(said.command);
	else
		r->command = said.command;
	t->cv = row->cv;
	t->over = true;
	m->done++;
	return matrix_task_print(t);
}

int matrix_resume_restore(struct matrix *m, struct err *err)
{
	for (size_t i = 0; m->resume && i < m->resume->n; i++)
		if (m->resume->row[i] && restore(m, &m->tasks[i], m->resume->row[i]) < 0)
			return err_sys(err, ENOMEM, "--resume");
	return 0;
}

int matrix_resume_begin(struct matrix *m, struct err *err)
{
	struct matrix_resume *r = m->resume;
	AUTO_BUF struct buf line = BUF_INIT;
	const char *what = r->n > m->plan.n ? "measurement" : "pair";

	r->began_wall_ns = clock_wall_ns();
	if (rundir_open_plain(r->dir, r->began_wall_ns, &m->dir, err) < 0)
		return err_prefix(err, "--resume");
	if (r->kept == r->n) {
		console_line(m->ctx.console,
			"Nothing is left to do in %s: %zu of %s succeeded", r->dir,
			r->kept, units_of(r->n, what).s);
		return 0;
	}
	console_line(m->ctx.console, "Going on with %s: %zu of %s succeeded, %zu to run",
		r->dir, r->kept, units_of(r->n, what).s, r->n - r->kept);
	if (net_row_print_resumed(r->began_wall_ns, r->kept, r->n - r->kept, &line) < 0)
		return err_sys(err, ENOMEM, "--resume");
	rundir_row(m->dir, line.data);
	return 0;
}

static void put_session(struct json_writer *w, const struct net_session *s)
{
	char text[32];

	clock_format_rfc3339(s->wall_ns, text, sizeof(text));
	jw_object(w, NULL);
	jw_text(w, "at", text);
	jw_uint(w, "kept", s->kept);
	jw_uint(w, "left", s->left);
	jw_object_end(w);
}

void matrix_resume_put(const struct matrix *m, struct json_writer *w)
{
	const struct matrix_resume *r = m->resume;

	jw_array(w, "resumed");
	for (size_t i = 0; r && i < r->rows.n_sessions; i++)
		put_session(w, &r->rows.sessions[i]);
	if (r && r->kept < r->n)
		put_session(w, &(struct net_session){.wall_ns = r->began_wall_ns,
				       .kept = r->kept,
				       .left = r->n - r->kept});
	jw_array_end(w);
}
