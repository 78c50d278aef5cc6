/* s3_xml: XML of S3, by the names of elements.
 *
 * Keys come percent-encoded where the page says so (EncodingType), as requests ask for: XML cannot hold every
 * byte. */
#include "backends/object/s3_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/xml.h"
#include "cloud/encode.h"
#include "common/buf.h"
#include "common/err.h"

/* --- a page of a list */

struct page_reader {
	struct xml_reader r; /* first */
	bool is_page, encoded, has_key;
	struct buf key;
	uint64_t size;
	object_key_fn *fn;
	void *user;
	struct object_page page;
};

static void page_open(struct xml_reader *r)
{
	struct page_reader *p = (struct page_reader *)r;

	if (r->depth == 1)
		p->is_page = xml_is(r, "ListBucketResult");
	if (r->depth == 2) {
		p->has_key = false;
		p->size = 0;
	}
}

/* %XX and '+', which is a blank in a query's encoding. */
static bool decode_key(struct buf *key)
{
	long len;

	for (size_t i = 0; i < key->len; i++)
		if (key->data[i] == '+')
			key->data[i] = ' ';
	len = key->len ? decode_uri(key->data, key->len, key->data) : 0;
	if (len < 0)
		return false;
	key->len = (size_t)len;
	return true;
}

static void take_size(struct page_reader *p)
{
	char *end = NULL;
	const char *text = xml_text(&p->r);

	errno = 0;
	p->size = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9')
		xml_stop(&p->r, "a Size in it is no number");
}

static void take_object(struct page_reader *p)
{
	if (!p->has_key) {
		xml_stop(&p->r, "an object in it has no key");
		return;
	}
	p->page.objects++;
	if (!p->fn)
		return;
	if (p->encoded && !decode_key(&p->key))
		xml_stop(&p->r, "a key in it cannot be decoded");
	else if (!p->fn(p->user, p->key.data ? p->key.data : "", p->key.len, p->size))
		xml_stop(&p->r, NULL);
}

static void take_member(struct page_reader *p)
{
	struct xml_reader *r = &p->r;

	if (xml_is(r, "Contents")) {
		take_object(p);
	} else if (xml_is(r, "CommonPrefixes")) {
		p->page.prefixes++;
	} else if (xml_is(r, "EncodingType")) {
		p->encoded = strcmp(xml_text(r), "url") == 0;
	} else if (xml_is(r, "NextContinuationToken") && r->text.len && !p->page.next) {
		p->page.next = strdup(r->text.data);
		if (!p->page.next)
			xml_stop(r, "there is no memory");
	}
}

static void page_close(struct xml_reader *r)
{
	struct page_reader *p = (struct page_reader *)r;

	if (r->depth == 2)
		take_member(p);
	if (r->depth != 3)
		return;
	if (xml_is(r, "Size")) {
		take_size(p);
	} else if (xml_is(r, "Key")) {
		buf_clear(&p->key);
		p->has_key = true;
		if (r->text.len && buf_append(&p->key, r->text.data, r->text.len) < 0)
			xml_stop(r, "there is no memory");
	}
}

/* EncodingType may stand behind the objects (it does nowhere known): then their keys would be taken as
 * they are. It is looked for before. */
static bool says_encoded(const char *text, size_t len)
{
	static const char element[] = "<EncodingType>url<";

	return len && memmem(text, len, element, sizeof(element) - 1) != NULL;
}

int s3_page_parse(const char *text, size_t len, object_key_fn *fn, void *user,
	struct object_page *ret, struct err *err)
{
	struct page_reader p = {
		.r = {.open = page_open, .close = page_close},
		.encoded = fn && says_encoded(text, len),
		.fn = fn,
		.user = user,
	};
	int rc = xml_read(&p.r, text, len, err);

	buf_finish(&p.key);
	if (rc == 0 && !p.is_page)
		rc = err_set(err, ERR_FAILED, "it is no ListBucketResult");
	if (rc < 0 || p.r.stopped) {
		free(p.page.next);
		p.page.next = NULL;
	}
	if (rc == 0)
		*ret = p.page;
	return rc;
}

/* --- errors */

struct fault_reader {
	struct xml_reader r; /* first */
	bool is_fault;
	struct s3_fault *fault;
};

static void fault_open(struct xml_reader *r)
{
	struct fault_reader *f = (struct fault_reader *)r;

	if (r->depth != 1)
		return;
	f->is_fault = xml_is(r, "Error");
	/* what is looked at may be a page, which can be large */
	if (!f->is_fault)
		xml_stop(r, NULL);
}

static void take_fault(const struct xml_reader *r, struct s3_fault *ret)
{
	if (xml_is(r, "Code"))
		xml_keep(r, ret->code, sizeof(ret->code));
	else if (xml_is(r, "Message"))
		xml_keep(r, ret->message, sizeof(ret->message));
	else if (xml_is(r, "Region"))
		xml_keep(r, ret->region, sizeof(ret->region));
	else if (xml_is(r, "Key"))
		xml_keep(r, ret->key, sizeof(ret->key));
}

static void fault_close(struct xml_reader *r)
{
	struct fault_reader *f = (struct fault_reader *)r;

	if (f->is_fault && r->depth == 2)
		take_fault(r, f->fault);
}

bool s3_fault_parse(const char *text, size_t len, struct s3_fault *ret)
{
	struct fault_reader f = {
		.r = {.open = fault_open, .close = fault_close}, .fault = ret};
	struct err ignored = ERR_INIT;

	*ret = (struct s3_fault){.code = ""};
	if (len)
		xml_read(&f.r, text, len, &ignored);
	return f.is_fault;
}

struct deleted_reader {
	struct xml_reader r; /* first */
	bool is_result;
	uint64_t failed;
	struct s3_fault at_hand, *first;
};

static void deleted_open(struct xml_reader *r)
{
	struct deleted_reader *d = (struct deleted_reader *)r;

	if (r->depth == 1)
		d->is_result = xml_is(r, "DeleteResult");
	if (r->depth == 2)
		d->at_hand = (struct s3_fault){.code = ""};
}

static void deleted_close(struct xml_reader *r)
{
	struct deleted_reader *d = (struct deleted_reader *)r;

	if (r->depth == 3)
		take_fault(r, &d->at_hand);
	if (r->depth != 2 || !xml_is(r, "Error") ||
		strcmp(d->at_hand.code, "NoSuchKey") == 0)
		return;
	if (d->failed++ == 0)
		*d->first = d->at_hand;
}

int s3_deleted_parse(const char *text, size_t len, uint64_t *ret_failed,
	struct s3_fault *ret_first, struct err *err)
{
	struct deleted_reader d = {
		.r = {.open = deleted_open, .close = deleted_close},
		.first = ret_first,
	};

	*ret_first = (struct s3_fault){.code = ""};
	if (xml_read(&d.r, text, len, err) < 0)
		return -1;
	if (!d.is_result)
		return err_set(err, ERR_FAILED, "it is no DeleteResult");
	*ret_failed = d.failed;
	return 0;
}

/* --- one element */

struct element_reader {
	struct xml_reader r; /* first */
	const char *root, *wanted;
	bool is_root;
	char *found;
};

static void element_open(struct xml_reader *r)
{
	struct element_reader *e = (struct element_reader *)r;

	if (r->depth == 1)
		e->is_root = xml_is(r, e->root);
}

static void element_close(struct xml_reader *r)
{
	struct element_reader *e = (struct element_reader *)r;

	if (r->depth == 2 && e->is_root && !e->found && xml_is(r, e->wanted))
		e->found = strdup(xml_text(r));
}

char *s3_element_parse(
	const char *text, size_t len, const char *root, const char *name, struct err *err)
{
	struct element_reader e = {
		.r = {.open = element_open, .close = element_close},
		.root = root,
		.wanted = name,
	};

	if (xml_read(&e.r, text, len, err) < 0) {
		free(e.found);
		return NULL;
	}
	if (!e.found || !*e.found) {
		free(e.found);
		err_set(err, ERR_FAILED, "it is no %s with %s", root, name);
		return NULL;
	}
	return e.found;
}
