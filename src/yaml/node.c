/* node: documents, and what can be asked of their nodes. */
#include "yaml/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "yaml/compose.h"

#define FILE_MAX ((size_t)16 << 20)

void yaml_destroy(struct yaml_doc *doc)
{
	if (!doc)
		return;
	yaml_free_arena(doc);
	free(doc->name);
	free(doc);
}

CLEANUP_DEFINE(struct yaml_doc, yaml_destroy)

static struct yaml_doc *doc_create(const char *name)
{
	struct yaml_doc *doc = calloc(1, sizeof(*doc));

	if (!doc)
		return NULL;
	doc->name = strdup(name);
	if (doc->name)
		return doc;
	free(doc);
	return NULL;
}

int yaml_parse(const char *name, const char *text, size_t len, struct yaml_doc **ret,
	struct err *err)
{
	struct yaml_doc *doc CLEANUP(cleanup_yaml_destroy) = doc_create(name);

	if (!doc)
		return err_sys(err, ENOMEM, "YAML");
	if (yaml_compose(doc, text, len, err) < 0)
		return -1;
	*ret = STEAL_PTR(&doc);
	return 0;
}

int yaml_load(const char *path, struct yaml_doc **ret, struct err *err)
{
	struct buf text AUTO_BUF = BUF_INIT;

	if (file_read(path, FILE_MAX, &text, err) < 0) {
		/* a file that was named and cannot be had is wrong usage */
		err->kind = ERR_INPUT;
		return -1;
	}
	return yaml_parse(
		strcmp(path, "-") == 0 ? "<stdin>" : path, text.data, text.len, ret, err);
}

const struct node *node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; map->type == NODE_MAP && i < map->n; i++) {
		if (strcmp(map->keys[i]->value, key) == 0)
			return map->items[i];
	}
	return NULL;
}

char *node_place(const struct yaml_doc *doc, const struct node *n)
{
	return text_printf("%s:%u:%u", doc->name, n->line, n->column);
}

int node_error(const struct yaml_doc *doc, const struct node *n, struct err *err,
	const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* a value in the text may hold anything */
	text_sanitize_inplace(text);
	err_set(err, ERR_INPUT, "%s", text);
	return err_prefix(err, "%s:%u:%u", doc->name, n->line, n->column);
}
