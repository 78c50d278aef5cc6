/* Inventories as text, for their tests: what came of a parse, in a line. */
#pragma once

#include <stdlib.h>

#include "check.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "inventory/inventory.h"
#include "yaml/node.h"

/* All warnings of a parse, a line each. */
static inline void collect(const char *text, void *user)
{
	buf_printf(user, "%s\n", text);
}

/* "name=address:port@user ..." of an inventory. */
static inline char *summary(const struct inventory *inv)
{
	struct buf b AUTO_BUF = BUF_INIT;

	for (size_t i = 0; i < inv->n; i++) {
		const struct host *h = &inv->hosts[i];

		buf_printf(&b, "%s%s", i ? " " : "", h->name);
		if (strcmp(h->name, h->address) != 0)
			buf_printf(&b, "=%s", h->address);
		if (h->port)
			buf_printf(&b, "/%u", (unsigned)h->port);
		if (h->user)
			buf_printf(&b, "@%s", h->user);
	}
	return buf_steal(&b);
}

/* Parses hosts.yaml; what there is to say about it: the error, or warnings and summary. */
static inline char *yaml_outcome(const char *text, const struct inventory_options *base,
	char *show(const struct inventory *inv))
{
	struct buf b AUTO_BUF = BUF_INIT;
	struct inventory_options o =
		base ? *base : (struct inventory_options){.lenient = false};
	struct err err = ERR_INIT;
	struct inventory inv;
	AUTO_FREE char *hosts = NULL;

	o.warn = collect;
	o.user = &b;
	if (inventory_parse_yaml("h.yaml", text, strlen(text), &o, &inv, &err) < 0) {
		CHECK(err.kind == ERR_INPUT, "%s", text);
		return strdup(err.text);
	}
	hosts = show(&inv);
	buf_puts(&b, hosts);
	inventory_finish(&inv);
	return buf_steal(&b);
}

/* The same for `distributed:` of a workload. */
static inline char *agents_outcome(
	const char *text, char *show(const struct inventory *inv))
{
	struct buf b AUTO_BUF = BUF_INIT;
	struct inventory_options o = {.warn = collect, .user = &b};
	struct err err = ERR_INIT;
	struct yaml_doc *doc = NULL;
	struct inventory inv;

	if (yaml_parse("w.yaml", text, strlen(text), &doc, &err) == 0 &&
		inventory_from_distributed(doc, doc->root, &o, &inv, &err) == 0) {
		AUTO_FREE char *hosts = show(&inv);

		buf_puts(&b, hosts);
		inventory_finish(&inv);
	} else {
		buf_clear(&b);
		buf_puts(&b, err.text);
	}
	yaml_destroy(doc);
	return b.data ? buf_steal(&b) : strdup("");
}
