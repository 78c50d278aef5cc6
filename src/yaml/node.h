/* node: YAML text as a tree of nodes that know their place.
 *
 * One document per file. Anchors and aliases work (an alias that nests itself, or a tree of more
 * than 100,000 nodes or 64 levels, is refused), and "<<" merges mappings; duplicate keys in a
 * mapping are an error; tags are ignored. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

enum node_type { NODE_NULL, NODE_SCALAR, NODE_SEQ, NODE_MAP };

struct node {
	enum node_type type;
	unsigned line, column; /* from 1 */
	char *value;           /* scalar: its text; NODE_NULL: "" */
	bool quoted;           /* scalar in quotes or a block: never null, never a bool */
	size_t n;
	struct node **items; /* seq: n items; map: n values */
	struct node **keys;  /* map: n scalar keys */
};

struct yaml_doc {
	char *name;        /* file name as errors show it */
	struct node *root; /* NODE_NULL for an empty file */
	/* memory of all nodes behind it */
	void *arena;
};

/* Parses text. Errors (ERR_INPUT) begin "NAME:LINE:COLUMN: ". The caller destroys the doc. */
int yaml_parse(const char *name, const char *text, size_t len, struct yaml_doc **ret,
	struct err *err);
/* The same from a file, at most 16 MiB; "-" is stdin, shown as "<stdin>". */
int yaml_load(const char *path, struct yaml_doc **ret, struct err *err);
void yaml_destroy(struct yaml_doc *doc);

/* Value of a key in a map, or NULL. */
const struct node *node_get(const struct node *map, const char *key);

/* "NAME:LINE:COLUMN" as malloc'ed text. */
char *node_place(const struct yaml_doc *doc, const struct node *n);

/* Fills err with "NAME:LINE:COLUMN: text" (ERR_INPUT); the text is sanitized. Returns -1. */
int node_error(const struct yaml_doc *doc, const struct node *n, struct err *err,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
