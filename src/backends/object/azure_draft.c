/* azure_draft: requests to Azure, written and signed. */
#include "backends/object/azure_draft.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"

/* --- pieces */

static void put_head(struct azure_draft *d, const char *text, size_t len)
{
	if (!object_head_bytes(d->op, text, len))
		d->full = true;
}

static void put_encoded(
	struct azure_draft *d, const char *text, size_t len, bool keep_slash)
{
	if (!object_head_encoded(d->op, text, len, keep_slash))
		d->full = true;
}

static void put_resource(struct azure_draft *d, const char *text, size_t len)
{
	if (len >= sizeof(d->resource) - d->resource_len) {
		d->full = true;
		return;
	}
	memcpy(d->resource + d->resource_len, text, len);
	d->resource_len += len;
	d->resource[d->resource_len] = '\0';
}

void azure_field_bytes(struct azure_draft *d, const char *text, size_t len)
{
	if (len >= sizeof(d->ms) - d->ms_len) {
		d->full = true;
		return;
	}
	memcpy(d->ms + d->ms_len, text, len);
	d->ms_len += len;
	d->ms[d->ms_len] = '\0';
}

void azure_field(struct azure_draft *d, const char *name, const char *value)
{
	azure_field_bytes(d, name, strlen(name));
	azure_field_bytes(d, value, strlen(value));
	azure_field_bytes(d, "\n", 1);
}

/* /base/container/key, encoded, to the head. */
static void put_path(struct azure_draft *d, const struct object_place *p)
{
	put_head(d, p->base, strlen(p->base));
	put_head(d, "/", 1);
	put_encoded(d, p->bucket, p->bucket_len, true);
	if (p->key_len) {
		put_head(d, "/", 1);
		put_encoded(d, p->key, p->key_len, true);
	}
}

void azure_draft_start(struct azure_draft *d, struct object_op *op,
	const struct object_place *place, const char *method)
{
	const struct azure_job *a = azure_job_of(op);
	size_t at;

	d->op = op;
	d->place = place;
	d->method = method;
	d->signs = a->credentials.key;
	d->full = d->queried = false;
	d->range = d->content_type = NULL;
	d->length = 0;
	d->ms_len = d->resource_len = 0;
	d->ms[0] = d->resource[0] = '\0';
	put_head(d, method, strlen(method));
	put_head(d, " ", 1);
	at = op->head_len;
	put_path(d, place);
	if (!d->signs || d->full)
		return;
	put_resource(d, "/", 1);
	put_resource(d, place->account, place->account_len);
	put_resource(d, op->head + at, op->head_len - at);
}

void azure_param_bytes(
	struct azure_draft *d, const char *name, const char *value, size_t len)
{
	put_head(d, d->queried ? "&" : "?", 1);
	d->queried = true;
	put_head(d, name, strlen(name));
	put_head(d, "=", 1);
	put_encoded(d, value, len, false);
	if (!d->signs)
		return;
	put_resource(d, "\n", 1);
	put_resource(d, name, strlen(name));
	put_resource(d, ":", 1);
	put_resource(d, value, len);
}

void azure_param(struct azure_draft *d, const char *name, const char *value)
{
	azure_param_bytes(d, name, value, strlen(value));
}

/* The token that stands for a signature, behind all parameters. */
static void put_sas(struct azure_draft *d)
{
	const struct azure_credentials *c = &azure_job_of(d->op)->credentials;

	if (d->signs || !c->sas)
		return;
	put_head(d, d->queried ? "&" : "?", 1);
	put_head(d, c->sas, strlen(c->sas));
}

/* --- the end of a request */

/* The signer of the thread for an account. */
static struct sharedkey *signer_of(
	struct object_op *op, const struct object_place *place, struct err *err)
{
	struct azure_thread *t = op->thread->state;
	char account[AZURE_ACCOUNT_MAX + 1];

	memcpy(account, place->account, place->account_len);
	account[place->account_len] = '\0';
	if (t->signer && strcmp(t->account, account) == 0)
		return t->signer;
	sharedkey_destroy(t->signer);
	t->signer = sharedkey_create(account, azure_job_of(op)->credentials.key, err);
	memcpy(t->account, account, sizeof(t->account));
	return t->signer;
}

/* The value of Authorization; -1 with err. */
static int authorize(struct azure_draft *d, char *out, size_t size, struct err *err)
{
	struct sharedkey *signer = signer_of(d->op, d->place, err);
	const struct sharedkey_request r = {.method = d->method,
		.content_length = d->length,
		.content_type = d->content_type,
		.range = d->range,
		.ms_headers = d->ms,
		.resource = d->resource};

	if (!signer)
		return -1;
	if (d->full || sharedkey_sign(signer, &r, out, size) < 0)
		return err_set(err, ERR_FAILED, "the request is too long to be signed");
	return 0;
}

/* The x-ms- fields as they go over the wire, from the "name:value" lines that are signed. The blank is for readers
 * of batches, which look for it. */
static void put_fields(struct azure_draft *d)
{
	const char *p = d->ms, *end = d->ms + d->ms_len;

	while (p < end) {
		const char *colon = memchr(p, ':', (size_t)(end - p));
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		put_head(d, p, (size_t)(colon + 1 - p));
		put_head(d, " ", 1);
		put_head(d, colon + 1, (size_t)(nl - colon - 1));
		put_head(d, "\r\n", 2);
		p = nl + 1;
	}
}

static int put_authorization(struct azure_draft *d, struct err *err)
{
	char authorization[256];

	if (!d->signs)
		return 0;
	if (authorize(d, authorization, sizeof(authorization), err) < 0)
		return -1;
	if (!object_head(d->op, "Authorization: %s\r\n", authorization))
		d->full = true;
	return 0;
}

/* The empty line. */
static int put_end(struct azure_draft *d, struct err *err)
{
	put_head(d, "\r\n", 2);
	return d->full ? err_set(err, ERR_FAILED, "the key is too long for a request")
		       : 0;
}

int azure_finish(struct azure_draft *d, struct err *err)
{
	struct object_op *op = d->op;
	bool has_body = d->length || *d->method == 'P';

	put_sas(d);
	put_head(d, " HTTP/1.1\r\nHost: ", 17);
	put_head(d, d->place->host, strlen(d->place->host));
	put_head(d, "\r\n", 2);
	put_fields(d);
	if (d->content_type && !object_head(op, "Content-Type: %s\r\n", d->content_type))
		d->full = true;
	if (has_body && !object_head(op, "Content-Length: %" PRIu64 "\r\n", d->length))
		d->full = true;
	if (op->ex.expects_continue)
		put_head(d, "Expect: 100-continue\r\n", 22);
	if (put_authorization(d, err) < 0)
		return -1;
	op->ex.body_size = d->length;
	return put_end(d, err);
}

int azure_finish_inner(struct azure_draft *d, struct err *err)
{
	put_sas(d);
	put_head(d, " HTTP/1.1\r\n", 11);
	put_fields(d);
	put_head(d, "Content-Length: 0\r\n", 19);
	if (put_authorization(d, err) < 0)
		return -1;
	return put_end(d, err);
}

void azure_date(struct azure_draft *d)
{
	object_dates(d->op->thread);
	azure_field(d, "x-ms-date:", d->op->thread->date_http);
}

void azure_version(struct azure_draft *d)
{
	azure_field(d, "x-ms-version:", AZURE_VERSION);
}

int azure_finish_plain(struct azure_draft *d, struct err *err)
{
	azure_date(d);
	azure_version(d);
	return azure_finish(d, err);
}
