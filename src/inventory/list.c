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

static const struct host *base_host(
	const struct inventory *base, const char *element, const char *name)
{
	const struct host *h = NULL;

	if (base)
		h = inventory_find(base, element);
	return h || !base ? h : inventory_find(base, name);
}

static int add_element(const char *text, void *user, struct err *err)
{
	struct list_context *c = user;
	struct element e AUTO_ELEMENT = {.port = 0};
	struct host h = {.workers = 1};
	const struct host *base;
	uint16_t port;
	int r = 0;

	if (element_parse(text, &e, err) < 0)
		return err_prefix(err, "'%.60s' is no host", text);
	port = e.port;
	base = base_host(c->base, text, e.name);
	if (base) {
		r = host_copy(&h, base);
		free(h.place);
		h.place = NULL;
		/* the port is the host's own name for itself when that was found by it */
		port = strcmp(base->name, text) == 0 ? 0 : e.port;
	} else {
		h.name = STEAL_PTR(&e.name);
		h.address = strdup(h.name);
	}
	if (e.user) {
		free(h.user);
		h.user = STEAL_PTR(&e.user);
	}
	if (port)
		h.port = port;
	h.place = strdup(c->place);
	if (r < 0 || !h.place || !h.address || !h.name) {
		host_finish(&h);
		return err_sys(err, ENOMEM, "hosts");
	}
	return builder_add(c->builder, &h, base != NULL, port, err);
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
