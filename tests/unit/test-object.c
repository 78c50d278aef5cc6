/* object: what stores have in common: endpoints, content of puts in pieces, parts, heads. */
#include "s3-data.h"

#include "backends/content.h"

static char here[] = "http://h:1";

/* ---- endpoints ---- */

static void test_endpoints(void)
{
	static const struct {
		const char *url;
		bool tls;
		const char *want; /* "https host hostname port base" */
	} rows[] = {
		{"http://a", true, "http a a 80 "},
		{"HTTPS://a.b:443/", false, "https a.b a.b 443 "},
		{"https://a:8443/x/y//", false, "https a:8443 a 8443 /x/y"},
		{"a:9000", true, "https a:9000 a 9000 "},
		{"[::1]", false, "http [::1] ::1 80 "},
		{"http://[fe80::1]:81/b", false, "http [fe80::1]:81 fe80::1 81 /b"},
		{"", true, NULL},
		{"http://", true, NULL},
		{"http://:80", true, NULL},
		{"http://a:0", true, NULL},
		{"http://a:65536", true, NULL},
		{"http://a:", true, NULL},
		{"http://a:8x", true, NULL},
		{"http://a b", true, NULL},
		{"http://user@a", true, NULL},
		{"http://a?x", true, NULL},
		{"ftp://a", true, NULL},
		{"http://[::1", true, NULL},
		{"http://[::1]x", true, NULL},
		{"http://a\r\nX: y", true, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		struct object_endpoint *e = object_endpoint_parse(
			rows[i].url, strlen(rows[i].url), rows[i].tls, &err);
		char got[200];

		if (!rows[i].want || !e) {
			CHECK(!rows[i].want && !e && err.text[0], "\"%s\": %s",
				rows[i].url, err.text);
		} else {
			snprintf(got, sizeof(got), "%s %s %s %u %s",
				e->tls ? "https" : "http", e->host, e->hostname, e->port,
				e->base);
			CHECK_STR(got, rows[i].want);
		}
		object_endpoint_free(e);
	}
}

static void test_endpoints_are_kept(void)
{
	struct store_options o = {.endpoint = here};
	struct object_rig r;
	struct err err = ERR_INIT;
	uint32_t first, second;

	if (!rig_begin(&r, &backend_s3, &o))
		return;
	struct object_endpoint *a = object_endpoint(&r.job, "h:2/rest", 3, false, &err);
	struct object_endpoint *b = object_endpoint(&r.job, "h:2", 3, false, &err);
	struct object_endpoint *c = object_endpoint(&r.job, "h:2", 3, true, &err);

	CHECK(a && a == b && c && c != a);
	if (a && c) {
		CHECK(object_endpoint_server(&r.job, a, &first, &err) == 0);
		CHECK(object_endpoint_server(&r.job, c, &second, &err) == 0);
		CHECK(first != second);
	}
	rig_end(&r);
}

/* ---- content ---- */

#define OBJECT_BYTES 200000u

/* Byte by byte what an object is, from its definition. */
static uint8_t byte_at(const struct object_rig *r, const struct io *io, uint64_t n)
{
	uint64_t stamp;

	if (io->fill == FILL_ZERO)
		return r->data.zero[0];
	if (io->fill == FILL_UNIQUE && n % CONTENT_STAMP < 8) {
		stamp = rng_mix(io->stamp + n / CONTENT_STAMP);
		return (uint8_t)(stamp >> 8 * (n % CONTENT_STAMP));
	}
	return r->data.random[(io->data_at + n) & (r->data.size - 1)];
}

/* The content of part [at, at + len), taken in pieces of at most step bytes. */
static void check_part(struct object_rig *r, struct object_op *op, uint64_t at,
	uint64_t len, size_t step)
{
	op->at = at;
	op->ex.body_size = len;
	for (uint64_t n = 0; n < len;) {
		size_t got = 0;
		const uint8_t *piece = object_content(op, n, &got);
		size_t wrong = 0;

		if (!CHECK(got > 0 && n + got <= len, "fill %d at %llu", r->io.fill,
			    (unsigned long long)(at + n)))
			return;
		got = got < step ? got : step;
		for (size_t i = 0; i < got; i++)
			wrong += piece[i] != byte_at(r, &r->io, at + n + i);
		if (!CHECK(wrong == 0, "fill %d at %llu: %zu wrong", r->io.fill,
			    (unsigned long long)(at + n), wrong))
			return;
		n += got;
	}
}

static void test_content(void)
{
	static const struct {
		uint64_t at, len;
		size_t step;
	} parts[] = {
		{0, OBJECT_BYTES, OBJECT_BYTES},
		{0, OBJECT_BYTES, 999},
		{70001, 66000, 65536},
		{OBJECT_BYTES - 1, 1, 1},
		{65536, 512, 7},
	};
	static const uint8_t zeros[64];
	struct store_options o = {.endpoint = here};
	struct object_rig r;

	if (!rig_begin(&r, &backend_s3, &o))
		return;
	for (unsigned i = 0; i < sizeof(r.pool); i++)
		r.pool[i] = (uint8_t)(1 + i % 64);
	r.data.zero = zeros;
	for (uint8_t fill = FILL_RANDOM; fill <= FILL_UNIQUE; fill++) {
		const struct io io = {.kind = OP_PUT,
			.uri = "s3://b/k",
			.size = OBJECT_BYTES,
			.data_at = 77,
			.stamp = 5,
			.fill = fill};

		if (!rig_op(&r, &io))
			break;
		/* preparing the request makes room for stamps */
		CHECK(object_op_request(r.op), "%s", r.io.error_text);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			check_part(&r, r.op, parts[i].at, parts[i].len, parts[i].step);
		object_op_give(r.op);
	}
	rig_end(&r);
}

/* The body of a get, byte by byte; wrong: which of them is, SIZE_MAX: none. */
static void feed(struct object_rig *r, uint64_t from, uint64_t len, size_t wrong)
{
	for (uint64_t n = 0; n < len; n++) {
		uint8_t byte = byte_at(r, &r->io, from + n);

		byte ^= n == wrong;
		r->op->ex.sink(r->op->ex.user, &byte, 1);
	}
}

static void test_verify(void)
{
	static const struct {
		enum op_kind kind;
		uint64_t offset, size, from, len;
		size_t wrong;
		int status;
		const char *want; /* of the error, or NULL */
	} rows[] = {
		{OP_GET, 0, 3000, 0, 3000, SIZE_MAX, 200, NULL},
		{OP_GET, 0, UINT64_MAX, 0, 3000, SIZE_MAX, 200, NULL},
		{OP_GET, 0, 3000, 0, 3000, 2999, 200, "corrupt at offset 2999: "},
		{OP_RANGE_GET, 1001, 700, 1001, 700, SIZE_MAX, 206, NULL},
		{OP_RANGE_GET, 1001, 700, 1001, 700, 100, 206,
			"corrupt at offset 1101: "},
		/* shorter and longer bodies are errors of their own */
		{OP_GET, 0, 3000, 0, 100, SIZE_MAX, 200, NULL},
		{OP_GET, 0, 3000, 0, 3500, 3100, 200, NULL},
		/* all of the object in place of a range */
		{OP_RANGE_GET, 1001, 700, 0, 3000, SIZE_MAX, 200, NULL},
	};
	struct store_options o = {.endpoint = here};
	struct object_rig r;

	if (!rig_begin(&r, &backend_s3, &o))
		return;
	for (unsigned i = 0; i < sizeof(r.pool); i++)
		r.pool[i] = (uint8_t)(1 + i % 64);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct io io = {.kind = rows[i].kind,
			.uri = "s3://b/k",
			.offset = rows[i].offset,
			.size = rows[i].size,
			.object_size = 3000,
			.stamp = i,
			.fill = FILL_UNIQUE,
			.verify = true};

		if (!rig_op(&r, &io) ||
			!CHECK(object_op_request(r.op) && r.op->ex.sink, "row %zu", i))
			break;
		/* an attempt that brought something else, and did not count */
		r.op->ex.status = rows[i].status;
		feed(&r, rows[i].from, 10, 5);
		CHECK(r.io.error == OP_ERR_CORRUPT);
		CHECK(object_op_request(r.op));
		feed(&r, rows[i].from, rows[i].len, rows[i].wrong);
		CHECK(r.io.error == (rows[i].want ? OP_ERR_CORRUPT : OP_OK),
			"row %zu: %s", i, r.io.error_text);
		CHECK(!rows[i].want || strstr(r.io.error_text, rows[i].want),
			"row %zu: %s", i, r.io.error_text);
		object_op_give(r.op);
	}
	rig_end(&r);
}

static void test_parts(void)
{
	static const struct {
		uint64_t size, asked, part, last;
		uint32_t n;
	} rows[] = {
		{0, 0, S3_PART_DEFAULT, 0, 1},
		{1, 0, S3_PART_DEFAULT, 1, 1},
		{S3_PART_DEFAULT, 0, S3_PART_DEFAULT, S3_PART_DEFAULT, 1},
		{S3_PART_DEFAULT + 1, 0, S3_PART_DEFAULT, 1, 2},
		{3 * S3_PART_MIN, 1, S3_PART_MIN, S3_PART_MIN, 3},
		{100, UINT64_C(1) << 40, UINT64_C(1) << 40, 100, 1},
		{UINT64_C(5) << 40, 0, UINT64_C(525) << 20,
			(UINT64_C(5) << 40) - 9986 * (UINT64_C(525) << 20), 9987},
	};
	struct store_options o = {.endpoint = here};
	struct object_rig r;

	if (!rig_begin(&r, &backend_s3, &o))
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct io io = {.kind = OP_MULTIPART_PUT,
			.uri = "s3://b/k",
			.size = rows[i].size,
			.part_size = rows[i].asked};

		if (!rig_op(&r, &io))
			break;
		CHECK(r.op->step == OBJECT_CREATE && r.op->part == 1 && r.op->at == 0);
		CHECK(r.op->part_size == rows[i].part, "row %zu: %llu", i,
			(unsigned long long)r.op->part_size);
		CHECK(r.op->parts_n == rows[i].n, "row %zu: %u", i, r.op->parts_n);
		r.op->at = (r.op->parts_n - 1) * r.op->part_size;
		CHECK(object_part_bytes(r.op) == rows[i].last, "row %zu", i);
		object_op_give(r.op);
	}
	rig_end(&r);
}

/* ---- heads ---- */

static void test_heads_are_bounded(void)
{
	static const struct io io = {.kind = OP_GET, .uri = "s3://b/k", .size = 0};
	static char large[OBJECT_HEAD_MAX];
	struct store_options o = {.endpoint = here};
	struct object_rig r;

	if (!rig_begin(&r, &backend_s3, &o))
		return;
	memset(large, '%', sizeof(large) - 1);
	if (rig_op(&r, &io)) {
		CHECK(!object_head_bytes(r.op, large, sizeof(large)));
		CHECK(!object_head_encoded(r.op, large, sizeof(large) / 3 + 1, true));
		CHECK(r.op->head_len == 0);
		CHECK(object_head_bytes(r.op, large, sizeof(large) - 1));
		CHECK(!object_head(r.op, "%d", 1));
		CHECK(!object_head_bytes(r.op, "x", 1));
		CHECK(r.op->head_len == sizeof(large) - 1);
		object_op_give(r.op);
	}
	rig_end(&r);
}

static void test_long_keys(void)
{
	static char uri[20000] = "s3://b/";
	const struct io io = {.kind = OP_GET, .uri = uri, .size = UINT64_MAX};
	struct store_options o = {.endpoint = here};
	struct object_rig r;

	memset(uri + 7, '%', sizeof(uri) - 8);
	if (!rig_begin(&r, &backend_s3, &o))
		return;
	r.io = io;
	r.op = object_op_take(&r.thread, &r.io);
	CHECK(!object_op_begin(r.op));
	CHECK(r.io.error == OP_ERR_OTHER && strstr(r.io.error_text, "too long") != NULL,
		"%s", r.io.error_text);
	object_op_give(r.op);
	rig_end(&r);
}

static void test_remarks(void)
{
	struct store_options o = {.endpoint = here, .insecure_tls = true};
	struct object_rig r;

	if (!rig_begin(&r, &backend_s3, &o))
		return;
	object_remark(&r.job, "%s", "once");
	object_remark(&r.job, "%s", "once");
	CHECK_STR(object_remark_at(&r.job, 0),
		"TLS certificates are not verified (insecure_tls)");
	CHECK_STR(object_remark_at(&r.job, 1), "once");
	CHECK_STR(object_remark_at(&r.job, 2), NULL);
	rig_end(&r);
}

int main(void)
{
	static const struct check_test tests[] = {TEST(test_endpoints),
		TEST(test_endpoints_are_kept), TEST(test_content), TEST(test_verify),
		TEST(test_parts), TEST(test_heads_are_bounded), TEST(test_long_keys),
		TEST(test_remarks)};

	environment();
	return check_run_(tests, sizeof(tests) / sizeof(tests[0]));
}
