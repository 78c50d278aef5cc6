/* xml: expat, with bounds. */
#include "backends/object/xml.h"

#include <errno.h>
#include <expat.h>
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"

/* Keys have 1,024 bytes or characters, three times that when encoded; tokens and upload ids are shorter. */
#define TEXT_MAX 16384
#define DEPTH_MAX 16

void xml_stop(struct xml_reader *r, const char *why)
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

bool xml_is(const struct xml_reader *r, const char *name)
{
	return strcmp(r->name, name) == 0;
}

const char *xml_text(const struct xml_reader *r)
{
	return r->text.data ? r->text.data : "";
}

void xml_keep(const struct xml_reader *r, char *out, size_t size)
{
	size_t len = r->text.len < size ? r->text.len : size - 1;

	if (*out || !len)
		return;
	memcpy(out, r->text.data, len);
	out[len] = '\0';
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct xml_reader *r = user;

	if (++r->depth > DEPTH_MAX) {
		xml_stop(r, "it is nested too deeply");
		return;
	}
	buf_clear(&r->text);
	r->name = local_name(name);
	r->attributes = attributes;
	if (r->open)
		r->open(r);
}

static void on_end(void *user, const XML_Char *name)
{
	struct xml_reader *r = user;

	/* expat tells of the end of an element that has none of its own even when it was stopped */
	if (r->stopped)
		return;
	r->name = local_name(name);
	r->close(r);
	buf_clear(&r->text);
	r->depth--;
}

static void on_text(void *user, const XML_Char *s, int len)
{
	struct xml_reader *r = user;

	if (buf_append(&r->text, s, (size_t)len) < 0)
		xml_stop(r, "a text in it is too long");
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid,
	const XML_Char *pubid, int has_internal)
{
	(void)name, (void)sysid, (void)pubid, (void)has_internal;
	xml_stop(user, "it has a document type");
}

static void free_parser(XML_Parser *p)
{
	if (*p)
		XML_ParserFree(*p);
}

int xml_read(struct xml_reader *r, const char *text, size_t len, struct err *err)
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
