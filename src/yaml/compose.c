/* compose: libyaml's events into a tree. Aliases share the node of their anchor, and are counted
 * as if they were copies, so that no small file becomes an endless tree for those who walk it. */
#include "yaml/compose.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "yaml/node.h"

#define NODES_MAX 100000
#define DEPTH_MAX 64
#define CHUNK_BYTES 16384

/* Memory of the nodes: chunks that are freed together. */

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

static void *arena_alloc(struct yaml_doc *doc, size_t n)
{
	struct chunk *c = doc->arena;
	void *p;

	n = (n + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) *
	    _Alignof(max_align_t);
	if (!c || c->size - c->used < n) {
		size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;

		c = malloc(sizeof(*c) + size);
		if (!c)
			return NULL;
		c->next = doc->arena;
		c->used = 0;
		c->size = size;
		doc->arena = c;
	}
	p = c->data + c->used;
	c->used += n;
	return p;
}

static void *arena_copy(struct yaml_doc *doc, const void *data, size_t n)
{
	void *p = arena_alloc(doc, n ? n : 1);

	if (p && n)
		memcpy(p, data, n);
	return p;
}

void yaml_free_arena(struct yaml_doc *doc)
{
	struct chunk *c, *next;

	for (c = doc->arena; c; c = next) {
		next = c->next;
		free(c);
	}
	doc->arena = NULL;
}

/* A node with the size and height of the tree below it, aliases counted as copies. */
struct sized {
	struct node *node;
	size_t nodes, height;
};

struct anchor {
	char *name;
	struct sized target;
	bool open; /* its end is not seen yet: an alias now would nest itself */
};

/* A collection that is being read. */
struct frame {
	struct sized self;
	yaml_mark_t mark;
	struct node **items, **keys;
	size_t n, cap;
	struct node *key; /* of a map: the key whose value comes next */
	size_t anchor;    /* index + 1, 0: none */
};

struct builder {
	struct yaml_doc *doc;
	struct err *err;
	struct frame frames[DEPTH_MAX];
	size_t depth;
	struct anchor *anchors;
	size_t n_anchors, cap_anchors;
	size_t nodes;
};

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "YAML");
}

static int error_at(struct builder *b, yaml_mark_t mark, const char *text)
{
	return err_set(b->err, ERR_INPUT, "%s:%zu:%zu: %s", b->doc->name, mark.line + 1,
		mark.column + 1, text);
}

static int count_nodes(struct builder *b, size_t n, yaml_mark_t mark)
{
	b->nodes += n;
	return b->nodes > NODES_MAX ? error_at(b, mark, "more than 100,000 nodes") : 0;
}

static struct node *node_create(struct builder *b, enum node_type type, yaml_mark_t mark)
{
	struct node *n;

	if (count_nodes(b, 1, mark) < 0)
		return NULL;
	n = arena_alloc(b->doc, sizeof(*n));
	if (!n) {
		out_of_memory(b->err);
		return NULL;
	}
	*n = (struct node){
		.type = type,
		.line = (unsigned)mark.line + 1,
		.column = (unsigned)mark.column + 1,
	};
	return n;
}

/* Remembers an anchor; a later one of the same name takes its place, as YAML says. */
static int anchor_add(
	struct builder *b, const yaml_char_t *name, struct sized target, bool open)
{
	struct anchor *a;

	if (b->n_anchors == b->cap_anchors) {
		size_t cap = b->cap_anchors ? b->cap_anchors * 2 : 8;

		a = reallocarray(b->anchors, cap, sizeof(*a));
		if (!a)
			return out_of_memory(b->err);
		b->anchors = a;
		b->cap_anchors = cap;
	}
	a = &b->anchors[b->n_anchors];
	*a = (struct anchor){strdup((const char *)name), target, open};
	if (!a->name)
		return out_of_memory(b->err);
	b->n_anchors++;
	return 0;
}

static const struct anchor *anchor_find(const struct builder *b, const yaml_char_t *name)
{
	for (size_t i = b->n_anchors; i; i--) {
		if (strcmp(b->anchors[i - 1].name, (const char *)name) == 0)
			return &b->anchors[i - 1];
	}
	return NULL;
}

static int frame_push(struct frame *f, struct node *key, struct node *value)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 8;
		struct node **items = reallocarray(f->items, cap, sizeof(*items));
		struct node **keys;

		if (!items)
			return -1;
		f->items = items;
		keys = reallocarray(f->keys, cap, sizeof(*keys));
		if (!keys)
			return -1;
		f->keys = keys;
		f->cap = cap;
	}
	f->keys[f->n] = key;
	f->items[f->n++] = value;
	return 0;
}

/* Puts a finished node where it belongs. */
static int attach(struct builder *b, struct sized child, yaml_mark_t mark)
{
	struct frame *f = b->depth ? &b->frames[b->depth - 1] : NULL;

	if (b->depth + child.height > DEPTH_MAX)
		return error_at(b, mark, "nested deeper than 64 levels");
	if (!f) {
		b->doc->root = child.node;
		return 0;
	}
	f->self.nodes += child.nodes;
	if (f->self.height <= child.height)
		f->self.height = child.height + 1;
	if (f->self.node->type == NODE_MAP && !f->key) {
		if (child.node->type != NODE_SCALAR)
			return error_at(b, mark, "a key must be plain text");
		f->key = child.node;
		return 0;
	}
	if (frame_push(f, f->key, child.node) < 0)
		return out_of_memory(b->err);
	f->key = NULL;
	return 0;
}

static bool is_null(const char *s)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < ARRAY_LEN(nulls); i++) {
		if (strcmp(s, nulls[i]) == 0)
			return true;
	}
	return false;
}

static int on_scalar(struct builder *b, const yaml_event_t *e)
{
	const struct frame *f = b->depth ? &b->frames[b->depth - 1] : NULL;
	const char *text = (const char *)e->data.scalar.value;
	bool quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	bool key = f && f->self.node->type == NODE_MAP && !f->key;
	bool null = !quoted && !key && is_null(text);
	struct sized s = {.nodes = 1, .height = 1};

	if (memchr(text, 0, e->data.scalar.length))
		return error_at(b, e->start_mark, "a NUL character in a text");
	s.node = node_create(b, null ? NODE_NULL : NODE_SCALAR, e->start_mark);
	if (!s.node)
		return -1;
	s.node->quoted = quoted;
	s.node->value = arena_copy(b->doc, null ? "" : text, null ? 1 : strlen(text) + 1);
	if (!s.node->value)
		return out_of_memory(b->err);
	if (e->data.scalar.anchor && anchor_add(b, e->data.scalar.anchor, s, false) < 0)
		return -1;
	return attach(b, s, e->start_mark);
}

static int on_alias(struct builder *b, const yaml_event_t *e)
{
	const struct anchor *a = anchor_find(b, e->data.alias.anchor);

	if (!a)
		return error_at(b, e->start_mark, "an alias without an anchor");
	if (a->open)
		return error_at(b, e->start_mark, "an alias inside of its own anchor");
	if (count_nodes(b, a->target.nodes, e->start_mark) < 0)
		return -1;
	return attach(b, a->target, e->start_mark);
}

static int on_begin(struct builder *b, const yaml_event_t *e, enum node_type type,
	const yaml_char_t *anchor)
{
	struct frame *f;

	if (b->depth == DEPTH_MAX)
		return error_at(b, e->start_mark, "nested deeper than 64 levels");
	f = &b->frames[b->depth];
	*f = (struct frame){.self = {.nodes = 1, .height = 1}, .mark = e->start_mark};
	f->self.node = node_create(b, type, e->start_mark);
	if (!f->self.node)
		return -1;
	if (anchor) {
		if (anchor_add(b, anchor, f->self, true) < 0)
			return -1;
		f->anchor = b->n_anchors;
	}
	b->depth++;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(
		(*(struct node *const *)a)->value, (*(struct node *const *)b)->value);
}

static bool has_key(const struct frame *f, const char *key)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->keys[i]->value, key) == 0)
			return true;
	}
	return false;
}

/* "<<: *defaults": the keys of another mapping, or of a list of them, that are not there yet. */
static int merge(struct builder *b, struct frame *f, const struct node *from)
{
	if (from->type == NODE_SEQ) {
		for (size_t i = 0; i < from->n; i++) {
			if (from->items[i]->type != NODE_MAP ||
				merge(b, f, from->items[i]) < 0)
				return -1;
		}
		return 0;
	}
	if (from->type != NODE_MAP)
		return -1;
	for (size_t i = 0; i < from->n; i++) {
		if (has_key(f, from->keys[i]->value))
			continue;
		if (frame_push(f, from->keys[i], from->items[i]) < 0)
			return -1;
	}
	return 0;
}

static int merge_keys(struct builder *b, struct frame *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct node *key = f->keys[i];
		struct node *from = f->items[i];

		if (key->quoted || strcmp(key->value, "<<") != 0)
			continue;
		f->n--;
		memmove(f->keys + i, f->keys + i + 1, (f->n - i) * sizeof(*f->keys));
		memmove(f->items + i, f->items + i + 1, (f->n - i) * sizeof(*f->items));
		if (merge(b, f, from) < 0)
			return node_error(b->doc, key, b->err,
				"'<<' wants a mapping or a list of mappings");
		return 0;
	}
	return 0;
}

static int check_duplicates(struct builder *b, const struct frame *f)
{
	AUTO_FREE struct node **sorted = NULL;

	if (f->n < 2)
		return 0;
	sorted = malloc(f->n * sizeof(*sorted));
	if (!sorted)
		return out_of_memory(b->err);
	memcpy(sorted, f->keys, f->n * sizeof(*sorted));
	qsort(sorted, f->n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < f->n; i++) {
		const struct node *x = sorted[i - 1], *y = sorted[i];
		bool swap = x->line > y->line ||
			    (x->line == y->line && x->column > y->column);

		if (strcmp(x->value, y->value) == 0)
			return node_error(b->doc, swap ? x : y, b->err,
				"duplicate key '%s', first seen in line %u", x->value,
				swap ? y->line : x->line);
	}
	return 0;
}

static int on_end(struct builder *b)
{
	struct frame *f = &b->frames[b->depth - 1];
	struct node *n = f->self.node;
	yaml_mark_t mark = f->mark;
	struct sized done;

	if (n->type == NODE_MAP && (check_duplicates(b, f) < 0 || merge_keys(b, f) < 0))
		return -1;
	n->n = f->n;
	n->items = arena_copy(b->doc, f->items, f->n * sizeof(struct node *));
	if (n->type == NODE_MAP)
		n->keys = arena_copy(b->doc, f->keys, f->n * sizeof(struct node *));
	if (!n->items || (n->type == NODE_MAP && !n->keys))
		return out_of_memory(b->err);
	done = f->self;
	if (f->anchor) {
		b->anchors[f->anchor - 1].target = done;
		b->anchors[f->anchor - 1].open = false;
	}
	free(f->items);
	free(f->keys);
	b->depth--;
	return attach(b, done, mark);
}

static int on_event(struct builder *b, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->doc->root)
			return error_at(
				b, e->start_mark, "more than one document in the file");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, e);
	case YAML_ALIAS_EVENT:
		return on_alias(b, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_begin(b, e, NODE_SEQ, e->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return on_begin(b, e, NODE_MAP, e->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(b);
	default:
		return 0;
	}
}

/* An empty file is a null that stands at its beginning. */
static int empty_root(struct builder *b)
{
	b->doc->root = node_create(b, NODE_NULL, (yaml_mark_t){0});
	if (!b->doc->root)
		return -1;
	b->doc->root->value = arena_copy(b->doc, "", 1);
	return b->doc->root->value ? 0 : out_of_memory(b->err);
}

static void builder_finish(struct builder *b)
{
	while (b->depth) {
		b->depth--;
		free(b->frames[b->depth].items);
		free(b->frames[b->depth].keys);
	}
	for (size_t i = 0; i < b->n_anchors; i++)
		free(b->anchors[i].name);
	free(b->anchors);
}

/* libyaml gives no mark for bytes that are no text. */
static yaml_mark_t mark_of_offset(const char *text, size_t len, size_t offset)
{
	yaml_mark_t mark = {0};

	for (size_t i = 0; i < len && i < offset; i++) {
		mark.column++;
		if (text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

/* The byte at a mark, which counts characters. */
static char byte_at(yaml_mark_t mark, const char *text, size_t len)
{
	size_t line = 0, column = 0;

	for (size_t i = 0; i < len; i++) {
		if ((text[i] & 0xc0) == 0x80)
			continue;
		if (line == mark.line && column == mark.column)
			return text[i];
		column++;
		if (text[i] == '\n') {
			line++;
			column = 0;
		}
	}
	return '\0';
}

static int parser_error(
	struct builder *b, const yaml_parser_t *p, const char *text, size_t len)
{
	const char *problem = p->problem ? p->problem : "not YAML";
	yaml_mark_t mark = p->problem_mark;
	char line[256];

	if (p->error == YAML_MEMORY_ERROR)
		return out_of_memory(b->err);
	if (p->error == YAML_READER_ERROR) {
		mark = mark_of_offset(text, len, p->problem_offset);
		return error_at(b, mark, problem);
	}
	if (byte_at(mark, text, len) == '\t')
		return error_at(b, mark, "a tab cannot indent YAML, only blanks can");
	snprintf(line, sizeof(line), "%s%s%s%s", problem, p->context ? " (" : "",
		p->context ? p->context : "", p->context ? ")" : "");
	return error_at(b, mark, line);
}

static int parse_events(struct builder *b, yaml_parser_t *p, const char *text, size_t len)
{
	bool end = false;
	int rc = 0;

	while (rc == 0 && !end) {
		yaml_event_t event;

		if (!yaml_parser_parse(p, &event))
			return parser_error(b, p, text, len);
		end = event.type == YAML_STREAM_END_EVENT;
		rc = on_event(b, &event);
		yaml_event_delete(&event);
	}
	return rc;
}

int yaml_compose(struct yaml_doc *doc, const char *text, size_t len, struct err *err)
{
	AUTO_FREE struct builder *b = calloc(1, sizeof(*b));
	yaml_parser_t parser;
	int rc;

	if (!b || !yaml_parser_initialize(&parser))
		return out_of_memory(err);
	b->doc = doc;
	b->err = err;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	rc = parse_events(b, &parser, text, len);
	if (rc == 0 && !doc->root)
		rc = empty_root(b);
	yaml_parser_delete(&parser);
	builder_finish(b);
	return rc;
}
