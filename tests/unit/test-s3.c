/* S3: where URIs are, the requests ops are made of, how they are signed. */
#include "s3-data.h"

#include "cloud/encode.h"

static struct store_options options_with(char *endpoint)
{
	return (struct store_options){.endpoint = endpoint, .insecure_tls = true};
}

/* ---- places ---- */

static void test_places(void)
{
	static const struct {
		const char *endpoint, *region;
		int addressing;
		const char *uri;
		const char *
			want; /* "https host base bucket key", the bucket in [] when in host */
	} rows[] = {
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://b/k/1",
			"https b.s3.us-east-1.amazonaws.com  [b] k/1"},
		{NULL, "eu-west-1", STORE_ADDRESSING_AUTO, "s3://b/",
			"https b.s3.eu-west-1.amazonaws.com  [b] "},
		{NULL, "cn-north-1", STORE_ADDRESSING_AUTO, "s3://b",
			"https b.s3.cn-north-1.amazonaws.com.cn  [b] "},
		{NULL, NULL, STORE_ADDRESSING_PATH, "s3://b/k",
			"https s3.us-east-1.amazonaws.com  b k"},
		/* no certificate fits such names */
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://my.data/k",
			"https s3.us-east-1.amazonaws.com  my.data k"},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://Old_Style/k",
			"https s3.us-east-1.amazonaws.com  Old_Style k"},
		{"https://store:9000/s3/", NULL, STORE_ADDRESSING_AUTO, "s3://b/k",
			"https store:9000 /s3 b k"},
		{"http://store:80", NULL, STORE_ADDRESSING_VIRTUAL, "s3://b/k",
			"http b.store  [b] k"},
		{"https://store:443", NULL, STORE_ADDRESSING_AUTO, "s3://b/k?a=1#x",
			"https store  b k?a=1#x"},
		{"http://[::1]:8000", NULL, STORE_ADDRESSING_AUTO, "s3://b//k/",
			"http [::1]:8000  b /k/"},
		/* hosts in URIs */
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://10.0.0.1/b/k",
			"http 10.0.0.1  b k"},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://store:9000/b/k",
			"http store:9000  b k"},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://store:8443/b/",
			"https store:8443  b "},
		{"https://x", NULL, STORE_ADDRESSING_AUTO, "s3://store:9000/b/k",
			"https store:9000  b k"},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://[fe80::2]:9000/b/k",
			"http [fe80::2]:9000  b k"},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3:///k", NULL},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://b@d/k", NULL},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://store:9000/", NULL},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://store:99999/b/", NULL},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://store:x/b/", NULL},
		{NULL, NULL, STORE_ADDRESSING_AUTO, "s3://[::1/b/", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char endpoint[64] = "", region[64] = "";
		struct store_options o = {
			.addressing = rows[i].addressing, .insecure_tls = true};
		struct object_rig r;
		struct object_place p;
		struct err err = ERR_INIT;

		if (rows[i].endpoint)
			o.endpoint = strcpy(endpoint, rows[i].endpoint);
		if (rows[i].region)
			o.region = strcpy(region, rows[i].region);
		if (!rig_begin(&r, &backend_s3, &o))
			continue;
		/* twice: the second time the bucket is known */
		for (int again = 0; again < 2; again++) {
			char got[300];
			int rc = s3_place(&r.job, rows[i].uri, &p, &err);

			if (!rows[i].want) {
				CHECK(rc < 0 && err.text[0], "%s", rows[i].uri);
				continue;
			}
			if (!CHECK(rc == 0, "%s: %s", rows[i].uri, err.text))
				continue;
			snprintf(got, sizeof(got), "%s %s %s %s%.*s%s %.*s",
				p.tls ? "https" : "http", p.host, p.base,
				p.bucket_in_host ? "[" : "", (int)p.bucket_len, p.bucket,
				p.bucket_in_host ? "]" : "", (int)p.key_len, p.key);
			CHECK_STR(got, rows[i].want);
			const struct s3_state *s = r.job.state;

			CHECK(s->buckets && !s->buckets->older, "%s", rows[i].uri);
		}
		rig_end(&r);
	}
}

/* ---- requests ---- */

static const char *masked(struct object_rig *r)
{
	const char *head = rig_request(r);

	rig_mask(r->head, "x-amz-date: ", "\r");
	rig_mask(r->head, "Signature=", "\r& ");
	rig_mask(r->head, "X-Amz-Date=", "&");
	rig_mask(r->head, "Credential=AKID", ",&");
	return head;
}

#define SIGNED(headers)                                                                  \
	"authorization: AWS4-HMAC-SHA256 Credential=AKID*, SignedHeaders=" headers       \
	", Signature=*\r\n"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PLAIN "host;x-amz-content-sha256;x-amz-date"
#define HEAD_EMPTY "host: h:1\r\nx-amz-content-sha256: " EMPTY "\r\nx-amz-date: *\r\n"

static void test_requests(void)
{
	static char endpoint[] = "http://h:1";
	static const struct {
		struct io io;
		const char *want;
	} rows[] = {
		{{.kind = OP_GET, .uri = "s3://b/a b/+%\xc3\xbc", .size = UINT64_MAX},
			"GET /b/a%20b/%2B%25%C3%BC HTTP/1.1\r\n" HEAD_EMPTY SIGNED(
				PLAIN) "\r\n"},
		{{.kind = OP_RANGE_GET, .uri = "s3://b/k", .offset = 10, .size = 5},
			"GET /b/k HTTP/1.1\r\n" HEAD_EMPTY SIGNED(
				PLAIN) "Range: bytes=10-14\r\n\r\n"},
		{{.kind = OP_STAT, .uri = "s3://b/k", .size = UINT64_MAX},
			"HEAD /b/k HTTP/1.1\r\n" HEAD_EMPTY SIGNED(PLAIN) "\r\n"},
		{{.kind = OP_DELETE, .uri = "s3://b/k"},
			"DELETE /b/k HTTP/1.1\r\n" HEAD_EMPTY SIGNED(PLAIN) "\r\n"},
		{{.kind = OP_PUT, .uri = "s3://b/k", .size = 70},
			"PUT /b/k HTTP/1.1\r\nhost: h:1\r\n"
			"x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: "
			"*\r\n" SIGNED(PLAIN) "Content-Length: 70\r\n\r\n"},
		{{.kind = OP_PUT, .uri = "s3://b/k", .size = 0},
			"PUT /b/k HTTP/1.1\r\n" HEAD_EMPTY SIGNED(
				PLAIN) "Content-Length: 0\r\n\r\n"},
		{{.kind = OP_LIST, .uri = "s3://b/p/", .max_keys = 7, .delimiter = "/"},
			"GET "
			"/b?delimiter=%2F&encoding-type=url&list-type=2&max-keys=7&"
			"prefix=p%"
			"2F HTTP/1.1\r\n" HEAD_EMPTY SIGNED(PLAIN) "\r\n"},
		{{.kind = OP_COPY, .uri = "s3://b/a b", .to = "s3://c/d", .size = 1},
			"PUT /c/d HTTP/1.1\r\nhost: h:1\r\nx-amz-content-sha256: " EMPTY
			"\r\nx-amz-copy-source: /b/a%20b\r\nx-amz-date: *\r\n" SIGNED(
				"host;x-amz-content-sha256;x-amz-copy-source;x-amz-"
				"date") "Content-Length: 0\r\n\r\n"},
		{{.kind = OP_MULTIPART_PUT, .uri = "s3://b/k", .size = 70},
			"POST /b/k?uploads= HTTP/1.1\r\n" HEAD_EMPTY SIGNED(
				PLAIN) "Content-Length: 0\r\n\r\n"},
		/* too large for one piece */
		{{.kind = OP_PUT, .uri = "s3://b/k", .size = S3_PUT_MAX + 1},
			"POST /b/k?uploads= HTTP/1.1\r\n" HEAD_EMPTY SIGNED(
				PLAIN) "Content-Length: 0\r\n\r\n"},
		{{.kind = OP_DELETE,
			 .uri = "s3://b/a&",
			 .more = "s3://b/<\0s3://b/c",
			 .n_more = 2},
			"POST /b?delete= HTTP/1.1\r\ncontent-md5: *\r\nhost: h:1\r\n"
			"x-amz-content-sha256: *\r\nx-amz-date: *\r\n" SIGNED(
				"content-md5;" PLAIN) "Content-Length: 131\r\n\r\n"},
	};
	struct store_options o = options_with(endpoint);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object_rig r;

		if (!rig_begin(&r, &backend_s3, &o))
			return;
		if (!rig_op(&r, &rows[i].io)) {
			rig_end(&r);
			continue;
		}
		masked(&r);
		if (rows[i].io.n_more) {
			rig_mask(r.head, "content-md5: ", "\r");
			rig_mask(r.head, "content-sha256: ", "\r");
			CHECK_STR(r.op->text.data,
				"<Delete><Quiet>true</Quiet><Object><Key>a&amp;</Key></"
				"Object><Object><Key>&lt;</Key></Object><Object><Key>c</"
				"Key></Object></Delete>");
		}
		CHECK_STR(r.head, rows[i].want);
		rig_end(&r);
	}
}

static void test_ways_to_sign(void)
{
	static char endpoint[] = "http://h:1";
	const struct io get = {.kind = OP_GET, .uri = "s3://b/k", .size = UINT64_MAX};
	const struct io list = {.kind = OP_LIST, .uri = "s3://b/k"};
	struct store_options o = options_with(endpoint);
	struct object_rig r;

	o.anonymous = true;
	if (rig_begin(&r, &backend_s3, &o) && rig_op(&r, &get))
		CHECK_STR(masked(&r), "GET /b/k HTTP/1.1\r\nhost: h:1\r\n\r\n");
	rig_end(&r);
	o.anonymous = false;
	o.presigned = true;
	setenv("AWS_SESSION_TOKEN", "a/token", 1);
	if (rig_begin(&r, &backend_s3, &o) && rig_op(&r, &get))
		CHECK_STR(masked(&r),
			"GET "
			"/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID*&"
			"X-Amz-Date=*&X-Amz-Expires=3600&X-Amz-Security-Token=a%2Ftoken&"
			"X-Amz-SignedHeaders=host&X-Amz-Signature=* HTTP/1.1\r\n"
			"host: h:1\r\n\r\n");
	/* there are no URLs for lists */
	if (rig_op(&r, &list))
		CHECK(strstr(masked(&r), "x-amz-security-token: a/token\r\n") != NULL,
			"%s", r.head);
	rig_end(&r);
	unsetenv("AWS_SESSION_TOKEN");
}

static void test_payload_hashes(void)
{
	static char endpoint[] = "http://h:1";
	struct store_options o = options_with(endpoint);
	struct object_rig r;
	struct io put = {.kind = OP_PUT, .uri = "s3://b/k", .size = 64};
	char hex[65];
	uint8_t digest[32];

	o.payload = STORE_PAYLOAD_SIGNED;
	if (!rig_begin(&r, &backend_s3, &o))
		return;
	for (unsigned i = 0; i < sizeof(r.pool); i++)
		r.pool[i] = (uint8_t)(i % 64);
	/* twice the same content, then another: what was computed once is not taken for it */
	for (unsigned at = 0; at < 4; at++) {
		struct s3_thread *t = r.thread.state;

		put.data_at = at / 2 * 3;
		mac_sha256(t->mac, r.pool + put.data_at, 64, digest);
		encode_hex(digest, sizeof(digest), hex);
		if (rig_op(&r, &put))
			CHECK(strstr(rig_request(&r), hex) != NULL, "%u: %s", at, r.head);
		object_op_give(r.op);
	}
	rig_end(&r);
}

static void test_credentials(void)
{
	static char endpoint[] = "http://h:1";
	struct object_rig r;
	struct backend_config cfg = {.concurrency = 1, .threads = 1};
	struct store_options o = options_with(endpoint);
	struct err err = ERR_INIT;

	cfg.store = &o;
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	CHECK(backend_s3.job_init(&r.job, &cfg, &err) < 0);
	CHECK(strstr(err.text, "AWS_ACCESS_KEY_ID") != NULL, "%s", err.text);
	o.anonymous = true;
	if (CHECK(backend_s3.job_init(&r.job, &cfg, &err) == 0, "%s", err.text))
		backend_s3.job_fini(&r.job);
	environment();
}

int main(void)
{
	static const struct check_test tests[] = {TEST(test_places), TEST(test_requests),
		TEST(test_ways_to_sign), TEST(test_payload_hashes),
		TEST(test_credentials)};

	environment();
	return check_run_(tests, sizeof(tests) / sizeof(tests[0]));
}
