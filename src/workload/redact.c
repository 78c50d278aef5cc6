/* redact: the file as given, with secrets blanked in place.
 *
 * Which values are secret the tree says; where they end in the text is found here, since "***" has to
 * stand where they stood and every other byte has to stay. What cannot be told apart is blanked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "inventory/keys.h"
#include "workload/redact_uri.h"
#include "workload/spec.h"
#include "workload/workload.h"

struct redactor {
	const char *text;
	size_t len;
	size_t *lines; /* where each begins */
	size_t n_lines;
	struct spans spans;
};

bool workload_is_secret_name(const char *name)
{
	static const char *const words[] = {
		"KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

static bool table_has(const struct key *table, const char *name)
{
	for (const struct key *k = table; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return true;
		for (const char *const *a = k->aliases; a && *a; a++)
			if (strcmp(*a, name) == 0)
				return true;
	}
	return false;
}

/* max_keys and key_path are no secrets. */
static bool is_format_key(const char *name)
{
	for (const struct workload_table *t = workload_tables; t->name; t++)
		if (table_has(t->keys, name))
			return true;
	return table_has(host_keys, name);
}

bool redact_is_secret(const char *name)
{
	return workload_is_secret_name(name) && !is_format_key(name);
}

static bool is_env(const char *name)
{
	size_t len = strlen(name);

	return strcasecmp(name, "env") == 0 ||
	       (len > 4 && strcasecmp(name + len - 4, "_env") == 0);
}

int spans_add(struct spans *s, size_t start, size_t end, const char *with)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 32;
		struct span *grown = realloc(s->items, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->items = grown;
		s->cap = cap;
	}
	s->items[s->n++] = (struct span){start, end, with};
	return 0;
}

/* ---- where things are ---- */

/* Length of the line break at text + at, as YAML counts them, or 0. */
static size_t break_len(const struct redactor *r, size_t at)
{
	const unsigned char *s = (const unsigned char *)r->text + at;
	size_t left = r->len - at;

	if (left >= 2 && s[0] == '\r' && s[1] == '\n')
		return 2;
	if (left >= 1 && (s[0] == '\r' || s[0] == '\n'))
		return 1;
	if (left >= 2 && s[0] == 0xc2 && s[1] == 0x85)
		return 2;
	if (left >= 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9))
		return 3;
	return 0;
}

static int find_lines(struct redactor *r)
{
	size_t at = r->len >= 3 && memcmp(r->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t cap = 64;

	r->lines = malloc(cap * sizeof(*r->lines));
	if (!r->lines)
		return -ENOMEM;
	r->lines[r->n_lines++] = at;
	while (at < r->len) {
		size_t n = break_len(r, at);

		at += n ? n : 1;
		if (!n)
			continue;
		if (r->n_lines == cap) {
			size_t *grown = realloc(r->lines, 2 * cap * sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			r->lines = grown;
			cap *= 2;
		}
		r->lines[r->n_lines++] = at;
	}
	return 0;
}

static size_t line_end(const struct redactor *r, size_t at)
{
	while (at < r->len && !break_len(r, at))
		at++;
	return at;
}

/* Columns are characters. */
static size_t offset_of(const struct redactor *r, const struct node *n)
{
	size_t at = n->line - 1 < r->n_lines ? r->lines[n->line - 1] : r->len;

	for (unsigned c = 1; c < n->column && at < r->len; c++) {
		at++;
		while (at < r->len && ((unsigned char)r->text[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

static size_t skip_blanks(const struct redactor *r, size_t at)
{
	while (at < r->len && strchr(" \t\r\n", r->text[at]) && r->text[at])
		at++;
	return at;
}

/* Over an anchor and a tag. */
static size_t skip_properties(const struct redactor *r, size_t at)
{
	while (at < r->len && (r->text[at] == '&' || r->text[at] == '!')) {
		while (at < r->len && !strchr(" \t\r\n,[]{}", r->text[at]))
			at++;
		at = skip_blanks(r, at);
	}
	return at;
}

/* ---- where values end ---- */

static size_t quoted_end(const struct redactor *r, size_t at)
{
	char quote = r->text[at++];

	for (; at < r->len; at++) {
		if (quote == '"' && r->text[at] == '\\')
			at++;
		else if (r->text[at] != quote)
			continue;
		else if (quote == '\'' && at + 1 < r->len && r->text[at + 1] == quote)
			at++;
		else
			return at;
	}
	return r->len;
}

/* A block: all lines behind its first that are empty or indented like its first full one. */
static size_t block_end(const struct redactor *r, size_t at)
{
	size_t end = line_end(r, at), indent = 0;

	for (size_t next = end; next < r->len;) {
		size_t start = next + break_len(r, next), blanks = 0,
		       stop = line_end(r, start);

		while (start + blanks < stop && r->text[start + blanks] == ' ')
			blanks++;
		next = stop;
		if (start + blanks == stop)
			continue;
		if (indent == 0)
			indent = blanks;
		if (blanks < indent || blanks == 0)
			break;
		end = stop;
	}
	return end;
}

/* A plain value may go over lines, whose breaks and blanks YAML folds. */
static size_t plain_end(const struct redactor *r, size_t at, const char *value)
{
	size_t start = at;

	for (; *value; value++) {
		if (*value == ' ' || *value == '\n' || *value == '\t') {
			at = skip_blanks(r, at);
			continue;
		}
		if (at >= r->len || r->text[at] != *value)
			return line_end(r, start);
		at++;
	}
	return at;
}

static int blank_value(struct redactor *r, const struct node *n)
{
	size_t at = skip_properties(r, offset_of(r, n));
	char first = at < r->len ? r->text[at] : '\0';

	if (!*n->value || at >= r->len)
		return 0;
	if (n->quoted && (first == '"' || first == '\''))
		return spans_add(&r->spans, at + 1, quoted_end(r, at), "***");
	if (n->quoted && (first == '|' || first == '>'))
		return spans_add(&r->spans, at, block_end(r, at), "\"***\"");
	return spans_add(&r->spans, at, plain_end(r, at, n->value), "\"***\"");
}

/* Words of a container's command line may set variables. */
static bool sets_variable(const struct node *list, size_t i)
{
	return list->type == NODE_SEQ && list->items[i]->type == NODE_SCALAR &&
	       inventory_env_value(
		       list->items[i]->value, i && list->items[i - 1]->type == NODE_SCALAR
						      ? list->items[i - 1]->value
						      : NULL);
}

static int blank_node(struct redactor *r, const struct node *n, bool secret)
{
	int e = 0;

	if (n->type == NODE_SCALAR)
		return secret ? blank_value(r, n) : 0;
	for (size_t i = 0; e == 0 && i < n->n; i++) {
		const char *key = n->type == NODE_MAP ? n->keys[i]->value : "";

		e = blank_node(r, n->items[i],
			secret || is_env(key) || redact_is_secret(key) ||
				sets_variable(n, i));
	}
	return e;
}

/* ---- the text ---- */

static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end < y->end) - (x->end > y->end); /* the longer one first */
}

static char *compose(const struct redactor *r)
{
	struct buf b AUTO_BUF = BUF_INIT;
	size_t at = 0;
	int e = 0;

	for (size_t i = 0; e == 0 && i < r->spans.n; i++) {
		const struct span *s = &r->spans.items[i];

		if (s->start < at) {
			at = s->end > at ? s->end
					 : at; /* two that overlap: both are gone */
			continue;
		}
		e = buf_append(&b, r->text + at, s->start - at);
		if (e == 0)
			e = buf_puts(&b, s->with);
		at = s->end;
	}
	if (e == 0)
		e = buf_append(&b, r->text + at, r->len - at);
	return e == 0 ? buf_steal(&b) : NULL;
}

char *workload_text_redacted(const struct workload *w)
{
	struct redactor r = {
		.text = w->text.data ? w->text.data : "", .len = w->text.len};
	char *out = NULL;

	/* places are those of the text only where a character is what UTF-8 says */
	if (r.len >= 2 && (memcmp(r.text, "\xff\xfe", 2) == 0 ||
				  memcmp(r.text, "\xfe\xff", 2) == 0))
		return strdup("# not shown: the file is UTF-16\n");
	if (find_lines(&r) == 0 && blank_node(&r, w->doc->root, false) == 0 &&
		redact_uris(r.text, r.len, &r.spans) == 0 &&
		redact_comments(r.text, r.len, &r.spans) == 0) {
		if (r.spans.n)
			qsort(r.spans.items, r.spans.n, sizeof(*r.spans.items),
				compare_spans);
		out = compose(&r);
	}
	free(r.lines);
	free(r.spans.items);
	return out;
}
