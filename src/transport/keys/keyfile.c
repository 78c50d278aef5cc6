/* keyfile: openssh-key-v1 (PROTOCOL.key of OpenSSH) by hand, PEM by libcrypto. */
#include "transport/keys/keyfile.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/digest.h"
#include "transport/keys/bcrypt_pbkdf.h"
#include "transport/keys/key_pkey.h"
#include "transport/keys/key_rsa.h"
#include "transport/wire.h"

#define BEGIN_OPENSSH "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END_OPENSSH "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1" /* with its NUL */
/* ssh-keygen -a 1000 takes a minute; more is an attack, or a mistake. */
#define ROUNDS_MAX 2000

/* What can be done with keys of a type; a name that ends in CERT is one of a certificate. */
#define CERT "-cert-v01@openssh.com"
#define FIDO "a FIDO key, which needs a touch"
static const struct {
	const char *name;
	bool openssh;
	const char *reason; /* NULL: can be used */
} key_types[] = {
	{"ssh-ed25519", false, NULL},
	{"ecdsa-sha2-nistp256", false, NULL},
	{"ecdsa-sha2-nistp384", false, NULL},
	{"ecdsa-sha2-nistp521", false, NULL},
	{KEY_RSA, false, NULL},
	{"ssh-dss", false, "DSA keys are not supported"},
	{"sk-ssh-ed25519@openssh.com", true, FIDO},
	{"sk-ecdsa-sha2-nistp256@openssh.com", true, FIDO},
};

static void about_type(const struct wire *type, struct key_about *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(key_types); i++) {
		if (!wire_is(type, key_types[i].name))
			continue;
		ret->type = key_types[i].reason ? NULL : key_types[i].name;
		ret->openssh = key_types[i].openssh;
		if (key_types[i].reason)
			snprintf(ret->reason, sizeof(ret->reason), "%s",
				key_types[i].reason);
		return;
	}
	ret->openssh =
		type->left > strlen(CERT) &&
		memcmp(type->p + type->left - strlen(CERT), CERT, strlen(CERT)) == 0;
	snprintf(ret->reason, sizeof(ret->reason), "%s",
		ret->openssh ? "a certificate" : "keys of this type are not supported");
}

void key_about(const void *blob, size_t len, struct key_about *ret)
{
	struct wire w = wire_of(blob, len), type = wire_string(&w);
	unsigned bits;

	*ret = (struct key_about){.type = NULL};
	about_type(&type, ret);
	if (!ret->type || strcmp(ret->type, KEY_RSA) != 0)
		return;
	bits = key_rsa_bits(w);
	if (bits >= KEY_RSA_BITS_MIN && bits <= KEY_RSA_BITS_MAX)
		return;
	ret->type = NULL;
	snprintf(ret->reason, sizeof(ret->reason),
		bits < KEY_RSA_BITS_MIN ? "RSA of %u bits is too weak: make a key with "
					  "ssh-keygen -t ed25519"
					: "RSA of %u bits is too long",
		bits);
}

const char *key_signature_type(const char *type)
{
	return strcmp(type, KEY_RSA) == 0 ? KEY_RSA_SIGNATURE : type;
}

int key_login_blob(const void *blob, size_t len, struct buf *out)
{
	struct wire w = wire_of(blob, len), type = wire_string(&w);

	if (!wire_is(&type, KEY_RSA))
		return buf_append(out, blob, len);
	if (wire_put_string(out, KEY_RSA_SIGNATURE, strlen(KEY_RSA_SIGNATURE)) < 0)
		return -1;
	return buf_append(out, w.p, w.left);
}

int key_public_line(const char *text, size_t len, struct buf *blob)
{
	const char *begin = memchr(text, ' ', len), *end;
	size_t n;
	uint8_t *to;
	long got;

	if (!begin)
		return -1;
	begin++;
	n = len - (size_t)(begin - text);
	for (end = begin; end < begin + n && !strchr(" \t\r\n", *end);)
		end++;
	n = (size_t)(end - begin);
	to = (uint8_t *)buf_reserve(blob, n + 4);
	got = to ? digest_base64_decode(begin, n, to) : -1;
	if (got <= 4)
		return -1;
	blob->len += (size_t)got;
	return 0;
}

static void unusable(struct keyfile *k, const char *reason)
{
	k->state = KEYFILE_UNUSABLE;
	snprintf(k->reason, sizeof(k->reason), "%s", reason);
	EVP_PKEY_free(k->pkey);
	k->pkey = NULL;
}

/* ---- OpenSSH's format ---- */

static const struct cipher {
	const char *name;
	const EVP_CIPHER *(*evp)(void);
	size_t key_len, iv_len;
} ciphers[] = {
	{"aes256-ctr", EVP_aes_256_ctr, 32, 16},
	{"aes192-ctr", EVP_aes_192_ctr, 24, 16},
	{"aes128-ctr", EVP_aes_128_ctr, 16, 16},
	{"aes256-cbc", EVP_aes_256_cbc, 32, 16},
	{"aes192-cbc", EVP_aes_192_cbc, 24, 16},
	{"aes128-cbc", EVP_aes_128_cbc, 16, 16},
};

static const struct cipher *find_cipher(const struct wire *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++)
		if (wire_is(name, ciphers[i].name))
			return &ciphers[i];
	return NULL;
}

static bool decrypt(const struct cipher *c, struct wire kdf_options,
	const char *passphrase, const struct wire *in, uint8_t *out)
{
	struct wire salt = wire_string(&kdf_options);
	uint32_t rounds = wire_u32(&kdf_options);
	uint8_t key[48];
	EVP_CIPHER_CTX *ctx;
	int n = 0;
	bool ok;

	if (kdf_options.bad || !rounds || rounds > ROUNDS_MAX || in->left % 16)
		return false;
	bcrypt_pbkdf(passphrase, strlen(passphrase), salt.p, salt.left, key,
		c->key_len + c->iv_len, rounds);
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx && EVP_DecryptInit_ex(ctx, c->evp(), NULL, key, key + c->key_len) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	     EVP_DecryptUpdate(ctx, out, &n, in->p, (int)in->left) == 1 &&
	     (size_t)n == in->left;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

/* The private section in the clear. Wrong passphrase: the two check numbers differ. */
static void parse_private(struct keyfile *k, struct wire w, bool encrypted)
{
	AUTO_BUF struct buf public = BUF_INIT;
	uint32_t check = wire_u32(&w);
	struct wire type;

	if (check != wire_u32(&w) || w.bad) {
		if (encrypted)
			k->state = KEYFILE_ENCRYPTED;
		else
			unusable(k, "the file is damaged");
		return;
	}
	type = wire_string(&w);
	if (!k->type || !wire_is(&type, k->type)) {
		unusable(k, "the file is damaged");
		return;
	}
	k->pkey = key_pkey_from_wire(k->type, &w);
	if (!k->pkey || key_pkey_public(k->pkey, &public) < 0 ||
		public.len != k->blob_len ||
		memcmp(public.data, k->blob, k->blob_len) != 0)
		unusable(k, "the file is damaged");
	else
		k->state = KEYFILE_OK;
}

/* state is final when the key cannot be used here. */
static void set_public(struct keyfile *k, struct wire blob)
{
	struct key_about about;

	key_about(blob.p, blob.left, &about);
	k->type = about.type;
	if (!about.type) {
		unusable(k, about.reason);
		k->state = about.openssh ? KEYFILE_OPENSSH : KEYFILE_UNUSABLE;
	}
	k->blob = malloc(blob.left ? blob.left : 1);
	if (!k->blob)
		abort();
	if (blob.left)
		memcpy(k->blob, blob.p, blob.left);
	k->blob_len = blob.left;
}

static void parse_encrypted(struct keyfile *k, const struct cipher *c,
	struct wire kdf_options, const char *passphrase, struct wire section)
{
	uint8_t *plain = malloc(section.left + 1);

	if (!plain)
		abort();
	if (decrypt(c, kdf_options, passphrase, &section, plain))
		parse_private(k, wire_of(plain, section.left), true);
	else
		unusable(k, "the file is damaged, or its key derivation takes too many "
			    "rounds");
	OPENSSL_cleanse(plain, section.left);
	free(plain);
}

static void parse_openssh_blob(struct keyfile *k, struct wire w, const char *passphrase)
{
	const uint8_t *magic = wire_bytes(&w, sizeof(MAGIC));
	struct wire cipher_name = wire_string(&w), kdf = wire_string(&w);
	struct wire kdf_options = wire_string(&w);
	uint32_t keys = wire_u32(&w);
	struct wire public = wire_string(&w), section = wire_string(&w);
	const struct cipher *c = find_cipher(&cipher_name);

	if (w.bad || keys != 1 || memcmp(magic, MAGIC, sizeof(MAGIC)) != 0) {
		unusable(k, "the file is damaged");
		return;
	}
	set_public(k, public);
	if (k->state == KEYFILE_OPENSSH && c)
		unusable(k, "a FIDO key with a passphrase: ssh-add it");
	if (!k->type)
		return;
	if (wire_is(&cipher_name, "none"))
		parse_private(k, section, false);
	else if (!c || !wire_is(&kdf, "bcrypt"))
		unusable(k, "its cipher is not supported (ssh-keygen -p writes it anew)");
	else if (!passphrase)
		k->state = KEYFILE_ENCRYPTED;
	else
		parse_encrypted(k, c, kdf_options, passphrase, section);
}

static void parse_openssh(
	struct keyfile *k, const char *text, size_t len, const char *passphrase)
{
	const char *end = memmem(text, len, END_OPENSSH, strlen(END_OPENSSH));
	char *compact = malloc(len + 1);
	uint8_t *blob = malloc(len + 4);
	size_t n = 0;
	long blob_len;

	if (!compact || !blob)
		abort();
	for (const char *p = text + strlen(BEGIN_OPENSSH); end && p < end; p++)
		if (!strchr(" \t\r\n", *p))
			compact[n++] = *p;
	blob_len = end ? digest_base64_decode(compact, n, blob) : -1;
	if (blob_len < 0)
		unusable(k, "the file is damaged");
	else
		parse_openssh_blob(k, wire_of(blob, (size_t)blob_len), passphrase);
	OPENSSL_cleanse(compact, len);
	OPENSSL_cleanse(blob, len);
	free(compact);
	free(blob);
}

/* ---- PEM ---- */

struct pem_password {
	const char *passphrase;
	bool wanted;
};

static int give_password(char *out, int size, int writing, void *user)
{
	struct pem_password *p = user;
	size_t n = p->passphrase ? strlen(p->passphrase) : 0;

	(void)writing;
	p->wanted = true;
	if (!p->passphrase || n > (size_t)size)
		return -1;
	memcpy(out, p->passphrase, n);
	return (int)n;
}

static void parse_pem(
	struct keyfile *k, const char *text, size_t len, const char *passphrase)
{
	struct pem_password password = {.passphrase = passphrase};
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	AUTO_BUF struct buf blob = BUF_INIT;

	if (!bio)
		abort();
	k->pkey = PEM_read_bio_PrivateKey(bio, NULL, give_password, &password);
	BIO_free(bio);
	ERR_clear_error();
	if (!k->pkey && password.wanted) {
		k->state = KEYFILE_ENCRYPTED;
		return;
	}
	if (!k->pkey || key_pkey_public(k->pkey, &blob) < 0) {
		unusable(k, k->pkey ? "keys of this type are not supported"
				    : "not a private key");
		return;
	}
	set_public(k, wire_of(blob.data, blob.len));
	if (k->type)
		k->state = KEYFILE_OK;
}

/* A .pub file: its private key may be in the agent. */
static bool parse_public(struct keyfile *k, const char *text, size_t len)
{
	AUTO_BUF struct buf blob = BUF_INIT;
	struct wire w, type;

	if (key_public_line(text, len, &blob) < 0)
		return false;
	w = wire_of(blob.data, blob.len);
	type = wire_string(&w);
	if (type.bad || len < type.left || memcmp(text, type.p, type.left) != 0)
		return false;
	set_public(k, wire_of(blob.data, blob.len));
	if (k->type)
		unusable(k, "a public key, and the agent does not have its private one");
	return true;
}

void keyfile_parse(
	const char *text, size_t len, const char *passphrase, struct keyfile *ret)
{
	*ret = (struct keyfile){.state = KEYFILE_UNUSABLE};
	while (len && strchr(" \t\r\n", *text)) {
		text++;
		len--;
	}
	if (len > strlen(BEGIN_OPENSSH) &&
		memcmp(text, BEGIN_OPENSSH, strlen(BEGIN_OPENSSH)) == 0)
		parse_openssh(ret, text, len, passphrase);
	else if (!parse_public(ret, text, len))
		parse_pem(ret, text, len, passphrase);
}

void keyfile_finish(struct keyfile *k)
{
	EVP_PKEY_free(k->pkey);
	k->pkey = NULL;
	free(k->blob);
	k->blob = NULL;
}

int keyfile_sign(const struct keyfile *k, const void *data, size_t len, struct buf *out)
{
	return key_pkey_sign(k->pkey, k->type, data, len, out);
}

void key_fingerprint(const void *blob, size_t len, char *out)
{
	char hex[DIGEST_SHA256_HEX];
	uint8_t hash[32];
	char text[48];
	size_t n;

	digest_sha256_hex(blob, len, hex);
	for (size_t i = 0; i < sizeof(hash); i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		hash[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	n = digest_base64_encode(hash, sizeof(hash), text);
	while (n && text[n - 1] == '=')
		n--;
	snprintf(out, KEY_FINGERPRINT_SIZE, "SHA256:%.*s", (int)n, text);
}
