/* azure_xml: XML of Azure Blob Storage, by the names of elements.
 *
 * Names that XML cannot hold come percent-encoded with Encoded="true" (List Blobs, version 2021-02-12 and
 * later). */
#include "backends/object/azure_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/xml.h"
#include "cloud/encode.h"
#include "common/buf.h"
#include "common/err.h"

/* --- a page of a list */

enum place { OUTSIDE, IN_BLOB, IN_PREFIX };

struct page_reader {
	struct xml_reader r; /* first */
	bool is_page;
	enum place place;
	bool encoded, named, is_directory;
	struct buf name;
	uint64_t size;
	object_key_fn *fn;
	void *user;
	struct object_page page;
};

static bool is_encoded(const char **attributes)
{
	for (; *attributes; attributes += 2)
		if (strcmp(attributes[0], "Encoded") == 0)
			return strcmp(attributes[1], "true") == 0;
	return false;
}

static void page_open(struct xml_reader *r)
{
	struct page_reader *p = (struct page_reader *)r;
	bool blob = xml_is(r, "Blob");

	if (r->depth == 1)
		p->is_page = xml_is(r, "EnumerationResults");
	if (blob || xml_is(r, "BlobPrefix")) {
		p->place = blob ? IN_BLOB : IN_PREFIX;
		p->named = p->is_directory = false;
		p->size = 0;
	} else if (xml_is(r, "Name")) {
		p->encoded = is_encoded(r->attributes);
	}
}

static void take_name(struct page_reader *p)
{
	struct buf *text = &p->r.text;
	long len = (long)text->len;

	if (p->encoded && len)
		len = decode_uri(text->data, text->len, text->data);
	buf_clear(&p->name);
	if (len < 0 || (len && buf_append(&p->name, text->data, (size_t)len) < 0))
		xml_stop(&p->r, "a name in it cannot be decoded");
	p->named = true;
}

static void take_size(struct page_reader *p)
{
	const char *text = xml_text(&p->r);
	char *end = NULL;

	if (!*text)
		return;
	errno = 0;
	p->size = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9')
		xml_stop(&p->r, "a Content-Length in it is no number");
}

static void take_type(struct page_reader *p)
{
	p->is_directory = strcmp(xml_text(&p->r), "directory") == 0;
}

static void take_entry(struct page_reader *p)
{
	enum place place = p->place;

	p->place = OUTSIDE;
	if (place == IN_PREFIX) {
		p->page.prefixes++;
		return;
	}
	if (!p->named) {
		xml_stop(&p->r, "a blob in it has no name");
		return;
	}
	/* of accounts with a hierarchical namespace: it comes and goes with what is in it */
	if (p->is_directory)
		return;
	p->page.objects++;
	if (p->fn &&
		!p->fn(p->user, p->name.data ? p->name.data : "", p->name.len, p->size))
		xml_stop(&p->r, NULL);
}

static void take_marker(struct page_reader *p)
{
	if (!p->r.text.len || p->page.next)
		return;
	p->page.next = strdup(xml_text(&p->r));
	if (!p->page.next)
		xml_stop(&p->r, "there is no memory");
}

static void page_close(struct xml_reader *r)
{
	static const struct {
		const char *name;
		bool of_entry; /* and of nothing else */
		void (*take)(struct page_reader *p);
	} elements[] = {
		{"Name", true, take_name},
		{"Content-Length", true, take_size},
		{"ResourceType", true, take_type},
		{"Blob", true, take_entry},
		{"BlobPrefix", true, take_entry},
		{"NextMarker", false, take_marker},
	};
	struct page_reader *p = (struct page_reader *)r;

	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (xml_is(r, elements[i].name) &&
			(p->place != OUTSIDE || !elements[i].of_entry)) {
			elements[i].take(p);
			return;
		}
}

int azure_page_parse(const char *text, size_t len, object_key_fn *fn, void *user,
	struct object_page *ret, struct err *err)
{
	struct page_reader p = {
		.r = {.open = page_open, .close = page_close}, .fn = fn, .user = user};
	int rc = xml_read(&p.r, text, len, err);

	buf_finish(&p.name);
	if (rc == 0 && !p.is_page)
		rc = err_set(err, ERR_FAILED, "it is no EnumerationResults");
	if (rc < 0 || p.r.stopped) {
		free(p.page.next);
		p.page.next = NULL;
	}
	if (rc == 0)
		*ret = p.page;
	return rc;
}

/* --- an error */

struct fault_reader {
	struct xml_reader r; /* first */
	struct azure_fault *fault;
};

static void fault_close(struct xml_reader *r)
{
	struct azure_fault *ret = ((struct fault_reader *)r)->fault;

	if (xml_is(r, "Code"))
		xml_keep(r, ret->code, sizeof(ret->code));
	else if (xml_is(r, "Message"))
		xml_keep(r, ret->message, sizeof(ret->message));
	else if (xml_is(r, "AuthenticationErrorDetail"))
		xml_keep(r, ret->detail, sizeof(ret->detail));
}

void azure_fault_parse(const char *text, size_t len, struct azure_fault *ret)
{
	struct fault_reader f = {.r = {.close = fault_close}, .fault = ret};
	struct err ignored = ERR_INIT;

	*ret = (struct azure_fault){.code = ""};
	if (len)
		xml_read(&f.r, text, len, &ignored);
}
