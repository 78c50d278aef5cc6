/* curl_ending: what libcurl's codes mean as outcomes. */
#include <openssl/x509_vfy.h>
#include <string.h>

#include "common/clock.h"
#include "common/units.h"
#include "http/curl_engine.h"

#define CLOSED "the connection was closed before a response"
#define SSL_ROUTINES "SSL routines::" /* in front of OpenSSL's reasons */
#define MALFORMED "what came is no HTTP/1.1 response: "

/* What is left of libcurl's words without what it puts around those of the system ("Recv failure: Connection
 * reset by peer") and of OpenSSL ("OpenSSL SSL_read: ...:SSL routines::decryption failed, errno 0"). */
static const char *words(struct curl_slot *s, CURLcode code)
{
	static const char *const starts[] = {SSL_ROUTINES, "Recv failure: ",
		"Send failure: ", "OpenSSL SSL_read: ", "OpenSSL SSL_write: "};
	const char *text = s->error[0] ? s->error : curl_easy_strerror(code);
	char *tail = strstr(s->error, ", errno ");

	if (tail)
		*tail = '\0';
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		const char *at = strstr(text, starts[i]);

		if (at)
			return at + strlen(starts[i]);
	}
	return text;
}

/* --- failures that callbacks and sweeps find */

static double seconds(uint64_t ns)
{
	return (double)ns / NS_PER_SEC;
}

static void end_refused(struct curl_slot *s, enum http_fail fail)
{
	const struct http_config *cfg = &s->group->client->base.space->cfg;
	struct http_exchange *ex = s->ex;

	switch (fail) {
	case HTTP_FAIL_FIRST_BYTE_TIMEOUT:
		http_set_fail(ex, fail, "no response within %.3g s",
			seconds(cfg->first_byte_timeout_ns));
		break;
	case HTTP_FAIL_STALL_TIMEOUT:
		http_set_fail(ex, fail, "nothing was %s for %.3g s",
			s->uploaded < ex->body_size && !s->have_head ? "taken"
								     : "received",
			seconds(cfg->stall_timeout_ns));
		break;
	case HTTP_FAIL_RESET:
		http_set_fail(ex, fail, CLOSED);
		break;
	case HTTP_FAIL_MALFORMED:
		http_set_fail(ex, fail, MALFORMED "its status line or header fields");
		break;
	case HTTP_FAIL_CANCELLED:
		http_set_fail(ex, fail, "given up");
		break;
	default:
		http_set_fail(ex, HTTP_FAIL_MEMORY, "no memory");
	}
}

/* --- libcurl's codes */

/* Its certificate, or anything else. */
static void end_tls(struct curl_slot *s, CURLcode code)
{
	long result = 0, of_proxy = 0;
	char text[160];

	curl_easy_getinfo(s->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &of_proxy);
	if (of_proxy != X509_V_OK) {
		http_say_untrusted(of_proxy, text);
		http_set_fail(s->ex, HTTP_FAIL_PROXY, "the proxy: %.140s", text);
		return;
	}
	if (code != CURLE_PEER_FAILED_VERIFICATION) {
		http_set_fail(s->ex, HTTP_FAIL_TLS, "TLS cannot be agreed on: %.120s",
			words(s, code));
		return;
	}
	curl_easy_getinfo(s->easy, CURLINFO_SSL_VERIFYRESULT, &result);
	/* libcurl looks at the name itself, before it takes over OpenSSL's result */
	if (result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED)
		result = X509_V_ERR_HOSTNAME_MISMATCH;
	http_say_untrusted(result, text);
	http_set_fail(s->ex, HTTP_FAIL_TLS, "%s", text);
}

static void end_unconnected(struct curl_slot *s, CURLcode code)
{
	const struct http_config *cfg = &s->group->client->base.space->cfg;
	struct http_exchange *ex = s->ex;
	long number = 0;

	curl_easy_getinfo(s->easy, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_OPERATION_TIMEDOUT)
		http_set_fail(ex, HTTP_FAIL_CONNECT_TIMEOUT,
			"no connection within %.3g s", seconds(cfg->connect_timeout_ns));
	else if (cfg->proxy)
		http_set_fail(ex, HTTP_FAIL_PROXY, "the proxy: %.140s", words(s, code));
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		http_set_fail(ex, HTTP_FAIL_RESOLVE, "its name cannot be resolved");
	else
		http_set_fail(ex, HTTP_FAIL_CONNECT, "%.150s",
			number ? strerror((int)number) : words(s, code));
}

static void end_broken(struct curl_slot *s, CURLcode code)
{
	struct http_exchange *ex = s->ex;

	switch (code) {
	case CURLE_PARTIAL_FILE:
	case CURLE_OK: /* in the middle of a head */
	case CURLE_GOT_NOTHING:
		if (!s->have_head)
			http_set_fail(ex, HTTP_FAIL_RESET, CLOSED);
		else
			http_set_fail(ex, HTTP_FAIL_SHORT,
				"the connection was closed in the middle of the body, "
				"after %llu bytes",
				(unsigned long long)ex->received);
		break;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		/* one code for a broken connection and for broken chunks */
		if (strstr(s->error, "chunked-encoding"))
			http_set_fail(ex, HTTP_FAIL_MALFORMED, MALFORMED "its chunks");
		/* a certificate of the client is asked for when its side is done with the handshake */
		else if (strstr(s->error, " alert "))
			http_set_fail(ex, HTTP_FAIL_TLS, "%.150s", words(s, code));
		else
			http_set_fail(ex, HTTP_FAIL_RESET, "%.150s", words(s, code));
		break;
	default:
		http_set_fail(ex, HTTP_FAIL_MALFORMED,
			MALFORMED "its status line or header fields");
	}
}

static const CURLcode of_tls[] = {CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CERTPROBLEM,
	CURLE_SSL_CIPHER, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR,
	CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT, CURLE_OK};

/* Whatever else may have happened before: a request that goes out once more wants a connection, too. */
static const CURLcode of_connecting[] = {CURLE_COULDNT_RESOLVE_HOST,
	CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT,
	CURLE_PROXY, CURLE_OK};

static bool is_one_of(CURLcode code, const CURLcode *codes)
{
	while (*codes != CURLE_OK && *codes != code)
		codes++;
	return *codes != CURLE_OK;
}

static void end_failed(struct curl_slot *s, CURLcode code)
{
	if (code == CURLE_OUT_OF_MEMORY)
		end_refused(s, HTTP_FAIL_MEMORY);
	else if (is_one_of(code, of_tls))
		end_tls(s, code);
	else if (s->requests == 0 || is_one_of(code, of_connecting))
		end_unconnected(s, code);
	else
		end_broken(s, code);
}

void curl_slot_end(struct curl_slot *s, CURLcode code)
{
	struct http_exchange *ex = s->ex;
	/* libcurl was about to ask again by itself */
	bool whole = code == CURLE_OK || code == CURLE_ABORTED_BY_CALLBACK;
	curl_off_t sent = 0, first_us = 0;

	http_set_end(ex, clock_ns());
	curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	ex->sent = (uint64_t)sent;
	if (s->fail != HTTP_OK)
		end_refused(s, s->fail);
	else if (!whole || !s->have_head)
		end_failed(s, code);
	/* of a head without a whole line */
	curl_easy_getinfo(s->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	if (ex->fail == HTTP_FAIL_MALFORMED && ex->first_byte_ns == 0)
		ex->first_byte_ns = ex->start_ns + (uint64_t)first_us * NS_PER_US;
	if (s->have_head) {
		ex->response = s->head->text.data;
		ex->response_len = s->head->text.len;
	}
}
