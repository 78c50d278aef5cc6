/* matrix_end: what became of each pair: one more iteration, another try, or its record; and the end of all. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/matrix/matrix_private.h"
#include "results/confidence.h"
#include "results/net_export.h"
#include "results/net_format.h"
#include "results/net_values.h"

static void measured_finish(struct matrix_measured *d)
{
	for (int side = 0; side < NET_SIDES; side++) {
		net_result_free(d->end[side]);
		free(d->intervals[side].items);
	}
	matrix_values_free(d->values);
}

void matrix_task_forget(struct matrix_task *t)
{
	for (size_t i = 0; i < t->n_measured; i++)
		measured_finish(&t->measured[i]);
	free(t->measured);
	t->measured = NULL;
	t->n_measured = 0;
}

static void settle(struct matrix *m, struct matrix_task *t)
{
	t->over = true;
	m->done++;
	m->failed += !t->record->success;
	if (t->began_ns)
		t->record->elapsed_s = (double)(clock_ns() - t->began_ns) / 1e9;
	matrix_task_forget(t);
	matrix_save_row(m, t);
	matrix_show_task(m, t);
}

void matrix_task_fail(
	struct matrix *m, struct matrix_task *t, enum net_failure why, const char *text)
{
	struct net_record *r = t->record;

	net_record_clear(r);
	r->error = strdup(text);
	r->error_class = net_failure_names[why];
	t->again = false;
	settle(m, t);
}

static void failed(struct matrix_flight *f)
{
	struct matrix *m = f->matrix;
	struct matrix_task *t = f->task;

	t->again = !f->hopeless && m->pass < m->retries && !m->signals &&
		   !worker_gone(f->end[NET_CLIENT].w) &&
		   !worker_gone(f->end[NET_SERVER].w);
	if (t->again) {
		matrix_task_forget(t);
		matrix_show_again(m, t, f->failure);
	} else {
		matrix_task_fail(m, t, f->why, f->failure);
	}
}

/* The result of an iteration goes to its task. false: no memory. */
static bool keep(struct matrix_flight *f, double rate)
{
	struct matrix_task *t = f->task;
	struct matrix_measured *grown =
		reallocarray(t->measured, t->n_measured + 1, sizeof(*grown));
	struct matrix_measured *d;

	if (!grown)
		return false;
	t->measured = grown;
	d = &t->measured[t->n_measured++];
	*d = (struct matrix_measured){.rate = rate, .values = STEAL_PTR(&f->values)};
	for (int side = 0; side < NET_SIDES; side++) {
		d->end[side] = STEAL_PTR(&f->end[side].result);
		d->intervals[side] = f->end[side].intervals;
		f->end[side].intervals = (struct net_intervals){0};
	}
	return true;
}

static int by_rate(const void *a, const void *b)
{
	const struct matrix_measured *x = a, *y = b;

	return (x->rate > y->rate) - (x->rate < y->rate);
}

static int confidence(const struct matrix_task *t, struct confidence *ret)
{
	AUTO_FREE double *rates = calloc(t->n_measured + 1, sizeof(*rates));

	if (!rates)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_measured; i++)
		rates[i] = t->measured[i].rate;
	return confidence_of(rates, t->n_measured, t->test->words->confidence_level, ret);
}

static struct confidence_goal goal_of(const struct net_words *w)
{
	return (struct confidence_goal){.min = w->iterations_min,
		.max = w->iterations_max,
		.level = w->confidence_level,
		.width = w->confidence_width};
}

int matrix_task_print(const struct matrix_task *t)
{
	struct net_record *r = t->record;
	const struct net_words *w = t->test->words;
	enum net_selector all[NET_SELECTORS];
	size_t n = w->selectors ? w->n_selectors : net_selectors_default(&w->spec, all);
	AUTO_BUF struct buf out = BUF_INIT;

	if (net_format(&out, w->format, w->selectors ? w->selectors : all, n,
		    &r->values) < 0)
		return -ENOMEM;
	r->output = buf_steal(&out);
	return r->output ? 0 : -ENOMEM;
}

/* A random one, RFC 4122 version 4. */
static void make_uuid(char out[37])
{
	char hex[33];

	digest_random_hex(16, hex);
	hex[12] = '4';
	hex[16] = "89ab"[hex[16] & 3];
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		hex + 20);
}

/* Of several iterations the one in the middle, so that all its values belong together. */
static int fill_record(struct matrix_task *t)
{
	const struct net_words *w = t->test->words;
	struct confidence_goal goal = goal_of(w);
	struct net_record *r = t->record;
	struct confidence c;
	char uuid[37];
	struct net_facts facts = {.command = r->command,
		.uuid = w->uuid ? w->uuid : uuid,
		.brand = w->brand};
	struct matrix_measured *d;

	make_uuid(uuid);
	if (w->iterations_max > 1) {
		if (confidence(t, &c) < 0)
			return -ENOMEM;
		t->cv = t->n_measured > 1 ? c.cv : NAN;
		facts.confidence = &c;
		facts.goal = &goal;
	}
	qsort(t->measured, t->n_measured, sizeof(*t->measured), by_rate);
	d = &t->measured[(t->n_measured - 1) / 2];
	net_record_clear(r);
	for (int side = 0; side < NET_SIDES; side++) {
		r->end[side] = STEAL_PTR(&d->end[side]);
		r->intervals[side] = d->intervals[side];
		d->intervals[side] = (struct net_intervals){0};
	}
	if (d->values) {
		r->values = *d->values;
		*d->values = (struct net_values){0};
	}
	if ((d->values ? net_values_add_facts(&t->spec, &facts, &r->values)
		       : net_values_of(&t->spec, r->end[NET_CLIENT], r->end[NET_SERVER],
				 &facts, &r->values)) < 0 ||
		matrix_task_print(t) < 0)
		return -ENOMEM;
	if (!r->client_address && r->end[NET_CLIENT]->socket.source)
		r->client_address = strdup(r->end[NET_CLIENT]->socket.source);
	r->success = true;
	return 0;
}

/* Iterations far from the others: something else was on. */
static void note_outliers(struct matrix *m, const struct matrix_task *t)
{
	AUTO_FREE double *rates = calloc(t->n_measured + 1, sizeof(*rates));
	AUTO_FREE bool *far = calloc(t->n_measured + 1, sizeof(*far));
	AUTO_BUF struct buf which = BUF_INIT;

	for (size_t i = 0; rates && i < t->n_measured; i++)
		rates[i] = t->measured[i].rate;
	if (!rates || !far || confidence_outliers(rates, t->n_measured, far) <= 0)
		return;
	for (size_t i = 0; i < t->n_measured; i++)
		if (far[i])
			buf_printf(&which, "%s%zu", which.len ? ", " : "", i + 1);
	matrix_remark(m, "%s → %s, %s: far from the other iterations: %s",
		t->record->client, t->record->server, t->test->name, which.data);
}

static double rate_of(const struct matrix_flight *f)
{
	const struct net_facts none = {0};
	struct net_values v;
	double rate = 0;

	if (f->values)
		return f->values->of[SEL_THROUGHPUT].number;
	if (net_values_of(&f->task->spec, f->end[NET_CLIENT].result,
		    f->end[NET_SERVER].result, &none, &v) < 0)
		return 0;
	if (v.of[SEL_THROUGHPUT].known)
		rate = v.of[SEL_THROUGHPUT].number;
	net_values_finish(&v);
	return rate;
}

static bool has_window(const struct matrix_flight *f)
{
	for (int side = 0; side < NET_SIDES; side++)
		if (!f->end[side].result ||
			f->end[side].result->to_ns <= f->end[side].result->from_ns)
			return false;
	return true;
}

static void conclude(struct matrix *m, struct matrix_task *t, bool cut_short)
{
	if (m->profile.detect_outliers)
		note_outliers(m, t);
	if (fill_record(t) < 0) {
		matrix_task_fail(m, t, NET_FAIL_RESOURCES, "out of memory");
		return;
	}
	t->record->cut_short = cut_short;
	settle(m, t);
}

bool matrix_task_landed(struct matrix_flight *f)
{
	struct matrix *m = f->matrix;
	struct matrix_task *t = f->task;
	struct confidence_goal goal = goal_of(t->test->words);
	struct confidence c;

	if (!f->failure && m->kind != NET_ENGINE_NATIVE)
		matrix_engine_landed(f);
	if (!f->failure && !f->values && !has_window(f))
		matrix_flight_fail(f, m->signals ? NET_FAIL_STOPPED : NET_FAIL_OTHER,
			m->signals ? "stopped before anything was measured"
				   : "an end measured nothing");
	if (!f->failure && !matrix_flight_impossible(f))
		matrix_flight_note_stretch(f);
	if (f->failure) {
		failed(f);
		return false;
	}
	if (!keep(f, rate_of(f))) {
		matrix_task_fail(m, t, NET_FAIL_RESOURCES, "out of memory");
		return false;
	}
	if (goal.max > 1 && !m->signals && confidence(t, &c) == 0 &&
		!confidence_enough(&goal, &c))
		return true;
	conclude(m, t, f->stopping);
	return false;
}

void matrix_task_conclude(struct matrix *m, struct matrix_task *t)
{
	conclude(m, t, true);
}

/* What was on when it ended, and what never began. */
static void settle_rest(struct matrix *m)
{
	const char *why = "not run";

	if (m->signo)
		why = m->signo == SIGTERM ? "stopped by SIGTERM" : "stopped by Ctrl-C";
	for (size_t i = 0; i < m->n_tasks; i++) {
		struct matrix_task *t = &m->tasks[i];

		if (!t->over)
			matrix_task_fail(m, t, NET_FAIL_STOPPED, why);
	}
}

static int exit_code(const struct matrix *m)
{
	if (m->exit_code >= 0)
		return m->exit_code;
	if (m->signo)
		return 128 + m->signo;
	return m->failed || m->missed ? 1 : 0;
}

const char *matrix_outcome(const struct matrix *m)
{
	if (m->exit_code == 2)
		return "refused";
	if (m->exit_code > 0 || (!m->signo && m->done == m->failed))
		return "failed";
	if (m->signo)
		return "interrupted";
	return m->failed || m->missed ? "degraded" : "completed";
}

static void show_resume(const struct matrix *m)
{
	AUTO_FREE char *dir = text_shell_word(rundir_path(m->dir));
	bool left = false;

	for (size_t i = 0; i < m->n_tasks; i++)
		left |= !m->records[i].success || m->records[i].cut_short;
	if (left && dir)
		console_line(m->ctx.console,
			"What failed or never ran: muster matrix --resume %s", dir);
}

int matrix_finish(struct matrix *m, struct err *err)
{
	const char *path = m->app->o.export_file;
	int code, rc;

	away_state(&m->away, STATE_ENDING, 0, 0);
	settle_rest(m);
	matrix_skew_note(m);
	if (m->n_tasks && matrix_profile_check(m, err) < 0)
		return -1;
	code = exit_code(m);
	if (m->n_tasks) {
		matrix_show_tables(m);
		matrix_show_summary(m);
	}
	if (m->refusal)
		log_error("%s", m->refusal);
	rc = matrix_write_results(m, code, err);
	if (path && m->n_tasks && net_export(path, m->records, m->n_tasks, err) < 0)
		rc = -1;
	console_always(m->ctx.console, "Results saved%s to: %s", rc < 0 ? " in part" : "",
		rundir_path(m->dir));
	show_resume(m);
	matrix_event_end(m, code);
	if (rc < 0) {
		log_error("%s", err->text);
		code = code ? code : 1;
	}
	return code;
}
