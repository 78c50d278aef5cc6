/* fuzz-yaml: any bytes as a document, and as a mapping for a table with a key of every type. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "yaml/decode.h"
#include "yaml/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct thing {
	char *text, **list, **env;
	bool flag, text_set;
	uint64_t count, bytes, duration;
	unsigned number;
	double real;
	uint16_t port;
	int choice;
	const struct node *node;
	struct thing *inner;
};

static int decode_inner(
	struct decode *d, const struct node *n, void *dst, struct err *err);

static const char *const choices[] = {"one|1", "two", NULL};
static const char *const aliases[] = {"string", NULL};
static const struct key keys[] = {
	{"text", KEY_STR, offsetof(struct thing, text), .aliases = aliases,
		.set_offset = offsetof(struct thing, text_set)},
	{"flag", KEY_BOOL, offsetof(struct thing, flag)},
	{"count", KEY_COUNT, offsetof(struct thing, count), .min = 2},
	{"number", KEY_UINT, offsetof(struct thing, number), .min = 1, .max = 9},
	{"size", KEY_SIZE, offsetof(struct thing, bytes)},
	{"duration", KEY_DURATION, offsetof(struct thing, duration),
		.max = UINT64_C(1) << 40},
	{"real", KEY_DOUBLE, offsetof(struct thing, real)},
	{"port", KEY_PORT, offsetof(struct thing, port)},
	{"choice", KEY_ENUM, offsetof(struct thing, choice), .arg = choices},
	{"list", KEY_STRV, offsetof(struct thing, list)},
	{"env", KEY_ENV, offsetof(struct thing, env)},
	{"node", KEY_NODE, offsetof(struct thing, node)},
	{"inner", KEY_CUSTOM, offsetof(struct thing, inner), .fn = decode_inner},
	{"ignored", KEY_IGNORED, .arg = "a reason"},
	{"later", KEY_LATER},
	{NULL},
};

static void thing_destroy(struct thing *t)
{
	if (!t)
		return;
	thing_destroy(t->inner);
	decode_release(keys, t);
	free(t);
}

static int decode_inner(
	struct decode *d, const struct node *n, void *dst, struct err *err)
{
	struct thing **inner = dst;

	thing_destroy(*inner);
	*inner = calloc(1, sizeof(**inner));
	return *inner ? decode_map(d, n, keys, "inner thing", *inner, err) : -1;
}

/* Everything that the tree promises. */
static size_t walk(const struct node *n, unsigned depth)
{
	size_t nodes = 1;

	assert(depth <= 64);
	assert(n->line >= 1 && n->column >= 1);
	if (n->type == NODE_SCALAR || n->type == NODE_NULL)
		assert(n->value && strlen(n->value) < SIZE_MAX);
	for (size_t i = 0; i < n->n; i++) {
		assert(n->type == NODE_SEQ || n->type == NODE_MAP);
		if (n->type == NODE_MAP) {
			assert(n->keys[i]->type == NODE_SCALAR);
			assert(node_get(n, n->keys[i]->value) == n->items[i]);
		}
		nodes += walk(n->items[i], depth + 1);
	}
	return nodes;
}

static void count_warning(const char *text, void *user)
{
	*(size_t *)user += strlen(text);
}

static void decode_all(const struct yaml_doc *doc, bool lenient)
{
	size_t warned = 0;
	struct decode d = {
		.doc = doc, .lenient = lenient, .warn = count_warning, .user = &warned};
	struct thing *t = calloc(1, sizeof(*t));
	struct err err = ERR_INIT;

	if (t && decode_map(&d, doc->root, keys, "thing", t, &err) < 0)
		assert(err.kind == ERR_INPUT && strncmp(err.text, "f:", 2) == 0);
	thing_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml_doc *doc = NULL;
	struct err err = ERR_INIT;

	if (yaml_parse("f", (const char *)data, size, &doc, &err) < 0) {
		assert(!doc && err.kind == ERR_INPUT && strncmp(err.text, "f:", 2) == 0);
		return 0;
	}
	assert(walk(doc->root, 1) <= 100000);
	decode_all(doc, false);
	decode_all(doc, true);
	yaml_destroy(doc);
	return 0;
}
