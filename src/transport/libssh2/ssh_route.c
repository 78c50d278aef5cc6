/* ssh_route: which jump hosts lead to a host: those of the inventory, else those of ssh_config, which is
 * asked again for each of them.
 *
 * As with ssh -J: of a chain "a,b" the host is reached through b, b through a, and a as ssh_config says.
 * What the inventory says of host key checking goes for the jump hosts too, where ssh_config does not say
 * otherwise; its key is tried at a jump host after those that ssh would try. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "inventory/ssh_config.h"
#include "transport/libssh2/ssh.h"
#include "transport/openssh/ssh_config_run.h"

static char *copy(const char *s)
{
	char *c = s ? strdup(s) : NULL;

	if (s && !c)
		abort();
	return c;
}

int ssh_route_next(const struct host *h, const struct ssh_config *sc, struct host *ret,
	struct err *err)
{
	const char *chain = h->jump ? h->jump : sc ? sc->proxy_jump : NULL;
	AUTO_FREE char *before = NULL;
	struct ssh_hop hop;
	struct err why = ERR_INIT;

	if (!chain || strcmp(chain, "none") == 0)
		return 0;
	if (ssh_hop_parse(chain, &hop, &before, &why) < 0)
		return err_set(err, ERR_INPUT,
			"'%.200s', the %s of %s, has no jump host at its end: %s", chain,
			h->jump ? "jump" : "ProxyJump", h->address, why.text);
	*ret = (struct host){
		.name = copy(hop.host),
		.address = hop.host,
		.user = hop.user,
		.port = hop.port,
		.jump = STEAL_PTR(&before),
		.key = copy(h->key),
		.known_hosts = copy(h->known_hosts),
		.host_key = h->host_key,
		.host_key_set = h->host_key_set,
		.transport = TRANSPORT_LIBSSH2,
		.workers = 1,
	};
	return 1;
}

/* "user@host:port" of an entry, as ssh_config sees it. */
static char *identity(const struct host *h, const struct ssh_config *sc)
{
	const char *user = h->user ? h->user : sc ? sc->user : NULL;
	const char *host = sc && sc->hostname ? sc->hostname : h->address;
	unsigned port = h->port ? h->port : sc && sc->port ? sc->port : 22;
	char *id = text_printf("%s@%s:%u", user ? user : "", host, port);

	if (!id)
		abort();
	return id;
}

/* The way is walked from its end. */
struct walk {
	struct ssh_shared *sh;
	char *passed[SSH_HOPS_MAX + 1];
	char *names; /* of the jump hosts, the last one in front */
	size_t n;
};

static void walk_finish(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->passed[i]);
	free(w->names);
}

static int look_at(struct walk *w, const struct host *h, const struct ssh_config **ret,
	struct err *err)
{
	/* known already, but for a host that was not prepared */
	ssh_config_cache_ask(w->sh->configs, &h, 1);
	*ret = ssh_config_cache_get(w->sh->configs, h, err);
	return !*ret && err->kind ? -1 : 0;
}

static int in_a_circle(const struct walk *w, const struct host *h, struct err *err)
{
	return err_set(err, ERR_INPUT,
		"%s: the jump hosts on the way go round in a circle: %s; end it with "
		"jump: "
		"none in the inventory or ProxyJump none in ssh_config",
		h->address, w->names);
}

static void add_name(struct walk *w, const char *name)
{
	char *names = w->names ? text_printf("%s, %s", name, w->names) : copy(name);

	if (!names)
		abort();
	free(w->names);
	w->names = names;
}

static int walk(struct walk *w, const struct host *h, struct err *err)
{
	struct host at, next;
	int more = 1;

	if (host_copy(&at, h) < 0)
		abort();
	while (more > 0) {
		const struct ssh_config *sc;
		char *id;

		more = look_at(w, &at, &sc, err);
		if (more < 0)
			break;
		id = identity(&at, sc);
		for (size_t i = 0; i < w->n && more == 0; i++)
			if (strcmp(w->passed[i], id) == 0)
				more = in_a_circle(w, h, err);
		if (more == 0 && w->n == ARRAY_LEN(w->passed))
			more = err_set(err, ERR_INPUT,
				"%s: more than %d jump hosts on the way: %.600s",
				h->address, SSH_HOPS_MAX, w->names);
		if (more == 0)
			w->passed[w->n++] = STEAL_PTR(&id);
		free(id);
		if (more == 0)
			more = ssh_route_next(&at, sc, &next, err);
		if (more > 0) {
			host_finish(&at);
			at = next;
			add_name(w, at.name);
		}
	}
	host_finish(&at);
	return more;
}

int ssh_route_text(
	struct ssh_shared *sh, const struct host *h, char **ret, struct err *err)
{
	struct walk w = {.sh = sh};
	int rc = walk(&w, h, err);

	*ret = rc < 0 ? NULL : STEAL_PTR(&w.names);
	walk_finish(&w);
	return rc;
}
