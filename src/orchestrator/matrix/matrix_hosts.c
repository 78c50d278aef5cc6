/* matrix_hosts: who is a client and who a server, which machines they are, and where their data goes. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"
#include "transport/resolve.h"

/* The hosts that lend their settings to those of the lists: --hosts, and --hosts-file over it. */
static int read_base(struct matrix *m, struct inventory *ret, struct err *err)
{
	const struct options *o = &m->app->o;
	struct inventory_options io = context_inventory_options(m->app);
	CLEANUP(inventory_finish) struct inventory over = {0};

	if (o->hosts && inventory_load(o->hosts, NULL, &io, ret, err) < 0)
		return -1;
	if (!o->hosts_file)
		return 0;
	if (inventory_load_list_file(
		    o->hosts_file, o->hosts ? ret : NULL, &io, &over, err) < 0)
		return -1;
	inventory_finish(ret);
	*ret = over;
	over = (struct inventory){0};
	return 0;
}

/* Adds the hosts of a list to those of the command, unless they are there. */
static int add_hosts(struct inventory *to, const struct inventory *list, struct err *err)
{
	struct host *grown = reallocarray(to->hosts, to->n + list->n + 1, sizeof(*grown));

	if (!grown)
		return err_sys(err, ENOMEM, "hosts");
	to->hosts = grown;
	for (size_t i = 0; i < list->n; i++) {
		if (inventory_find(to, list->hosts[i].name))
			continue;
		if (host_copy(&to->hosts[to->n], &list->hosts[i]) < 0)
			return err_sys(err, ENOMEM, "hosts");
		to->n++;
	}
	return 0;
}

static int number_list(const struct inventory *all, const struct inventory *list,
	uint32_t **ret, size_t *ret_n, struct err *err)
{
	*ret = calloc(list->n + 1, sizeof(**ret));
	if (!*ret)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < list->n; i++) {
		const struct host *h = inventory_find(all, list->hosts[i].name);

		if (h) /* else --limit took it away */
			(*ret)[(*ret_n)++] = (uint32_t)(h - all->hosts);
	}
	return 0;
}

static int note_outside(struct matrix *m, const struct inventory *base, struct err *err)
{
	m->outside = calloc(m->ctx.hosts.n, sizeof(*m->outside));
	m->ctx.refs = calloc(m->ctx.hosts.n, sizeof(*m->ctx.refs));
	if (!m->outside || !m->ctx.refs)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < m->ctx.hosts.n; i++) {
		m->ctx.refs[i] = &m->ctx.hosts.hosts[i];
		m->outside[i] = !inventory_find(base, m->ctx.hosts.hosts[i].name);
	}
	return 0;
}

static int by_lists(struct matrix *m, struct err *err)
{
	struct inventory_options io = context_inventory_options(m->app);
	const char **words = m->app->operands.items;
	CLEANUP(inventory_finish) struct inventory base = {0};
	CLEANUP(inventory_finish) struct inventory clients = {0};
	CLEANUP(inventory_finish) struct inventory servers = {0};
	struct inventory *all = &m->ctx.hosts;

	if (read_base(m, &base, err) < 0 ||
		inventory_load(words[0], &base, &io, &clients, err) < 0 ||
		inventory_load(words[1], &base, &io, &servers, err) < 0 ||
		add_hosts(all, &clients, err) < 0 || add_hosts(all, &servers, err) < 0)
		return -1;
	if (m->app->o.limit && inventory_limit(all, m->app->o.limit, err) < 0)
		return -1;
	if (number_list(all, &clients, &m->lists.clients, &m->lists.n_clients, err) < 0 ||
		number_list(all, &servers, &m->lists.servers, &m->lists.n_servers, err) <
			0)
		return -1;
	return note_outside(m, &base, err);
}

static int by_roles(struct matrix *m, struct err *err)
{
	const struct inventory *all = &m->ctx.hosts;

	if (context_hosts(&m->ctx, NULL, err) < 0)
		return -1;
	m->outside = calloc(all->n, sizeof(*m->outside));
	m->lists.clients = calloc(all->n, sizeof(*m->lists.clients));
	m->lists.servers = calloc(all->n, sizeof(*m->lists.servers));
	if (!m->outside || !m->lists.clients || !m->lists.servers)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < all->n; i++) {
		if (all->hosts[i].role != ROLE_SERVER)
			m->lists.clients[m->lists.n_clients++] = (uint32_t)i;
		if (all->hosts[i].role != ROLE_CLIENT)
			m->lists.servers[m->lists.n_servers++] = (uint32_t)i;
	}
	if (m->ctx.embedded || (m->lists.n_clients && m->lists.n_servers))
		return 0;
	return err_set(err, ERR_INPUT,
		"no host %s has the role %s (role: client, server or both): the matrix "
		"has no pairs",
		m->app->o.limit ? "that --limit leaves" : "of the inventory",
		m->lists.n_clients ? "server" : "client");
}

int matrix_hosts_read(struct matrix *m, struct err *err)
{
	size_t given = m->app->operands.n;

	if (m->resume && !matrix_resume_embedded(m))
		return matrix_resume_hosts(m, err);
	if (m->resume && m->app->o.hosts)
		return err_set(err, ERR_INPUT,
			"--hosts: the matrix in %s is of this machine with itself",
			m->app->o.resume);
	if (given == 1)
		return err_set(err, ERR_INPUT,
			"muster matrix takes clients and servers, and '%s' is only one "
			"of "
			"them",
			m->app->operands.items[0]);
	if (given)
		return by_lists(m, err);
	return by_roles(m, err);
}

/* What tells a host's machine from others, the best that is known. */
static const char *machine_of(const struct matrix *m, size_t i)
{
	const struct host *h = &m->ctx.hosts.hosts[i];
	const struct fleet_worker *w = i < m->n_hosts ? m->hosts[i].w : NULL;

	if (h->machine)
		return h->machine;
	if (w && w->said_hello && w->hello.machine_id && *w->hello.machine_id)
		return w->hello.machine_id;
	return h->name;
}

void matrix_hosts_machines(struct matrix *m, uint32_t *machines)
{
	for (size_t i = 0; i < m->ctx.hosts.n; i++) {
		const char *mine = machine_of(m, i);
		size_t first = 0;

		while (strcmp(machine_of(m, first), mine) != 0)
			first++;
		machines[i] = (uint32_t)first;
	}
}

int matrix_hosts_init(struct matrix *m, struct err *err)
{
	m->n_hosts = fleet_size(m->fleet);
	m->hosts = calloc(m->n_hosts, sizeof(*m->hosts));
	if (!m->hosts)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < m->n_hosts; i++) {
		m->hosts[i].w = fleet_worker(m->fleet, i);
		m->hosts[i].matrix = m;
	}
	for (size_t i = 0; i < m->plan.n; i++) {
		if (m->plan.pairs[i].done)
			continue;
		m->hosts[m->plan.pairs[i].client].client = true;
		m->hosts[m->plan.pairs[i].server].server = true;
	}
	return 0;
}

void matrix_hosts_finish(struct matrix *m)
{
	for (size_t i = 0; m->hosts && i < m->n_hosts; i++) {
		resolve_cancel(m->hosts[i].job);
		if (m->hosts[i].found)
			freeaddrinfo(m->hosts[i].found);
		free(m->hosts[i].data);
		free(m->hosts[i].no_address);
		free(m->hosts[i].missing);
		matrix_leases_finish(&m->hosts[i]);
	}
	free(m->hosts);
	resolver_destroy(m->resolver);
	free(m->outside);
	matrix_lists_finish(&m->lists);
}

static void on_resolved(struct addrinfo *list, int error, void *user)
{
	struct matrix_host *h = user;

	h->job = NULL;
	h->found = list;
	if (!list)
		h->no_address = text_printf(
			"its data address '%s' is no address and no name that can be "
			"resolved: %s (data_address in the inventory)",
			h->data, gai_strerror(error));
	h->matrix->resolving--;
	matrix_look(h->matrix);
}

/* What words behind `--`, the inventory or the way of SSH say, in this order. */
static const char *data_of(const struct matrix *m, struct matrix_host *h)
{
	const struct host *host = h->w->host;
	const char *word = h->server ? m->words.server_address : NULL;

	if (!word && h->client)
		word = m->words.client_address;
	h->data_given = word || host->data_address;
	if (word)
		return word;
	return m->ctx.embedded ? "127.0.0.1"
			       : transport_data_address(m->ctx.transport, host);
}

int matrix_hosts_resolve(struct matrix *m, struct err *err)
{
	m->resolver = resolver_create(m->ctx.loop, err);
	if (!m->resolver)
		return -1;
	m->resolving = 1; /* until all are under way */
	for (size_t i = 0; i < m->n_hosts; i++) {
		struct matrix_host *h = &m->hosts[i];

		h->data = strdup(data_of(m, h));
		if (!h->data)
			return err_sys(err, ENOMEM, "hosts");
		if (!h->server && !h->data_given)
			continue;
		m->resolving++;
		h->job = resolve_start(m->resolver, h->data, 0, on_resolved, h);
	}
	m->resolving--;
	return 0;
}

char *matrix_host_address(const struct matrix_host *h, uint32_t family, char **ret_why)
{
	for (const struct addrinfo *a = h->found; a; a = a->ai_next) {
		char text[NI_MAXHOST];

		if ((family == 4 && a->ai_family != AF_INET) ||
			(family == 6 && a->ai_family != AF_INET6))
			continue;
		if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
			    NI_NUMERICHOST) == 0)
			return strdup(text);
	}
	*ret_why = h->no_address
			   ? text_printf("%s: %s", h->w->host->name, h->no_address)
			   : text_printf("%s: its data address '%s' has no IPv%u address "
					 "(data_address in the inventory)",
				     h->w->host->name, h->data, family);
	return NULL;
}

void matrix_host_words(const struct matrix *m, uint32_t host, struct buf *out)
{
	const struct host *h = &m->ctx.hosts.hosts[host];
	AUTO_BUF struct buf words = BUF_INIT;

	if (m->outside[host] && h->user)
		buf_printf(&words, "%s@", h->user);
	if (m->outside[host] && h->port)
		buf_printf(&words, strchr(h->address, ':') ? "[%s]:%u" : "%s:%u",
			h->address, h->port);
	else
		buf_puts(&words, m->outside[host] ? h->address : h->name);
	text_shell_quote(out, words.data ? words.data : h->name);
}
