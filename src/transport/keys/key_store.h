/* key_store: private key files of the user, each read once, its passphrase asked at most once. */
#pragma once

#include <stdbool.h>

#include "transport/keys/keyfile.h"

struct agent;
struct key_store;
struct transport_config;

struct stored_key {
	char *path;
	char *public_path; /* PATH.pub, when there is such a file */
	char *cert_path;   /* PATH-cert.pub, the same */
	bool missing;      /* no such file */
	bool missing_said;
	struct keyfile key; /* the blob of an encrypted PEM file is that of PATH.pub */
	bool asked;
	struct stored_key *next;
};

struct key_store *key_store_create(const struct transport_config *c);
void key_store_destroy(struct key_store *ks); /* takes NULL */

/* Never NULL. "~" must have been expanded. A file that was missing is looked for again. */
struct stored_key *key_store_get(struct key_store *ks, const char *path);

/* Asks for the passphrase of an encrypted key, up to three times; once and for all. True when the
 * key can be used now. */
bool key_store_unlock(struct key_store *ks, struct stored_key *k);
