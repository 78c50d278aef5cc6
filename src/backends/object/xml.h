/* xml: what a store answers in XML, element by element. Foreign bytes: a document type is refused (no store sends
 * one, and entities are how small texts grow), and nesting and texts are bounded. Pure but for memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct err;
struct xml_reader;

/* An element has begun, or ended. */
typedef void xml_fn(struct xml_reader *r);

/* The first member of what open and close know. Zero but for them. */
struct xml_reader {
	xml_fn *open; /* or NULL */
	xml_fn *close;
	/* of the element at hand */
	const char *name;        /* without namespace */
	unsigned depth;          /* 1: the root */
	const char **attributes; /* open: name and value in turn, NULL-terminated */
	struct buf text; /* close: without that of elements in it; at most 16 KiB */
	/* of the reading */
	void *parser;
	bool stopped;
	const char *why; /* it was stopped for being wrong */
};

/* Reads text; 0, also when open or close stopped it without a reason; -1 with err. */
int xml_read(struct xml_reader *r, const char *text, size_t len, struct err *err);
/* Ends the reading. why: what is wrong with the document, or NULL: enough has been read. */
void xml_stop(struct xml_reader *r, const char *why);
/* Whether the element at hand has this name. */
bool xml_is(const struct xml_reader *r, const char *name);
/* Its text, terminated. */
const char *xml_text(const struct xml_reader *r);
/* Keeps its text in out when that is empty, cut to size. */
void xml_keep(const struct xml_reader *r, char *out, size_t size);
