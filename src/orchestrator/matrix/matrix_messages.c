/* matrix_messages: what workers say of their pairs, what their loss means, time and signals. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/events.h"
#include "orchestrator/matrix/matrix_private.h"

#define ADDRESSES_SHOWN 4
#define INTERVALS_SPARE 10

static void on_ready(struct matrix_flight *f, enum net_side side, struct msg *msg)
{
	const struct msg_net_ready *r = &msg->u.net_ready;

	if (f->end[side].ready)
		return;
	f->end[side].ready = true;
	for (char **w = r->warnings; w && *w; w++)
		matrix_remark(f->matrix, "%s: %s", f->end[side].w->host->name, *w);
	/* the client's worker must not get what it could not read */
	if (side == NET_SERVER && !r->port)
		matrix_flight_fail(f, NET_FAIL_OTHER, "%s: its server has no port",
			f->end[side].w->host->name);
	else if (side == NET_SERVER && !f->failure)
		matrix_flight_listens(f, r->port);
}

static void on_armed(struct matrix_flight *f, enum net_side side, struct msg *msg)
{
	if (msg->u.net_armed.lead_ns <= 0) {
		matrix_flight_fail(f, NET_FAIL_OTHER,
			"%s heard of the common start too late (an overloaded host, or a "
			"slow "
			"way to it)",
			f->end[side].w->host->name);
		return;
	}
	f->end[side].armed = true;
	if (!f->stopping)
		matrix_flight_armed(f);
}

/* How many reports a test has at most; some more for a host that stood still and caught up. */
static size_t intervals_max(const struct net_spec *s)
{
	uint64_t all = s->warmup_ns + s->duration_ns;

	return s->interval_ns ? all / s->interval_ns + INTERVALS_SPARE : 0;
}

static void on_interval(struct matrix_flight *f, enum net_side side, struct msg *msg)
{
	struct net_intervals *list = &f->end[side].intervals;
	const struct net_interval *i = &msg->u.net_interval, *shown;
	struct net_interval *grown;
	struct net_record now = {.spec = f->task->record->spec};

	/* in order, from 0: what is missing would put the two ends out of step */
	if (i->seq != list->n || list->n >= intervals_max(&f->task->spec))
		return;
	grown = reallocarray(list->items, list->n + 1, sizeof(*grown));
	if (!grown)
		return;
	list->items = grown;
	list->items[list->n++] = *i;
	for (int k = 0; k < NET_SIDES; k++)
		now.intervals[k] = f->end[k].intervals;
	if (f->end[NET_CLIENT].intervals.n > i->seq &&
		f->end[NET_SERVER].intervals.n > i->seq)
		net_record_interval(&now, i->seq, &shown, &f->rate);
}

static void on_result(struct matrix_flight *f, enum net_side side, struct msg *msg)
{
	struct matrix_end *e = &f->end[side];

	e->over = true;
	e->result = malloc(sizeof(*e->result));
	if (!e->result) {
		matrix_flight_fail(f, NET_FAIL_RESOURCES, "out of memory");
		return;
	}
	*e->result = msg->u.net_result;
	memset(&msg->u.net_result, 0, sizeof(msg->u.net_result));
}

static void on_output(struct matrix_flight *f, enum net_side side, struct msg *msg)
{
	f->end[side].over = true;
	matrix_engine_output(f, side, &msg->u.net_output);
}

/* Addresses of an end's host beside the one that was tried: "10.9.1.10, 10.0.3.4". */
static void name_addresses(
	const struct matrix_flight *f, enum net_side side, struct buf *out)
{
	const struct net_record *r = f->task->record;
	const char *tried = side == NET_SERVER ? r->server_address : r->client_address;
	size_t n = 0;

	for (char **a = f->end[side].w->hello.addresses; a && *a; a++) {
		if (tried && strcmp(*a, tried) == 0)
			continue;
		if (n++ < ADDRESSES_SHOWN)
			buf_printf(out, "%s%s", out->len ? ", " : "", *a);
	}
	if (n > ADDRESSES_SHOWN)
		buf_printf(out, " and %zu more", n - ADDRESSES_SHOWN);
}

/* The hosts are there, or SSH would not reach them: it is the way of the data that is wrong. */
void matrix_add_hint(const struct matrix_flight *f, enum net_side side,
	enum net_failure why, struct buf *text)
{
	AUTO_BUF struct buf others = BUF_INIT;
	bool way = why == NET_FAIL_REFUSED || why == NET_FAIL_TIMEOUT ||
		   why == NET_FAIL_UNREACHABLE;
	bool said = text->data && strstr(text->data, "data_address");
	const char *whose = f->end[way ? NET_SERVER : side].w->host->name;

	if (way || why == NET_FAIL_ADDRESS)
		name_addresses(f, way ? NET_SERVER : side, &others);
	if (others.len && said)
		buf_printf(text, " (%s has %s)", whose, others.data);
	else if (others.len)
		buf_printf(text,
			" (%s also has %s: data_address in the inventory says which one "
			"the data takes)",
			whose, others.data);
	else if (said)
		return;
	else if (way)
		buf_printf(text,
			" (SSH reaches both hosts; data_address in the inventory says "
			"where the data of %s goes)",
			f->task->record->server);
	else if (why == NET_FAIL_ADDRESS)
		buf_printf(text, " (data_address of %s in the inventory)",
			f->end[side].w->host->name);
}

static void on_error(struct matrix_flight *f, enum net_side side, struct msg *msg)
{
	const struct msg_net_error *e = &msg->u.net_error;
	AUTO_BUF struct buf text = BUF_INIT;

	f->end[side].over = true;
	buf_printf(&text, "%s: %s", f->end[side].w->host->name, e->text);
	matrix_add_hint(f, side, e->failure, &text);
	matrix_flight_fail(f, e->failure, "%s", text.data ? text.data : e->text);
}

/* What ends say, and whose: of ends that are ours, or of programs. */
static const struct {
	void (*handle)(struct matrix_flight *f, enum net_side side, struct msg *msg);
	size_t pair;
	bool ours, programs;
} handlers[MSG_TYPES] = {
	[MSG_NET_READY] = {on_ready, offsetof(struct msg, u.net_ready.pair), true, true},
	[MSG_NET_ARMED] = {on_armed, offsetof(struct msg, u.net_armed.pair), true, true},
	[MSG_NET_INTERVAL] = {on_interval, offsetof(struct msg, u.net_interval.pair),
		true},
	[MSG_NET_RESULT] = {on_result, offsetof(struct msg, u.net_result.pair), true},
	[MSG_NET_OUTPUT] = {on_output, offsetof(struct msg, u.net_output.pair), false,
		true},
	[MSG_NET_ERROR] = {on_error, offsetof(struct msg, u.net_error.pair), true, true},
};

static void on_pair(struct matrix *m, struct fleet_worker *w, struct msg *msg)
{
	bool native = m->kind == NET_ENGINE_NATIVE;
	enum net_side side;
	struct matrix_flight *f = matrix_find(m,
		*(const uint32_t *)((const char *)msg + handlers[msg->type].pair), &side);

	/* of a pair that is over, not begun, or another's */
	if (!f || f->end[side].w != w || !f->end[side].asked || f->end[side].over)
		return;
	if (native ? handlers[msg->type].ours : handlers[msg->type].programs) {
		handlers[msg->type].handle(f, side, msg);
	} else {
		f->end[side].over = true;
		matrix_flight_fail(f, NET_FAIL_OTHER,
			"%s speaks as if engine %s was not what runs", w->host->name,
			m->engine);
	}
	matrix_look(m);
}

void matrix_message(struct fleet_worker *w, struct msg *msg, void *user)
{
	struct matrix *m = user;

	if (msg->type == MSG_BYE && m->stage != MATRIX_QUIT) { /* nobody told it to */
		w->finished = false;
		fleet_fail(w, WORKER_LOST, msg->u.bye.reason ? msg->u.bye.reason : "bye");
		return;
	}
	if (msg->type == MSG_LEASES)
		matrix_leases_heard(m, w, msg);
	else if (msg->type == MSG_FOUND)
		matrix_engine_found(m, w, &msg->u.found);
	else if (handlers[msg->type].handle)
		on_pair(m, w, msg);
}

void matrix_online(struct fleet_worker *w, void *user)
{
	struct matrix *m = user;

	w->state = WORKER_READY;
	console_line(m->ctx.console, "✅ %s ready", w->id);
	events_state(&m->ctx, m->dir, w);
	matrix_look(m);
}

void matrix_gone(struct fleet_worker *w, void *user)
{
	struct matrix *m = user;
	AUTO_FREE char *line = text_printf("❌ %s %s: %s", w->id,
		w->state == WORKER_LOST ? "lost" : "error", w->reason);

	if (m->stage == MATRIX_QUIT && w->said_hello)
		return; /* as it was told */
	console_stderr(m->ctx.console, line ? line : w->reason);
	if (m->dir)
		rundir_console(m->dir, line ? line : w->reason);
	events_state(&m->ctx, m->dir, w);
	matrix_leases_gone(m, w);
	matrix_engine_gone(m, w);
	for (size_t i = 0; i < m->n_flights; i++)
		for (int side = 0; side < NET_SIDES; side++) {
			struct matrix_flight *f = &m->flights[i];

			if (f->end[side].w != w || f->end[side].over)
				continue;
			f->end[side].over = true;
			/* the cause, where the other end has told of its effect */
			if (f->failure && f->why == NET_FAIL_LOST)
				free(STEAL_PTR(&f->failure));
			matrix_flight_fail(f, NET_FAIL_LOST, "%s is lost: %s",
				w->host->name, w->reason);
		}
	matrix_look(m);
}

void matrix_finished(struct fleet_worker *w, void *user)
{
	(void)w;
	matrix_look(user);
}

void matrix_stderr(struct fleet_worker *w, const char *data, size_t len, void *user)
{
	struct matrix *m = user;

	fleet_log_stderr(w, data, len);
	if (m->dir)
		rundir_stderr(m->dir, w->id, data, len);
}

void matrix_progress(struct fleet_worker *w, uint64_t sent, uint64_t size, void *user)
{
	struct matrix *m = user;
	AUTO_FREE char *line = fleet_progress_text(w, sent, size);

	matrix_show_wait(m, size == 0 || sent < size ? line : NULL);
}

/* Once: what runs is ended with what it has, and written. Twice: at once. */
void matrix_signal(int signo, void *user)
{
	struct matrix *m = user;

	m->signo = signo;
	m->signals++;
	if (m->signals == 1 && m->n_flights) {
		log_note(
			"stopping: results of what was measured follow (again: at once)");
		for (size_t i = 0; i < m->n_flights; i++) {
			struct matrix_flight *f = &m->flights[i];

			if (f->landed)
				continue;
			if (f->started && clock_ns() >= m->start_ns && !f->stopping)
				matrix_flight_stop(f);
			else
				matrix_flight_fail(f, NET_FAIL_STOPPED, "stopped by %s",
					strsignal(signo));
		}
	} else {
		matrix_end_early(m, -1, NULL);
	}
	matrix_look(m);
}

void matrix_hang_up(int signo, void *user)
{
	struct matrix *m = user;

	(void)signo;
	away_hang_up(&m->away);
}

void matrix_on_tick(struct loop_timer *t, void *user)
{
	struct matrix *m = user;
	uint64_t now = clock_ns();

	(void)t;
	for (size_t i = 0; i < m->n_flights; i++)
		matrix_flight_late(&m->flights[i], now);
	matrix_look(m);
}
