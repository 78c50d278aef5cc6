/* s3_request: which requests an op is made of. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/s3.h"
#include "cloud/encode.h"
#include "common/cleanup.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

#define KEY_MAX 1024

static bool copies_in_parts(const struct io *io)
{
	return io->kind == OP_COPY && io->size != UINT64_MAX && io->size > S3_PUT_MAX;
}

void s3_begin(struct object_op *op)
{
	struct io *io = op->io;

	if (io->kind == OP_MULTIPART_PUT ||
		(io->kind == OP_PUT && io->size > S3_PUT_MAX)) {
		object_plan_parts(op);
	} else if (copies_in_parts(io)) {
		object_plan_parts(op);
		if (op->part_size < S3_COPY_PART)
			op->part_size = S3_COPY_PART;
		op->parts_n = (uint32_t)((io->size + op->part_size - 1) / op->part_size);
	}
}

/* ---- queries ---- */

/* "name=value&", the value encoded; what does not fit makes the query empty in the end. */
struct query {
	char text[OBJECT_HEAD_MAX / 2];
	size_t len;
	bool full;
};

static void add(struct query *q, const char *name, const char *value, size_t len)
{
	size_t name_len = strlen(name);

	if (q->full || name_len + 3 * len + 3 > sizeof(q->text) - q->len) {
		q->full = true;
		return;
	}
	if (q->len)
		q->text[q->len++] = '&';
	memcpy(q->text + q->len, name, name_len);
	q->len += name_len;
	q->text[q->len++] = '=';
	q->len += encode_uri(value, len, false, q->text + q->len);
}

static void add_text(struct query *q, const char *name, const char *value)
{
	add(q, name, value, strlen(value));
}

static int too_long(struct err *err)
{
	return err_set(err, ERR_FAILED, "the key is too long for a request");
}

/* ---- single requests ---- */

/* Appends text, or a number, to a field that is long enough for it. */
static char *put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len + 1);
	return at + len;
}

static char *put_number(char *at, uint64_t n)
{
	char digits[21], *first = digits + sizeof(digits) - 1;

	*first = '\0';
	do
		*--first = (char)('0' + n % 10);
	while (n /= 10);
	return put_text(at, first);
}

/* "Range: bytes=0-9\r\n"; written for every range_get of a load, and so without printf. */
static void write_range(char out[80], uint64_t first, uint64_t size)
{
	char *at = put_number(put_text(out, "Range: bytes="), first);

	/* a range of nothing cannot be asked for: its first byte is what comes nearest */
	at = put_number(put_text(at, "-"), first + (size ? size : 1) - 1);
	put_text(at, "\r\n");
}

static int request_get(struct object_op *op, struct err *err)
{
	const struct io *io = op->io;
	struct s3_request r = {.method = "GET", .query = "", .fields = ""};
	char range[80];

	if (io->kind == OP_RANGE_GET) {
		write_range(range, io->offset, io->size);
		r.fields = range;
	}
	return s3_head(op, &op->place, &r, err);
}

static int request_put(struct object_op *op, struct err *err)
{
	const struct s3_request r = {
		.method = "PUT", .query = "", .fields = "", .content = true};

	op->ex.body_size = op->io->size;
	op->ex.piece = object_content;
	op->ex.expects_continue =
		op->ex.body_size && op->thread->job->options.expect_continue;
	return s3_head(op, &op->place, &r, err);
}

static int request_stat(struct object_op *op, struct err *err)
{
	const struct s3_request r = {.method = "HEAD", .query = "", .fields = ""};

	op->ex.is_head = true;
	return s3_head(op, &op->place, &r, err);
}

/* A page of the keys below place.key. */
static int list_page(
	struct object_op *op, const char *delimiter, uint32_t max_keys, struct err *err)
{
	struct object_place bucket = op->place;
	struct query q = {.len = 0};
	struct s3_request r = {.method = "GET", .query = q.text, .fields = ""};
	char count[16];

	if (op->token)
		add_text(&q, "continuation-token", op->token);
	if (delimiter && *delimiter)
		add_text(&q, "delimiter", delimiter);
	add_text(&q, "encoding-type", "url");
	add_text(&q, "list-type", "2");
	if (max_keys) {
		snprintf(count, sizeof(count), "%" PRIu32, max_keys);
		add_text(&q, "max-keys", count);
	}
	add(&q, "prefix", op->place.key, op->place.key_len);
	if (q.full)
		return too_long(err);
	bucket.key_len = 0;
	op->ex.keep = true;
	op->answer.max = OBJECT_PAGE_MAX;
	return s3_head(op, &bucket, &r, err);
}

static int request_list(struct object_op *op, struct err *err)
{
	return list_page(op, op->io->delimiter, op->io->max_keys, err);
}

int s3_probe(struct object_op *op, struct err *err)
{
	return list_page(op, NULL, 1, err);
}

/* ---- deletes ---- */

/* What XML 1.0 can hold: no control characters but three, and UTF-8. */
static bool fits_xml(const char *key)
{
	AUTO_FREE char *clean = text_utf8(key, strlen(key));

	for (const char *c = key; *c; c++)
		if ((unsigned char)*c < 32 && !strchr("\t\n\r", *c))
			return false;
	return clean && strcmp(clean, key) == 0 && !strstr(key, "\xef\xbf\xbe") &&
	       !strstr(key, "\xef\xbf\xbf");
}

/* The i-th URI of a delete of several. */
static const char *uri_at(const struct io *io, uint32_t i)
{
	const char *uri = io->more;

	if (i == 0)
		return io->uri;
	while (--i > 0)
		uri += strlen(uri) + 1;
	return uri;
}

static int add_key(struct buf *body, const char *key)
{
	static const struct {
		char c;
		const char *text;
	} escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\r', "&#13;"},
		{'\n', "&#10;"}, {'\t', "&#9;"}};
	int rc = buf_puts(body, "<Object><Key>");

	for (; *key && rc == 0; key++) {
		const char *text = NULL;

		for (size_t i = 0; !text && i < ARRAY_LEN(escapes); i++)
			if (escapes[i].c == *key)
				text = escapes[i].text;
		rc = text ? buf_puts(body, text) : buf_putc(body, *key);
	}
	return rc == 0 ? buf_puts(body, "</Key></Object>") : rc;
}

/* By what URIs call it: a redirect may have moved one of the places. */
static bool same_bucket(const struct object_place *a, const struct object_place *b)
{
	const struct s3_bucket *first = a->own, *second = b->own;

	return strcmp(first->prefix, second->prefix) == 0;
}

/* All keys in one body; false: one of them has bytes that XML cannot hold, or is of another bucket. */
static bool add_keys(struct object_op *op, int *rc, struct err *err)
{
	const struct io *io = op->io;
	const char *uri = io->uri;

	for (uint32_t i = 0; i <= io->n_more && *rc == 0; i++) {
		struct object_place place;

		*rc = s3_place(op->thread->job, uri, &place, err);
		if (*rc == 0 &&
			(!fits_xml(place.key) || !same_bucket(&place, &op->place)))
			return false;
		if (*rc == 0)
			*rc = add_key(&op->text, place.key);
		uri = i == 0 ? io->more : uri + strlen(uri) + 1;
	}
	return true;
}

/* One after the other: op->part counts them. */
static int delete_one(struct object_op *op, struct err *err)
{
	const struct s3_request r = {.method = "DELETE", .query = "", .fields = ""};
	struct object_place place = op->place;

	if (op->part > 0 &&
		s3_place(op->thread->job, uri_at(op->io, op->part), &place, err) < 0)
		return -1;
	op->ex.server = place.server;
	return s3_head(op, &place, &r, err);
}

static int request_delete(struct object_op *op, struct err *err)
{
	struct s3_request r = {.method = "POST", .query = "delete=", .fields = ""};
	struct object_place bucket = op->place;
	char md5[DIGEST_MD5_BASE64];
	int rc = 0;

	if (op->io->n_more == 0 || op->step == OBJECT_PART)
		return delete_one(op, err);
	buf_clear(&op->text);
	if (buf_puts(&op->text, "<Delete><Quiet>true</Quiet>") < 0)
		return err_sys(err, ENOMEM, "no memory");
	if (!add_keys(op, &rc, err)) {
		op->step = OBJECT_PART;
		return delete_one(op, err);
	}
	if (rc < 0 || buf_puts(&op->text, "</Delete>") < 0)
		return rc == -1 ? -1 : err_sys(err, ENOMEM, "no memory");
	digest_md5_base64(op->text.data, op->text.len, md5);
	r.content_md5 = md5;
	bucket.key_len = 0;
	op->ex.keep = true;
	op->ex.body_size = op->text.len;
	op->ex.piece = object_text;
	return s3_head(op, &bucket, &r, err);
}

/* ---- copies ---- */

/* "/bucket/key" of the source, encoded. */
static bool copy_source(const struct object_op *op, char *out, size_t size)
{
	const struct object_place *p = &op->place;

	if (p->bucket_len + 3 * p->key_len + 3 > size)
		return false;
	*out++ = '/';
	memcpy(out, p->bucket, p->bucket_len);
	out += p->bucket_len;
	*out++ = '/';
	encode_uri(p->key, p->key_len, true, out);
	return true;
}

static int request_copy(struct object_op *op, struct err *err)
{
	struct s3_request r = {.method = "PUT", .query = "", .fields = ""};
	char source[256 + 3 * KEY_MAX + 4];

	if (!copy_source(op, source, sizeof(source)))
		return too_long(err);
	r.copy_source = source;
	op->ex.keep = true;
	return s3_head(op, &op->to, &r, err);
}

/* ---- uploads in parts ---- */

static int request_create(struct object_op *op, struct err *err)
{
	const struct s3_request r = {.method = "POST", .query = "uploads=", .fields = ""};

	buf_clear(&op->parts);
	op->ex.keep = true;
	return s3_head(op, object_target(op), &r, err);
}

static int request_part(struct object_op *op, struct err *err)
{
	struct query q = {.len = 0};
	struct s3_request r = {.method = "PUT", .query = q.text, .fields = ""};
	char number[16], range[80], source[256 + 3 * KEY_MAX + 4];

	if (op->io->kind == OP_DELETE)
		return delete_one(op, err);
	snprintf(number, sizeof(number), "%" PRIu32, op->part);
	add_text(&q, "partNumber", number);
	add_text(&q, "uploadId", op->token);
	if (q.full)
		return too_long(err);
	if (op->io->kind == OP_COPY) {
		if (!copy_source(op, source, sizeof(source)))
			return too_long(err);
		snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, op->at,
			op->at + object_part_bytes(op) - 1);
		r.copy_source = source;
		r.copy_range = range;
		op->ex.keep = true;
	} else {
		op->ex.body_size = object_part_bytes(op);
		op->ex.piece = object_content;
		op->ex.expects_continue = op->thread->job->options.expect_continue;
		r.content = true;
	}
	return s3_head(op, object_target(op), &r, err);
}

static int request_complete(struct object_op *op, struct err *err)
{
	struct query q = {.len = 0};
	const struct s3_request r = {.method = "POST", .query = q.text, .fields = ""};

	add_text(&q, "uploadId", op->token);
	if (q.full)
		return too_long(err);
	buf_clear(&op->text);
	if (buf_puts(&op->text, "<CompleteMultipartUpload>") < 0 ||
		buf_append(&op->text, op->parts.data, op->parts.len) < 0 ||
		buf_puts(&op->text, "</CompleteMultipartUpload>") < 0)
		return err_sys(err, ENOMEM, "no memory");
	op->ex.keep = true;
	op->ex.body_size = op->text.len;
	op->ex.piece = object_text;
	return s3_head(op, object_target(op), &r, err);
}

static int request_abort(struct object_op *op, struct err *err)
{
	struct query q = {.len = 0};
	const struct s3_request r = {.method = "DELETE", .query = q.text, .fields = ""};

	if (!op->token)
		return err_set(err, ERR_FAILED, "there is nothing to abort");
	add_text(&q, "uploadId", op->token);
	return s3_head(op, object_target(op), &r, err);
}

typedef int request_fn(struct object_op *op, struct err *err);

static request_fn *const singles[OP_KINDS] = {
	[OP_GET] = request_get,
	[OP_RANGE_GET] = request_get,
	[OP_PUT] = request_put,
	[OP_LIST] = request_list,
	[OP_STAT] = request_stat,
	[OP_DELETE] = request_delete,
	[OP_COPY] = request_copy,
};

static request_fn *const steps[] = {
	[OBJECT_CREATE] = request_create,
	[OBJECT_PART] = request_part,
	[OBJECT_COMPLETE] = request_complete,
	[OBJECT_ABORT] = request_abort,
};

int s3_request(struct object_op *op, struct err *err)
{
	if (op->step == OBJECT_SINGLE)
		return singles[op->io->kind](op, err);
	return steps[op->step](op, err);
}
