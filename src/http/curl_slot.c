/* curl_slot: an exchange on an easy handle, which is kept and never reset: what the last exchange set stays where
 * it serves the next. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/units.h"
#include "http/curl_engine.h"
#include "http/parse.h"

#define INFORMAL_MAX 16
#define RECEIVE_BYTES (64L << 10)
/* A body of this many bytes goes out in one write with its head, from where it lies. */
#define POST_BYTES ((uint64_t)64 << 10)

/* What libcurl would say by itself; a name without a value forbids it. */
static const char *const unwanted[] = {
	"Accept:", "User-Agent:", "Expect:", "Content-Type:", "Transfer-Encoding:"};

/* --- callbacks */

static void begin_response(struct curl_slot *s)
{
	buf_clear(&s->head->text);
	s->have_head = false;
	s->ex->first_byte_ns = 0;
}

/* The same request, on a new connection. */
static void begin_again(struct curl_slot *s)
{
	s->ex->resent = true;
	s->kept = false;
	s->at = s->uploaded = 0;
	s->informal = 0;
	begin_response(s);
}

void curl_slot_again(struct curl_slot *s)
{
	begin_again(s);
	s->resend = false;
	s->requests = 0;
}

/* Called before each request, so that one that is sent again is seen. */
static int on_request(void *user, char *ip, char *local_ip, int port, int local_port)
{
	struct curl_slot *s = user;

	(void)ip, (void)local_ip, (void)port, (void)local_port;
	if (s->have_head) /* libcurl would try something else after a 417 */
		return CURL_PREREQFUNC_ABORT;
	s->moved_ns = clock_ns();
	if (s->requests++ == 0) {
		long connects = 0;

		curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connects);
		s->kept = connects == 0;
		/* should the connection turn out closed: once more, and on a new one */
		curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, 1L);
		return CURL_PREREQFUNC_OK;
	}
	if (s->ex->once) {
		s->fail = HTTP_FAIL_RESET;
		return CURL_PREREQFUNC_ABORT;
	}
	begin_again(s);
	return CURL_PREREQFUNC_OK;
}

/* A callback that returns this ends the exchange. */
static size_t refuse(struct curl_slot *s, enum http_fail fail)
{
	s->fail = fail;
	return 0;
}

/* 408 on a connection that was kept says that it was closed for being idle, before our request came. */
static bool is_idle_end(const struct curl_slot *s, const struct parse_head *head)
{
	return head->status == 408 && head->close && s->kept && !s->informal &&
	       !s->ex->once && !s->ex->resent;
}

/* The head is whole. */
static size_t take_head(struct curl_slot *s, size_t len)
{
	struct parse_head head;

	if (parse_head(s->head->text.data, s->head->text.len, s->ex->is_head, &head) <= 0)
		return refuse(s, HTTP_FAIL_MALFORMED);
	if (head.status < 200) {
		if (head.status == 101 || ++s->informal > INFORMAL_MAX)
			return refuse(s, HTTP_FAIL_MALFORMED);
		begin_response(s);
		return len;
	}
	if (is_idle_end(s, &head)) {
		s->resend = true;
		return 0;
	}
	s->have_head = true;
	s->ex->status = head.status;
	return len;
}

/* A line of a head; or of a trailer, which is of no interest. */
static size_t on_header(char *data, size_t size, size_t count, void *user)
{
	struct curl_slot *s = user;
	size_t len = size * count;
	bool empty = len <= 2 && len > 0 && data[len - 1] == '\n' &&
		     (len == 1 || data[0] == '\r');

	s->moved_ns = clock_ns();
	if (s->have_head)
		return len;
	if (s->head->text.len == 0)
		s->ex->first_byte_ns = s->moved_ns;
	if (buf_append(&s->head->text, data, len) < 0)
		return refuse(s, HTTP_FAIL_MEMORY);
	if (s->head->text.len > PARSE_HEAD_MAX)
		return refuse(s, HTTP_FAIL_MALFORMED);
	return empty ? take_head(s, len) : len;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	struct curl_slot *s = user;
	size_t len = size * count;

	s->moved_ns = clock_ns();
	http_before_body(s->ex);
	return http_take_body(s->ex, (const uint8_t *)data, len) < 0
		       ? refuse(s, HTTP_FAIL_MEMORY)
		       : len;
}

static size_t on_read(char *to, size_t size, size_t count, void *user)
{
	struct curl_slot *s = user;
	size_t room = size * count, done = 0;

	while (done < room && s->at < s->ex->body_size) {
		size_t n;
		const uint8_t *from = s->ex->piece(s->ex->user, s->at, &n);

		if (n > room - done)
			n = room - done;
		if (n > s->ex->body_size - s->at)
			n = (size_t)(s->ex->body_size - s->at);
		memcpy(to + done, from, n);
		done += n;
		s->at += n;
	}
	return done;
}

static int on_seek(void *user, curl_off_t offset, int origin)
{
	struct curl_slot *s = user;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_FAIL;
	s->at = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* The certificates of the space, parsed once, in place of a file for each connection. */
static CURLcode on_context(CURL *easy, void *context, void *user)
{
	const struct curl_slot *s = user;
	X509_STORE *trusted = s->group->client->base.space->trusted;

	(void)easy;
	if (trusted && X509_STORE_up_ref(trusted))
		SSL_CTX_set_cert_store(context, trusted);
	return CURLE_OK;
}

/* --- what no exchange changes */

static void set_tls(struct curl_slot *s, const struct http_config *cfg)
{
	CURL *e = s->easy;
	const char *key = cfg->key_pem ? cfg->key_pem : cfg->cert_pem;
	const struct {
		CURLoption option;
		const char *pem;
	} blobs[] = {{CURLOPT_SSLCERT_BLOB, cfg->cert_pem},
		{CURLOPT_SSLKEY_BLOB, cfg->cert_pem ? key : NULL}};

	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, cfg->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, cfg->insecure ? 0L : 2L);
	curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYPEER, cfg->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYHOST, cfg->insecure ? 0L : 2L);
	curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, NULL);
	curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_context);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, s);
	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		struct curl_blob blob = {
			.data = (void *)blobs[i].pem, .flags = CURL_BLOB_NOCOPY};

		if (!blobs[i].pem)
			continue;
		blob.len = strlen(blobs[i].pem);
		curl_easy_setopt(e, blobs[i].option, &blob);
	}
}

/* The environment is not asked: "" stands for no proxy at all. */
static void set_way(CURL *e, const struct http_config *cfg)
{
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* a name that is still looked up when its time is over would be waited for */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
		(long)((cfg->connect_timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
	curl_easy_setopt(e, CURLOPT_PROXY, cfg->proxy ? cfg->proxy : "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
}

static void set_callbacks(struct curl_slot *s)
{
	CURL *e = s->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, s);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, s);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(e, CURLOPT_READDATA, s);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, s);
}

int curl_slot_init(struct curl_slot *s, struct curl_group *g)
{
	const struct http_config *cfg = &g->client->base.space->cfg;

	s->group = g;
	s->server = UINT32_MAX;
	s->easy = curl_easy_init();
	s->head = calloc(1, sizeof(*s->head));
	if (!s->easy || !s->head)
		return -1;
	set_callbacks(s);
	set_way(s->easy, cfg);
	set_tls(s, cfg);
	return 0;
}

/* It may hold a token. */
static void forget_request(struct curl_slot *s)
{
	if (s->request)
		OPENSSL_cleanse(s->request, s->request_cap);
	free(s->request);
	s->request = NULL;
	s->request_cap = 0;
}

void curl_slot_finish(struct curl_slot *s)
{
	curl_easy_cleanup(s->easy);
	if (s->head)
		buf_finish(&s->head->text);
	free(s->head);
	forget_request(s);
	free(s->fields);
}

/* --- what an exchange changes */

/* Room for the request and a list of its fields. */
static int make_room(struct curl_slot *s, const struct http_exchange *ex)
{
	size_t n = sizeof(unwanted) / sizeof(unwanted[0]);

	for (size_t i = 0; i < ex->head_len; i++)
		n += ex->head[i] == '\n';
	if (ex->head_len >= s->request_cap) {
		forget_request(s);
		s->request = malloc(ex->head_len + 1);
		if (!s->request)
			return -1;
		s->request_cap = ex->head_len + 1;
	}
	if (n > s->fields_cap) {
		struct curl_slist *more = realloc(s->fields, n * sizeof(*more));

		if (!more)
			return -1;
		s->fields = more;
		s->fields_cap = n;
	}
	return 0;
}

/* "name:" stands for a field that is not to be there, "name;" for one without a value. */
static void mark_empty(char *line)
{
	char *colon = strchr(line, ':');

	if (colon && colon[1 + strspn(colon + 1, " \t")] == '\0') {
		colon[0] = ';';
		colon[1] = '\0';
	}
}

static bool has_field(const struct curl_slot *s, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (strncasecmp(s->fields[i].data, name, len) == 0)
			return true;
	return false;
}

/* Cuts s->request at its line ends; the first line's end is where target and version are. */
static void list_fields(struct curl_slot *s, char *at)
{
	size_t n = 0, own;

	for (char *end; (end = strstr(at, "\r\n")) && end > at; at = end + 2) {
		*end = '\0';
		mark_empty(at);
		s->fields[n++].data = at;
	}
	own = n;
	for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++)
		if (!has_field(s, own, unwanted[i]))
			s->fields[n++].data = (char *)unwanted[i];
	for (size_t i = 0; i < n; i++)
		s->fields[i].next = i + 1 < n ? &s->fields[i + 1] : NULL;
}

static CURLcode set_method(struct curl_slot *s, const char *method)
{
	CURLcode rc;

	if (strcmp(s->method, method) == 0)
		return CURLE_OK;
	rc = curl_easy_setopt(s->easy, CURLOPT_CUSTOMREQUEST, method);
	if (rc == CURLE_OK && strlen(method) < sizeof(s->method))
		strcpy(s->method, method);
	return rc;
}

static void set_mode(struct curl_slot *s, enum curl_mode mode)
{
	static const struct {
		CURLoption option;
		bool body;
	} modes[] = {
		[CURL_MODE_GET] = {CURLOPT_HTTPGET, false},
		[CURL_MODE_HEAD] = {CURLOPT_NOBODY, false},
		[CURL_MODE_POST] = {CURLOPT_POST, true},
		[CURL_MODE_UPLOAD] = {CURLOPT_UPLOAD, true},
	};

	if (s->mode == mode)
		return;
	curl_easy_setopt(s->easy, CURLOPT_UPLOAD, 0L);
	curl_easy_setopt(s->easy, CURLOPT_NOBODY, 0L);
	curl_easy_setopt(s->easy, modes[mode].option, 1L);
	s->mode = mode;
}

static void set_body(struct curl_slot *s, const struct http_exchange *ex)
{
	const uint8_t *piece;
	size_t n = 0;

	if (ex->body_size == 0) {
		set_mode(s, ex->is_head ? CURL_MODE_HEAD : CURL_MODE_GET);
		return;
	}
	piece = ex->body_size <= POST_BYTES ? ex->piece(ex->user, 0, &n) : NULL;
	if (piece && n >= ex->body_size) {
		set_mode(s, CURL_MODE_POST);
		curl_easy_setopt(
			s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ex->body_size);
		curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, piece);
		return;
	}
	set_mode(s, CURL_MODE_UPLOAD);
	curl_easy_setopt(s->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)ex->body_size);
}

/* Request line and fields. */
static CURLcode set_head(struct curl_slot *s, const struct http_exchange *ex)
{
	char *target, *end, *line_end;
	CURLcode rc;

	memcpy(s->request, ex->head, ex->head_len);
	s->request[ex->head_len] = '\0';
	line_end = strstr(s->request, "\r\n");
	target = strchr(s->request, ' ');
	end = target ? strchr(target + 1, ' ') : NULL;
	if (!line_end || !end || end > line_end)
		return CURLE_URL_MALFORMAT;
	*target++ = *end = '\0';
	list_fields(s, line_end + 2);
	rc = set_method(s, s->request);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(s->easy, CURLOPT_REQUEST_TARGET, target);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->fields);
	return rc;
}

int curl_slot_set(struct curl_slot *s, struct http_exchange *ex)
{
	struct http_space *space = s->group->client->base.space;

	s->ex = ex;
	s->at = s->uploaded = 0;
	s->requests = 0;
	s->informal = 0;
	s->kept = s->resend = false;
	s->fail = HTTP_OK;
	s->error[0] = '\0';
	begin_response(s);
	if (make_room(s, ex) < 0)
		return -1;
	if (s->server != ex->server) {
		if (curl_easy_setopt(s->easy, CURLOPT_URL,
			    space->servers[ex->server]->url) != CURLE_OK)
			return -1;
		s->server = ex->server;
	}
	curl_easy_setopt(s->easy, CURLOPT_FRESH_CONNECT, 0L);
	set_body(s, ex);
	return set_head(s, ex) == CURLE_OK ? 0 : -1;
}

/* --- time-outs */

enum http_fail curl_slot_late(struct curl_slot *s, uint64_t now_ns)
{
	const struct http_config *cfg = &s->group->client->base.space->cfg;
	curl_off_t uploaded = 0, first = 0;
	bool waits;

	if (s->requests == 0)
		return HTTP_OK; /* connecting, which libcurl bounds */
	curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	curl_easy_getinfo(s->easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
	if ((uint64_t)uploaded != s->uploaded) {
		s->uploaded = (uint64_t)uploaded;
		s->moved_ns = now_ns;
	}
	waits = s->uploaded >= s->ex->body_size && s->head->text.len == 0 &&
		(s->informal || first == 0);
	/* the moment of the sweep may lie before a byte that came since */
	if (now_ns <= s->moved_ns)
		return HTTP_OK;
	if (now_ns - s->moved_ns <
		(waits ? cfg->first_byte_timeout_ns : cfg->stall_timeout_ns))
		return HTTP_OK;
	return waits ? HTTP_FAIL_FIRST_BYTE_TIMEOUT : HTTP_FAIL_STALL_TIMEOUT;
}
