/* ssh_creds: which keys to log in with, and why others were left out. */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/ssh_config.h"
#include "transport/agent.h"
#include "transport/key_store.h"
#include "transport/ssh.h"

/* As ssh would use without configuration. */
static const char *const default_keys[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa",
	"~/.ssh/id_rsa", "~/.ssh/id_ed25519_sk", "~/.ssh/id_ecdsa_sk"};

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
		if (keys[i].about.type && keys[i].blob_len == key->blob_len &&
			memcmp(keys[i].blob, key->blob, key->blob_len) == 0)
			return &keys[i];
	return NULL;
}

/* ssh may log in where libssh2 cannot: what the first such key is. */
static void for_openssh(
	struct ssh_target *t, const char *whose, const char *label, const char *what)
{
	if (!t->openssh_key)
		t->openssh_key = text_printf("the %skey %.200s %s", whose, label, what);
}

/* ssh is given nobody to ask, so it has no use for a certificate of a key that is encrypted. */
static void add_certificate(struct ssh_target *t, const struct stored_key *k, bool agent)
{
	if (k->cert_path && (agent || (k->key.state == KEYFILE_OK && !k->asked)))
		for_openssh(t, "", k->path, "has a certificate");
}

static void add_unlocked(struct ssh_target *t, struct stored_key *k)
{
	AUTO_FREE char *is = NULL;

	switch (k->key.state) {
	case KEYFILE_OK:
		if (!have_cred(t, k->key.blob, k->key.blob_len))
			add_cred(t, (struct cred){.file = &k->key, .label = k->path});
		if (!t->copy_key && k->public_path)
			t->copy_key = k->path;
		return;
	case KEYFILE_ENCRYPTED:
		skip(t, k->path,
			k->asked ? "wrong passphrase"
				 : "encrypted; ssh-add it, or run on a terminal");
		return;
	case KEYFILE_OPENSSH:
		is = text_printf("is %s", k->key.reason);
		for_openssh(t, "", k->path, is ? is : "");
		break;
	case KEYFILE_UNUSABLE:
		break;
	}
	skip(t, k->path, k->key.reason);
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
	} else {
		if (k->key.state == KEYFILE_ENCRYPTED && ask)
			key_store_unlock(sh->keys, k);
		add_unlocked(t, k);
	}
	add_certificate(t, k, agent);
}

static void add_agent(struct ssh_target *t, struct ssh_shared *sh)
{
	size_t n;
	const struct agent_key *keys = agent_list(sh->agent, &n);

	for (size_t i = 0; i < n; i++) {
		const struct agent_key *k = &keys[i];
		AUTO_FREE char *is = text_printf("is %s", k->about.reason);

		if (k->about.type && !have_cred(t, k->blob, k->blob_len))
			add_cred(t, (struct cred){.agent = k, .label = k->comment});
		if (k->about.type)
			continue;
		skip(t, k->comment, k->about.reason);
		if (k->about.openssh)
			for_openssh(t, "agent's ", k->comment, is ? is : "");
	}
}

static bool is_default_key(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *ssh = file_expand_home("~/.ssh/id_");

	return slash && ssh && text_starts_with(path, ssh);
}

/* ssh at once, where nothing else could log in. A password can. */
static void set_needs(struct ssh_target *t, const struct conn_auth *auth)
{
	if (auth && auth->password)
		return;
	t->needs_openssh =
		text_printf(strchr(t->hostname, ':') ? "[%s]:%u: %s" : "%s:%u: %s",
			t->hostname, t->port, t->openssh_key);
}

void ssh_creds_set(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc, const struct conn_auth *auth)
{
	char **files = sc ? sc->identity_files : NULL;
	const char *only = auth ? auth->only_key : NULL;
	const char *named = only ? only : h->key;
	bool at_once = false;

	if (named) {
		add_file(t, sh, named, true, !sh->prepared);
		at_once = t->openssh_key && h->transport == TRANSPORT_AUTO;
	}
	for (char **p = files; !only && p && *p; p++)
		if (!is_default_key(*p))
			add_file(t, sh, *p, true, !sh->prepared);
	if (!only && (!sc || !sc->identities_only))
		add_agent(t, sh);
	/* a person is asked about a default key only where there is no other */
	for (char **p = files; !only && p && *p; p++)
		if (is_default_key(*p))
			add_file(t, sh, *p, false, !sh->prepared && !t->n_creds);
	for (size_t i = 0; !only && !files && i < ARRAY_LEN(default_keys); i++)
		add_file(t, sh, default_keys[i], false, !sh->prepared && !t->n_creds);
	if (t->openssh_key && (at_once || !t->n_creds))
		set_needs(t, auth);
}
