/* azure: what each op asks of Azure Blob Storage, byte by byte, how that is signed, and where a URI leads. */
#include <inttypes.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "azure-data.h"
#include "common/cleanup.h"
#include "common/text.h"

/* The signature of a string to sign, in which DATE stands for the thread's. */
static void sign(const struct object_rig *r, const char *text, char out[64])
{
	const char *date = strstr(text, "DATE");
	AUTO_FREE char *full = text_printf("%.*s%s%s", (int)(date - text), text,
		r->thread.date_http, date + strlen("DATE"));
	uint8_t mac[32];
	unsigned len = sizeof(mac);

	HMAC(EVP_sha256(), KEY_TEXT, (int)strlen(KEY_TEXT), (const uint8_t *)full,
		strlen(full), mac, &len);
	digest_base64_encode(mac, len, out);
}

static const struct request_row {
	struct io io;
	enum object_step step;
	uint32_t part;
	const char *token;
	const char
		*head; /* DATE and SIGNATURE are marks; "Host" to "x-ms-" are left out */
	const char *to_sign;
} requests[] = {
	{{.kind = OP_GET, .uri = "az://acc/box/a b/c+d%e\xc3\xbc"}, OBJECT_SINGLE, 0,
		NULL,
		"GET /acc/box/a%20b/c%2Bd%25e%C3%BC HTTP/1.1\r\n"
		"Host: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"GET\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box/a%20b/c%2Bd%25e%C3%BC"},
	{{.kind = OP_RANGE_GET, .uri = "az://acc/box/k", .offset = 512, .size = 100},
		OBJECT_SINGLE, 0, NULL,
		"GET /acc/box/k HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-range: bytes=512-611\r\n"
		"x-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"GET\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-range:bytes=512-611\nx-ms-version:2021-12-02\n"
		"/acc/acc/box/k"},
	{{.kind = OP_RANGE_GET, .uri = "az://acc/box/empty"}, OBJECT_SINGLE, 0, NULL,
		"GET /acc/box/empty HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"GET\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n/acc/acc/box/empty"},
	{{.kind = OP_STAT, .uri = "az://acc/box/k"}, OBJECT_SINGLE, 0, NULL,
		"HEAD /acc/box/k HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"HEAD\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n/acc/acc/box/k"},
	{{.kind = OP_PUT, .uri = "az://acc/box/k", .size = 7}, OBJECT_SINGLE, 0, NULL,
		"PUT /acc/box/k HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-blob-type: BlockBlob\r\nx-ms-date: DATE\r\n"
		"x-ms-version: 2021-12-02\r\nContent-Length: 7\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"PUT\n\n\n7\n\n\n\n\n\n\n\n\n"
		"x-ms-blob-type:BlockBlob\nx-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box/k"},
	{{.kind = OP_PUT, .uri = "az://acc/box/k", .size = 0}, OBJECT_SINGLE, 0, NULL,
		"PUT /acc/box/k HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-blob-type: BlockBlob\r\nx-ms-date: DATE\r\n"
		"x-ms-version: 2021-12-02\r\nContent-Length: 0\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"PUT\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-blob-type:BlockBlob\nx-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box/k"},
	{{.kind = OP_MULTIPART_PUT, .uri = "az://acc/box/k", .size = 25, .part_size = 10},
		OBJECT_PART, 3, NULL,
		"PUT /acc/box/k?blockid=bTAwMDAwMDAz&comp=block HTTP/1.1\r\n"
		"Host: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\nContent-Length: 5\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"PUT\n\n\n5\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box/k\nblockid:bTAwMDAwMDAz\ncomp:block"},
	{{.kind = OP_MULTIPART_PUT, .uri = "az://acc/box/k", .size = 25, .part_size = 10},
		OBJECT_COMPLETE, 3, NULL,
		"PUT /acc/box/k?comp=blocklist HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Content-Length: 148\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"PUT\n\n\n148\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box/k\ncomp:blocklist"},
	{{.kind = OP_LIST, .uri = "az://acc/box/p q/", .max_keys = 9, .delimiter = "/"},
		OBJECT_SINGLE, 0, "2!8 x&y=",
		"GET "
		"/acc/box?comp=list&delimiter=%2F&marker=2%218%20x%26y%3D&maxresults=9&"
		"prefix=p%20q%2F&restype=container HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"GET\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box\ncomp:list\ndelimiter:/\nmarker:2!8 x&y=\nmaxresults:9\n"
		"prefix:p q/\nrestype:container"},
	{{.kind = OP_LIST, .uri = "az://acc/box"}, OBJECT_SINGLE, 0, NULL,
		"GET /acc/box?comp=list&maxresults=5000&restype=container HTTP/1.1\r\n"
		"Host: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"GET\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n"
		"/acc/acc/box\ncomp:list\nmaxresults:5000\nrestype:container"},
	{{.kind = OP_COPY,
		 .uri = "az://acc/box/a b",
		 .to = "az://acc/box2/c",
		 .size = UINT64_MAX},
		OBJECT_SINGLE, 0, NULL,
		"PUT /acc/box2/c HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-copy-source: http://127.0.0.1:10000/acc/box/a%20b\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\nContent-Length: 0\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"PUT\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-copy-source:http://127.0.0.1:10000/acc/box/a%20b\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n/acc/acc/box2/c"},
	{{.kind = OP_COPY,
		 .uri = "az://acc/box/a",
		 .to = "az://acc/box2/c",
		 .size = UINT64_MAX},
		OBJECT_COMPLETE, 0, NULL,
		"HEAD /acc/box2/c HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"HEAD\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n/acc/acc/box2/c"},
	{{.kind = OP_DELETE, .uri = "az://acc/box/k"}, OBJECT_SINGLE, 0, NULL,
		"DELETE /acc/box/k HTTP/1.1\r\nHost: 127.0.0.1:10000\r\n"
		"x-ms-date: DATE\r\nx-ms-version: 2021-12-02\r\n"
		"Authorization: SharedKey acc:SIGNATURE\r\n\r\n",
		"DELETE\n\n\n\n\n\n\n\n\n\n\n\n"
		"x-ms-date:DATE\nx-ms-version:2021-12-02\n/acc/acc/box/k"},
};

/* text with its marks replaced. */
static char *filled(const char *text, const char *date, const char *signature)
{
	const char *d = strstr(text, "DATE"), *s = strstr(text, "SIGNATURE");

	return text_printf("%.*s%s%.*s%s%s", (int)(d - text), text, date,
		(int)(s - d - 4), d + 4, signature, s + strlen("SIGNATURE"));
}

static void check_request(struct object_rig *r, const struct request_row *row)
{
	AUTO_FREE char *want = NULL;
	char signature[64];

	if (!rig_op(r, &row->io))
		return;
	if (row->part) {
		CHECK(r->op->step == OBJECT_PART && r->op->parts_n == 3);
		r->op->part = row->part;
		r->op->at = (row->part - 1) * r->op->part_size;
	}
	r->op->step = row->step;
	r->op->token = row->token ? strdup(row->token) : NULL;
	rig_request(r);
	sign(r, row->to_sign, signature);
	want = filled(row->head, r->thread.date_http, signature);
	CHECK_STR(r->head, want);
	CHECK(r->op->ex.is_head == text_starts_with(row->head, "HEAD"));
	CHECK((r->op->ex.piece != NULL) == (r->op->ex.body_size != 0), "%s", row->head);
	object_op_give(r->op);
}

static void test_requests(void)
{
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		check_request(&r, &requests[i]);
	rig_end(&r);
}

static void test_sas_and_anonymous(void)
{
	const struct io get = {.kind = OP_GET, .uri = "az://acc/box/k"},
			list = {.kind = OP_LIST, .uri = "az://acc/box/"},
			copy = {.kind = OP_COPY,
				.uri = "az://acc/box/k",
				.to = "az://acc/box/l"};
	const struct store_options anonymous = {.anonymous = true};
	struct object_rig r;

	set_environment(NULL, "?sv=2020&sig=a%2Bb", NULL);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	rig_op(&r, &get);
	CHECK(text_starts_with(rig_request(&r),
		      "GET /box/k?sv=2020&sig=a%2Bb HTTP/1.1\r\n"
		      "Host: acc.blob.core.windows.net\r\n"),
		"%s", r.head);
	CHECK(!strstr(r.head, "Authorization"));
	CHECK(r.op->place.tls);
	rig_op(&r, &list);
	CHECK(strstr(rig_request(&r), "&restype=container&sv=2020&sig=a%2Bb HTTP"), "%s",
		r.head);
	rig_op(&r, &copy);
	CHECK(strstr(rig_request(&r),
		      "x-ms-copy-source: https://acc.blob.core.windows.net/"
		      "box/k?sv=2020&sig=a%2Bb\r\n"),
		"%s", r.head);
	rig_end(&r);

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, &anonymous))
		return;
	rig_op(&r, &get);
	CHECK(text_starts_with(rig_request(&r), "GET /acc/box/k HTTP/1.1\r\n"));
	CHECK(!strstr(r.head, "Authorization"));
	rig_end(&r);
}

/* Where a URI leads, by endpoint. */
static void test_places(void)
{
	static const struct {
		const char *endpoint, *uri,
			*url; /* url: host and the path of the container */
		bool tls;
	} rows[] = {
		{NULL, "az://acc/box/k", "acc.blob.core.windows.net /box", true},
		{"https://acc.example.com", "az://acc/box/k", "acc.example.com /box",
			true},
		{"https://blobs.example.com/", "az://acc/box/k", "blobs.example.com /box",
			true},
		{"http://127.0.0.1:10000", "az://acc/box/k", "127.0.0.1:10000 /acc/box",
			false},
		{"http://[::1]:10000", "az://acc/box/k", "[::1]:10000 /acc/box", false},
		{"http://azurite:10000", "az://acc/box/k", "azurite:10000 /acc/box",
			false},
		{"http://127.0.0.1:10000/acc/", "az://acc/box/k",
			"127.0.0.1:10000 /acc/box", false},
		{NULL, "az://127.0.0.1:99/acc/box/k", "127.0.0.1:99 /acc/box", false},
		{NULL, "az://proxy.example.com:443/acc/box/k",
			"proxy.example.com /acc/box", true},
		{NULL, "az://[::1]:99/acc/box/k", "[::1]:99 /acc/box", false},
		{NULL, "az://acc.blob.core.windows.net/box/k",
			"acc.blob.core.windows.net /box", true},
		{"http://127.0.0.1:10000", "az://acc.privatelink.example.com/box/k",
			"acc.privatelink.example.com /box", true},
		{NULL, "az://127.0.0.1/acc/box/k", NULL, false},
		{NULL, "az://other.blob.core.windows.net/box/k", NULL, false},
		{NULL, "az://acc/box", "acc.blob.core.windows.net /box", true},
		{NULL, "az://acc", NULL, false},
		{NULL, "az://acc/", NULL, false},
		{NULL, "az:///box/k", NULL, false},
		{NULL, "az://other/box/k", NULL, false},
		{NULL, "az://a c/box/k", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_place p;
		struct object_rig r;
		struct err err = ERR_INIT;
		char url[200];
		int rc;

		set_environment("", NULL, rows[i].endpoint);
		if (!rig_begin(&r, &backend_az, NULL))
			return;
		rc = r.job.store->place(&r.job, rows[i].uri, &p, &err);
		CHECK((rc == 0) == (rows[i].url != NULL), "%s %s", rows[i].uri, err.text);
		if (rc == 0 && rows[i].url) {
			snprintf(url, sizeof(url), "%s %s/%.*s", p.host, p.base,
				(int)p.bucket_len, p.bucket);
			CHECK_STR(url, rows[i].url);
			CHECK(p.tls == rows[i].tls, "%s", rows[i].uri);
		}
		rig_end(&r);
	}
}

static void test_credentials_refused(void)
{
	static const struct {
		const char *key, *sas, *endpoint, *why;
	} rows[] = {
		{"no*base64", NULL, NULL, "AZURE_STORAGE_KEY"},
		{NULL, NULL, NULL, "AZURE_STORAGE_CONNECTION_STRING"},
		{NULL, "sv=1&sig=a b", NULL, "no shared access signature"},
		{NULL, "sv=1&se=2020-01-01T00%3A00%3A00Z&sig=x", NULL, "ended"},
		{"", NULL, "127.0.0.1:10000", "http://"},
		{"", NULL, "ftp://x", "http://"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct backend_config cfg = {.concurrency = 1, .threads = 1};
		struct object_job job;
		struct err err = ERR_INIT;

		set_environment(rows[i].key, rows[i].sas, rows[i].endpoint);
		if (CHECK(backend_az.job_init(&job, &cfg, &err) < 0, "row %zu", i))
			CHECK(strstr(err.text, rows[i].why), "row %zu: %s", i, err.text);
		else
			backend_az.job_fini(&job);
	}
}

/* What is too large for one request, and for blocks of the usual size. */
static void test_large(void)
{
	static const struct {
		uint64_t size, part_size;
		enum object_step step;
		uint64_t want;
	} rows[] = {
		{UINT64_C(5000) << 20, 0, OBJECT_SINGLE, 0},
		{(UINT64_C(5000) << 20) + 1, 0, OBJECT_PART, 8u << 20},
		{UINT64_C(6) << 40, 0, OBJECT_PART, UINT64_C(126) << 20},
	};
	struct object_rig r;

	set_environment("", NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_az, NULL))
		return;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct io put = {.kind = OP_PUT,
			.uri = "az://acc/box/k",
			.size = rows[i].size,
			.part_size = rows[i].part_size};

		rig_op(&r, &put);
		CHECK(r.op->step == rows[i].step && r.op->part_size == rows[i].want,
			"row %zu: step %d, parts of %" PRIu64, i, (int)r.op->step,
			r.op->part_size);
		CHECK(r.op->parts_n <= 50000);
	}
	rig_end(&r);
}

TEST_MAIN(TEST(test_requests), TEST(test_sas_and_anonymous), TEST(test_places),
	TEST(test_credentials_refused), TEST(test_large))
