/* azure_batch: Blob Batch: several deletes in one request, each signed by itself ("Blob Batch", Azure's
 * reference). */
#include "backends/object/azure_draft.h"

#include <inttypes.h>
#include <string.h>

#include "backends/object/azure_xml.h"
#include "backends/object/batch.h"
#include "common/err.h"

/* One of the requests, written in op->head and moved from there. */
static int add_delete(struct object_op *op, const struct object_place *place, unsigned i,
	struct err *err)
{
	struct azure_draft d;
	int r;

	op->head_len = 0;
	azure_draft_start(&d, op, place, "DELETE");
	azure_date(&d);
	if (azure_finish_inner(&d, err) < 0)
		return -1;
	r = batch_add(&op->text, i, op->head, op->head_len);
	return r < 0 ? err_sys(err, -r, "a request for %u objects", i + 1) : 0;
}

static int add_more(struct object_op *op, struct err *err)
{
	const char *uri = op->io->more;

	for (unsigned i = 1; i <= op->io->n_more; i++, uri += strlen(uri) + 1) {
		struct object_place place;

		if (op->thread->job->store->place(op->thread->job, uri, &place, err) < 0)
			return -1;
		if (place.bucket_len != op->place.bucket_len ||
			memcmp(place.bucket, op->place.bucket, place.bucket_len) != 0)
			return err_set(err, ERR_FAILED,
				"objects of several containers in one request");
		if (add_delete(op, &place, i, err) < 0)
			return -1;
	}
	return 0;
}

int azure_request_batch(struct object_op *op, struct err *err)
{
	struct object_place container = op->place;
	struct azure_draft d;
	int r;

	buf_clear(&op->text);
	if (add_delete(op, &op->place, 0, err) < 0 || add_more(op, err) < 0)
		return -1;
	r = batch_end(&op->text);
	if (r < 0)
		return err_sys(err, -r, "a request for several objects");
	op->head_len = 0;
	container.key_len = 0;
	azure_draft_start(&d, op, &container, "POST");
	azure_param(&d, "comp", "batch");
	azure_param(&d, "restype", "container");
	d.content_type = BATCH_CONTENT_TYPE;
	d.length = op->text.len;
	op->ex.piece = object_text;
	op->ex.keep = true;
	return azure_finish_plain(&d, err);
}

int azure_batch_fault(const struct object_op *op, struct azure_fault *ret)
{
	struct batch_tally t = batch_count(op->answer.data, op->answer.len);
	const char *xml = memmem(t.text, t.len, "<?xml", 5);

	*ret = (struct azure_fault){.code = ""};
	if (xml)
		azure_fault_parse(xml, t.len - (size_t)(xml - t.text), ret);
	return t.failed;
}
