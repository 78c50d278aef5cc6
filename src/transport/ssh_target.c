/* ssh_target: how to reach one host, put together from inventory, ssh_config, agent and defaults. */
#include <stdlib.h>
#include <string.h>

#include <pwd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/ssh_config.h"
#include "transport/agent.h"
#include "transport/key_store.h"
#include "transport/known_hosts.h"
#include "transport/ssh.h"
#include "transport/ssh_config_run.h"

/* As ssh would use without configuration; RSA stands here so that its absence is explained. */
static const char *const default_keys[] = {
	"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};

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

/* ---- keys to log in with ---- */

static bool have_cred(const struct ssh_target *t, const void *blob, size_t len)
{
	for (size_t i = 0; i < t->n_creds; i++) {
		const struct cred *c = &t->creds[i];
		const uint8_t *b = c->agent ? c->agent->blob : c->file->blob;
		size_t n = c->agent ? c->agent->blob_len : c->file->blob_len;

		if (n == len && memcmp(b, blob, len) == 0)
			return true;
	}
	return false;
}

static void add_cred(struct ssh_target *t, struct cred c)
{
	t->creds = reallocarray(t->creds, t->n_creds + 1, sizeof(*t->creds));
	if (!t->creds)
		abort();
	t->creds[t->n_creds++] = c;
}

static void skip(struct ssh_target *t, const char *label, const char *reason)
{
	if (t->skipped.len < 300)
		buf_printf(&t->skipped, "%.100s (%s), ", label, reason);
}

static const struct agent_key *agent_has(
	const struct ssh_shared *sh, const struct keyfile *key)
{
	size_t n;
	const struct agent_key *keys = agent_list(sh->agent, &n);

	for (size_t i = 0; key->blob && i < n; i++)
		if (keys[i].type && keys[i].blob_len == key->blob_len &&
			memcmp(keys[i].blob, key->blob, key->blob_len) == 0)
			return &keys[i];
	return NULL;
}

/* One key file. An encrypted one that the agent has needs no passphrase; ask: a person may be asked
 * for it now. */
static void add_file(struct ssh_target *t, struct ssh_shared *sh, const char *path,
	bool wanted, bool ask)
{
	AUTO_FREE char *full = file_expand_home(path);
	struct stored_key *k = full ? key_store_get(sh->keys, full) : NULL;
	const struct agent_key *agent;

	if (!k || (k->missing && !wanted))
		return;
	agent = k->key.state == KEYFILE_ENCRYPTED ? agent_has(sh, &k->key) : NULL;
	if (agent) {
		if (!have_cred(t, agent->blob, agent->blob_len))
			add_cred(t,
				(struct cred){.agent = agent, .label = agent->comment});
		return;
	}
	if (k->key.state == KEYFILE_ENCRYPTED && ask)
		key_store_unlock(sh->keys, k);
	if (k->key.state == KEYFILE_ENCRYPTED)
		skip(t, k->path,
			k->asked ? "wrong passphrase"
				 : "encrypted; ssh-add it, or run on a terminal");
	else if (k->key.state == KEYFILE_UNUSABLE)
		skip(t, k->path, k->key.reason);
	else if (!have_cred(t, k->key.blob, k->key.blob_len))
		add_cred(t, (struct cred){.file = &k->key, .label = k->path});
	if (!t->copy_key && k->key.state == KEYFILE_OK)
		t->copy_key = k->public_path;
}

static void add_agent(struct ssh_target *t, struct ssh_shared *sh)
{
	size_t n;
	const struct agent_key *keys = agent_list(sh->agent, &n);

	for (size_t i = 0; i < n; i++) {
		if (!keys[i].type)
			skip(t, keys[i].comment, keys[i].reason);
		else if (!have_cred(t, keys[i].blob, keys[i].blob_len))
			add_cred(t, (struct cred){
					    .agent = &keys[i], .label = keys[i].comment});
	}
}

static bool is_default_key(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *ssh = file_expand_home("~/.ssh/id_");

	return slash && ssh && text_starts_with(path, ssh);
}

/* The key of the inventory; those of ssh_config; the agent's; the default files. */
static void set_creds(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc)
{
	char **files = sc ? sc->identity_files : NULL;

	if (h->key)
		add_file(t, sh, h->key, true, !sh->prepared);
	for (char **p = files; p && *p; p++)
		if (!is_default_key(*p))
			add_file(t, sh, *p, true, !sh->prepared);
	if (!sc || !sc->identities_only)
		add_agent(t, sh);
	/* a person is asked about a default key only where there is no other */
	for (char **p = files; p && *p; p++)
		if (is_default_key(*p))
			add_file(t, sh, *p, false, !sh->prepared && !t->n_creds);
	for (size_t i = 0; !files && i < ARRAY_LEN(default_keys); i++)
		add_file(t, sh, default_keys[i], false, !sh->prepared && !t->n_creds);
}

/* ---- all of it ---- */

static void set_problem(struct ssh_target *t, const struct ssh_config *sc)
{
	if (!sc || (!sc->proxy_jump && !sc->proxy_command))
		return;
	if (sc->proxy_jump)
		t->problem =
			text_printf("%s:%u: ssh_config has ProxyJump %s for it, and jump "
				    "hosts are not supported yet",
				t->hostname, t->port, sc->proxy_jump);
	else
		t->problem =
			text_printf("%s:%u: ssh_config has a ProxyCommand for it, which "
				    "is not supported yet",
				t->hostname, t->port);
}

int ssh_target_init(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	struct err *err)
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
	t->policy = h->host_key_set        ? h->host_key
		    : sc && sc->strict_set ? sc->strict_host_key
					   : HOST_KEY_STRICT;
	t->connect_timeout_ns = h->timeout_ns ? h->timeout_ns
				: !sh->t->config.connect_timeout_ns && sc
					? sc->connect_timeout_ns
					: 0;
	set_known(t, sh, h, sc);
	set_problem(t, sc);
	if (!t->problem)
		set_creds(t, sh, h, sc);
	return 0;
}

void ssh_target_finish(struct ssh_target *t)
{
	free(t->hostname);
	free(t->user);
	free(t->alias);
	free(t->known);
	free(t->problem);
	free(t->creds);
	buf_finish(&t->skipped);
}
