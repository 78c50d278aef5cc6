/* trust: the certificates that servers are verified with: those of the workload, or of the machine. The worker may
 * be a static program on any distribution, so that their usual places are tried, not those that OpenSSL was
 * built with. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/err.h"
#include "http/impl.h"

static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Gentoo */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* RHEL from 7 on */
	"/etc/ssl/ca-bundle.pem",                            /* openSUSE */
	"/etc/ssl/cert.pem",                                 /* Alpine */
	"/var/lib/ca-certificates/ca-bundle.pem",            /* SLES */
};

static int add_pem(X509_STORE *store, const char *pem, struct err *err)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert;
	int n = 0;

	while (in && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		n += X509_STORE_add_cert(store, cert);
		X509_free(cert);
	}
	BIO_free(in);
	ERR_clear_error();
	return n > 0 ? 0
		     : err_set(err, ERR_INPUT,
			       "the file of CA certificates holds no certificate in PEM");
}

/* SSL_CERT_FILE is what OpenSSL's own programs ask. */
static int add_machine(X509_STORE *store, struct err *err)
{
	const char *named = getenv("SSL_CERT_FILE");

	if (named && X509_STORE_load_file(store, named) == 1)
		return 0;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (access(bundles[i], R_OK) == 0 &&
			X509_STORE_load_file(store, bundles[i]) == 1)
			return 0;
	ERR_clear_error();
	return err_set(err, ERR_INPUT,
		"this machine has no CA certificates (no %s and the like); install its "
		"package ca-certificates, or name a file of them (ca_file)",
		bundles[0]);
}

X509_STORE *http_trust(const struct http_config *cfg, struct err *err)
{
	X509_STORE *store = X509_STORE_new();
	int rc = store ? 0 : err_set(err, ERR_SYSTEM, "no memory");

	if (rc == 0)
		rc = cfg->ca_pem ? add_pem(store, cfg->ca_pem, err)
				 : add_machine(store, err);
	if (rc < 0) {
		X509_STORE_free(store);
		return NULL;
	}
	return store;
}

void http_say_untrusted(long result, char text[160])
{
	const char *hint = "";

	switch (result) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		snprintf(text, 160, "its certificate is for another name");
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		hint = " (name its authority: ca_file under storage, or AWS_CA_BUNDLE)";
	}
	snprintf(text, 160, "its certificate is not accepted: %.60s%s",
		X509_verify_cert_error_string(result), hint);
}
