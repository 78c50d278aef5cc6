/* ssh_target: how to reach one host, put together from inventory, ssh_config, agent and defaults. */
#include <stdlib.h>
#include <string.h>

#include <pwd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/ssh_config.h"
#include "transport/known_hosts.h"
#include "transport/ssh.h"
#include "transport/ssh_config_run.h"

static char *local_user(void)
{
	const struct passwd *pw = getpwuid(getuid());
	const char *env = getenv("USER");

	return strdup(pw ? pw->pw_name : env && *env ? env : "root");
}

/* ---- host keys ---- */

static void add_known(
	struct ssh_target *t, struct ssh_shared *sh, const char *path, bool user)
{
	AUTO_FREE char *full = file_expand_home(path);
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

static void set_known(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc)
{
	if (h->known_hosts) {
		add_known(t, sh, h->known_hosts, true);
		return;
	}
	if (sc && sc->user_known_hosts) {
		for (char **p = sc->user_known_hosts; *p; p++)
			add_known(t, sh, *p, true);
	} else {
		add_known(t, sh, "~/.ssh/known_hosts", true);
		add_known(t, sh, "~/.ssh/known_hosts2", true);
	}
	if (sc && sc->global_known_hosts) {
		for (char **p = sc->global_known_hosts; *p; p++)
			add_known(t, sh, *p, false);
	} else {
		add_known(t, sh, "/etc/ssh/ssh_known_hosts", false);
		add_known(t, sh, "/etc/ssh/ssh_known_hosts2", false);
	}
}

/* ---- all of it ---- */

/* What only ssh itself can do. */
static void set_needs(struct ssh_target *t, const struct ssh_config *sc)
{
	if (sc && sc->proxy_jump)
		t->needs_openssh =
			text_printf("%s:%u: ssh_config has ProxyJump %s for it",
				t->hostname, t->port, sc->proxy_jump);
	else if (sc && sc->proxy_command)
		t->needs_openssh =
			text_printf("%s:%u: ssh_config has a ProxyCommand for it",
				t->hostname, t->port);
}

int ssh_target_init(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct conn_auth *auth, struct err *err)
{
	const char *address = h->address ? h->address : h->name;
	const struct ssh_config *sc;

	*t = (struct ssh_target){.port = 22};
	/* known already, but for a host that was not prepared */
	ssh_config_cache_ask(sh->configs, &address, 1);
	sc = ssh_config_cache_get(sh->configs, address, err);
	if (!sc && err->kind)
		return -1;
	t->hostname = strdup(sc && sc->hostname ? sc->hostname : address);
	t->user = h->user          ? strdup(h->user)
		  : sc && sc->user ? strdup(sc->user)
				   : local_user();
	if (sc && sc->host_key_alias)
		t->alias = strdup(sc->host_key_alias);
	if (!t->hostname || !t->user)
		abort();
	if (h->port || (sc && sc->port))
		t->port = h->port ? h->port : sc->port;
	t->policy = h->host_key_set            ? h->host_key
		    : sc && sc->strict_set     ? sc->strict_host_key
		    : sh->t->config.accept_new ? HOST_KEY_ACCEPT_NEW
					       : HOST_KEY_STRICT;
	t->connect_timeout_ns = h->timeout_ns ? h->timeout_ns
				: !sh->t->config.connect_timeout_ns && sc
					? sc->connect_timeout_ns
					: 0;
	set_known(t, sh, h, sc);
	set_needs(t, sc);
	if (!t->needs_openssh)
		ssh_creds_set(t, sh, h, sc, auth);
	return 0;
}

void ssh_target_finish(struct ssh_target *t)
{
	free(t->hostname);
	free(t->user);
	free(t->alias);
	free(t->known);
	free(t->needs_openssh);
	free(t->openssh_key);
	free(t->creds);
	buf_finish(&t->skipped);
}
