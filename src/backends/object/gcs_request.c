/* gcs_request: what the JSON API is asked, op by op. */
#include "backends/object/gcs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/batch.h"
#include "common/err.h"
#include "common/text.h"

#define PAGE_MAX 1000 /* of a page; the store's own limit */
/* What a page says of an object: without it, some 700 bytes each. */
#define PAGE_FIELDS "items(name,size),nextPageToken,prefixes"

/* The request that is being written. */
struct draft {
	struct object_op *op;
	bool full; /* something did not fit */
	bool queried;
};

static void put(struct draft *d, const char *text)
{
	if (!object_head_bytes(d->op, text, strlen(text)))
		d->full = true;
}

static void put_encoded(struct draft *d, const char *text, size_t len)
{
	if (!object_head_encoded(d->op, text, len, false))
		d->full = true;
}

static struct draft start(struct object_op *op, const char *method)
{
	struct draft d = {.op = op};

	put(&d, method);
	put(&d, " ");
	return d;
}

/* BASE ROOT /b/BUCKET/o */
static void put_objects(struct draft *d, const struct object_place *p, const char *root)
{
	put(d, p->base);
	put(d, root);
	put(d, "/b/");
	put_encoded(d, p->bucket, p->bucket_len);
	put(d, "/o");
}

static void put_object(struct draft *d, const struct object_place *p)
{
	put_objects(d, p, "/storage/v1");
	put(d, "/");
	put_encoded(d, p->key, p->key_len);
}

/* A parameter of the query; its name alone is taken as it is. */
static void param(struct draft *d, const char *name, const char *value, size_t len)
{
	put(d, d->queried ? "&" : "?");
	d->queried = true;
	put(d, name);
	put(d, "=");
	put_encoded(d, value, len);
}

/* The token as a field, fetched anew when there is a newer one. */
static int put_authorization(struct draft *d, struct err *err)
{
	struct gcs_job *g = d->op->thread->job->state;
	struct gcs_thread *t = d->op->thread->state;
	uint32_t generation;
	char *token;

	if (g->tokens && (!t->authorization ||
				 gcs_tokens_generation(g->tokens) != t->generation)) {
		token = gcs_tokens_copy(g->tokens, &generation);
		if (t->authorization)
			explicit_bzero(t->authorization, strlen(t->authorization));
		free(t->authorization);
		t->authorization =
			token ? text_printf("Authorization: Bearer %s\r\n", token) : NULL;
		if (token)
			explicit_bzero(token, strlen(token));
		free(token);
		if (!t->authorization)
			return err_sys(err, ENOMEM, "a token");
		t->generation = generation;
	}
	d->op->credentials = t->generation;
	if (t->authorization)
		put(d, t->authorization);
	return 0;
}

/* Writes what is left. length: of the body; fields: more of them, with their ends. */
static int finish(struct draft *d, uint64_t length, const char *fields, struct err *err)
{
	struct object_op *op = d->op;
	const char *method = op->head;

	put(d, " HTTP/1.1\r\nHost: ");
	put(d, object_target(op)->host);
	put(d, "\r\n");
	put(d, fields);
	if ((length || *method == 'P') &&
		!object_head(op, "Content-Length: %" PRIu64 "\r\n", length))
		d->full = true;
	if (op->ex.expects_continue)
		put(d, "Expect: 100-continue\r\n");
	if (put_authorization(d, err) < 0)
		return -1;
	put(d, "\r\n");
	op->ex.body_size = length;
	return d->full ? err_set(err, ERR_FAILED, "the key is too long for a request")
		       : 0;
}

/* --- ops */

static int request_get(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "GET");

	put_object(&d, &op->place);
	put(&d, "?alt=media");
	return finish(&d, 0, "", err);
}

/* No range has 0 bytes: that is an empty object, and all of it. */
static int request_range(struct object_op *op, struct err *err)
{
	struct draft d;
	char range[OBJECT_RANGE_MAX + 16];

	if (!op->io->size)
		return request_get(op, err);
	d = start(op, "GET");
	put_object(&d, &op->place);
	put(&d, "?alt=media");
	snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-%" PRIu64 "\r\n",
		op->io->offset, op->io->offset + op->io->size - 1);
	return finish(&d, 0, range, err);
}

/* Metadata: a HEAD has less to say than this API wants to. */
static int request_stat(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "GET");

	put_object(&d, &op->place);
	put(&d, "?fields=name,size,updated");
	return finish(&d, 0, "", err);
}

static int request_delete(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "DELETE");

	put_object(&d, &op->place);
	return finish(&d, 0, "", err);
}

/* The body is content of the object, n bytes of it. */
static void set_content(struct object_op *op, uint64_t n)
{
	op->ex.piece = n ? object_content : NULL;
	op->ex.expects_continue = n && op->thread->job->options.expect_continue;
}

static void put_upload(struct draft *d, const char *type)
{
	const struct object_place *p = &d->op->place;

	put_objects(d, p, "/upload/storage/v1");
	param(d, "uploadType", type, strlen(type));
	param(d, "name", p->key, p->key_len);
}

static int request_put(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "POST");

	put_upload(&d, "media");
	set_content(op, op->io->size);
	return finish(
		&d, op->io->size, "Content-Type: application/octet-stream\r\n", err);
}

static int list_page(struct object_op *op, uint32_t max, struct err *err)
{
	const char *delimiter = op->io->delimiter;
	struct draft d = start(op, "GET");
	char number[16];

	put_objects(&d, &op->place, "/storage/v1");
	put(&d, "?fields=" PAGE_FIELDS);
	d.queried = true;
	snprintf(number, sizeof(number), "%" PRIu32, max);
	param(&d, "maxResults", number, strlen(number));
	if (op->place.key_len)
		param(&d, "prefix", op->place.key, op->place.key_len);
	if (delimiter && *delimiter)
		param(&d, "delimiter", delimiter, strlen(delimiter));
	if (op->token)
		param(&d, "pageToken", op->token, strlen(op->token));
	op->ex.keep = true;
	op->answer.max = OBJECT_PAGE_MAX;
	return finish(&d, 0, "", err);
}

static int request_list(struct object_op *op, struct err *err)
{
	uint32_t max = op->io->max_keys;

	return list_page(op, max && max < PAGE_MAX ? max : PAGE_MAX, err);
}

int gcs_probe(struct object_op *op, struct err *err)
{
	return list_page(op, 1, err);
}

/* A rewrite, which may take several requests. */
static int request_copy(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "POST");

	put_object(&d, &op->place);
	put(&d, "/rewriteTo/b/");
	put_encoded(&d, op->to.bucket, op->to.bucket_len);
	put(&d, "/o/");
	put_encoded(&d, op->to.key, op->to.key_len);
	if (op->token)
		param(&d, "rewriteToken", op->token, strlen(op->token));
	op->ex.keep = true;
	return finish(&d, 0, "", err);
}

/* --- resumable uploads: a session, parts until all is there */

static int request_create(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "POST");
	char fields[128];

	put_upload(&d, "resumable");
	snprintf(fields, sizeof(fields),
		"X-Upload-Content-Type: application/octet-stream\r\n"
		"X-Upload-Content-Length: %" PRIu64 "\r\n",
		op->io->size);
	return finish(&d, 0, fields, err);
}

/* From op->at on. Nothing is left to send when the object is empty, or when the store has all of it and did not
 * say that it is done. */
static int request_part(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "PUT");
	uint64_t n = object_part_bytes(op), size = op->io->size;
	char fields[128];

	put(&d, op->token);
	if (n)
		snprintf(fields, sizeof(fields),
			"Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
			op->at, op->at + n - 1, size);
	else
		snprintf(fields, sizeof(fields), "Content-Range: bytes */%" PRIu64 "\r\n",
			size);
	set_content(op, n);
	return finish(&d, n, fields, err);
}

static int request_abort(struct object_op *op, struct err *err)
{
	struct draft d = start(op, "DELETE");

	put(&d, op->token);
	return finish(&d, 0, "Content-Length: 0\r\n", err);
}

/* --- several deletes in one request */

static int add_delete(struct object_op *op, const struct object_place *place, unsigned i,
	struct err *err)
{
	struct draft d = {.op = op};
	int r;

	op->head_len = 0;
	put(&d, "DELETE ");
	put_object(&d, place);
	put(&d, " HTTP/1.1\r\n\r\n");
	if (d.full)
		return err_set(err, ERR_FAILED, "a key is too long for a request");
	r = batch_add(&op->text, i, op->head, op->head_len);
	return r < 0 ? err_sys(err, -r, "a request for %u objects", i + 1) : 0;
}

static int request_batch(struct object_op *op, struct err *err)
{
	const char *uri = op->io->more;
	struct object_place place;
	struct draft d;
	int r;

	buf_clear(&op->text);
	if (add_delete(op, &op->place, 0, err) < 0)
		return -1;
	for (unsigned i = 1; i <= op->io->n_more; i++, uri += strlen(uri) + 1)
		if (op->thread->job->store->place(op->thread->job, uri, &place, err) <
				0 ||
			add_delete(op, &place, i, err) < 0)
			return -1;
	r = batch_end(&op->text);
	if (r < 0)
		return err_sys(err, -r, "a request for several objects");
	op->head_len = 0;
	d = start(op, "POST");
	put(&d, op->place.base);
	put(&d, "/batch/storage/v1");
	op->ex.piece = object_text;
	op->ex.keep = true;
	return finish(&d, op->text.len, "Content-Type: " BATCH_CONTENT_TYPE "\r\n", err);
}

/* --- steps */

void gcs_begin(struct object_op *op)
{
	const struct io *io = op->io;

	if (io->kind != OP_MULTIPART_PUT &&
		(io->kind != OP_PUT || io->size <= op->thread->job->store->put_max))
		return;
	object_plan_parts(op);
	op->part_size = (op->part_size + GCS_CHUNK - 1) / GCS_CHUNK * GCS_CHUNK;
	op->parts_n = (uint32_t)((io->size + op->part_size - 1) / op->part_size);
}

typedef int request_fn(struct object_op *op, struct err *err);

int gcs_request(struct object_op *op, struct err *err)
{
	static request_fn *const single[OP_KINDS] = {[OP_GET] = request_get,
		[OP_RANGE_GET] = request_range,
		[OP_PUT] = request_put,
		[OP_LIST] = request_list,
		[OP_STAT] = request_stat,
		[OP_DELETE] = request_delete,
		[OP_COPY] = request_copy};
	static request_fn *const steps[] = {[OBJECT_CREATE] = request_create,
		[OBJECT_PART] = request_part,
		[OBJECT_ABORT] = request_abort};

	if (op->step != OBJECT_SINGLE)
		return steps[op->step](op, err);
	if (op->io->kind == OP_DELETE && op->io->n_more)
		return request_batch(op, err);
	return single[op->io->kind](op, err);
}
