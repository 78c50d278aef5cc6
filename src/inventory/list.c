/* list: hosts as text, "user@node[01-16]:22, other", from the command line, a file or stdin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "inventory/build.h"

#define ELEMENT_BYTES_MAX 1024
#define LIST_BYTES_MAX (4u << 20)

static bool is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_separators(struct list_cursor *c)
{
	while (c->pos < c->len) {
		char ch = c->text[c->pos];

		if (ch == '#' && c->comments) {
			while (c->pos < c->len && c->text[c->pos] != '\n')
				c->pos++;
			continue;
		}
		if (!is_separator(ch))
			return;
		c->pos++;
		if (ch == '\n') {
			c->at_line++;
			c->line_start = c->pos;
		}
	}
}

/* An element as an error shows it. */
static int flaw(struct err *err, const char *text, size_t len, const char *why)
{
	AUTO_FREE char *shown = text_sanitize(text, len < 60 ? len : 60);

	return err_set(err, ERR_INPUT, "'%s%s' %s", shown ? shown : "",
		len > 60 ? "..." : "", why);
}

int list_next(struct list_cursor *c, char **ret, struct err *err)
{
	const char *start;
	size_t len = 0;
	bool inside = false; /* brackets, where a comma does not separate */

	if (c->at_line == 0)
		c->at_line = 1;
	skip_separators(c);
	if (c->pos == c->len)
		return 0;
	start = c->text + c->pos;
	c->line = c->at_line;
	c->column = (unsigned)(c->pos - c->line_start + 1);
	for (; c->pos < c->len; c->pos++, len++) {
		char ch = c->text[c->pos];

		if (is_separator(ch) && !(inside && ch == ','))
			break;
		if (ch == '#' && c->comments)
			break;
		if (ch < ' ' || ch >= 0x7f)
			return flaw(err, start, len + 1, "is not the name of a host");
		if (ch == '[')
			inside = true;
		else if (ch == ']')
			inside = false;
	}
	if (inside)
		return flaw(err, start, len, "has a '[' without its ']'");
	if (len > ELEMENT_BYTES_MAX)
		return flaw(err, start, len, "is too long for a host");
	*ret = strndup(start, len);
	return *ret ? 1 : err_sys(err, ENOMEM, "hosts");
}

/* What each expanded element needs to become a host. */
struct list_context {
	const struct inventory *base;
	struct builder *builder;
	const char *place;
};

/* Whether e may be h: what both say of the port is the same. */
static bool is_at(const struct host *h, const struct element *e)
{
	return strcmp(h->address, e->name) == 0 &&
	       (!e->port || !h->port || h->port == e->port);
}

/* The one host of base that has the address of e, if any. */
static int find_address(const struct inventory *base, const struct element *e,
	const struct host **ret, struct err *err)
{
	*ret = NULL;
	for (size_t i = 0; i < base->n; i++) {
		const struct host *h = &base->hosts[i];

		if (!is_at(h, e))
			continue;
		if (*ret)
			return err_set(err, ERR_INPUT,
				"'%s' is the address of more than one host of the "
				"inventory, %s and %s: name one of them",
				e->name, (*ret)->name, h->name);
		*ret = h;
	}
	return 0;
}

/* The host of base that text stands for: by its name, which may end with a port, or by its address.
 * *ret_exact: the port of text, if any, is part of the name. */
static int find_base(const struct inventory *base, const char *text,
	const struct element *e, const struct host **ret, bool *ret_exact,
	struct err *err)
{
	const char *at = strrchr(text, '@');

	*ret = base ? inventory_find(base, at ? at + 1 : text) : NULL;
	*ret_exact = *ret != NULL;
	if (*ret || !base)
		return 0;
	*ret = inventory_find(base, e->name);
	return *ret ? 0 : find_address(base, e, ret, err);
}

/* A host that base does not know, with its defaults. */
static int new_host(
	const struct inventory *base, struct element *e, struct host *h, struct err *err)
{
	const char *key, *flaw;

	if (base && base->defaults && host_copy(h, base->defaults) < 0)
		return err_sys(err, ENOMEM, "hosts");
	h->name = STEAL_PTR(&e->name);
	if (!h->address && !(h->address = strdup(h->name)))
		return err_sys(err, ENOMEM, "hosts");
	flaw = way_flaw(h, &key);
	return flaw ? err_set(err, ERR_INPUT,
			      "host '%s', with the inventory's defaults: %s", h->name,
			      flaw)
		    : 0;
}

static int add_element(const char *text, void *user, struct err *err)
{
	struct list_context *c = user;
	struct element e AUTO_ELEMENT = {.port = 0};
	CLEANUP(host_finish) struct host h = {.workers = 1};
	const struct host *base;
	bool exact;

	if (element_parse(text, &e, err) < 0)
		return err_prefix(err, "'%.60s' is no host", text);
	if (find_base(c->base, text, &e, &base, &exact, err) < 0)
		return -1;
	if (base && host_copy(&h, base) < 0)
		return err_sys(err, ENOMEM, "hosts");
	if (!base && new_host(c->base, &e, &h, err) < 0)
		return -1;
	if (exact)
		e.port = 0;
	if (e.user) {
		free(h.user);
		h.user = STEAL_PTR(&e.user);
	}
	if (e.port)
		h.port = e.port;
	free(h.place);
	h.place = strdup(c->place);
	if (!h.place)
		return err_sys(err, ENOMEM, "hosts");
	return builder_add(c->builder, &h, base && !e.port, h.port, err);
}

/* "--hosts" has no lines worth naming; a file has. */
static char *place_of(const char *prefix, const struct list_cursor *c)
{
	if (text_starts_with(prefix, "--"))
		return strdup(prefix);
	return text_printf("%s:%u:%u", prefix, c->line, c->column);
}

static int fill_builder(const char *prefix, const char *text, size_t len,
	const struct inventory *base, struct builder *b, struct err *err)
{
	struct list_cursor c = {
		.text = text, .len = len, .comments = !text_starts_with(prefix, "--")};

	for (;;) {
		AUTO_FREE char *element = NULL, *place = NULL;
		int r = list_next(&c, &element, err);

		if (r == 0)
			return 0;
		place = place_of(prefix, &c);
		if (!place)
			return err_sys(err, ENOMEM, "hosts");
		if (r > 0) {
			struct list_context context = {base, b, place};

			r = expand_ranges(
				element, INVENTORY_HOSTS_MAX, add_element, &context, err);
		}
		if (r < 0)
			return err_prefix(err, "%s", place);
	}
}

int inventory_parse_list(const char *place_prefix, const char *text, size_t len,
	const struct inventory *base, const struct inventory_options *o,
	struct inventory *ret, struct err *err)
{
	struct builder b AUTO_BUILDER = BUILDER_INIT;

	if (fill_builder(place_prefix, text, len, base, &b, err) < 0)
		return -1;
	return builder_build(&b, place_prefix, o, ret, err);
}

int inventory_load_list_file(const char *path, const struct inventory *base,
	const struct inventory_options *o, struct inventory *ret, struct err *err)
{
	struct buf text AUTO_BUF = BUF_INIT;
	const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;

	if (file_read(path, LIST_BYTES_MAX, &text, err) < 0) {
		err->kind = ERR_INPUT; /* a file that cannot be accepted */
		return -1;
	}
	return inventory_parse_list(
		name, text.data ? text.data : "", text.len, base, o, ret, err);
}
