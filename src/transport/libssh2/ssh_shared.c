/* ssh_shared: what all SSH connections of a run share, and getting it ready before the loop runs. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "inventory/ssh_config.h"
#include "transport/keys/agent.h"
#include "transport/keys/key_store.h"
#include "transport/keys/known_hosts.h"
#include "transport/libssh2/ssh.h"
#include "transport/openssh/ssh_config_run.h"

struct ssh_shared *ssh_shared_create(struct transport *t, struct err *err)
{
	struct ssh_shared *sh = calloc(1, sizeof(*sh));

	if (!sh)
		abort();
	sh->t = t;
	if (libssh2_init(0) != 0) {
		err_set(err, ERR_SYSTEM, "libssh2 cannot be initialised");
		free(sh);
		return NULL;
	}
	sh->keys = key_store_create(&t->config);
	ssh_home_init(&sh->home);
	sh->configs = ssh_config_cache_create(&sh->home);
	return sh;
}

void ssh_shared_destroy(struct ssh_shared *sh)
{
	if (!sh)
		return;
	for (size_t i = 0; i < sh->n_known; i++)
		known_hosts_destroy(sh->known[i]);
	free(sh->known);
	agent_destroy(sh->agent);
	key_store_destroy(sh->keys);
	ssh_config_cache_destroy(sh->configs);
	ssh_home_finish(&sh->home);
	libssh2_exit();
	free(sh);
}

struct known_hosts *ssh_shared_known(struct ssh_shared *sh, const char *path)
{
	for (size_t i = 0; i < sh->n_known; i++)
		if (strcmp(known_hosts_path(sh->known[i]), path) == 0)
			return sh->known[i];
	sh->known = reallocarray(sh->known, sh->n_known + 1, sizeof(*sh->known));
	if (!sh->known)
		abort();
	return sh->known[sh->n_known++] = known_hosts_load(path);
}

static bool goes_by_ssh(const struct host *h)
{
	return h->transport != TRANSPORT_LOCAL && h->transport != TRANSPORT_COMMAND;
}

/* Building a target loads its keys and known_hosts files, and asks for passphrases. */
static void warm_up(struct ssh_shared *sh, const struct host *h, bool jump)
{
	struct ssh_target target = {.port = 0};
	struct err err = ERR_INIT;

	/* what is wrong comes again, and is said, when the host is opened */
	ssh_target_init(&target, sh, h, jump, NULL, &err);
	ssh_target_finish(&target);
}

/* ---- jump hosts ---- */

struct jump_hosts {
	struct host *v;
	size_t n;
};

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Takes h over. */
static void add_jump_host(struct jump_hosts *j, struct host *h)
{
	for (size_t i = 0; i < j->n; i++) {
		if (same(j->v[i].address, h->address) && same(j->v[i].user, h->user) &&
			same(j->v[i].jump, h->jump) && same(j->v[i].key, h->key) &&
			same(j->v[i].known_hosts, h->known_hosts) &&
			j->v[i].port == h->port) {
			host_finish(h);
			return;
		}
	}
	j->v = reallocarray(j->v, j->n + 1, sizeof(*j->v));
	if (!j->v)
		abort();
	j->v[j->n++] = *h;
}

static void add_next(struct ssh_shared *sh, struct jump_hosts *j, const struct host *h)
{
	struct err err = ERR_INIT;
	const struct ssh_config *sc = ssh_config_cache_get(sh->configs, h, &err);
	struct host next;

	if (!err.kind && ssh_route_next(h, sc, &next, &err) > 0)
		add_jump_host(j, &next);
}

/* What ssh_config says of the jump hosts from number first on. */
static void ask_for(struct ssh_shared *sh, const struct jump_hosts *j, size_t first)
{
	const struct host **hosts = calloc(j->n + 1, sizeof(const struct host *));

	if (!hosts)
		abort();
	for (size_t i = first; i < j->n; i++)
		hosts[i - first] = &j->v[i];
	ssh_config_cache_ask(sh->configs, hosts, j->n - first);
	free(hosts);
}

/* Jump hosts have jump hosts: as many rounds as it takes. A circle ends, for nothing new comes of it, or
 * when a way would be too long anyway. */
static void prepare_jump_hosts(
	struct ssh_shared *sh, const struct host *const *hosts, size_t n)
{
	struct jump_hosts j = {NULL};
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		if (goes_by_ssh(hosts[i]))
			add_next(sh, &j, hosts[i]);
	for (int round = 0; done < j.n && round < SSH_HOPS_MAX; round++) {
		size_t end = j.n;

		ask_for(sh, &j, done);
		for (; done < end; done++) {
			/* adding may move the table */
			struct host at = j.v[done];

			add_next(sh, &j, &at);
		}
	}
	for (size_t i = 0; i < j.n; i++) {
		warm_up(sh, &j.v[i], true);
		host_finish(&j.v[i]);
	}
	free(j.v);
}

int ssh_shared_prepare(
	struct ssh_shared *sh, const struct host *const *hosts, size_t n, struct err *err)
{
	const struct host **by_ssh = calloc(n ? n : 1, sizeof(const struct host *));
	size_t n_ssh = 0;

	if (!by_ssh)
		return err_set(err, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (goes_by_ssh(hosts[i]))
			by_ssh[n_ssh++] = hosts[i];
	ssh_config_cache_ask(sh->configs, by_ssh, n_ssh);
	free(by_ssh);
	if (n_ssh && !sh->agent)
		sh->agent = agent_create(sh->t->loop);
	sh->prepared = false;
	for (size_t i = 0; i < n; i++)
		if (goes_by_ssh(hosts[i]))
			warm_up(sh, hosts[i], false);
	prepare_jump_hosts(sh, hosts, n);
	sh->prepared = true;
	return 0;
}

const char *transport_data_address(const struct transport *t, const struct host *h)
{
	struct err err = ERR_INIT;
	const struct ssh_config *sc =
		h->data_address || !goes_by_ssh(h)
			? NULL
			: ssh_config_cache_get(t->ssh->configs, h, &err);

	if (h->data_address)
		return h->data_address;
	return sc && sc->hostname ? sc->hostname : h->address;
}
