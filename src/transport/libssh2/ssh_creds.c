/* ssh_creds: which keys to log in with, and why others were left out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/ssh_config.h"
#include "transport/keys/agent.h"
#include "transport/keys/key_store.h"
#include "transport/libssh2/ssh.h"

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
__attribute__((format(printf, 2, 3))) static void for_openssh(
	struct ssh_target *t, const char *fmt, ...)
{
	va_list ap;

	if (t->openssh_key)
		return;
	va_start(ap, fmt);
	if (vasprintf(&t->openssh_key, fmt, ap) < 0)
		t->openssh_key = NULL;
	va_end(ap);
}

/* ssh is given nobody to ask, so it has no use for a certificate of a key that is encrypted. */
static void add_certificate(struct ssh_target *t, const struct stored_key *k, bool agent)
{
	if (!k->cert_path || (!agent && (k->key.state != KEYFILE_OK || k->asked)))
		return;
	skip(t, k->cert_path, "a certificate, for transport openssh only");
	for_openssh(t, "the key %.200s has a certificate", k->path);
}

static void add_unlocked(struct ssh_target *t, struct stored_key *k)
{
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
		for_openssh(t, "the key %.200s is %s", k->path, k->key.reason);
		break;
	case KEYFILE_UNUSABLE:
		break;
	}
	skip(t, k->path, k->key.reason);
}

/* How a key file is looked at. */
enum {
	WANTED = 1,       /* that it is missing is worth a word */
	ASK = 2,          /* a person may be asked for its passphrase now */
	CERTIFICATES = 4, /* what signed it counts, too */
};

/* One key file. An encrypted one that the agent has needs no passphrase. */
static void add_file(
	struct ssh_target *t, struct ssh_shared *sh, const char *path, unsigned how)
{
	AUTO_FREE char *full = file_expand_home(path);
	struct stored_key *k = full ? key_store_get(sh->keys, full) : NULL;
	const struct agent_key *agent;

	if (!k || (k->missing && !(how & WANTED)))
		return;
	agent = k->key.state != KEYFILE_OK ? agent_has(sh, &k->key) : NULL;
	if (agent) {
		if (!have_cred(t, agent->blob, agent->blob_len))
			add_cred(t,
				(struct cred){.agent = agent, .label = agent->comment});
	} else {
		if (k->key.state == KEYFILE_ENCRYPTED && how & ASK)
			key_store_unlock(sh->keys, k);
		add_unlocked(t, k);
	}
	if (how & CERTIFICATES)
		add_certificate(t, k, agent);
}

static void add_agent(struct ssh_target *t, struct ssh_shared *sh)
{
	size_t n;
	const struct agent_key *keys = agent_list(sh->agent, &n);

	for (size_t i = 0; i < n; i++) {
		const struct agent_key *k = &keys[i];

		if (k->about.type && !have_cred(t, k->blob, k->blob_len))
			add_cred(t, (struct cred){.agent = k, .label = k->comment});
		if (k->about.type)
			continue;
		skip(t, k->comment, k->about.reason);
		if (k->about.openssh)
			for_openssh(t, "the agent's key %.200s is %s", k->comment,
				k->about.reason);
	}
}

static bool is_default_key(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *ssh = file_expand_home("~/.ssh/id_");

	return slash && ssh && text_starts_with(path, ssh);
}

static void add_certificate_files(struct ssh_target *t, char **files)
{
	for (char **p = files; p && *p; p++)
		if (access(*p, R_OK) == 0)
			for_openssh(
				t, "ssh_config has the certificate %.200s for it", *p);
}

/* Another key may log in, and nobody would see that the path is wrong. */
static void note_missing(struct ssh_shared *sh, const struct host *h)
{
	const struct transport_config *config = &sh->t->config;
	AUTO_FREE char *full = file_expand_home(h->key);
	struct stored_key *k = full ? key_store_get(sh->keys, full) : NULL;
	AUTO_FREE char *text = NULL;

	if (!k || !k->missing || k->missing_said || !config->note)
		return;
	k->missing_said = true;
	text = text_printf("there is no key %s: others are tried", h->key);
	if (!text)
		return;
	text_sanitize_inplace(text);
	config->note(h, text, config->user);
}

/* True when the key of the inventory is one for ssh itself, which is free to be used. */
static bool set_usual(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc)
{
	char **files = sc ? sc->identity_files : NULL;
	const unsigned may_ask = CERTIFICATES | (sh->prepared ? 0 : ASK);
	bool at_once;

	if (h->key) {
		note_missing(sh, h);
		add_file(t, sh, h->key, WANTED | may_ask);
	}
	at_once = t->openssh_key && h->transport == TRANSPORT_AUTO;
	for (char **p = files; p && *p; p++)
		if (!is_default_key(*p))
			add_file(t, sh, *p, WANTED | may_ask);
	if (!sc || !sc->identities_only)
		add_agent(t, sh);
	/* a person is asked about a default key only where there is no other */
	for (char **p = files; p && *p; p++)
		if (is_default_key(*p))
			add_file(t, sh, *p, t->n_creds ? CERTIFICATES : may_ask);
	for (size_t i = 0; !files && i < ARRAY_LEN(default_keys); i++)
		add_file(t, sh, default_keys[i], t->n_creds ? CERTIFICATES : may_ask);
	if (sc)
		add_certificate_files(t, sc->certificate_files);
	return at_once;
}

void ssh_creds_set(struct ssh_target *t, struct ssh_shared *sh, const struct host *h,
	const struct ssh_config *sc, const struct conn_auth *auth)
{
	bool at_once = false;

	if (auth && auth->only_key)
		add_file(t, sh, auth->only_key, WANTED | (sh->prepared ? 0 : ASK));
	else
		at_once = set_usual(t, sh, h, sc);
	/* ssh at once, where nothing else could log in; a password can */
	if (t->openssh_key && (at_once || !t->n_creds) && !(auth && auth->password))
		t->needs_openssh = text_printf("%s: %s", t->where, t->openssh_key);
}
