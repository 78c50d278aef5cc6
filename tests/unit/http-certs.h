/* http-certs: keys and certificates made for a test, as PEM and as the context of a server. */
#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define DAY (24 * 3600)

/* A certificate with its key. */
struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static inline void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "http-certs: %s\n", what);
	exit(1);
}

static inline void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	need(extension && X509_add_ext(cert, extension, -1) == 1, value);
	X509_EXTENSION_free(extension);
}

/* names: "DNS:localhost,IP:127.0.0.1"; NULL: a CA. issuer NULL: signs itself. Valid from yesterday for days. */
static inline struct identity identity_make(
	const char *who, const char *names, const struct identity *issuer, long days)
{
	static long serial = 1;
	struct identity id = {EVP_EC_gen("P-256"), X509_new()};
	X509_NAME *name = X509_NAME_new();

	need(id.key && id.cert && name, who);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)who, -1, -1, 0);
	X509_set_version(id.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -2 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), (days - 1) * DAY);
	X509_set_subject_name(id.cert, name);
	X509_set_issuer_name(
		id.cert, issuer ? X509_get_subject_name(issuer->cert) : name);
	X509_set_pubkey(id.cert, id.key);
	extend(id.cert, issuer ? issuer->cert : id.cert, NID_basic_constraints,
		names ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (names)
		extend(id.cert, issuer ? issuer->cert : id.cert, NID_subject_alt_name,
			names);
	need(X509_sign(id.cert, issuer ? issuer->key : id.key, EVP_sha256()) > 0, who);
	X509_NAME_free(name);
	return id;
}

static inline void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static inline char *pem_text(BIO *out)
{
	char *data, *text;
	long len = BIO_get_mem_data(out, &data);

	text = strndup(data, (size_t)len);
	BIO_free(out);
	return text;
}

static inline char *cert_pem(const struct identity *id)
{
	BIO *out = BIO_new(BIO_s_mem());

	need(PEM_write_bio_X509(out, id->cert) == 1, "PEM");
	return pem_text(out);
}

static inline char *key_pem(const struct identity *id)
{
	BIO *out = BIO_new(BIO_s_mem());

	need(PEM_write_bio_PrivateKey(out, id->key, NULL, NULL, 0, NULL, NULL) == 1,
		"PEM");
	return pem_text(out);
}

/* Of a server. client_ca: clients must have a certificate of it; NULL: they need none. */
static inline SSL_CTX *server_context(
	const struct identity *id, const struct identity *client_ca, int max_version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	need(context && SSL_CTX_use_certificate(context, id->cert) == 1 &&
			SSL_CTX_use_PrivateKey(context, id->key) == 1,
		"context");
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4);
	if (max_version)
		SSL_CTX_set_max_proto_version(context, max_version);
	if (client_ca) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(context), client_ca->cert);
		SSL_CTX_set_verify(
			context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	return context;
}
