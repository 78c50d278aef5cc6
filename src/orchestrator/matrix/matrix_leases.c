/* matrix_leases: servers on lease that are there anyway take the pairs of their hosts, as long as they can do what
 * the tests ask and stay long enough. Otherwise the matrix brings its own, and says why. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/lease/lease_time.h"
#include "orchestrator/matrix/matrix_private.h"

/* Beyond the planned length: retries, and hosts that are slow. */
#define SPARE_NS (30 * NS_PER_SEC)

void matrix_leases_ask(struct matrix *m)
{
	struct msg msg = {.type = MSG_LEASE_LIST, .u.lease_list.request = 1};

	for (size_t i = 0; i < m->n_hosts; i++) {
		struct matrix_host *h = &m->hosts[i];

		if (!h->server || h->w->host->container.image)
			continue;
		h->lease_asked = true;
		m->resolving++;
		fleet_send(h->w, &msg);
	}
}

static void heard(struct matrix_host *h)
{
	if (!h->lease_asked)
		return;
	h->lease_asked = false;
	h->matrix->resolving--;
}

void matrix_leases_heard(struct matrix *m, const struct fleet_worker *w, struct msg *msg)
{
	struct matrix_host *h = &m->hosts[w->index];

	if (!h->lease_asked)
		return;
	h->leases = msg->u.leases;
	msg->u.leases = (struct msg_leases){.request = 0};
	heard(h);
	matrix_look(m);
}

void matrix_leases_gone(struct matrix *m, const struct fleet_worker *w)
{
	heard(&m->hosts[w->index]);
}

void matrix_leases_finish(struct matrix_host *h)
{
	struct msg msg = {.type = MSG_LEASES, .u.leases = h->leases};

	msg_finish(&msg);
}

static bool listens_at(const struct lease_info *l, const char *address)
{
	return !l->address || !*l->address || strcmp(l->address, address) == 0;
}

/* What a listener that serves many tests cannot be given for one of them. */
static bool wants_own(const struct matrix *m, const struct matrix_test *t)
{
	const struct net_end *e = &t->words->spec.remote;

	return m->kind == NET_ENGINE_NATIVE && (e->recv_buffer || e->mss);
}

/* Why the matrix does not use it; NULL: it does, if its tests can. */
static const char *flaw(const struct matrix *m, const struct lease_info *l)
{
	uint64_t length = matrix_plan_length_ns(&m->plan, &m->work) + SPARE_NS;

	if (l->protocol != PROTO_VERSION)
		return "is of another version of muster";
	if (m->port_min && (l->port < m->port_min || l->port > m->port_max))
		return "is not in --port-range";
	if (l->left_ns < length)
		return "may end before the matrix does";
	return NULL;
}

/* The one that a host's pairs use: that which stays longest. */
static void choose(struct matrix *m, struct matrix_host *h)
{
	for (size_t i = 0; i < h->leases.n_items; i++) {
		struct lease_info *l = &h->leases.items[i];
		AUTO_FREE char *ignored = NULL;
		AUTO_FREE char *address =
			matrix_host_address(h, m->tests->words->spec.family, &ignored);
		const char *why;

		if (l->state != LEASE_RUNNING || !l->engine ||
			strcmp(l->engine, m->engine) != 0 || !address ||
			!listens_at(l, address))
			continue;
		why = flaw(m, l);
		if (why)
			matrix_remark(m,
				"the server on lease of %s (port %u) %s: the matrix "
				"brought its own",
				h->w->host->name, l->port, why);
		else if (!h->lease || h->lease->left_ns < l->left_ns)
			h->lease = l;
	}
}

void matrix_leases_choose(struct matrix *m)
{
	AUTO_BUF struct buf names = BUF_INIT;

	/* it serves one client at a time */
	if (m->kind == NET_ENGINE_IPERF3 && m->mode == MATRIX_CONCURRENT)
		return;
	for (size_t i = 0; i < m->n_hosts; i++) {
		struct matrix_host *h = &m->hosts[i];

		if (h->server)
			choose(m, h);
		if (!h->lease)
			continue;
		buf_printf(&names, "%s%s (port %u, ", names.len ? ", " : "",
			h->w->host->name, h->lease->port);
		lease_time_text(h->lease->left_ns, &names);
		buf_puts(&names, " left)");
	}
	if (names.len)
		console_line(m->ctx.console, "Servers on lease: %s", names.data);
	for (size_t i = 0; names.len && i < m->n_tests; i++)
		if (wants_own(m, &m->tests[i]))
			matrix_remark(m,
				"test %s wants buffers or an MSS that a listener needs "
				"from its beginning: its servers were not those on lease",
				m->tests[i].name);
}

uint32_t matrix_lease_port(const struct matrix_flight *f, const char *address)
{
	const struct matrix_test *t = f->task->test;
	const struct matrix_host *h = &f->matrix->hosts[f->task->pair->server];

	if (!h->lease || wants_own(f->matrix, t) || !listens_at(h->lease, address) ||
		(f->matrix->kind != NET_ENGINE_NETPERF && t->words->server_port &&
			t->words->server_port != h->lease->port))
		return 0;
	return h->lease->port;
}

void matrix_lease_lost(struct matrix_flight *f)
{
	struct matrix_host *h = &f->matrix->hosts[f->task->pair->server];

	if (h->lease)
		matrix_remark(f->matrix,
			"the server on lease of %s (port %u) went away: the matrix "
			"brought its own from there on",
			h->w->host->name, h->lease->port);
	h->lease = NULL;
}
