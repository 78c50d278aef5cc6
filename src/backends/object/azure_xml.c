/* azure_xml: XML of Azure Blob Storage, by the names of elements.
 *
 * Names that XML cannot hold come percent-encoded with Encoded="true" (List Blobs, version 2021-02-12 and
 * later). A document type is refused: no store sends one, and entities are how small texts grow. */
#include "backends/object/azure_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/encode.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"

/* Names have 1,024 characters of up to 4 bytes, each three when encoded; markers are shorter. */
#define TEXT_MAX 16384

static void free_parser(XML_Parser *p)
{
	if (*p)
		XML_ParserFree(*p);
}

/* An element whose text counts: where it goes. */
struct reader {
	XML_Parser parser;
	struct buf text;
	bool collects, failed;
	const char *why; /* it failed, or NULL: it was ended */
};

static void fail(struct reader *r, const char *why)
{
	r->failed = true;
	r->why = why;
	XML_StopParser(r->parser, XML_FALSE);
}

static void collect(struct reader *r)
{
	buf_clear(&r->text);
	r->collects = true;
}

static void on_text(void *user, const XML_Char *s, int len)
{
	struct reader *r = user;

	if (r->collects && buf_append(&r->text, s, (size_t)len) < 0)
		fail(r, "a text in it is too long");
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid,
	const XML_Char *pubid, int has_internal)
{
	(void)name, (void)sysid, (void)pubid, (void)has_internal;
	fail(user, "it has a document type");
}

/* r is the first member of user's struct. */
static int read_xml(struct reader *r, const char *text, size_t len,
	XML_StartElementHandler start, XML_EndElementHandler end, struct err *err)
{
	XML_Parser parser CLEANUP(free_parser) = XML_ParserCreate("UTF-8");

	if (!parser)
		return err_sys(err, ENOMEM, "no memory to read XML");
	r->parser = parser;
	r->text.max = TEXT_MAX;
	XML_SetUserData(parser, r);
	XML_SetElementHandler(parser, start, end);
	XML_SetCharacterDataHandler(parser, on_text);
	XML_SetStartDoctypeDeclHandler(parser, on_doctype);
	while (len > INT32_MAX / 2) { /* expat takes an int */
		if (XML_Parse(parser, text, INT32_MAX / 2, 0) != XML_STATUS_OK)
			break;
		text += INT32_MAX / 2;
		len -= INT32_MAX / 2;
	}
	if (r->failed || XML_Parse(parser, text, (int)len, 1) == XML_STATUS_OK)
		return 0;
	if (r->failed)
		return 0;
	return err_set(err, ERR_FAILED, "it is no XML: %s in line %lu",
		XML_ErrorString(XML_GetErrorCode(parser)),
		(unsigned long)XML_GetCurrentLineNumber(parser));
}

/* --- a page of a list */

enum place { OUTSIDE, IN_BLOB, IN_PREFIX };

struct page_reader {
	struct reader r; /* first */
	bool is_page;
	enum place place;
	bool encoded, named, is_directory;
	struct buf name;
	uint64_t size;
	azure_blob_fn *fn;
	void *user;
	struct azure_page page;
};

static bool is_encoded(const XML_Char **attributes)
{
	for (; *attributes; attributes += 2)
		if (strcmp(attributes[0], "Encoded") == 0)
			return strcmp(attributes[1], "true") == 0;
	return false;
}

static void page_start(void *user, const XML_Char *element, const XML_Char **attributes)
{
	struct page_reader *p = user;

	p->r.collects = false;
	if (strcmp(element, "EnumerationResults") == 0)
		p->is_page = true;
	else if (strcmp(element, "Blob") == 0 || strcmp(element, "BlobPrefix") == 0) {
		p->place = element[4] ? IN_PREFIX : IN_BLOB;
		p->named = p->is_directory = false;
		p->size = 0;
	} else if (strcmp(element, "Name") == 0 && p->place != OUTSIDE) {
		p->encoded = is_encoded(attributes);
		collect(&p->r);
	} else if (strcmp(element, "Content-Length") == 0 ||
		   strcmp(element, "ResourceType") == 0 ||
		   strcmp(element, "NextMarker") == 0)
		collect(&p->r);
}

static void take_name(struct page_reader *p)
{
	long len = (long)p->r.text.len;

	if (p->encoded && len)
		len = decode_uri(p->r.text.data, p->r.text.len, p->r.text.data);
	buf_clear(&p->name);
	if (len < 0 || (len && buf_append(&p->name, p->r.text.data, (size_t)len) < 0))
		fail(&p->r, "a name in it cannot be decoded");
	p->named = true;
}

static void take_size(struct page_reader *p)
{
	char *end = NULL;

	if (!p->r.text.len)
		return;
	errno = 0;
	p->size = strtoull(p->r.text.data, &end, 10);
	if (errno || *end || *p->r.text.data == '-')
		fail(&p->r, "a Content-Length in it is no number");
}

static void end_entry(struct page_reader *p)
{
	if (p->place == IN_PREFIX) {
		p->page.prefixes++;
		return;
	}
	if (!p->named) {
		fail(&p->r, "a blob in it has no name");
		return;
	}
	/* of accounts with a hierarchical namespace: it comes and goes with what is in it */
	if (p->is_directory)
		return;
	p->page.blobs++;
	if (p->fn &&
		!p->fn(p->user, p->name.data ? p->name.data : "", p->name.len, p->size))
		fail(&p->r, NULL);
}

static void page_end(void *user, const XML_Char *element)
{
	struct page_reader *p = user;
	bool collected = p->r.collects;

	p->r.collects = false;
	if (strcmp(element, "Blob") == 0 || strcmp(element, "BlobPrefix") == 0) {
		if (p->place != OUTSIDE)
			end_entry(p);
		p->place = OUTSIDE;
	} else if (!collected) {
		return;
	} else if (strcmp(element, "Name") == 0) {
		take_name(p);
	} else if (strcmp(element, "Content-Length") == 0) {
		take_size(p);
	} else if (strcmp(element, "ResourceType") == 0) {
		p->is_directory =
			p->r.text.len && strcmp(p->r.text.data, "directory") == 0;
	} else if (p->r.text.len && !p->page.next) {
		p->page.next = strdup(p->r.text.data);
		if (!p->page.next)
			fail(&p->r, "there is no memory");
	}
}

int azure_page_parse(const char *text, size_t len, azure_blob_fn *fn, void *user,
	struct azure_page *ret, struct err *err)
{
	struct page_reader p = {.fn = fn, .user = user};
	int r = read_xml(&p.r, text, len, page_start, page_end, err);

	buf_finish(&p.r.text);
	buf_finish(&p.name);
	if (r == 0 && p.r.failed && p.r.why)
		r = err_set(err, ERR_FAILED, "%s", p.r.why);
	if (r == 0 && !p.is_page)
		r = err_set(err, ERR_FAILED, "it is no EnumerationResults");
	if (r < 0 || p.r.failed) {
		free(p.page.next);
		p.page.next = NULL;
	}
	if (r == 0)
		*ret = p.page;
	return r;
}

/* --- an error */

struct fault_reader {
	struct reader r; /* first */
	struct azure_fault *fault;
};

static void fault_start(void *user, const XML_Char *element, const XML_Char **attributes)
{
	struct fault_reader *f = user;

	(void)attributes, (void)element;
	collect(&f->r);
}

static void keep(char *out, size_t size, const struct buf *text)
{
	size_t len = text->len < size ? text->len : size - 1;

	if (*out || !len)
		return;
	memcpy(out, text->data, len);
	out[len] = '\0';
}

static void fault_end(void *user, const XML_Char *element)
{
	struct fault_reader *f = user;
	struct azure_fault *ret = f->fault;

	if (!f->r.collects)
		return;
	f->r.collects = false;
	if (strcmp(element, "Code") == 0)
		keep(ret->code, sizeof(ret->code), &f->r.text);
	else if (strcmp(element, "Message") == 0)
		keep(ret->message, sizeof(ret->message), &f->r.text);
	else if (strcmp(element, "AuthenticationErrorDetail") == 0)
		keep(ret->detail, sizeof(ret->detail), &f->r.text);
}

void azure_fault_parse(const char *text, size_t len, struct azure_fault *ret)
{
	struct fault_reader f = {.fault = ret};
	struct err ignored = ERR_INIT;

	*ret = (struct azure_fault){.code = ""};
	if (len)
		read_xml(&f.r, text, len, fault_start, fault_end, &ignored);
	buf_finish(&f.r.text);
}
