/* decode: a mapping into a struct, by a table of keys. One function per type of value. */
#include "yaml/decode.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

#define NAMES_MAX 256

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "decoding YAML");
}

static void free_strv(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

/* ---- what went wrong ---- */

/* What a value is, where another was wanted: "'x'", "a list". */
static const char *shown_value(const struct node *n, struct buf *b)
{
	static const char *const names[] = {
		[NODE_NULL] = "nothing",
		[NODE_SEQ] = "a list",
		[NODE_MAP] = "a mapping",
	};

	if (n->type != NODE_SCALAR)
		return names[n->type];
	buf_printf(b, "'%.200s'", n->value);
	return b->data ? b->data : "";
}

static int wrong_value(struct decode *d, const struct node *n, const struct key *key,
	const char *wanted, struct err *err)
{
	struct buf b AUTO_BUF = BUF_INIT;

	return node_error(d->doc, n, err, "key '%s' wants %s, not %s", key->name, wanted,
		shown_value(n, &b));
}

void decode_warn(struct decode *d, const struct node *n, const char *fmt, ...)
{
	struct err text = ERR_INIT;
	char line[sizeof(text.text)];
	va_list ap;

	if (!d->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	node_error(d->doc, n, &text, "%s", line);
	d->warn(text.text, d->user);
}

/* ---- numbers ---- */

typedef int parse_number(const char *s, uint64_t *ret);
typedef struct units_text show_number(uint64_t v);

struct number {
	const char *noun;
	parse_number *parse;
	show_number *show;
	uint64_t most;
};

static const struct number numbers[] = {
	[KEY_COUNT] = {"a count", units_parse_count, units_count, UINT64_MAX},
	[KEY_UINT] = {"a count", units_parse_count, units_count, UINT_MAX},
	[KEY_SIZE] = {"a size such as 4096, 4KB or 4KiB", units_parse_size_bytes,
		units_bytes, UINT64_MAX},
	[KEY_DURATION] = {"a duration such as 500ms, 30s or 1h30m",
		units_parse_duration_ns, units_duration, UINT64_MAX},
	[KEY_PORT] = {"a port from 1 to 65535", units_parse_count, units_count,
		UINT16_MAX},
};

static int decode_number(struct decode *d, const struct node *n, const struct key *key,
	uint64_t *ret, struct err *err)
{
	const struct number *num = &numbers[key->type];
	uint64_t min = key->type == KEY_PORT ? 1 : key->min;
	uint64_t max = key->max && key->max < num->most ? key->max : num->most;
	char wanted[200];

	if (n->type == NODE_SCALAR && num->parse(n->value, ret) == 0 && *ret >= min &&
		*ret <= max)
		return 0;
	if (key->type != KEY_PORT && max != UINT64_MAX)
		snprintf(wanted, sizeof(wanted), "%s from %s to %s", num->noun,
			num->show(min).s, num->show(max).s);
	else if (key->type != KEY_PORT && min)
		snprintf(wanted, sizeof(wanted), "%s of at least %s", num->noun,
			num->show(min).s);
	else
		snprintf(wanted, sizeof(wanted), "%s", num->noun);
	return wrong_value(d, n, key, wanted, err);
}

static int decode_u64(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	uint64_t v;

	if (decode_number(d, n, key, &v, err) < 0)
		return -1;
	*(uint64_t *)dst = v;
	return 0;
}

static int decode_uint(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	uint64_t v;

	if (decode_number(d, n, key, &v, err) < 0)
		return -1;
	*(unsigned *)dst = (unsigned)v;
	return 0;
}

static int decode_port(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	uint64_t v;

	if (decode_number(d, n, key, &v, err) < 0)
		return -1;
	*(uint16_t *)dst = (uint16_t)v;
	return 0;
}

static int decode_double(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	double v;

	if (n->type != NODE_SCALAR || units_parse_double(n->value, &v) < 0)
		return wrong_value(d, n, key, "a number", err);
	*(double *)dst = v;
	return 0;
}

/* ---- words ---- */

static int decode_str(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	char *copy;

	if (n->type != NODE_SCALAR)
		return wrong_value(d, n, key, "a text", err);
	copy = strdup(n->value);
	if (!copy)
		return out_of_memory(err);
	free(*(char **)dst);
	*(char **)dst = copy;
	return 0;
}

static int decode_bool(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"true", true}, {"false", false}, {"yes", true}, {"no", false},
		{"on", true}, {"off", false}};

	for (size_t i = 0; n->type == NODE_SCALAR && !n->quoted && i < ARRAY_LEN(words);
		i++) {
		if (strcasecmp(n->value, words[i].word) == 0) {
			*(bool *)dst = words[i].value;
			return 0;
		}
	}
	return wrong_value(d, n, key,
		n->quoted ? "true or false without quotes" : "true or false", err);
}

/* Whether word is one of the spellings in "name|alias|alias". */
static bool is_spelling(const char *spellings, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = spellings;; s++) {
		size_t n = strcspn(s, "|");

		if (n == len && memcmp(s, word, n) == 0)
			return true;
		s += n;
		if (!*s)
			return false;
	}
}

static int decode_enum(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	const char *const *choices = key->arg;
	struct buf b AUTO_BUF = BUF_INIT;

	for (int i = 0; n->type == NODE_SCALAR && choices[i]; i++) {
		if (is_spelling(choices[i], n->value)) {
			*(int *)dst = i;
			return 0;
		}
	}
	buf_puts(&b, "one of ");
	for (size_t i = 0; choices[i]; i++)
		buf_printf(&b, "%s%.*s", i ? ", " : "", (int)strcspn(choices[i], "|"),
			choices[i]);
	return wrong_value(d, n, key, b.data ? b.data : "another value", err);
}

/* ---- lists ---- */

static int decode_strv(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	size_t count = n->type == NODE_SCALAR ? 1 : n->n;
	char **v;

	if (n->type == NODE_MAP)
		return wrong_value(d, n, key, "a list", err);
	v = calloc(count + 1, sizeof(*v));
	if (!v)
		return out_of_memory(err);
	for (size_t i = 0; i < count; i++) {
		const struct node *item = n->type == NODE_SCALAR ? n : n->items[i];

		if (decode_str(d, item, key, &v[i], err) < 0) {
			free_strv(v);
			return -1;
		}
	}
	free_strv(*(char ***)dst);
	*(char ***)dst = v;
	return 0;
}

static int env_item(struct decode *d, const struct node *name, const struct node *value,
	char **ret, struct err *err)
{
	if (!*name->value || strchr(name->value, '='))
		return node_error(d->doc, name, err,
			"'%s' cannot name an environment variable", name->value);
	if (value->type != NODE_SCALAR && value->type != NODE_NULL)
		return node_error(d->doc, value, err,
			"environment variable '%s' wants a text, not a list or mapping",
			name->value);
	*ret = text_printf("%s=%s", name->value, value->value);
	return *ret ? 0 : out_of_memory(err);
}

static int decode_env(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	char **v;

	if (n->type != NODE_MAP && n->type != NODE_NULL)
		return wrong_value(d, n, key, "a mapping of names to values", err);
	v = calloc(n->n + 1, sizeof(*v));
	if (!v)
		return out_of_memory(err);
	for (size_t i = 0; i < n->n; i++) {
		if (env_item(d, n->keys[i], n->items[i], &v[i], err) < 0) {
			free_strv(v);
			return -1;
		}
	}
	free_strv(*(char ***)dst);
	*(char ***)dst = v;
	return 0;
}

/* ---- the table ---- */

static int decode_node(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	(void)d;
	(void)key;
	(void)err;
	*(const struct node **)dst = n;
	return 0;
}

static int decode_custom(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err)
{
	return key->fn(d, n, dst, err);
}

typedef int value_fn(struct decode *d, const struct node *n, const struct key *key,
	void *dst, struct err *err);

static value_fn *const value_fns[] = {
	[KEY_STR] = decode_str,
	[KEY_BOOL] = decode_bool,
	[KEY_COUNT] = decode_u64,
	[KEY_UINT] = decode_uint,
	[KEY_SIZE] = decode_u64,
	[KEY_DURATION] = decode_u64,
	[KEY_DOUBLE] = decode_double,
	[KEY_PORT] = decode_port,
	[KEY_ENUM] = decode_enum,
	[KEY_STRV] = decode_strv,
	[KEY_ENV] = decode_env,
	[KEY_NODE] = decode_node,
	[KEY_CUSTOM] = decode_custom,
};

int decode_value(struct decode *d, const struct node *n, const struct key *key, void *dst,
	struct err *err)
{
	return value_fns[key->type](d, n, key, dst, err);
}

static const struct key *find_key(const struct key *table, const char *name)
{
	for (const struct key *k = table; k->name; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
		for (const char *const *alias = k->aliases; alias && *alias; alias++) {
			if (strcmp(*alias, name) == 0)
				return k;
		}
	}
	return NULL;
}

static const char *nearest_key(const struct key *table, const char *word)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (const struct key *k = table; k->name; k++) {
		if (n < NAMES_MAX)
			names[n++] = k->name;
		for (const char *const *a = k->aliases; a && *a && n < NAMES_MAX; a++)
			names[n++] = *a;
	}
	return text_nearest(word, names, n);
}

static const char *article(const char *noun)
{
	return strchr("aeiou", *noun) ? "an" : "a";
}

static int unknown_key(struct decode *d, const struct node *key, const struct key *table,
	const char *what, struct err *err)
{
	const char *near = nearest_key(table, key->value);
	struct buf b AUTO_BUF = BUF_INIT;

	if (near)
		buf_printf(&b, " (did you mean '%s'?)", near);
	if (!d->lenient)
		return node_error(d->doc, key, err, "unknown key '%.200s' in %s %s%s",
			key->value, article(what), what, b.data ? b.data : "");
	decode_warn(d, key, "unknown key '%.200s' in %s %s%s", key->value, article(what),
		what, b.data ? b.data : "");
	return 0;
}

/* A key and its alias in one mapping would silently hide one another. */
static int check_once(struct decode *d, const struct node *map, size_t i,
	const struct key *table, const struct key *key, struct err *err)
{
	for (size_t j = 0; j < i; j++) {
		if (find_key(table, map->keys[j]->value) == key)
			return node_error(d->doc, map->keys[i], err,
				"key '%s' says the same as '%s' in line %u",
				map->keys[i]->value, map->keys[j]->value,
				map->keys[j]->line);
	}
	return 0;
}

static int decode_key(struct decode *d, const struct node *name, const struct node *value,
	const struct key *key, char *dst, struct err *err)
{
	if (key->type == KEY_LATER)
		return node_error(
			d->doc, name, err, "key '%s' is not supported yet", name->value);
	if (key->type == KEY_IGNORED) {
		const char *why = key->arg;

		decode_warn(d, name, "key '%s' does nothing here%s%s%s", name->value,
			why ? " (" : "", why ? why : "", why ? ")" : "");
	} else if (decode_value(d, value, key, dst + key->offset, err) < 0) {
		return -1;
	}
	if (key->set_offset)
		*(bool *)(dst + key->set_offset) = true;
	return 0;
}

int decode_map(struct decode *d, const struct node *map, const struct key *table,
	const char *what, void *dst, struct err *err)
{
	struct buf b AUTO_BUF = BUF_INIT;

	if (map->type != NODE_MAP)
		return node_error(d->doc, map, err, "%s %s is a mapping, not %s",
			article(what), what, shown_value(map, &b));
	for (size_t i = 0; i < map->n; i++) {
		const struct node *name = map->keys[i];
		const struct key *key = find_key(table, name->value);

		if (!key) {
			if (unknown_key(d, name, table, what, err) < 0)
				return -1;
			continue;
		}
		if (check_once(d, map, i, table, key, err) < 0 ||
			decode_key(d, name, map->items[i], key, dst, err) < 0)
			return -1;
	}
	return 0;
}

void decode_release(const struct key *table, void *dst)
{
	for (const struct key *k = table; k->name; k++) {
		void *member = (char *)dst + k->offset;

		if (k->type == KEY_STR) {
			free(*(char **)member);
			*(char **)member = NULL;
		} else if (k->type == KEY_STRV || k->type == KEY_ENV) {
			free_strv(*(char ***)member);
			*(char ***)member = NULL;
		}
	}
}
