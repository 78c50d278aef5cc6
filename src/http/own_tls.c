/* own_tls: TLS on a socket. One context per space: certificates are parsed once, and a server's newest session is
 * offered to it again.
 *
 * Reads ahead: a response of one record costs one recv, not one for the record's header and one for the rest. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "http/own.h"

/* What is read ahead at most: several records of a large body in one recv. */
#define AHEAD_BYTES (64u << 10)

#define CLOSED "the connection was closed"

/* The library's words for the error at hand, and none left behind. */
static const char *reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text ? text : CLOSED;
}

/* --- context */

/* -1: wrong, with err. */
static int use_certificate(SSL_CTX *context, const char *pem, struct err *err)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert = in ? PEM_read_bio_X509_AUX(in, NULL, NULL, NULL) : NULL;
	bool ok = cert && SSL_CTX_use_certificate(context, cert) == 1;

	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		ok = SSL_CTX_add0_chain_cert(context, cert) == 1;
		if (!ok)
			X509_free(cert);
	}
	BIO_free(in);
	ERR_clear_error();
	return ok ? 0
		  : err_set(err, ERR_INPUT,
			    "the client certificate is no certificate in PEM");
}

/* Nobody is asked for a pass phrase. */
static int no_passphrase(char *text, int size, int writing, void *user)
{
	(void)text, (void)size, (void)writing, (void)user;
	return -1;
}

static int use_key(SSL_CTX *context, const char *pem, struct err *err)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key =
		in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
	bool read = key != NULL;
	bool ok = read && SSL_CTX_use_PrivateKey(context, key) == 1 &&
		  SSL_CTX_check_private_key(context) == 1;

	EVP_PKEY_free(key);
	BIO_free(in);
	ERR_clear_error();
	if (ok)
		return 0;
	return err_set(err, ERR_INPUT, "%s",
		read ? "the client key does not belong to the client certificate"
		     : "the client key is no key in PEM without a pass phrase");
}

/* The newest of a server is the one that is offered next time. Takes the reference when it returns 1. */
static int new_session(SSL *ssl, SSL_SESSION *session)
{
	struct http_server *v = SSL_get_app_data(ssl);
	SSL_SESSION *old;

	pthread_mutex_lock(&v->space->lock);
	old = v->session;
	v->session = session;
	pthread_mutex_unlock(&v->space->lock);
	SSL_SESSION_free(old);
	return 1;
}

static void set_up(SSL_CTX *context, const struct http_config *cfg)
{
	static const uint8_t alpn[] = "\x08http/1.1";

	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, AHEAD_BYTES);
	SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn) - 1);
	SSL_CTX_set_session_cache_mode(
		context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, new_session);
	SSL_CTX_set_verify(
		context, cfg->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
}

SSL_CTX *own_tls_context(const struct http_config *cfg, struct err *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int rc = context ? 0 : err_set(err, ERR_SYSTEM, "OpenSSL: %s", reason());

	if (rc == 0)
		set_up(context, cfg);
	if (rc == 0 && cfg->cert_pem)
		rc = use_certificate(context, cfg->cert_pem, err);
	if (rc == 0 && cfg->cert_pem)
		rc = use_key(context, cfg->key_pem ? cfg->key_pem : cfg->cert_pem, err);
	if (rc < 0) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

/* --- connections */

/* Whom the certificate must be for. */
static bool expect_host(SSL *ssl, const struct http_server *v)
{
	char address[64];

	if (!v->address) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		return SSL_set_tlsext_host_name(ssl, v->host) == 1 &&
		       SSL_set1_host(ssl, v->host) == 1;
	}
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(v->host, "%"), v->host);
	return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address) == 1;
}

SSL *own_tls_new(SSL_CTX *context, struct http_server *v, int fd)
{
	struct http_space *s = v->space;
	SSL *ssl = SSL_new(context);
	bool ok = ssl && SSL_set_fd(ssl, fd) == 1 && SSL_set_app_data(ssl, v) == 1 &&
		  expect_host(ssl, v) &&
		  (!s->trusted || SSL_set1_verify_cert_store(ssl, s->trusted) == 1);

	if (!ok) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	pthread_mutex_lock(&s->lock);
	if (v->session)
		SSL_set_session(ssl, v->session);
	pthread_mutex_unlock(&s->lock);
	SSL_set_connect_state(ssl);
	return ssl;
}

/* What SSL_get_error said of a step that did not succeed, and errno behind it. */
static enum own_io outcome(int code, int errnum, const char **ret_why)
{
	switch (code) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return OWN_BLOCKED;
	case SSL_ERROR_ZERO_RETURN:
		return OWN_EOF;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		*ret_why = errnum ? strerror(errnum) : CLOSED;
		return OWN_RESET;
	default:
		if (ERR_GET_REASON(ERR_peek_last_error()) ==
			SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			*ret_why = CLOSED;
			return OWN_RESET;
		}
		*ret_why = reason();
		return OWN_TLS;
	}
}

enum own_io own_tls_handshake(SSL *ssl, short *ret_events, char text[160])
{
	const char *why = CLOSED;
	enum own_io io;
	int rc, code;

	ERR_clear_error();
	rc = SSL_do_handshake(ssl);
	if (rc == 1)
		return OWN_DONE;
	code = SSL_get_error(ssl, rc);
	*ret_events = code == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
	io = outcome(code, errno, &why);
	if (io == OWN_TLS && SSL_get_verify_result(ssl) != X509_V_OK)
		http_say_untrusted(SSL_get_verify_result(ssl), text);
	else
		snprintf(text, 160, "TLS cannot be agreed on: %s", why);
	return io;
}

enum own_io own_tls_read(
	SSL *ssl, void *data, size_t size, size_t *ret_n, const char **ret_why)
{
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(ssl, data, size, ret_n);
	return rc == 1 ? OWN_DONE : outcome(SSL_get_error(ssl, rc), errno, ret_why);
}

enum own_io own_tls_write(
	SSL *ssl, const void *data, size_t size, size_t *ret_n, const char **ret_why)
{
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(ssl, data, size, ret_n);
	return rc == 1 ? OWN_DONE : outcome(SSL_get_error(ssl, rc), errno, ret_why);
}
