/* s3_xml: XML of S3, by the names of elements.
 *
 * Keys come percent-encoded where the page says so (EncodingType), as requests ask for: XML cannot hold every
 * byte. A document type is refused: no store sends one, and entities are how small texts grow. */
#include "backends/object/s3_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/encode.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"

/* Keys have 1,024 bytes, three times that when encoded; tokens and upload ids are shorter. */
#define TEXT_MAX 16384
#define DEPTH_MAX 16

struct reader;
typedef void element_fn(struct reader *r);

/* A document that is being read: open is told of an element when it begins, close when it has ended and
 * r->text is its text (without that of elements in it). */
struct reader {
	XML_Parser parser;
	struct buf text;
	const char *name; /* of the element at hand, without namespace */
	unsigned depth;   /* of it: 1 is the root */
	element_fn *open, *close;
	bool stopped;
	const char *why; /* it was stopped for being wrong */
};

static void stop(struct reader *r, const char *why)
{
	r->stopped = true;
	r->why = why;
	XML_StopParser(r->parser, XML_FALSE);
}

static const char *local_name(const XML_Char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static bool is(const struct reader *r, const char *name)
{
	return strcmp(r->name, name) == 0;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = user;

	(void)attributes;
	if (++r->depth > DEPTH_MAX) {
		stop(r, "it is nested too deeply");
		return;
	}
	buf_clear(&r->text);
	r->name = local_name(name);
	if (r->open)
		r->open(r);
}

static void on_end(void *user, const XML_Char *name)
{
	struct reader *r = user;

	r->name = local_name(name);
	r->close(r);
	buf_clear(&r->text);
	r->depth--;
}

static void on_text(void *user, const XML_Char *s, int len)
{
	struct reader *r = user;

	if (buf_append(&r->text, s, (size_t)len) < 0)
		stop(r, "a text in it is too long");
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid,
	const XML_Char *pubid, int has_internal)
{
	(void)name, (void)sysid, (void)pubid, (void)has_internal;
	stop(user, "it has a document type");
}

static void free_parser(XML_Parser *p)
{
	if (*p)
		XML_ParserFree(*p);
}

/* r is the first member of what open and close know. 0, also when they stopped it themselves; -1 with
 * err. */
static int read_xml(struct reader *r, const char *text, size_t len, struct err *err)
{
	XML_Parser parser CLEANUP(free_parser) = XML_ParserCreate("UTF-8");
	enum XML_Status status = XML_STATUS_ERROR;

	if (!parser)
		return err_sys(err, ENOMEM, "no memory to read XML");
	r->parser = parser;
	r->text.max = TEXT_MAX;
	XML_SetUserData(parser, r);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	XML_SetStartDoctypeDeclHandler(parser, on_doctype);
	/* pages are bounded by OBJECT_PAGE_MAX, far below what an int holds */
	if (len <= INT32_MAX)
		status = XML_Parse(parser, text ? text : "", (int)len, 1);
	buf_finish(&r->text);
	if (r->why)
		return err_set(err, ERR_FAILED, "%s", r->why);
	if (status == XML_STATUS_OK || r->stopped)
		return 0;
	return err_set(err, ERR_FAILED, "it is no XML: %s in line %lu",
		XML_ErrorString(XML_GetErrorCode(parser)),
		(unsigned long)XML_GetCurrentLineNumber(parser));
}

static const char *text_of(const struct reader *r)
{
	return r->text.data ? r->text.data : "";
}

/* Keeps a text that fits, and as much of another as does. */
static void keep(char *out, size_t size, const struct reader *r)
{
	size_t len = r->text.len < size ? r->text.len : size - 1;

	if (*out || !len)
		return;
	memcpy(out, r->text.data, len);
	out[len] = '\0';
}

/* --- a page of a list */

struct page_reader {
	struct reader r; /* first */
	bool is_page, encoded, has_key;
	struct buf key;
	uint64_t size;
	s3_object_fn *fn;
	void *user;
	struct s3_page page;
};

static void page_open(struct reader *r)
{
	struct page_reader *p = (struct page_reader *)r;

	if (r->depth == 1)
		p->is_page = is(r, "ListBucketResult");
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
	const char *text = text_of(&p->r);

	errno = 0;
	p->size = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9')
		stop(&p->r, "a Size in it is no number");
}

static void take_object(struct page_reader *p)
{
	if (!p->has_key) {
		stop(&p->r, "an object in it has no key");
		return;
	}
	p->page.objects++;
	if (!p->fn)
		return;
	if (p->encoded && !decode_key(&p->key))
		stop(&p->r, "a key in it cannot be decoded");
	else if (!p->fn(p->user, p->key.data ? p->key.data : "", p->key.len, p->size))
		stop(&p->r, NULL);
}

static void take_member(struct page_reader *p)
{
	struct reader *r = &p->r;

	if (is(r, "Contents")) {
		take_object(p);
	} else if (is(r, "CommonPrefixes")) {
		p->page.prefixes++;
	} else if (is(r, "EncodingType")) {
		p->encoded = strcmp(text_of(r), "url") == 0;
	} else if (is(r, "NextContinuationToken") && r->text.len && !p->page.next) {
		p->page.next = strdup(r->text.data);
		if (!p->page.next)
			stop(r, "there is no memory");
	}
}

static void page_close(struct reader *r)
{
	struct page_reader *p = (struct page_reader *)r;

	if (r->depth == 2)
		take_member(p);
	if (r->depth != 3)
		return;
	if (is(r, "Size")) {
		take_size(p);
	} else if (is(r, "Key")) {
		buf_clear(&p->key);
		p->has_key = true;
		if (r->text.len && buf_append(&p->key, r->text.data, r->text.len) < 0)
			stop(r, "there is no memory");
	}
}

/* EncodingType may stand behind the objects (it does nowhere known): then their keys would be taken as
 * they are. It is looked for before. */
static bool says_encoded(const char *text, size_t len)
{
	static const char element[] = "<EncodingType>url<";

	return len && memmem(text, len, element, sizeof(element) - 1) != NULL;
}

int s3_page_parse(const char *text, size_t len, s3_object_fn *fn, void *user,
	struct s3_page *ret, struct err *err)
{
	struct page_reader p = {
		.r = {.open = page_open, .close = page_close},
		.encoded = fn && says_encoded(text, len),
		.fn = fn,
		.user = user,
	};
	int rc = read_xml(&p.r, text, len, err);

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
	struct reader r; /* first */
	bool is_fault;
	struct s3_fault *fault;
};

static void fault_open(struct reader *r)
{
	struct fault_reader *f = (struct fault_reader *)r;

	if (r->depth == 1 && is(r, "Error"))
		f->is_fault = true;
}

static void take_fault(const struct reader *r, struct s3_fault *ret)
{
	if (is(r, "Code"))
		keep(ret->code, sizeof(ret->code), r);
	else if (is(r, "Message"))
		keep(ret->message, sizeof(ret->message), r);
	else if (is(r, "Region"))
		keep(ret->region, sizeof(ret->region), r);
	else if (is(r, "Key"))
		keep(ret->key, sizeof(ret->key), r);
}

static void fault_close(struct reader *r)
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
		read_xml(&f.r, text, len, &ignored);
	return f.is_fault;
}

struct deleted_reader {
	struct reader r; /* first */
	bool is_result;
	uint64_t failed;
	struct s3_fault at_hand, *first;
};

static void deleted_open(struct reader *r)
{
	struct deleted_reader *d = (struct deleted_reader *)r;

	if (r->depth == 1)
		d->is_result = is(r, "DeleteResult");
	if (r->depth == 2)
		d->at_hand = (struct s3_fault){.code = ""};
}

static void deleted_close(struct reader *r)
{
	struct deleted_reader *d = (struct deleted_reader *)r;

	if (r->depth == 3)
		take_fault(r, &d->at_hand);
	if (r->depth != 2 || !is(r, "Error") || strcmp(d->at_hand.code, "NoSuchKey") == 0)
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
	if (read_xml(&d.r, text, len, err) < 0)
		return -1;
	if (!d.is_result)
		return err_set(err, ERR_FAILED, "it is no DeleteResult");
	*ret_failed = d.failed;
	return 0;
}

/* --- one element */

struct element_reader {
	struct reader r; /* first */
	const char *root, *wanted;
	bool is_root;
	char *found;
};

static void element_open(struct reader *r)
{
	struct element_reader *e = (struct element_reader *)r;

	if (r->depth == 1)
		e->is_root = is(r, e->root);
}

static void element_close(struct reader *r)
{
	struct element_reader *e = (struct element_reader *)r;

	if (r->depth == 2 && e->is_root && !e->found && is(r, e->wanted))
		e->found = strdup(text_of(r));
}

char *s3_element_parse(
	const char *text, size_t len, const char *root, const char *name, struct err *err)
{
	struct element_reader e = {
		.r = {.open = element_open, .close = element_close},
		.root = root,
		.wanted = name,
	};

	if (read_xml(&e.r, text, len, err) < 0) {
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
