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

/* As ssh would use without configuration; RSA stands here so that its absence is explained. */
static const char *const default_keys[] = {
	"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};

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

void ssh_creds_set(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc, const struct conn_auth *auth)
{
	char **files = sc ? sc->identity_files : NULL;

	if (auth && auth->only_key) {
		add_file(t, sh, auth->only_key, true, !sh->prepared);
		return;
	}
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
