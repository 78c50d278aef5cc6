/* s3_sign: the head of a request, signed: in a header field, in the URL, or not at all. Nothing here allocates
 * or formats by printf: it is written for every request of a load. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content.h"
#include "backends/object/s3.h"
#include "cloud/encode.h"
#include "common/err.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PRESIGNED_S 3600
/* content-md5, host, x-amz-content-sha256, x-amz-copy-source, x-amz-copy-source-range, x-amz-date,
 * x-amz-security-token */
#define HEADERS_MAX 7

#define ADD(op, literal) object_head_bytes(op, literal, sizeof(literal) - 1)

static bool add_text(struct object_op *op, const char *text)
{
	return object_head_bytes(op, text, strlen(text));
}

static bool add_number(struct object_op *op, uint64_t n)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	return object_head_bytes(op, at, (size_t)(digits + sizeof(digits) - at));
}

static bool add_field(struct object_op *op, const char *name, const char *value)
{
	return add_text(op, name) && ADD(op, ": ") && add_text(op, value) &&
	       ADD(op, "\r\n");
}

/* ---- signers ---- */

int s3_thread_init(struct object_thread *t, struct err *err)
{
	struct s3_thread *s = t->state;

	s->mac = mac_create(err);
	return s->mac ? 0 : -1;
}

void s3_thread_fini(struct object_thread *t)
{
	struct s3_thread *s = t->state;

	for (unsigned i = 0; i < s->n_signers; i++)
		sigv4_destroy(s->signers[i].sigv4);
	mac_destroy(s->mac);
	free(s->hashes);
}

/* The thread's signer for a region, with the newest credentials. NULL with err. */
static struct sigv4 *signer(struct object_thread *t, const struct s3_keys *keys,
	const char *region, struct err *err)
{
	struct s3_thread *s = t->state;
	unsigned i = 0;

	while (i < s->n_signers && strcmp(s->signers[i].region, region) != 0)
		i++;
	/* more regions than signers: the last one changes */
	if (i == S3_SIGNERS)
		i--;
	if (i == s->n_signers) {
		s->signers[i].sigv4 = sigv4_create(&keys->aws, region, "s3", err);
		if (!s->signers[i].sigv4)
			return NULL;
		s->n_signers++;
	} else if (s->signers[i].keys == keys &&
		   strcmp(s->signers[i].region, region) == 0) {
		return s->signers[i].sigv4;
	} else if (sigv4_set(s->signers[i].sigv4, &keys->aws, region, err) < 0) {
		return NULL;
	}
	s->signers[i].keys = keys;
	s->signers[i].region = region;
	return s->signers[i].sigv4;
}

/* ---- payload hashes ---- */

static void hash_body(struct object_op *op, char hex[65])
{
	struct s3_thread *s = op->thread->state;
	uint8_t digest[32];

	mac_sha256_begin(s->mac);
	for (uint64_t at = 0; at < op->ex.body_size;) {
		size_t len;
		const uint8_t *piece = op->ex.piece(op, at, &len);

		mac_sha256_add(s->mac, piece, len);
		at += len;
	}
	mac_sha256_end(s->mac, digest);
	encode_hex(digest, sizeof(digest), hex);
}

/* Content from the same place of the pool has the same hash. */
static struct s3_hash *known_hash(struct object_op *op)
{
	struct s3_thread *s = op->thread->state;
	const uint64_t mask = op->thread->data->size - 1;
	uint64_t at = op->io->fill == FILL_ZERO ? 0 : (op->io->data_at + op->at) & mask;
	struct s3_hash *h;

	if (!s->hashes)
		s->hashes = calloc(S3_HASHES, sizeof(*s->hashes));
	if (!s->hashes)
		return NULL;
	h = &s->hashes[rng_mix(at ^ op->ex.body_size << 20) & (S3_HASHES - 1)];
	if (h->at != at || h->size != op->ex.body_size || h->fill != op->io->fill)
		*h = (struct s3_hash){
			.at = at, .size = op->ex.body_size, .fill = op->io->fill};
	return h;
}

static const char *payload_hash(
	struct object_op *op, const struct s3_request *r, char hex[65])
{
	struct s3_hash *h;

	if (op->ex.body_size == 0)
		return EMPTY_SHA256;
	if (r->content && op->thread->job->options.payload == STORE_PAYLOAD_UNSIGNED)
		return SIGV4_UNSIGNED;
	/* small objects of checks have a pool of their own each */
	h = r->content && content_is_in_place(op->io) && op->thread->http ? known_hash(op)
									  : NULL;
	if (!h) {
		hash_body(op, hex);
		return hex;
	}
	if (!h->known)
		hash_body(op, h->hex);
	h->known = true;
	return h->hex;
}

/* ---- heads ---- */

/* What the request line and the signature share. */
struct line {
	size_t path, path_len;
};

static bool add_path(struct object_op *op, const struct object_place *p, struct line *ret)
{
	ret->path = op->head_len;
	if (!add_text(op, p->base) || !ADD(op, "/"))
		return false;
	if (!p->bucket_in_host) {
		if (!object_head_bytes(op, p->bucket, p->bucket_len))
			return false;
		if (p->key_len && !ADD(op, "/"))
			return false;
	}
	if (!object_head_encoded(op, p->key, p->key_len, true))
		return false;
	ret->path_len = op->head_len - ret->path;
	return true;
}

static bool add_body_fields(struct object_op *op, const struct s3_request *r)
{
	const bool has_body = op->ex.body_size > 0 || r->method[0] == 'P';

	if (has_body && !(ADD(op, "Content-Length: ") &&
				add_number(op, op->ex.body_size) && ADD(op, "\r\n")))
		return false;
	if (op->ex.expects_continue && !ADD(op, "Expect: 100-continue\r\n"))
		return false;
	return add_text(op, r->fields);
}

/* In order of their names, as they are signed; those that are fields of the request are added to the head. */
static size_t add_signed(struct object_op *op, const struct object_place *p,
	const struct s3_request *r, const char *hash, const char *token,
	struct sigv4_header headers[HEADERS_MAX])
{
	const struct sigv4_header all[HEADERS_MAX] = {
		{"content-md5", r->content_md5},
		{"host", p->host},
		{"x-amz-content-sha256", hash},
		{"x-amz-copy-source", r->copy_source},
		{"x-amz-copy-source-range", r->copy_range},
		{"x-amz-date", op->thread->date_amz},
		{"x-amz-security-token", token},
	};
	size_t n = 0;

	for (size_t i = 0; i < HEADERS_MAX; i++) {
		if (!all[i].value)
			continue;
		if (!add_field(op, all[i].name, all[i].value))
			return 0;
		headers[n++] = all[i];
	}
	return n;
}

static bool add_line(struct object_op *op, const struct object_place *p,
	const struct s3_request *r, struct line *ret)
{
	return add_text(op, r->method) && ADD(op, " ") && add_path(op, p, ret) &&
	       (!r->query[0] || (ADD(op, "?") && add_text(op, r->query))) &&
	       ADD(op, " HTTP/1.1\r\n");
}

static bool head_signed(struct object_op *op, const struct object_place *p,
	const struct s3_request *r, const struct s3_keys *keys, struct sigv4 *sigv4)
{
	struct sigv4_header headers[HEADERS_MAX];
	struct sigv4_request s = {
		.method = r->method,
		.query = r->query,
		.headers = headers,
		.amz_date = op->thread->date_amz,
	};
	struct line line;
	char hex[65];
	long len;

	s.payload_hash = payload_hash(op, r, hex);
	if (!add_line(op, p, r, &line))
		return false;
	s.n_headers =
		add_signed(op, p, r, s.payload_hash, keys->aws.session_token, headers);
	if (s.n_headers == 0 || !ADD(op, "authorization: "))
		return false;
	s.path = op->head + line.path;
	s.path_len = line.path_len;
	len = sigv4_sign(
		sigv4, &s, op->head + op->head_len, OBJECT_HEAD_MAX - op->head_len);
	if (len < 0)
		return false;
	op->head_len += (size_t)len;
	return ADD(op, "\r\n") && add_body_fields(op, r) && ADD(op, "\r\n");
}

static bool head_presigned(struct object_op *op, const struct object_place *p,
	const struct s3_request *r, struct sigv4 *sigv4)
{
	const struct sigv4_header host = {"host", p->host};
	struct sigv4_request s = {
		.method = r->method,
		.query = r->query,
		.headers = &host,
		.n_headers = 1,
		.payload_hash = SIGV4_UNSIGNED,
		.amz_date = op->thread->date_amz,
	};
	struct line line;
	long len;

	if (!add_text(op, r->method) || !ADD(op, " ") || !add_path(op, p, &line) ||
		!ADD(op, "?"))
		return false;
	s.path = op->head + line.path;
	s.path_len = line.path_len;
	len = sigv4_presign(sigv4, &s, PRESIGNED_S, op->head + op->head_len,
		OBJECT_HEAD_MAX - op->head_len);
	if (len < 0)
		return false;
	op->head_len += (size_t)len;
	return ADD(op, " HTTP/1.1\r\n") && add_field(op, "host", p->host) &&
	       add_body_fields(op, r) && ADD(op, "\r\n");
}

static bool head_anonymous(
	struct object_op *op, const struct object_place *p, const struct s3_request *r)
{
	struct line line;

	return add_line(op, p, r, &line) && add_field(op, "host", p->host) &&
	       (!r->content_md5 || add_field(op, "content-md5", r->content_md5)) &&
	       (!r->copy_source || add_field(op, "x-amz-copy-source", r->copy_source)) &&
	       (!r->copy_range ||
		       add_field(op, "x-amz-copy-source-range", r->copy_range)) &&
	       add_body_fields(op, r) && ADD(op, "\r\n");
}

/* What a URL alone can ask for. */
static bool may_presign(const struct object_op *op)
{
	static const unsigned kinds = 1u << OP_GET | 1u << OP_RANGE_GET | 1u << OP_PUT |
				      1u << OP_STAT | 1u << OP_DELETE;

	return op->thread->job->options.presigned && op->step == OBJECT_SINGLE &&
	       op->io->n_more == 0 && (kinds & 1u << op->io->kind);
}

int s3_head(struct object_op *op, const struct object_place *place,
	const struct s3_request *r, struct err *err)
{
	const struct s3_bucket *bucket = place->own;
	const struct s3_keys *keys = s3_keys(op->thread->job->state);
	struct sigv4 *sigv4 = NULL;
	bool ok;

	if (keys) {
		sigv4 = signer(op->thread, keys, bucket->region, err);
		if (!sigv4)
			return -1;
		object_dates(op->thread);
	}
	if (!sigv4)
		ok = head_anonymous(op, place, r);
	else if (may_presign(op))
		ok = head_presigned(op, place, r, sigv4);
	else
		ok = head_signed(op, place, r, keys, sigv4);
	return ok ? 0 : err_set(err, ERR_FAILED, "the key is too long for a request");
}
