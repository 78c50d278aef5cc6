/* matrix_rounds: from round to round. A round's pairs are opened, begin at one moment, and end; the next one
 * begins when nothing of it is left. Pairs that failed for a passing cause run again behind the last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/matrix/matrix_private.h"

#define LEAD_NS (200 * NS_PER_MS)
#define QUIT_WAIT_NS (3 * NS_PER_SEC)

static size_t rounds_of(const struct matrix *m)
{
	return m->plan.rounds;
}

void matrix_end_early(struct matrix *m, int exit_code, const char *why)
{
	if (m->exit_code < 0) {
		m->exit_code = exit_code;
		m->refusal = why ? strdup(why) : NULL;
	}
	if (m->stage == MATRIX_QUIT)
		return;
	m->stage = MATRIX_QUIT;
	m->quit_ns = clock_ns();
	for (size_t i = 0; i < m->n_hosts; i++)
		fleet_quit(m->hosts[i].w);
}

struct matrix_flight *matrix_find(struct matrix *m, uint32_t id, enum net_side *ret_side)
{
	for (size_t i = 0; i < m->n_flights; i++)
		for (int side = 0; side < NET_SIDES; side++)
			if (m->flights[i].end[side].id == id) {
				*ret_side = (enum net_side)side;
				return &m->flights[i];
			}
	return NULL;
}

void matrix_flights_drop(struct matrix *m)
{
	for (size_t i = 0; i < m->n_flights; i++)
		matrix_flight_finish(&m->flights[i]);
	free(m->flights);
	m->flights = NULL;
	m->n_flights = 0;
}

/* A pair whose host is gone cannot run. */
static bool lacks_host(struct matrix *m, struct matrix_task *t)
{
	const uint32_t hosts[] = {t->pair->client, t->pair->server};

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		const struct fleet_worker *w = m->hosts[hosts[i]].w;
		AUTO_FREE char *why = NULL;

		if (!worker_gone(w))
			continue;
		why = text_printf("%s is lost: %s", w->host->name, w->reason);
		matrix_task_fail(m, t, NET_FAIL_LOST, why ? why : "lost");
		return true;
	}
	return false;
}

/* Flights for those of a step that are to run now. Returns how many, or -1. */
static int make_flights(struct matrix *m, size_t step)
{
	size_t round = step % rounds_of(m), of = step / rounds_of(m) * m->plan.n;
	size_t most = m->first[round + 1] - m->first[round];

	matrix_flights_drop(m);
	m->flights = calloc(most, sizeof(*m->flights));
	if (!m->flights)
		return -1;
	for (size_t i = m->first[round]; i < m->first[round + 1]; i++) {
		struct matrix_task *t = &m->tasks[of + m->order[i]];

		if (t->over || (m->pass && !t->again) || lacks_host(m, t))
			continue;
		t->again = false;
		matrix_flight_init(&m->flights[m->n_flights++], m, t);
	}
	return (int)m->n_flights;
}

static void open_flights(struct matrix *m)
{
	uint64_t now = clock_ns(), wall = clock_wall_ns();

	m->stage = MATRIX_OPEN;
	for (size_t i = 0; i < m->n_flights; i++) {
		struct matrix_task *t = m->flights[i].task;

		if (!t->n_measured) { /* not one more iteration of this try */
			t->record->attempts++;
			t->record->started_wall_ns = wall;
			t->began_ns = now;
		}
		matrix_flight_open(&m->flights[i]);
	}
}

static size_t count_again(const struct matrix *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_tasks; i++)
		n += m->tasks[i].again;
	return n;
}

/* Behind the last round: those that failed, once more. false: there is nothing to do. */
static bool next_pass(struct matrix *m)
{
	size_t n = count_again(m);

	if (!n)
		return false;
	m->pass++;
	m->step = 0;
	console_line(m->ctx.console, "Again: %s that failed", units_of(n, "pair").s);
	return true;
}

/* Between two tests a profile may want a rest. */
static bool rest(struct matrix *m)
{
	if (!m->profile.cooldown_ns || !m->load_ns || m->cool_step == m->step ||
		m->step % rounds_of(m) || m->pass)
		return false;
	m->cool_step = m->step;
	m->cool_ns = clock_ns() + m->profile.cooldown_ns;
	m->stage = MATRIX_COOL;
	return true;
}

/* A profile may call for an end at the first test with a failure. */
static bool give_up(struct matrix *m)
{
	if (!m->profile.n || m->profile.continue_on_error || m->step % rounds_of(m) ||
		!(m->failed + count_again(m)))
		return false;
	matrix_remark(m,
		"pairs of a test failed, and the profile says continue_on_error: false");
	matrix_end_early(m, -1, NULL);
	return true;
}

static void next_round(struct matrix *m)
{
	for (;;) {
		int n;

		if (m->step == m->n_steps && !next_pass(m)) {
			matrix_end_early(m, -1, NULL);
			return;
		}
		if (give_up(m) || rest(m))
			return;
		n = make_flights(m, m->step++);
		if (n < 0) {
			matrix_end_early(m, 1, "out of memory");
			return;
		}
		if (n > 0)
			break;
	}
	matrix_event_round(m);
	open_flights(m);
}

/* All that are ready get one moment, each end in its own clock. */
static void start_flights(struct matrix *m)
{
	uint64_t rtt = 0;

	for (size_t i = 0; i < m->n_hosts; i++)
		if (!worker_gone(m->hosts[i].w) && m->hosts[i].w->clock.rtt_ns > rtt)
			rtt = m->hosts[i].w->clock.rtt_ns;
	m->stage = MATRIX_RUN;
	m->start_ns = clock_ns() + LEAD_NS + 4 * rtt;
	if (!m->load_ns)
		m->load_ns = m->start_ns;
	loop_timer_set(m->show, m->start_ns + NS_PER_SEC + NS_PER_SEC / 10, NS_PER_SEC);
	for (size_t i = 0; i < m->n_flights; i++)
		if (matrix_flight_ready(&m->flights[i]))
			matrix_flight_start(&m->flights[i], m->start_ns);
	away_state(&m->away, m->signals ? STATE_DRAINING : STATE_RUNNING, m->load_ns,
		m->start_ns - m->load_ns + matrix_left_ns(m, m->start_ns));
	away_hand_over(&m->away);
}

/* A pair that is over has its row now, however long the others of its round take. */
static void land_those_over(struct matrix *m)
{
	for (size_t i = 0; i < m->n_flights; i++) {
		struct matrix_flight *f = &m->flights[i];

		if (f->landed || !matrix_flight_over(f))
			continue;
		f->landed = true;
		f->rate = -1;
		matrix_skew_add(m, f);
		f->more = matrix_task_landed(f);
	}
}

/* Those that have to run once more in this round stay, as new flights. */
static void land(struct matrix *m)
{
	size_t n = 0;

	matrix_skew_round(m);
	for (size_t i = 0; i < m->n_flights; i++) {
		struct matrix_flight *f = &m->flights[i];
		struct matrix_task *t = f->task;
		bool more = f->more && !m->signals;

		if (f->more && !more)
			matrix_task_conclude(m, t);
		matrix_flight_finish(f);
		if (more)
			matrix_flight_init(&m->flights[n++], m, t);
	}
	m->n_flights = n;
	if (m->signals)
		matrix_end_early(m, -1, NULL);
	else if (n)
		open_flights(m);
	else
		next_round(m);
}

static void connected(struct matrix *m)
{
	struct err err = ERR_INIT;
	size_t gone = 0;

	for (size_t i = 0; i < m->n_hosts; i++) {
		const struct fleet_worker *w = m->hosts[i].w;

		gone += worker_gone(w);
		if (!worker_gone(w) && w->state != WORKER_READY)
			return;
	}
	if (gone) {
		AUTO_FREE char *why =
			text_printf("%zu of %zu hosts are not ready", gone, m->n_hosts);

		matrix_end_early(m, 3, why);
		return;
	}
	m->stage = MATRIX_RESOLVE;
	if (matrix_hosts_resolve(m, &err) < 0)
		matrix_end_early(m, err_exit_code(&err), err.text);
	else
		matrix_leases_ask(m);
	matrix_look(m);
}

/* All is known: the first round. */
static void begin(struct matrix *m)
{
	struct err err = ERR_INIT;

	if (matrix_tasks_make(m, &err) < 0)
		matrix_end_early(m, err_exit_code(&err), err.text);
	else
		next_round(m);
}

static void resolved(struct matrix *m)
{
	struct err err = ERR_INIT;

	if (m->resolving)
		return;
	if (matrix_tests_check(m, &err) < 0 || matrix_replan(m, &err) < 0) {
		matrix_end_early(m, err_exit_code(&err), err.text);
		return;
	}
	matrix_leases_choose(m);
	if (m->kind == NET_ENGINE_NATIVE)
		begin(m);
	else
		matrix_engine_find(m);
}

static void found(struct matrix *m)
{
	AUTO_FREE char *missing = NULL;

	if (m->finding)
		return;
	missing = matrix_engine_missing(m);
	if (missing)
		matrix_end_early(m, 3, missing);
	else
		begin(m);
}

static void opened(struct matrix *m)
{
	bool over = true;

	land_those_over(m);
	for (size_t i = 0; i < m->n_flights; i++) {
		const struct matrix_flight *f = &m->flights[i];

		if (!matrix_flight_ready(f) && !matrix_flight_over(f))
			return;
		over &= matrix_flight_over(f);
	}
	if (over)
		land(m);
	else
		start_flights(m);
}

static void ran(struct matrix *m)
{
	land_those_over(m);
	for (size_t i = 0; i < m->n_flights; i++)
		if (!matrix_flight_over(&m->flights[i]))
			return;
	land(m);
}

static void cooled(struct matrix *m)
{
	if (clock_ns() >= m->cool_ns)
		next_round(m);
}

static void quit(struct matrix *m)
{
	bool left = false;

	for (size_t i = 0; i < m->n_hosts; i++)
		/* one that has said nothing yet has nothing to say at its end */
		left |= m->hosts[i].w->said_hello && !worker_gone(m->hosts[i].w) &&
			!m->hosts[i].w->finished;
	if (!left || clock_ns() > m->quit_ns + QUIT_WAIT_NS || m->signals > 1)
		loop_stop(m->ctx.loop);
}

void matrix_look(struct matrix *m)
{
	static void (*const looks[])(struct matrix *) = {
		[MATRIX_CONNECT] = connected,
		[MATRIX_RESOLVE] = resolved,
		[MATRIX_FIND] = found,
		[MATRIX_OPEN] = opened,
		[MATRIX_RUN] = ran,
		[MATRIX_COOL] = cooled,
		[MATRIX_QUIT] = quit,
	};

	m->look_again = true;
	if (m->looking)
		return;
	m->looking = true;
	while (m->look_again) {
		enum matrix_stage stage = m->stage;
		size_t step = m->step;

		m->look_again = false;
		looks[m->stage](m);
		/* what has begun may have ended at once */
		m->look_again |= m->stage != stage || m->step != step;
	}
	m->looking = false;
	matrix_show_wait(m, NULL);
}
