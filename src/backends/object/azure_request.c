/* azure_request: what Azure is asked, op by op. */
#include "backends/object/azure_draft.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cloud/encode.h"
#include "common/digest.h"
#include "common/err.h"

/* Blobs of a page when the op does not say; the store's own limit. */
#define PAGE_BLOBS_MAX 5000

/* --- ops */

static int request_get(struct object_op *op, struct err *err)
{
	struct azure_draft d;

	azure_draft_start(&d, op, &op->place, "GET");
	return azure_finish_plain(&d, err);
}

/* No range has 0 bytes: that is an empty object, and all of it. */
static int request_range(struct object_op *op, struct err *err)
{
	struct azure_draft d;
	char range[OBJECT_RANGE_MAX];

	if (!op->io->size)
		return request_get(op, err);
	snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, op->io->offset,
		op->io->offset + op->io->size - 1);
	azure_draft_start(&d, op, &op->place, "GET");
	azure_date(&d);
	azure_field(&d, "x-ms-range:", range);
	azure_version(&d);
	return azure_finish(&d, err);
}

static int request_stat(
	struct object_op *op, const struct object_place *place, struct err *err)
{
	struct azure_draft d;

	op->ex.is_head = true;
	azure_draft_start(&d, op, place, "HEAD");
	return azure_finish_plain(&d, err);
}

/* The body is content of the object, n bytes of it. */
static void set_content(struct azure_draft *d, uint64_t n)
{
	d->length = n;
	d->op->ex.piece = n ? object_content : NULL;
	d->op->ex.expects_continue = n && d->op->thread->job->options.expect_continue;
}

static int request_put(struct object_op *op, struct err *err)
{
	struct azure_draft d;

	azure_draft_start(&d, op, &op->place, "PUT");
	set_content(&d, op->io->size);
	azure_field(&d, "x-ms-blob-type:", "BlockBlob");
	return azure_finish_plain(&d, err);
}

/* Ids of one blob's blocks must be of one length. */
#define BLOCK_ID_MAX 16
static void block_id(uint32_t part, char out[BLOCK_ID_MAX])
{
	char id[12];
	int len = snprintf(id, sizeof(id), "m%08" PRIu32, part);

	digest_base64_encode(id, (size_t)len, out);
}

static int request_block(struct object_op *op, struct err *err)
{
	struct azure_draft d;
	char id[BLOCK_ID_MAX];

	block_id(op->part, id);
	azure_draft_start(&d, op, &op->place, "PUT");
	azure_param(&d, "blockid", id);
	azure_param(&d, "comp", "block");
	set_content(&d, object_part_bytes(op));
	return azure_finish_plain(&d, err);
}

static void set_text(struct azure_draft *d)
{
	d->length = d->op->text.len;
	d->op->ex.piece = object_text;
}

static int request_block_list(struct object_op *op, struct err *err)
{
	struct azure_draft d;
	char id[BLOCK_ID_MAX];
	int r;

	buf_clear(&op->text);
	r = buf_puts(&op->text, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
	for (uint32_t i = 1; r == 0 && i <= op->parts_n; i++) {
		block_id(i, id);
		r = buf_printf(&op->text, "<Latest>%s</Latest>", id);
	}
	if (r == 0)
		r = buf_puts(&op->text, "</BlockList>");
	if (r < 0)
		return err_sys(err, -r, "the list of blocks");
	azure_draft_start(&d, op, &op->place, "PUT");
	azure_param(&d, "comp", "blocklist");
	set_text(&d);
	return azure_finish_plain(&d, err);
}

/* List Blobs. max: blobs of a page, at most. */
static int list_page(struct object_op *op, uint32_t max, struct err *err)
{
	const struct object_place container = {.base = op->place.base,
		.host = op->place.host,
		.bucket = op->place.bucket,
		.bucket_len = op->place.bucket_len,
		.account = op->place.account,
		.account_len = op->place.account_len};
	const char *delimiter = op->io ? op->io->delimiter : NULL;
	struct azure_draft d;
	char number[16];

	snprintf(number, sizeof(number), "%" PRIu32, max);
	azure_draft_start(&d, op, &container, "GET");
	azure_param(&d, "comp", "list");
	if (delimiter && *delimiter)
		azure_param(&d, "delimiter", delimiter);
	if (op->token)
		azure_param(&d, "marker", op->token);
	azure_param(&d, "maxresults", number);
	if (op->place.key_len)
		azure_param_bytes(&d, "prefix", op->place.key, op->place.key_len);
	azure_param(&d, "restype", "container");
	op->ex.keep = true;
	op->answer.max = OBJECT_PAGE_MAX;
	return azure_finish_plain(&d, err);
}

static int request_list(struct object_op *op, struct err *err)
{
	uint32_t max = op->io->max_keys;

	return list_page(op, max && max < PAGE_BLOBS_MAX ? max : PAGE_BLOBS_MAX, err);
}

int azure_probe(struct object_op *op, struct err *err)
{
	return list_page(op, 1, err);
}

/* "https://host/base/container/key", with the SAS where that is how we are known: the store fetches it as
 * anybody would, but for the account's own blobs. */
static int put_source(struct azure_draft *d, struct err *err)
{
	const struct object_op *op = d->op;
	const struct object_place *from = &op->place;
	const char *sas = azure_job_of(op)->credentials.sas;
	char text[3 * 1024 + 1];

	if (from->key_len > 1024 || from->bucket_len > 1024)
		return err_set(err, ERR_FAILED, "the key is longer than 1024 bytes");
	azure_field_bytes(d, "x-ms-copy-source:", 17);
	azure_field_bytes(d, from->tls ? "https://" : "http://", from->tls ? 8 : 7);
	azure_field_bytes(d, from->host, strlen(from->host));
	azure_field_bytes(d, from->base, strlen(from->base));
	azure_field_bytes(d, "/", 1);
	azure_field_bytes(
		d, text, encode_uri(from->bucket, from->bucket_len, true, text));
	azure_field_bytes(d, "/", 1);
	azure_field_bytes(d, text, encode_uri(from->key, from->key_len, true, text));
	if (sas && !d->signs) {
		azure_field_bytes(d, "?", 1);
		azure_field_bytes(d, sas, strlen(sas));
	}
	azure_field_bytes(d, "\n", 1);
	return 0;
}

static int request_copy(struct object_op *op, struct err *err)
{
	struct azure_draft d;

	azure_draft_start(&d, op, &op->to, "PUT");
	if (put_source(&d, err) < 0)
		return -1;
	return azure_finish_plain(&d, err);
}

static int request_delete(struct object_op *op, struct err *err)
{
	struct azure_draft d;

	azure_draft_start(&d, op, &op->place, "DELETE");
	return azure_finish_plain(&d, err);
}

/* --- steps */

void azure_begin(struct object_op *op)
{
	const struct io *io = op->io;

	if (!io->size || (io->kind != OP_MULTIPART_PUT &&
				 (io->kind != OP_PUT ||
					 io->size <= op->thread->job->store->put_max)))
		return;
	object_plan_parts(op);
	op->step = OBJECT_PART; /* blocks need no beginning */
}

typedef int request_fn(struct object_op *op, struct err *err);

int azure_request(struct object_op *op, struct err *err)
{
	static request_fn *const single[OP_KINDS] = {[OP_GET] = request_get,
		[OP_RANGE_GET] = request_range,
		[OP_PUT] = request_put,
		[OP_MULTIPART_PUT] = request_put,
		[OP_LIST] = request_list,
		[OP_DELETE] = request_delete,
		[OP_COPY] = request_copy};

	if (op->step == OBJECT_ABORT)
		return err_set(err, ERR_FAILED,
			"blocks that no list names go away by themselves");
	if (op->step == OBJECT_PART)
		return request_block(op, err);
	if (op->step == OBJECT_COMPLETE && op->io->kind == OP_COPY)
		return request_stat(op, &op->to, err);
	if (op->step == OBJECT_COMPLETE)
		return request_block_list(op, err);
	if (op->io->kind == OP_STAT)
		return request_stat(op, &op->place, err);
	if (op->io->kind == OP_DELETE && op->io->n_more)
		return azure_request_batch(op, err);
	return single[op->io->kind](op, err);
}
