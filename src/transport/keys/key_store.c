/* key_store: see the header. Key text and passphrases are wiped as soon as the key is read. */
#include "transport/keys/key_store.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "transport/transport.h"

#define KEY_FILE_MAX ((size_t)1 << 20)
#define TRIES 3

struct key_store {
	const struct transport_config *config;
	struct stored_key *first;
};

struct key_store *key_store_create(const struct transport_config *c)
{
	struct key_store *ks = calloc(1, sizeof(*ks));

	if (!ks)
		abort();
	ks->config = c;
	return ks;
}

void key_store_destroy(struct key_store *ks)
{
	struct stored_key *next;

	if (!ks)
		return;
	for (struct stored_key *k = ks->first; k; k = next) {
		next = k->next;
		keyfile_finish(&k->key);
		free(k->path);
		free(k->public_path);
		free(k->cert_path);
		free(k);
	}
	free(ks);
}

static void read_key(struct stored_key *k, const char *passphrase)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;

	/* room for all of it at once, so that no copy of the key is left by a move */
	if (!buf_reserve(&text, 65536) ||
		file_read(k->path, KEY_FILE_MAX, &text, &err) < 0) {
		k->missing = err.errnum == ENOENT || err.errnum == ENOTDIR;
		k->key = (struct keyfile){.state = KEYFILE_UNUSABLE};
		snprintf(k->key.reason, sizeof(k->key.reason), "%s",
			k->missing   ? "no such file"
			: err.errnum ? strerror(err.errnum)
				     : "cannot be read");
		return;
	}
	keyfile_parse(text.data ? text.data : "", text.len, passphrase, &k->key);
	OPENSSL_cleanse(text.data, text.cap);
}

/* PATH with suffix, NULL when there is no such file. */
static char *beside(const char *path, const char *suffix)
{
	AUTO_FREE char *name = text_printf("%s%s", path, suffix);

	if (!name)
		abort();
	return access(name, R_OK) == 0 ? STEAL_PTR(&name) : NULL;
}

/* A PEM file that is encrypted does not say which key it holds, and the agent may have it. */
static void read_public(struct stored_key *k)
{
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf blob = BUF_INIT;
	struct err err = ERR_INIT;
	struct key_about about;

	if (k->key.state != KEYFILE_ENCRYPTED || k->key.blob || !k->public_path ||
		file_read(k->public_path, KEY_FILE_MAX, &text, &err) < 0 || !text.len ||
		key_public_line(text.data, text.len, &blob) < 0)
		return;
	key_about(blob.data, blob.len, &about);
	if (!about.type)
		return;
	k->key.blob_len = blob.len;
	k->key.blob = (uint8_t *)buf_steal(&blob);
}

static void load(struct stored_key *k)
{
	k->missing = false;
	read_key(k, NULL);
	if (k->missing)
		return;
	k->public_path = beside(k->path, ".pub");
	k->cert_path = beside(k->path, "-cert.pub");
	read_public(k);
}

struct stored_key *key_store_get(struct key_store *ks, const char *path)
{
	struct stored_key *k, **end = &ks->first;

	for (; *end; end = &(*end)->next) {
		if (strcmp((*end)->path, path) != 0)
			continue;
		if ((*end)->missing)
			load(*end);
		return *end;
	}
	k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	k->path = strdup(path);
	if (!k->path)
		abort();
	load(k);
	*end = k;
	return k;
}

bool key_store_unlock(struct key_store *ks, struct stored_key *k)
{
	AUTO_FREE char *prompt = text_printf("Passphrase for %s: ", k->path);
	char secret[1024];

	if (k->key.state != KEYFILE_ENCRYPTED || k->asked || !ks->config->ask_secret ||
		!prompt)
		return k->key.state == KEYFILE_OK;
	k->asked = true;
	for (int i = 0; i < TRIES && k->key.state == KEYFILE_ENCRYPTED; i++) {
		if (ks->config->ask_secret(
			    prompt, secret, sizeof(secret), ks->config->user) < 0)
			break;
		keyfile_finish(&k->key);
		read_key(k, secret);
		OPENSSL_cleanse(secret, sizeof(secret));
	}
	return k->key.state == KEYFILE_OK;
}
