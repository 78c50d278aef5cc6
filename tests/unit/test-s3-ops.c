/* S3: what responses and errors mean, and what follows them: ops are run through by hand, with scripted responses
 * and no network. */
#include "s3-data.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"

struct answer {
	enum http_fail fail;
	int status;
	const char *fields, *body;
};

/* Runs io with these answers. The request lines, "|" behind each; "~" for a pause before a request. */
static const char *run(
	struct object_rig *r, const struct io *io, const struct answer *answers, size_t n)
{
	static char seen[4000], heads[16][300];
	struct object_op *op;
	size_t i = 0;
	bool more;

	seen[0] = '\0';
	r->io = *io;
	op = object_op_take(&r->thread, &r->io);
	if (!op)
		return "no memory";
	more = object_op_begin(op);
	while (more) {
		const struct answer *a = &answers[i];

		if (op->again_ns) {
			strcat(seen, "~");
			more = object_op_request(op);
			continue;
		}
		snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s|",
			(int)strcspn(op->ex.head, "\r"), op->ex.head);
		if (!CHECK(i < n, "one request too many: %s", seen))
			break;
		snprintf(heads[i], sizeof(heads[i]), "HTTP/1.1 %d X\r\n%s\r\n", a->status,
			a->fields ? a->fields : "");
		op->ex.fail = a->fail;
		op->ex.text[0] = '\0';
		op->ex.status = a->status;
		op->ex.response = heads[i];
		op->ex.response_len = strlen(heads[i]);
		op->ex.start_ns = 1000 * i + 1;
		op->ex.first_byte_ns = op->ex.start_ns + 1;
		op->ex.end_ns = op->ex.start_ns + 2;
		op->ex.received = a->body ? strlen(a->body) : 0;
		buf_puts(&op->answer, a->body ? a->body : "");
		i++;
		more = object_op_ended(op);
	}
	CHECK(i == n, "%zu of %zu answers were asked for: %s", i, n, seen);
	object_op_give(op);
	return seen;
}

#define RUN(r, io, ...)                                                                  \
	run(r, io, (const struct answer[]){__VA_ARGS__},                                 \
		sizeof((const struct answer[]){__VA_ARGS__}) / sizeof(struct answer))

#define CREATED                                                                          \
	{                                                                                \
		.status = 200, .body = "<InitiateMultipartUploadResult>"                 \
				       "<UploadId>u/1</UploadId>"                        \
				       "</InitiateMultipartUploadResult>"                \
	}
#define PART(tag)                                                                        \
	{                                                                                \
		.status = 200, .fields = "ETag: " tag "\r\n"                             \
	}
#define ENDLESS                                                                          \
	{                                                                                \
		.status = 200, .body = "<ListBucketResult><NextContinuationToken>n"      \
				       "</NextContinuationToken></ListBucketResult>"     \
	}
#define SLOW                                                                             \
	{                                                                                \
		.status = 503,                                                           \
		.body = "<Error><Code>SlowDown</Code><Message>easy</Message></Error>",   \
	}

static struct object_rig rig;
static char here[] = "http://h:1";

static bool begin(struct store_options o)
{
	o.endpoint = o.endpoint ? o.endpoint : here;
	return rig_begin(&rig, &backend_s3, &o);
}

static const struct io get_io = {.kind = OP_GET, .uri = "s3://b/k", .size = 4};
static const struct io upload_io = {.kind = OP_MULTIPART_PUT,
	.uri = "s3://b/k",
	.size = 2 * S3_PART_MIN + 1,
	.part_size = S3_PART_MIN};

static void test_times(void)
{
	if (!begin((struct store_options){.retries = 2}))
		return;
	CHECK_STR(RUN(&rig, &get_io, SLOW, {.status = 200, .body = "four"}),
		"GET /b/k HTTP/1.1|~GET /b/k HTTP/1.1|");
	CHECK(rig.io.error == OP_OK, "%s", rig.io.error_text);
	CHECK(rig.io.bytes == 4);
	CHECK(rig.io.attempts == 1);
	/* from the start of the first request to the end of the last */
	CHECK(rig.io.start_ns == 1 && rig.io.first_byte_ns == 1002 &&
		rig.io.end_ns == 1003);
	rig_end(&rig);
}

static void test_failures(void)
{
	static const struct {
		struct answer answer;
		enum op_error error;
		const char *text; /* part of it */
	} rows[] = {
		{{.status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"},
			OP_ERR_NOT_FOUND, "GET s3://b/k: 404 NoSuchKey"},
		{{.status = 403,
			 .body = "<Error><Code>AccessDenied</Code><Message>no\x1b[1m</"
				 "Message>"
				 "</Error>"},
			OP_ERR_DENIED, "403 AccessDenied"},
		{{.status = 403,
			 .body = "<Error><Code>SignatureDoesNotMatch</Code></Error>"},
			OP_ERR_DENIED, "(is the secret key right?)"},
		{{.status = 403,
			 .fields = "Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
			 .body = "<Error><Code>RequestTimeTooSkewed</Code></Error>"},
			OP_ERR_DENIED, "ahead of the store's"},
		{{.status = 503}, OP_ERR_THROTTLED, "503 Service Unavailable"},
		{SLOW, OP_ERR_THROTTLED, "503 SlowDown: easy"},
		{{.status = 500, .body = "<html>"}, OP_ERR_IO,
			"500 Internal Server Error"},
		{{.status = 409, .body = "<Error><Code>QuotaExceeded</Code></Error>"},
			OP_ERR_NO_SPACE, "QuotaExceeded"},
		{{.status = 400, .body = "<Error><Code>BadDigest</Code></Error>"},
			OP_ERR_CORRUPT, "BadDigest"},
		{{.status = 412}, OP_ERR_EXISTS, "412 Precondition Failed"},
		{{.status = 416}, OP_ERR_SHORT, "416 Range Not Satisfiable"},
		{{.status = 507}, OP_ERR_NO_SPACE, "507"},
		{{.status = 599}, OP_ERR_IO, "599"},
		{{.status = 302}, OP_ERR_OTHER, "302 Found"},
		{{.status = 200, .body = "fiver"}, OP_ERR_SHORT, "5 bytes instead of 4"},
		{{.status = 200, .body = "thr"}, OP_ERR_SHORT, "3 bytes instead of 4"},
		{{.fail = HTTP_FAIL_RESET}, OP_ERR_NETWORK, "http://h:1: reset"},
		{{.fail = HTTP_FAIL_CONNECT_TIMEOUT}, OP_ERR_TIMEOUT, "http://h:1"},
		{{.fail = HTTP_FAIL_SHORT, .status = 200}, OP_ERR_SHORT, "http://h:1"},
		{{.fail = HTTP_FAIL_RESOLVE}, OP_ERR_NETWORK, "http://h:1"},
		{{.fail = HTTP_FAIL_CANCELLED}, OP_ERR_TIMEOUT, "given up"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!begin((struct store_options){.retries = 0}))
			return;
		run(&rig, &get_io, &rows[i].answer, 1);
		CHECK(rig.io.error == rows[i].error, "row %zu: %s", i,
			op_error_names[rig.io.error]);
		CHECK(strstr(rig.io.error_text, rows[i].text) != NULL, "row %zu: %s", i,
			rig.io.error_text);
		CHECK(!strchr(rig.io.error_text, '\x1b'), "row %zu", i);
		CHECK(rig.io.attempts == 0, "row %zu", i);
		rig_end(&rig);
	}
}

static void test_retries(void)
{
	static const struct answer gone = {
		.status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"};

	if (!begin((struct store_options){.retries = 2}))
		return;
	RUN(&rig, &get_io, SLOW, {.fail = HTTP_FAIL_RESET}, SLOW);
	CHECK(rig.io.error == OP_ERR_THROTTLED && rig.io.attempts == 2, "%s",
		rig.io.error_text);
	/* what will not mend is asked once */
	run(&rig, &get_io, &gone, 1);
	CHECK(rig.io.attempts == 0);
	rig_end(&rig);
}

static void test_retry_after(void)
{
	struct object_op *op;
	uint64_t now = clock_ns();

	if (!begin((struct store_options){.retries = 1}))
		return;
	rig.io = get_io;
	op = object_op_take(&rig.thread, &rig.io);
	CHECK(object_op_begin(op));
	op->ex.status = 503;
	op->ex.response = "HTTP/1.1 503 X\r\nRetry-After: 7\r\n\r\n";
	op->ex.response_len = strlen(op->ex.response);
	op->ex.end_ns = now;
	CHECK(object_op_ended(op));
	CHECK(op->again_ns == now + 7 * NS_PER_SEC);
	object_op_give(op);
	rig_end(&rig);
}

static void test_uploads(void)
{
	if (!begin((struct store_options){.retries = 1}))
		return;
	CHECK_STR(RUN(&rig, &upload_io, CREATED, PART("\"a\""), PART("\"b\""), SLOW,
			  PART("\"<c&\""), {.status = 200, .body = "<X/>"}),
		"POST /b/k?uploads= HTTP/1.1|"
		"PUT /b/k?partNumber=1&uploadId=u%2F1 HTTP/1.1|"
		"PUT /b/k?partNumber=2&uploadId=u%2F1 HTTP/1.1|"
		"PUT /b/k?partNumber=3&uploadId=u%2F1 HTTP/1.1|"
		"~PUT /b/k?partNumber=3&uploadId=u%2F1 HTTP/1.1|"
		"POST /b/k?uploadId=u%2F1 HTTP/1.1|");
	CHECK(rig.io.error == OP_OK && rig.io.bytes == upload_io.size, "%s",
		rig.io.error_text);
	rig_end(&rig);
}

/* What failed is taken back, and is what the op says, whatever becomes of that. */
static void test_aborts(void)
{
	if (!begin((struct store_options){.retries = 0}))
		return;
	CHECK_STR(RUN(&rig, &upload_io, CREATED, PART("\"a\""), SLOW, {.status = 204}),
		"POST /b/k?uploads= HTTP/1.1|"
		"PUT /b/k?partNumber=1&uploadId=u%2F1 HTTP/1.1|"
		"PUT /b/k?partNumber=2&uploadId=u%2F1 HTTP/1.1|"
		"DELETE /b/k?uploadId=u%2F1 HTTP/1.1|");
	CHECK(rig.io.error == OP_ERR_THROTTLED && rig.io.end_ns == 2003, "%s",
		rig.io.error_text);
	CHECK(rig.io.bytes == 0);
	/* an error that comes with 200 */
	RUN(&rig, &upload_io, CREATED, PART("1"), PART("2"), PART("3"),
		{.status = 200, .body = "<Error><Code>InternalError</Code></Error>"},
		{.fail = HTTP_FAIL_RESET});
	CHECK(rig.io.error == OP_ERR_IO, "%s", rig.io.error_text);
	/* a part without its tag */
	RUN(&rig, &upload_io, CREATED, {.status = 200}, {.status = 204});
	CHECK(rig.io.error == OP_ERR_OTHER, "%s", rig.io.error_text);
	/* nothing was begun */
	CHECK_STR(RUN(&rig, &upload_io, SLOW), "POST /b/k?uploads= HTTP/1.1|");
	rig_end(&rig);
}

/* An op that is given up ends at once; its upload is taken back when the job ends. */
static void test_given_up(void)
{
	static char nobody[] = "http://127.0.0.1:1";
	struct object_op *op;

	if (!begin((struct store_options){.endpoint = nobody}))
		return;
	rig.io = upload_io;
	op = object_op_take(&rig.thread, &rig.io);
	CHECK(object_op_begin(op));
	op->ex.status = 200;
	op->ex.response = "HTTP/1.1 200 X\r\n\r\n";
	op->ex.response_len = strlen(op->ex.response);
	buf_puts(&op->answer, "<InitiateMultipartUploadResult><UploadId>u</UploadId>"
			      "</InitiateMultipartUploadResult>");
	CHECK(object_op_ended(op) && op->step == OBJECT_PART);
	rig.thread.cancelled = true;
	op->ex.fail = HTTP_FAIL_CANCELLED;
	CHECK(!object_op_ended(op));
	CHECK(rig.io.error == OP_ERR_TIMEOUT && rig.job.orphans != NULL);
	object_op_give(op);
	rig_end(&rig);
}

static void test_copies(void)
{
	const struct io copy = {
		.kind = OP_COPY, .uri = "s3://b/k", .to = "s3://c/d", .size = 5};
	const struct io large = {.kind = OP_COPY,
		.uri = "s3://b/k",
		.to = "s3://c/d",
		.size = 11 * S3_COPY_PART};
	struct answer parts[13] = {CREATED};

	if (!begin((struct store_options){.retries = 0}))
		return;
	RUN(&rig, &copy, {.status = 200, .body = "<CopyObjectResult/>"});
	CHECK(rig.io.error == OP_OK && rig.io.bytes == 5);
	RUN(&rig, &copy, {.status = 200, .body = "<Error><Code>SlowDown</Code></Error>"});
	CHECK(rig.io.error == OP_ERR_THROTTLED, "%s", rig.io.error_text);
	for (size_t i = 1; i < 12; i++)
		parts[i] = (struct answer){.status = 200,
			.body = "<CopyPartResult><ETag>t</ETag></CopyPartResult>"};
	parts[12] = (struct answer){.status = 200, .body = "<X/>"};
	run(&rig, &large, parts, 13);
	CHECK(rig.io.error == OP_OK && rig.io.bytes == large.size, "%s",
		rig.io.error_text);
	rig_end(&rig);
}

static void test_lists(void)
{
	const struct io list = {.kind = OP_LIST, .uri = "s3://b/p/"};

	if (!begin((struct store_options){.retries = 0}))
		return;
	CHECK_STR(RUN(&rig, &list,
			  {.status = 200,
				  .body = "<ListBucketResult><Contents><Key>a</Key></"
					  "Contents>"
					  "<CommonPrefixes/><NextContinuationToken>n="
					  "</NextContinuationToken></ListBucketResult>"},
			  {.status = 200,
				  .body = "<ListBucketResult><Contents><Key>b</Key></"
					  "Contents>"
					  "</ListBucketResult>"}),
		"GET /b?encoding-type=url&list-type=2&prefix=p%2F HTTP/1.1|"
		"GET "
		"/b?continuation-token=n%3D&encoding-type=url&list-type=2&prefix=p%2F "
		"HTTP/1.1|");
	CHECK(rig.io.entries == 3 && rig.io.pages == 2);
	RUN(&rig, &list, {.status = 200, .body = "<html>"});
	CHECK(rig.io.error == OP_ERR_OTHER, "%s", rig.io.error_text);
	RUN(&rig, &list, ENDLESS, ENDLESS);
	CHECK(rig.io.error == OP_ERR_OTHER &&
			strstr(rig.io.error_text, "the list has no end"),
		"%s", rig.io.error_text);
	rig_end(&rig);
}

static bool add_uri(const struct list_entry *e, void *user)
{
	struct buf *all = user;

	return buf_puts(all, e->uri) == 0 && buf_putc(all, ' ') == 0;
}

/* No URI can name a key with a NUL: what stands before it may be another object. */
static void test_entries(void)
{
	static const char page[] =
		"<ListBucketResult><EncodingType>url</EncodingType>"
		"<Contents><Key>p/a%00b</Key></Contents>"
		"<Contents><Key>p/%C3%BC</Key></Contents></ListBucketResult>";
	const struct io list = {.kind = OP_LIST, .uri = "s3://b/p/"};
	struct buf all AUTO_BUF = BUF_INIT;

	if (!begin((struct store_options){.retries = 0}) || !rig_op(&rig, &list))
		return;
	buf_puts(&rig.op->answer, page);
	CHECK(rig_tell(&rig, "s3://b/", add_uri, &all) == 0);
	CHECK_STR(all.data, "s3://b/p/\xc3\xbc ");
	object_op_give(rig.op);
	rig_end(&rig);
}

static void test_deletes(void)
{
	const struct io batch = {.kind = OP_DELETE,
		.uri = "s3://b/1",
		.more = "s3://b/2\0s3://b/3",
		.n_more = 2};
	const struct io elsewhere = {
		.kind = OP_DELETE, .uri = "s3://b/1", .more = "s3://c/2", .n_more = 1};
	const struct io odd = {.kind = OP_DELETE,
		.uri = "s3://b/1",
		.more = "s3://b/\x01\0s3://b/3",
		.n_more = 2};

	if (!begin((struct store_options){.retries = 0}))
		return;
	RUN(&rig, &batch, {.status = 200, .body = "<DeleteResult/>"});
	CHECK(rig.io.error == OP_OK && rig.io.entries == 3);
	RUN(&rig, &batch,
		{.status = 200,
			.body = "<DeleteResult><Error><Key>2</Key><Code>AccessDenied</"
				"Code>"
				"</Error></DeleteResult>"});
	CHECK(rig.io.error == OP_ERR_DENIED && rig.io.entries == 2);
	CHECK(strstr(rig.io.error_text, "1 of 3 not deleted: AccessDenied: 2") != NULL,
		"%s", rig.io.error_text);
	/* XML cannot name such a key: one after the other */
	CHECK_STR(RUN(&rig, &elsewhere, {.status = 204}, {.status = 204}),
		"DELETE /b/1 HTTP/1.1|DELETE /c/2 HTTP/1.1|");
	CHECK_STR(RUN(&rig, &odd, {.status = 204}, {.status = 204}, {.status = 204}),
		"DELETE /b/1 HTTP/1.1|DELETE /b/%01 HTTP/1.1|DELETE /b/3 HTTP/1.1|");
	CHECK(rig.io.error == OP_OK && rig.io.entries == 3);
	rig_end(&rig);
}

static void test_redirects(void)
{
	static const struct answer loop = {
		.status = 307, .fields = "Location: http://i:2/b/k\r\n"};
	struct answer loops[OBJECT_REDIRECTS_MAX + 1];

	if (!begin((struct store_options){.retries = 3}))
		return;
	RUN(&rig, &get_io, {.status = 307, .fields = "Location: http://i:2/b/k\r\n"},
		{.status = 200, .body = "four"});
	CHECK(rig.io.error == OP_OK && rig.io.attempts == 0, "%s", rig.io.error_text);
	CHECK(object_remark_at(&rig.job, 0) != NULL);
	/* the bucket's name moved into the host */
	CHECK_STR(RUN(&rig, &get_io,
			  {.status = 301, .fields = "Location: http://b.i/k\r\n"},
			  {.status = 200, .body = "four"}),
		"GET /b/k HTTP/1.1|GET /k HTTP/1.1|");
	/* and out of it */
	CHECK_STR(RUN(&rig, &get_io,
			  {.status = 301, .fields = "Location: http://b.i/k\r\n"},
			  {.status = 307, .fields = "Location: https://j/b/k?x=1\r\n"},
			  {.status = 200, .body = "four"}),
		"GET /b/k HTTP/1.1|GET /k HTTP/1.1|GET /b/k HTTP/1.1|");
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		loops[i] = loop;
	run(&rig, &get_io, loops, sizeof(loops) / sizeof(loops[0]));
	CHECK(rig.io.error == OP_ERR_OTHER &&
			strstr(rig.io.error_text, "again and again"),
		"%s", rig.io.error_text);
	rig_end(&rig);
}

static void test_no_way_down(void)
{
	static char tls[] = "https://h";

	if (!begin((struct store_options){.endpoint = tls, .insecure_tls = true}))
		return;
	RUN(&rig, &get_io, {.status = 307, .fields = "Location: http://h/b/k\r\n"});
	CHECK(strstr(rig.io.error_text, "from https to http") != NULL, "%s",
		rig.io.error_text);
	rig_end(&rig);
}

static void test_regions(void)
{
	struct object_place p;
	struct err err = ERR_INIT;

	if (!rig_begin(&rig, &backend_s3, &(struct store_options){.retries = 0}))
		return;
	RUN(&rig, &get_io,
		{.status = 400,
			.body = "<Error><Code>AuthorizationHeaderMalformed</Code>"
				"<Region>eu-west-1</Region></Error>"},
		{.status = 200, .body = "four"});
	CHECK(rig.io.error == OP_OK && rig.io.attempts == 0, "%s", rig.io.error_text);
	CHECK(s3_place(&rig.job, "s3://b/other", &p, &err) == 0);
	CHECK_STR(p.host, "b.s3.eu-west-1.amazonaws.com");
	/* HEAD has no body; it is known by now, so that the op fails */
	RUN(&rig, &get_io,
		{.status = 301, .fields = "x-amz-bucket-region: eu-west-1\r\n"});
	CHECK(rig.io.error == OP_ERR_OTHER, "%s", rig.io.error_text);
	RUN(&rig, &get_io, {.status = 301, .fields = "x-amz-bucket-region: a/../b\r\n"});
	CHECK(rig.io.error == OP_ERR_OTHER, "%s", rig.io.error_text);
	rig_end(&rig);
}

int main(void)
{
	static const struct check_test tests[] = {TEST(test_times), TEST(test_failures),
		TEST(test_retries), TEST(test_retry_after), TEST(test_uploads),
		TEST(test_aborts), TEST(test_given_up), TEST(test_copies),
		TEST(test_lists), TEST(test_entries), TEST(test_deletes),
		TEST(test_redirects), TEST(test_no_way_down), TEST(test_regions)};

	environment();
	return check_run_(tests, sizeof(tests) / sizeof(tests[0]));
}
