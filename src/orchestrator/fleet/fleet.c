/* fleet: the workers of a command as one thing; heartbeat, silence and the end. */
#include "orchestrator/fleet/fleet_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/console/display.h"

#define TICK_NS NS_PER_SEC
#define NAMES_SHOWN 8
#define SETUP_TIMEOUT_NS (60 * NS_PER_SEC)

static const char *const state_names[] = {
	[WORKER_CONNECTING] = "CONNECTING",
	[WORKER_SETUP] = "SETUP",
	[WORKER_ONLINE] = "SETUP",
	[WORKER_READY] = "READY",
	[WORKER_PREPARING] = "PREPARING",
	[WORKER_ARMED] = "ARMED",
	[WORKER_RUNNING] = "RUNNING",
	[WORKER_DRAINING] = "DRAINING",
	[WORKER_COMPLETED] = "COMPLETED",
	[WORKER_ERROR] = "ERROR",
	[WORKER_LOST] = "LOST",
};

const char *worker_state_name(enum worker_state s)
{
	return state_names[s];
}

bool worker_gone(const struct fleet_worker *w)
{
	return w->state == WORKER_ERROR || w->state == WORKER_LOST;
}

void fleet_log_stderr(const struct fleet_worker *w, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		AUTO_FREE char *line = text_sanitize(data, n);

		if (n && line)
			log_info("%s: %s", w->id, line);
		n += end != NULL;
		data += n;
		len -= n;
	}
}

/* What the inventory says of its machine, else what the machine says of itself. */
static const char *machine_of(const struct fleet_worker *w)
{
	return w->host->machine ? w->host->machine : w->hello.machine_id;
}

static bool same_machine(const struct fleet_worker *a, const struct fleet_worker *b)
{
	return a->said_hello && b->said_hello && *machine_of(a) &&
	       strcmp(machine_of(a), machine_of(b)) == 0;
}

bool fleet_one_machine(const struct fleet *f, size_t i, struct buf *out)
{
	const struct fleet_worker *first = &f->workers[i], *last = first;
	const char *names[NAMES_SHOWN] = {first->host->name};
	size_t n = 1;

	for (size_t k = 0; k < i; k++)
		if (same_machine(first, &f->workers[k]))
			return false; /* said already, by that one */
	for (size_t k = i + 1; k < f->n_workers; k++) {
		const struct fleet_worker *w = &f->workers[k];

		if (w->host == last->host || !same_machine(first, w))
			continue;
		if (n < NAMES_SHOWN)
			names[n] = w->host->name;
		n++;
		last = w;
	}
	if (n > 1)
		display_names(out, names, n, NAMES_SHOWN);
	return n > 1;
}

static char *worker_id(const struct host *h, unsigned number)
{
	return number ? text_printf("%s-%u", h->name, number + 1)
		      : text_printf("%s", h->name);
}

static size_t workers_of(const struct fleet_config *c, const struct host *h)
{
	return c->one_worker || h->workers == 0 ? 1 : h->workers;
}

struct fleet *fleet_create(
	const struct fleet_config *c, const struct host *const *hosts, size_t n)
{
	struct fleet *f = calloc(1, sizeof(*f));
	size_t total = 0, at = 0;

	if (!f)
		return NULL;
	for (size_t i = 0; i < n; i++)
		total += workers_of(c, hosts[i]);
	f->config = *c;
	if (!f->config.setup_timeout_ns)
		f->config.setup_timeout_ns = SETUP_TIMEOUT_NS;
	f->hosts = calloc(n ? n : 1, sizeof(*f->hosts));
	f->workers = calloc(total ? total : 1, sizeof(*f->workers));
	if (!f->hosts || !f->workers) {
		fleet_destroy(f);
		return NULL;
	}
	f->n_hosts = n;
	f->n_workers = total;
	for (size_t i = 0; i < n; i++) {
		struct fleet_host *h = &f->hosts[i];

		*h = (struct fleet_host){.fleet = f,
			.host = hosts[i],
			.workers = &f->workers[at],
			.n = workers_of(c, hosts[i])};
		if (!fleet_host_init(h)) {
			fleet_destroy(f);
			return NULL;
		}
		for (unsigned k = 0; k < h->n; k++, at++) {
			struct fleet_worker *w = &f->workers[at];

			w->index = at;
			w->host = hosts[i];
			w->number = k;
			w->on = h;
			w->id = worker_id(hosts[i], k);
			w->in = calloc(1, sizeof(*w->in));
			w->words = calloc(1, sizeof(*w->words));
			if (!w->id || !w->in || !w->words) {
				fleet_destroy(f);
				return NULL;
			}
		}
	}
	return f;
}

static void worker_finish(struct fleet_worker *w)
{
	struct msg m = {.type = MSG_HELLO, .u.hello = w->hello};

	chan_close(w->chan);
	msg_finish(&m);
	clock_sync_finish(&w->clock);
	if (w->in)
		buf_finish(w->in);
	free(w->in);
	if (w->words)
		buf_finish(w->words);
	free(w->words);
	free(w->id);
	free(w->reason);
	free(w->last_noise);
	free(w->last_stderr);
}

void fleet_destroy(struct fleet *f)
{
	if (!f)
		return;
	loop_timer_del(f->tick);
	loop_timer_del(f->dooms);
	for (size_t i = 0; i < f->n_workers; i++)
		worker_finish(&f->workers[i]);
	for (size_t i = 0; i < f->n_hosts; i++)
		fleet_host_close(&f->hosts[i]);
	free(f->workers);
	free(f->hosts);
	free(f);
}

size_t fleet_size(const struct fleet *f)
{
	return f->n_workers;
}

struct fleet_worker *fleet_worker(struct fleet *f, size_t i)
{
	return &f->workers[i];
}

const struct conn_info *fleet_conn_info(const struct fleet_worker *w)
{
	return w->on->has_info ? &w->on->info : NULL;
}

void fleet_worker_state(struct fleet_worker *w, enum worker_state s)
{
	w->state = s;
}

void fleet_fail(struct fleet_worker *w, enum worker_state state, const char *reason)
{
	struct fleet *f = w->on->fleet;

	if (worker_gone(w) || w->finished)
		return;
	chan_close(w->chan);
	w->chan = NULL;
	w->pinging = false;
	fleet_worker_state(w, state);
	free(w->reason);
	w->reason = text_sanitize(reason, strlen(reason));
	if (f->config.events.gone)
		f->config.events.gone(w, f->config.user);
	if (!w->said_hello)
		fleet_host_never_came(w);
}

void fleet_worker_failf(struct fleet_worker *w, enum worker_state s, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	fleet_fail(w, s, text.data ? text.data : fmt);
	buf_finish(&text);
}

/* Whoever sends to many must not see them go while it does. */
static void doom(struct fleet_worker *w, enum worker_state s, const char *why)
{
	w->doomed = s;
	w->doom = why;
	loop_timer_set(w->on->fleet->dooms, clock_ns(), 0);
}

static void on_dooms(struct loop_timer *t, void *user)
{
	struct fleet *f = user;

	(void)t;
	for (size_t i = 0; i < f->n_workers; i++)
		if (f->workers[i].doom)
			fleet_fail(
				&f->workers[i], f->workers[i].doomed, f->workers[i].doom);
}

void fleet_send(struct fleet_worker *w, const struct msg *m)
{
	AUTO_BUF struct buf line = BUF_INIT;

	if (!w->chan || worker_gone(w) || w->doom)
		return;
	if (msg_encode(m, &line) < 0)
		doom(w, WORKER_ERROR, "a message for it is longer than 1 MiB");
	else if (chan_write(w->chan, line.data, line.len) < 0)
		doom(w, WORKER_LOST, "it takes no messages any more");
	if (m->type == MSG_JOB && line.data) /* credentials are in it */
		explicit_bzero(line.data, line.cap);
}

void fleet_quit(struct fleet_worker *w)
{
	struct msg m = {.type = MSG_STOP, .u.stop.mode = STOP_QUIT};

	fleet_send(w, &m);
	if (w->chan)
		chan_eof(w->chan);
}

static void tick_worker(struct fleet_worker *w, uint64_t now, bool beat)
{
	uint64_t quiet = now - w->heard_ns;

	if (!w->chan || worker_gone(w) || w->finished)
		return;
	if (!w->said_hello) {
		if (quiet > fleet_setup_timeout(w->on))
			fleet_worker_failf(w, WORKER_ERROR,
				"the worker did not say hello within %s%s%s",
				units_duration(fleet_setup_timeout(w->on)).s,
				w->last_noise ? "; what came instead ends with: " : "",
				w->last_noise ? w->last_noise : "");
		else if (!w->on->upload)
			fleet_worker_hello(w);
		return;
	}
	fleet_container_tick(w, now);
	if (quiet > SILENCE_NS) {
		fleet_worker_failf(w, WORKER_LOST,
			"silent for %s (host frozen or cut off)",
			units_duration(quiet / NS_PER_SEC * NS_PER_SEC).s);
		return;
	}
	if (beat) {
		struct msg m = {.type = MSG_HEARTBEAT};

		fleet_send(w, &m);
		/* its pong also proves that it is alive while it has nothing to say */
		if (!w->pinging && w->online)
			fleet_worker_ping(w);
	}
}

static void tick(struct loop_timer *t, void *user)
{
	struct fleet *f = user;
	uint64_t now = clock_ns();
	bool beat = f->ticks++ % (HEARTBEAT_NS / TICK_NS) == 0;

	(void)t;
	for (size_t i = 0; i < f->n_workers; i++)
		tick_worker(&f->workers[i], now, beat);
}

void fleet_start(struct fleet *f, struct transport *transport,
	const struct worker_file *files, size_t n_files)
{
	f->transport = transport;
	f->files = files;
	f->n_files = n_files;
	f->tick = loop_timer_add(f->config.loop, clock_ns() + TICK_NS, TICK_NS, tick, f);
	f->dooms = loop_timer_add(f->config.loop, UINT64_MAX, 0, on_dooms, f);
	loop_timer_stop(f->dooms);
	for (size_t i = 0; i < f->n_hosts; i++) {
		f->hosts[i].file = files;
		fleet_host_open(&f->hosts[i]);
	}
}
