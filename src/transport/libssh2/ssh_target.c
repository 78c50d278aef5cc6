/* ssh_target: how to reach one host, put together from inventory, ssh_config, agent and defaults. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "inventory/ssh_config.h"
#include "transport/keys/known_hosts.h"
#include "transport/libssh2/ssh.h"
#include "transport/openssh/ssh_config_run.h"

/* ---- host keys ---- */

static void add_known(
	struct ssh_target *t, struct ssh_shared *sh, const char *path, bool user)
{
	AUTO_FREE char *full = ssh_home_path(&sh->home, path);
	struct known_hosts *k;

	if (!full || strcmp(full, "none") == 0)
		return;
	k = ssh_shared_known(sh, full);
	t->known = reallocarray(t->known, t->n_known + 1, sizeof(*t->known));
	if (!t->known)
		abort();
	t->known[t->n_known++] = k;
	if (user && !t->accept_file)
		t->accept_file = known_hosts_path(k);
}

static void add_configured(struct ssh_target *t, struct ssh_shared *sh,
	const struct ssh_config *sc, bool user)
{
	static const char *const defaults[2][2] = {
		{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"},
		{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}};
	char **said = !sc ? NULL : user ? sc->user_known_hosts : sc->global_known_hosts;

	for (char **p = said; p && *p; p++)
		add_known(t, sh, *p, user);
	for (size_t i = 0; !said && i < ARRAY_LEN(defaults[user]); i++)
		add_known(t, sh, defaults[user][i], user);
}

/* The inventory's file counts alone for the host itself; a jump host may be known by either. */
static void set_known(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	bool jump, const struct ssh_config *sc)
{
	if (h->known_hosts)
		add_known(t, sh, h->known_hosts, true);
	if (h->known_hosts && !jump)
		return;
	add_configured(t, sh, sc, true);
	add_configured(t, sh, sc, false);
}

/* For a jump host ssh_config is the nearer one: what the inventory says is of the host behind it. */
static int find_policy(const struct ssh_shared *sh, const struct host *h, bool jump,
	const struct ssh_config *sc)
{
	if (sc && sc->strict_set && (jump || !h->host_key_set))
		return sc->strict_host_key;
	if (h->host_key_set)
		return h->host_key;
	return sh->t->config.accept_new ? HOST_KEY_ACCEPT_NEW : HOST_KEY_STRICT;
}

/* Who is known already is not new by showing a key of another type: what was known could be gone round so. */
static void set_policy(struct ssh_target *t, const struct ssh_shared *sh,
	const struct host *h, bool jump, const struct ssh_config *sc)
{
	t->policy = find_policy(sh, h, jump, sc);
	if (t->policy == HOST_KEY_ACCEPT_NEW &&
		known_hosts_any(
			t->known, t->n_known, ssh_known_name(t), ssh_known_port(t)))
		t->policy = HOST_KEY_STRICT;
}

/* ---- what only ssh itself can do ---- */

/* Whether known_hosts has only what libssh2 1.10 cannot check: host certificates, or RSA keys, of which it
 * has but the SHA-1 form that sshd has given up. */
static void need_for_known(struct ssh_target *t)
{
	AUTO_BUF struct buf types = BUF_INIT;
	const struct known_key *ca;

	known_hosts_types(
		t->known, t->n_known, ssh_known_name(t), ssh_known_port(t), &types);
	if (!types.len) {
		ca = known_hosts_ca(
			t->known, t->n_known, ssh_known_name(t), ssh_known_port(t));
		if (ca)
			t->needs_openssh = text_printf(
				"%s: known_hosts has only a certificate authority for it "
				"(%.300s:%u)",
				t->where, ca->path, ca->line);
	} else if (strcmp(types.data, "ssh-rsa,") == 0) {
		t->needs_openssh = text_printf(
			"%s: known_hosts has only an RSA key for it", t->where);
	} else if (!strstr(types.data, "ssh-ed25519,") &&
		   !strstr(types.data, "ecdsa-sha2-nistp")) {
		t->needs_openssh = text_printf("%s: known_hosts has only keys of types "
					       "that libssh2 has not for it: %.*s",
			t->where, (int)types.len - 1, types.data);
	}
}

static void set_needs(struct ssh_target *t, const struct host *h, bool jump,
	const struct ssh_config *sc)
{
	/* who insists on libssh2 may have an sshd that is old enough for it */
	bool insists = h->transport == TRANSPORT_LIBSSH2 && !jump;

	/* jump, "none" too, comes first: as with ssh */
	if (!h->jump && sc && sc->proxy_command && !sc->proxy_jump)
		t->needs_openssh =
			text_printf("%s: ssh_config has a ProxyCommand for it", t->where);
	else if (t->policy != HOST_KEY_OFF && !insists)
		need_for_known(t);
}

/* ---- all of it ---- */

/* A jump host is called as it was written, for nothing else tells which one it is. */
static char *where_text(const char *host, uint16_t port, bool jump)
{
	char *text = text_printf(strchr(host, ':') ? "[%s]:%u%s" : "%s:%u%s", host, port,
		jump ? " (jump host)" : "");

	if (!text)
		abort();
	return text;
}

static uint16_t find_port(const struct host *h, const struct ssh_config *sc)
{
	if (h->port)
		return h->port;
	return sc && sc->port ? sc->port : 22;
}

char *ssh_target_where(struct ssh_shared *sh, const struct host *h, bool jump)
{
	struct err err = ERR_INIT;
	const struct ssh_config *sc = ssh_config_cache_get(sh->configs, h, &err);
	const char *host = sc && sc->hostname && !jump ? sc->hostname : h->address;

	return where_text(host, find_port(h, sc), jump);
}

/* A jump host is logged in to as ssh would; where that is not enough, with the key of the host behind. */
static void set_creds(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	bool jump, const struct ssh_config *sc, const struct conn_auth *auth)
{
	struct conn_auth last = {.only_key = h->key};
	struct host own = *h;

	if (!jump) {
		ssh_creds_set(t, sh, h, sc, auth);
		return;
	}
	own.key = NULL;
	ssh_creds_set(t, sh, &own, sc, NULL);
	if (h->key && !t->needs_openssh && (!sc || !sc->identities_only))
		ssh_creds_set(t, sh, &own, sc, &last);
}

int ssh_target_init(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	bool jump, const struct conn_auth *auth, struct err *err)
{
	const struct ssh_config *sc;

	*t = (struct ssh_target){.port = 0};
	/* known already, but for a host that was not prepared */
	ssh_config_cache_ask(sh->configs, &h, 1);
	sc = ssh_config_cache_get(sh->configs, h, err);
	if (!sc && err->kind)
		return -1;
	if (ssh_route_text(sh, h, &t->via, err) < 0)
		return -1;
	t->hostname = strdup(sc && sc->hostname ? sc->hostname : h->address);
	t->user = strdup(h->user ? h->user : sc && sc->user ? sc->user : sh->home.user);
	if (sc && sc->host_key_alias)
		t->alias = strdup(sc->host_key_alias);
	if (!t->hostname || !t->user)
		abort();
	t->port = find_port(h, sc);
	t->where = ssh_target_where(sh, h, jump);
	t->connect_timeout_ns = h->timeout_ns ? h->timeout_ns
				: !sh->t->config.connect_timeout_ns && sc
					? sc->connect_timeout_ns
					: 0;
	set_known(t, sh, h, jump, sc);
	set_policy(t, sh, h, jump, sc);
	set_needs(t, h, jump, sc);
	/* ssh has keys of its own */
	if (!t->needs_openssh && h->transport != TRANSPORT_OPENSSH)
		set_creds(t, sh, h, jump, sc, auth);
	return 0;
}

void ssh_target_finish(struct ssh_target *t)
{
	free(t->hostname);
	free(t->user);
	free(t->alias);
	free(t->where);
	free(t->via);
	free(t->known);
	free(t->needs_openssh);
	free(t->openssh_key);
	free(t->creds);
	buf_finish(&t->skipped);
}
