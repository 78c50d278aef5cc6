/* gcs: what each op asks of Google Cloud Storage's JSON API, byte by byte, what its answers mean, and which API is
 * spoken with which credentials. */
#include <inttypes.h>
#include <stdlib.h>

#include "backends/object/batch.h"
#include "backends/object/gcs_json.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "object-data.h"

#define ENDPOINT "http://127.0.0.1:9023"
#define HOST "Host: 127.0.0.1:9023\r\n"
#define TOKEN "Authorization: Bearer made-up\r\n"
#define OCTETS "Content-Type: application/octet-stream\r\n"

extern const struct backend backend_gs;

static void set_environment(const char *name, const char *value, const char *endpoint)
{
	static const char *const names[] = {"GOOGLE_APPLICATION_CREDENTIALS",
		"GCS_ACCESS_TOKEN", "GCS_HMAC_ACCESS_KEY", "GCS_HMAC_SECRET",
		"STORAGE_EMULATOR_HOST", "GCS_ENDPOINT_URL", "GCE_METADATA_HOST"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
	setenv("HOME", "/nonexistent", 1);
	unsetenv("CLOUDSDK_CONFIG");
	if (name)
		setenv(name, value, 1);
	if (endpoint)
		setenv("STORAGE_EMULATOR_HOST", endpoint, 1);
}

static const struct request_row {
	struct io io;
	enum object_step step;
	uint64_t at;
	const char *token, *head;
} requests[] = {
	{{.kind = OP_GET, .uri = "gs://box/a b/c+d%e\xc3\xbc?"}, OBJECT_SINGLE, 0, NULL,
		"GET /storage/v1/b/box/o/a%20b%2Fc%2Bd%25e%C3%BC%3F?alt=media "
		"HTTP/1.1\r\n" HOST TOKEN "\r\n"},
	{{.kind = OP_GET, .uri = "gcs://box/k"}, OBJECT_SINGLE, 0, NULL,
		"GET /storage/v1/b/box/o/k?alt=media HTTP/1.1\r\n" HOST TOKEN "\r\n"},
	{{.kind = OP_RANGE_GET, .uri = "gs://box/k", .offset = 512, .size = 100},
		OBJECT_SINGLE, 0, NULL,
		"GET /storage/v1/b/box/o/k?alt=media HTTP/1.1\r\n" HOST
		"Range: bytes=512-611\r\n" TOKEN "\r\n"},
	{{.kind = OP_RANGE_GET, .uri = "gs://box/empty"}, OBJECT_SINGLE, 0, NULL,
		"GET /storage/v1/b/box/o/empty?alt=media HTTP/1.1\r\n" HOST TOKEN "\r\n"},
	{{.kind = OP_STAT, .uri = "gs://box/k"}, OBJECT_SINGLE, 0, NULL,
		"GET /storage/v1/b/box/o/k?fields=name,size,updated HTTP/1.1\r\n" HOST
			TOKEN "\r\n"},
	{{.kind = OP_PUT, .uri = "gs://box/a/k", .size = 7}, OBJECT_SINGLE, 0, NULL,
		"POST /upload/storage/v1/b/box/o?uploadType=media&name=a%2Fk "
		"HTTP/1.1\r\n" HOST OCTETS "Content-Length: 7\r\n" TOKEN "\r\n"},
	{{.kind = OP_PUT, .uri = "gs://box/k", .size = 0}, OBJECT_SINGLE, 0, NULL,
		"POST /upload/storage/v1/b/box/o?uploadType=media&name=k "
		"HTTP/1.1\r\n" HOST OCTETS "Content-Length: 0\r\n" TOKEN "\r\n"},
	{{.kind = OP_MULTIPART_PUT,
		 .uri = "gs://box/k",
		 .size = 600000,
		 .part_size = 1000},
		OBJECT_CREATE, 0, NULL,
		"POST /upload/storage/v1/b/box/o?uploadType=resumable&name=k "
		"HTTP/1.1\r\n" HOST "X-Upload-Content-Type: application/octet-stream\r\n"
		"X-Upload-Content-Length: 600000\r\nContent-Length: 0\r\n" TOKEN "\r\n"},
	{{.kind = OP_MULTIPART_PUT,
		 .uri = "gs://box/k",
		 .size = 600000,
		 .part_size = 1000},
		OBJECT_PART, 262144, "/up?id=1",
		"PUT /up?id=1 HTTP/1.1\r\n" HOST
		"Content-Range: bytes 262144-524287/600000\r\n"
		"Content-Length: 262144\r\n" TOKEN "\r\n"},
	{{.kind = OP_MULTIPART_PUT,
		 .uri = "gs://box/k",
		 .size = 600000,
		 .part_size = 1000},
		OBJECT_PART, 524288, "/up?id=1",
		"PUT /up?id=1 HTTP/1.1\r\n" HOST
		"Content-Range: bytes 524288-599999/600000\r\n"
		"Content-Length: 75712\r\n" TOKEN "\r\n"},
	{{.kind = OP_MULTIPART_PUT, .uri = "gs://box/k", .size = 0}, OBJECT_PART, 0,
		"/up?id=1",
		"PUT /up?id=1 HTTP/1.1\r\n" HOST "Content-Range: bytes */0\r\n"
		"Content-Length: 0\r\n" TOKEN "\r\n"},
	{{.kind = OP_MULTIPART_PUT, .uri = "gs://box/k", .size = 9}, OBJECT_ABORT, 0,
		"/up?id=1",
		"DELETE /up?id=1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" TOKEN "\r\n"},
	{{.kind = OP_LIST, .uri = "gs://box/p q/", .max_keys = 9, .delimiter = "/"},
		OBJECT_SINGLE, 0, "a+b=",
		"GET /storage/v1/b/box/o?fields=items(name,size),nextPageToken,prefixes&"
		"maxResults=9&prefix=p%20q%2F&delimiter=%2F&pageToken=a%2Bb%3D "
		"HTTP/1.1\r\n" HOST TOKEN "\r\n"},
	{{.kind = OP_LIST, .uri = "gs://box"}, OBJECT_SINGLE, 0, NULL,
		"GET /storage/v1/b/box/o?fields=items(name,size),nextPageToken,prefixes&"
		"maxResults=1000 HTTP/1.1\r\n" HOST TOKEN "\r\n"},
	{{.kind = OP_COPY, .uri = "gs://box/a/b", .to = "gs://box2/c d"}, OBJECT_SINGLE,
		0, NULL,
		"POST /storage/v1/b/box/o/a%2Fb/rewriteTo/b/box2/o/c%20d "
		"HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" TOKEN "\r\n"},
	{{.kind = OP_COPY, .uri = "gs://box/a/b", .to = "gs://box2/c"}, OBJECT_SINGLE, 0,
		"x/y",
		"POST /storage/v1/b/box/o/a%2Fb/rewriteTo/b/box2/o/c?rewriteToken=x%2Fy "
		"HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" TOKEN "\r\n"},
	{{.kind = OP_DELETE, .uri = "gs://box/a/b"}, OBJECT_SINGLE, 0, NULL,
		"DELETE /storage/v1/b/box/o/a%2Fb HTTP/1.1\r\n" HOST TOKEN "\r\n"},
};

static void test_requests(void)
{
	struct object_rig r;

	set_environment("GCS_ACCESS_TOKEN", "made-up", ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const struct request_row *row = &requests[i];

		if (!rig_op(&r, &row->io))
			continue;
		r.op->step = row->step;
		r.op->at = row->at;
		r.op->token = row->token ? strdup(row->token) : NULL;
		CHECK_STR(rig_request(&r), row->head);
		CHECK(!r.op->ex.is_head);
		CHECK((r.op->ex.piece != NULL) == (r.op->ex.body_size != 0), "%s",
			row->head);
		object_op_give(r.op);
	}
	rig_end(&r);
}

static void test_endpoints(void)
{
	static const struct {
		const char *endpoint, *uri, *url;
		bool tls;
	} rows[] = {
		{NULL, "gs://box/k", "storage.googleapis.com /box", true},
		{"localhost:9023", "gs://box/k", "localhost:9023 /box", false},
		{"http://localhost:9023/", "gs://box/k", "localhost:9023 /box", false},
		{"https://proxy.example.com/gcs/storage/v1/", "gs://box/k",
			"proxy.example.com /gcs/box", true},
		{NULL, "gs://127.0.0.1:99/box/k", "127.0.0.1:99 /box", false},
		{NULL, "gs://gcs.example.com:443/box/k", "gcs.example.com /box", true},
		{"https://x.example.com", "gs://[::1]:99/box/k", "[::1]:99 /box", true},
		{NULL, "gs://my.bucket.example.com/k",
			"storage.googleapis.com /my.bucket.example.com", true},
		{NULL, "gs:///k", NULL, false},
		{NULL, "gs://127.0.0.1:99/", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_place p;
		struct object_rig r;
		struct err err = ERR_INIT;
		char url[200];
		int rc;

		set_environment("GCS_ACCESS_TOKEN", "made-up", rows[i].endpoint);
		if (!rig_begin(&r, &backend_gs, NULL))
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

/* HMAC keys are for the XML API, where requests look like S3's. */
static void test_hmac(void)
{
	const struct io get = {.kind = OP_GET, .uri = "gs://box/a b"},
			two = {.kind = OP_DELETE,
				.uri = "gcs://box/a",
				.more = "gs://box/b",
				.n_more = 1};
	struct object_rig r;

	set_environment("GCS_HMAC_ACCESS_KEY", "GOOG1", ENDPOINT);
	setenv("GCS_HMAC_SECRET", "made-up", 1);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &get);
	CHECK(text_starts_with(rig_request(&r), "GET /box/a%20b HTTP/1.1\r\n"), "%s",
		r.head);
	CHECK(strstr(r.head, "AWS4-HMAC-SHA256 Credential=GOOG1/") &&
			strstr(r.head, "/auto/s3/aws4_request"),
		"%s", r.head);
	rig_op(&r, &two);
	CHECK(text_starts_with(rig_request(&r), "DELETE /box/a HTTP/1.1\r\n"), "%s",
		r.head);
	rig_end(&r);
}

/* Nobody is asked for credentials of an emulator, and a token that cannot stand in a field is refused. */
static void test_credentials(void)
{
	const struct io get = {.kind = OP_GET, .uri = "gs://box/k"};
	struct err err = ERR_INIT;
	struct backend_config cfg = {.concurrency = 1, .threads = 1};
	struct object_thread t;
	struct object_rig r;

	set_environment(NULL, NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &get);
	CHECK(!strstr(rig_request(&r), "Authorization"));
	CHECK(rig_error(&r, 401, "", "").hint != NULL);
	rig_end(&r);
	set_environment("GCS_ACCESS_TOKEN", "a\r\nb", ENDPOINT);
	if (!CHECK(backend_gs.job_init(&r.job, &cfg, &err) == 0, "%s", err.text))
		return;
	CHECK(object_thread_begin(&r.job, &t, NULL, &err) < 0);
	CHECK(strstr(err.text, "GCS_ACCESS_TOKEN"), "%s", err.text);
	backend_gs.job_fini(&r.job);
}

/* --- answers */

static bool take(const struct list_entry *e, void *user)
{
	return buf_printf(user, "%s %" PRIu64 "\n", e->uri, e->size) == 0;
}

static bool take_one(const struct list_entry *e, void *user)
{
	take(e, user);
	return false;
}

static void test_pages(void)
{
	static const char page[] =
		"{\"items\":[{\"name\":\"a/b \\u00fc\",\"size\":\"5\"},"
		"{\"name\":\"c\",\"size\":\"18446744073709551615\"}],"
		"\"prefixes\":[\"p/\"],\"nextPageToken\":\"t1\"}";
	const struct io list = {.kind = OP_LIST, .uri = "gs://box/"};
	struct buf found CLEANUP(buf_finish) = BUF_INIT;
	struct object_rig r;

	set_environment(NULL, NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &list);
	CHECK(rig_response(&r, 200, "", page) == OBJECT_AGAIN);
	CHECK(r.io.entries == 3);
	CHECK_STR(r.op->token, "t1");
	CHECK(rig_tell(&r, "gs://box/", take, &found) == 1);
	CHECK_STR(
		found.data, "gs://box/a/b \xc3\xbc 5\ngs://box/c 18446744073709551615\n");
	buf_clear(&found);
	CHECK(rig_tell(&r, "gs://box/", take_one, &found) == 0);
	CHECK_STR(found.data, "gs://box/a/b \xc3\xbc 5\n");
	CHECK(rig_response(&r, 200, "", "{}") == OBJECT_DONE);
	CHECK(r.io.entries == 3 && !r.op->token && r.io.error == OP_OK);
	CHECK(rig_response(&r, 200, "", "<html>") == OBJECT_DONE);
	CHECK(r.io.error != OP_OK);
	rig_end(&r);
}

static void test_pages_refused(void)
{
	static const char *const rows[] = {"", "x", "[]", "{\"items\":1}",
		"{\"items\":[1]}", "{\"items\":[{}]}",
		"{\"items\":[{\"name\":\"a\",\"size\":\"-1\"}]}",
		"{\"items\":[{\"name\":\"a\",\"size\":\"1x\"}]}",
		"{\"items\":[{\"name\":\"a\",\"size\":\"99999999999999999999\"}]}"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_page p = {.next = NULL};
		struct err err = ERR_INIT;

		CHECK(gcs_page_parse(rows[i], strlen(rows[i]), NULL, NULL, &p, &err) < 0,
			"%s", rows[i]);
		CHECK(*err.text && !p.next, "%s", rows[i]);
	}
}

/* A session of an upload: what the store has counts, not what was sent. */
static void test_resumable(void)
{
	const struct io put = {.kind = OP_MULTIPART_PUT,
		.uri = "gs://box/k",
		.size = 600000,
		.part_size = 1};
	struct object_error e;
	struct object_rig r;

	set_environment(NULL, NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &put);
	CHECK(r.op->step == OBJECT_CREATE && r.op->part_size == 262144 &&
		r.op->parts_n == 3);
	CHECK(rig_response(&r, 200, "Location: http://0.0.0.0:1/up?id=1&x=y\r\n", "") ==
		OBJECT_AGAIN);
	CHECK_STR(r.op->token, "/up?id=1&x=y");
	CHECK(r.op->step == OBJECT_PART && r.op->at == 0);
	CHECK(rig_response(&r, 308, "Range: bytes=0-262143\r\n", "") == OBJECT_AGAIN);
	CHECK(r.op->at == 262144);
	/* less than was sent */
	CHECK(rig_response(&r, 308, "Range: bytes=0-300000\r\n", "") == OBJECT_AGAIN);
	CHECK(r.op->at == 300001);
	/* no step forward, and things that cannot be */
	CHECK(rig_response(&r, 308, "Range: bytes=0-300000\r\n", "") == OBJECT_FAILED);
	CHECK(rig_response(&r, 308, "", "") == OBJECT_FAILED);
	CHECK(rig_response(&r, 308, "Range: bytes=0-600000\r\n", "") == OBJECT_FAILED);
	CHECK(rig_response(&r, 308, "Range: bytes=5-300009\r\n", "") == OBJECT_FAILED);
	CHECK(rig_response(&r, 308, "Range: bytes=0-x\r\n", "") == OBJECT_FAILED);
	e = rig_error(&r, 308, "", "");
	CHECK(e.error == OP_ERR_IO && e.retry);
	/* all of it, but not done yet: asked for */
	CHECK(rig_response(&r, 308, "Range: bytes=0-599999\r\n", "") == OBJECT_AGAIN);
	CHECK(strstr(rig_request(&r), "Content-Range: bytes */600000\r\n"), "%s", r.head);
	CHECK(rig_response(&r, 200, "", "{}") == OBJECT_DONE);
	CHECK(r.io.error == OP_OK);
	r.op->step = OBJECT_CREATE;
	CHECK(rig_response(&r, 200, "", "") == OBJECT_DONE);
	CHECK(r.io.error != OP_OK);
	rig_end(&r);
}

static void test_rewrites(void)
{
	const struct io copy = {.kind = OP_COPY, .uri = "gs://box/a", .to = "gs://box/b"};
	struct object_rig r;

	set_environment(NULL, NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &copy);
	CHECK(rig_response(&r, 200, "", "{\"done\":false,\"rewriteToken\":\"t\"}") ==
		OBJECT_AGAIN);
	CHECK_STR(r.op->token, "t");
	CHECK(rig_response(&r, 200, "", "{\"done\":true}") == OBJECT_DONE);
	CHECK(r.io.error == OP_OK);
	CHECK(rig_response(&r, 200, "", "{\"done\":false}") == OBJECT_DONE);
	CHECK(r.io.error != OP_OK);
	rig_end(&r);
}

static void test_batches(void)
{
	const struct io two = {.kind = OP_DELETE,
		.uri = "gs://box/a",
		.more = "gs://box/b c",
		.n_more = 1};
	static const char
		good[] = "--x\r\nContent-Type: application/http\r\nContent-ID: "
			 "<response-0>\r\n\r\n"
			 "HTTP/1.1 204 No Content\r\n\r\n\r\n--x\r\n\r\n",
		missing[] = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
			    "\r\n{\"error\":{\"code\":404,\"message\":\"No such object\","
			    "\"errors\":[{\"reason\":\"notFound\"}]}}\r\n--x--\r\n";
	/* JSON that does not end, or ends before it begins */
	static const char *const torn[] = {
		"--x\r\n\r\nHTTP/1.1 404 No\r\n\r\n{\"error\":\r\n--x--\r\n",
		"--x\r\n\r\nHTTP/1.1 404 No\r\n\r\n} {\r\n--x--\r\n",
		"--x\r\n\r\nHTTP/1.1 404 No\r\n\r\n{",
	};
	AUTO_FREE char *all =
		text_printf("%sHTTP/1.1 204 No Content\r\n\r\n--x--\r\n", good);
	AUTO_FREE char *some = text_printf("%s%s", good, missing);
	struct object_error e;
	struct object_rig r;

	set_environment(NULL, NULL, ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &two);
	CHECK(text_starts_with(rig_request(&r), "POST /batch/storage/v1 HTTP/1.1\r\n"),
		"%s", r.head);
	CHECK(r.op->text.len &&
			strstr(r.op->text.data,
				"\r\nContent-ID: 1\r\n\r\n"
				"DELETE /storage/v1/b/box/o/b%20c HTTP/1.1\r\n\r\n"),
		"%s", r.op->text.data);
	CHECK(r.op->ex.body_size == r.op->text.len);
	CHECK(rig_response(&r, 200, "", all) == OBJECT_DONE);
	CHECK(r.io.entries == 2 && r.io.error == OP_OK);
	CHECK(rig_response(&r, 200, "", some) == OBJECT_FAILED);
	CHECK(r.io.entries == 1);
	e = rig_error(&r, 200, "", some);
	CHECK(e.error == OP_ERR_NOT_FOUND && !e.retry);
	CHECK_STR(e.code, "notFound");
	CHECK_STR(e.message, "No such object");
	for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
		e = rig_error(&r, 200, "", torn[i]);
		CHECK(e.error == OP_ERR_NOT_FOUND && !e.code[0] && !e.message[0],
			"row %zu: %s", i, e.code);
	}
	CHECK(rig_response(&r, 200, "", "what?") == OBJECT_DONE);
	CHECK(r.io.error != OP_OK);
	rig_end(&r);
}

static void test_errors(void)
{
	static const struct {
		int status;
		const char *body, *code, *message;
		enum op_error error;
		bool retry, hint;
	} rows[] = {
		{404, "No such object: box/k", "", "No such object: box/k",
			OP_ERR_NOT_FOUND, false, false},
		{403,
			"{\"error\":{\"message\":\"no\",\"errors\":[{\"reason\":"
			"\"insufficientPermissions\"}]}}",
			"insufficientPermissions", "no", OP_ERR_DENIED, false, true},
		{429, "{\"error\":{\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}",
			"rateLimitExceeded", "", OP_ERR_THROTTLED, true, false},
		{503, "{\"error\":{\"errors\":[{\"reason\":\"backendError\"}]}}",
			"backendError", "", OP_ERR_IO, true, false},
		{412, "{\"error\":{\"errors\":[{\"reason\":\"conditionNotMet\"}]}}",
			"conditionNotMet", "", OP_ERR_EXISTS, false, false},
		{401, "Invalid Credentials", "", "Invalid Credentials", OP_ERR_DENIED,
			false, true},
		{502, "<html>", "", "", OP_ERR_IO, true, false},
		{500, "{\"error\":3}", "", "", OP_ERR_IO, true, false},
	};
	const struct io get = {.kind = OP_GET, .uri = "gs://box/k"};
	struct object_rig r;

	set_environment("GCS_ACCESS_TOKEN", "made-up", ENDPOINT);
	if (!rig_begin(&r, &backend_gs, NULL))
		return;
	rig_op(&r, &get);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct object_error e = rig_error(&r, rows[i].status, "", rows[i].body);

		CHECK_STR(e.code, rows[i].code);
		CHECK_STR(e.message, rows[i].message);
		CHECK(e.error == rows[i].error && e.retry == rows[i].retry &&
				(e.hint != NULL) == rows[i].hint && !e.renewed,
			"row %zu: %s, retry %d, hint %s", i, op_error_names[e.error],
			e.retry, e.hint ? e.hint : "none");
	}
	rig_end(&r);
}

TEST_MAIN(TEST(test_requests), TEST(test_endpoints), TEST(test_hmac),
	TEST(test_credentials), TEST(test_pages), TEST(test_pages_refused),
	TEST(test_resumable), TEST(test_rewrites), TEST(test_batches), TEST(test_errors))
