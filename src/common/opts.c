/* opts: command lines from tables: finding the option, taking its value, naming what is wrong. */
#include "common/opts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"

#define HELP_COLUMN 24 /* where the second column begins */
#define HELP_WIDTH 90
#define NAMES_MAX 256

struct parse {
	const struct opt *const *tables;
	int argc;
	char **argv;
	int next; /* the argument to look at next */
	char *into;
	struct opt_list operands;
	struct err *err;
};

static const char *const wants[] = {
	[OPT_STR] = "a value",
	[OPT_LIST] = "a value",
	[OPT_COUNT] = "a count such as 100 or 100_000",
	[OPT_DURATION] = "a duration such as 500ms, 30s or 1h30m",
	[OPT_SIZE] = "a size such as 4096, 4KB or 4KiB",
	[OPT_DOUBLE] = "a number",
	[OPT_PORT] = "a port from 1 to 65535",
};

static bool takes_value(const struct opt *o)
{
	return o->type != OPT_FLAG && o->type != OPT_COUNTER && o->type != OPT_OPTIONAL;
}

static int out_of_memory(struct err *err)
{
	return err_sys(err, ENOMEM, "command line");
}

static int list_add(struct opt_list *list, const char *item)
{
	const char **items = reallocarray(list->items, list->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	items[list->n++] = item;
	list->items = items;
	return 0;
}

static bool is_named(const struct opt *o, const char *name, size_t len)
{
	if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
		return true;
	for (const char *const *alias = o->aliases; alias && *alias; alias++) {
		if (strlen(*alias) == len && memcmp(*alias, name, len) == 0)
			return true;
	}
	return false;
}

static const struct opt *find_long(const struct parse *p, const char *name, size_t len)
{
	for (const struct opt *const *table = p->tables; *table; table++) {
		for (const struct opt *o = *table; o->name; o++) {
			if (is_named(o, name, len))
				return o;
		}
	}
	return NULL;
}

static const struct opt *find_letter(const struct parse *p, char letter)
{
	for (const struct opt *const *table = p->tables; *table; table++) {
		for (const struct opt *o = *table; o->name; o++) {
			if (o->letter && o->letter == letter)
				return o;
		}
	}
	return NULL;
}

/* The known name nearest to what the user wrote, or NULL. */
static const char *nearest_name(const struct parse *p, const char *word)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (const struct opt *const *table = p->tables; *table; table++) {
		for (const struct opt *o = *table; o->name; o++) {
			if (n < NAMES_MAX)
				names[n++] = o->name;
			for (const char *const *a = o->aliases; a && *a && n < NAMES_MAX;
				a++)
				names[n++] = *a;
		}
	}
	return text_nearest(word, names, n);
}

static int unknown(struct parse *p, const char *shown, const char *word)
{
	const char *near = nearest_name(p, word);

	if (near)
		return err_set(p->err, ERR_INPUT,
			"unknown option '%s' (did you mean '--%s'?)", shown, near);
	return err_set(p->err, ERR_INPUT, "unknown option '%s'", shown);
}

/* "option '--port' wants a port from 1 to 65535, not 'x'"; value NULL: none was given. */
static int wrong_value(
	struct parse *p, const struct opt *o, const char *shown, const char *value)
{
	struct buf b AUTO_BUF = BUF_INIT_MAX(sizeof(p->err->text));

	if (o->type == OPT_CHOICE) {
		buf_puts(&b, "one of ");
		for (size_t i = 0; o->choices[i]; i++)
			buf_printf(&b, "%s%s", i ? ", " : "", o->choices[i]);
	} else {
		buf_puts(&b, wants[o->type]);
	}
	if (!value)
		return err_set(p->err, ERR_INPUT,
			"option '%s' wants %s, and none is given", shown, b.data);
	return err_set(p->err, ERR_INPUT, "option '%s' wants %s, not '%s'", shown, b.data,
		value);
}

static int parse_port(const char *value, uint16_t *ret)
{
	uint64_t v;

	if (units_parse_count(value, &v) < 0 || v < 1 || v > 65535)
		return -EINVAL;
	*ret = (uint16_t)v;
	return 0;
}

static int parse_choice(const struct opt *o, const char *value, int *ret)
{
	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], value) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Puts a value where it belongs; 0, -ENOMEM, or another negative errno for a wrong value. */
static int store(const struct opt *o, const char *value, void *dst)
{
	switch (o->type) {
	case OPT_FLAG:
		*(bool *)dst = true;
		return 0;
	case OPT_COUNTER:
		++*(int *)dst;
		return 0;
	case OPT_STR:
	case OPT_OPTIONAL:
		*(const char **)dst = value ? value : "";
		return 0;
	case OPT_LIST:
		return list_add(dst, value);
	case OPT_COUNT:
		return units_parse_count(value, dst);
	case OPT_DURATION:
		return units_parse_duration_ns(value, dst);
	case OPT_SIZE:
		return units_parse_size_bytes(value, dst);
	case OPT_DOUBLE:
		return units_parse_double(value, dst);
	case OPT_PORT:
		return parse_port(value, dst);
	case OPT_CHOICE:
		return parse_choice(o, value, dst);
	}
	return -EINVAL;
}

static int take(
	struct parse *p, const struct opt *o, const char *shown, const char *value)
{
	int rc;

	if (!value && takes_value(o)) {
		if (p->next >= p->argc)
			return wrong_value(p, o, shown, NULL);
		value = p->argv[p->next++];
	}
	rc = store(o, value, p->into + o->offset);
	if (rc == -ENOMEM)
		return out_of_memory(p->err);
	if (rc < 0)
		return wrong_value(p, o, shown, value);
	if (o->set_offset)
		*(bool *)(p->into + o->set_offset) = true;
	return 0;
}

static int parse_long(struct parse *p, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	AUTO_FREE char *shown = strndup(arg, len);
	const struct opt *o;

	if (!shown)
		return out_of_memory(p->err);
	o = find_long(p, shown + 2, len - 2);
	if (!o)
		return unknown(p, shown, shown + 2);
	if (equals && !takes_value(o) && o->type != OPT_OPTIONAL)
		return err_set(p->err, ERR_INPUT,
			"option '%s' takes no value, but has '%s'", shown, equals + 1);
	return take(p, o, shown, equals ? equals + 1 : NULL);
}

/* "-v", "-vv", "-vq", "-o DIR", "-oDIR". */
static int parse_letters(struct parse *p, const char *arg)
{
	for (const char *c = arg + 1; *c; c++) {
		const struct opt *o = find_letter(p, *c);
		char shown[] = {'-', *c, '\0'};
		bool rest;

		/* in whole, for it may be a long name with a dash too few */
		if (!o)
			return unknown(p, c == arg + 1 ? arg : shown, arg + 1);
		rest = c[1] && (takes_value(o) || o->type == OPT_OPTIONAL);
		if (take(p, o, shown, rest ? c + 1 : NULL) < 0)
			return -1;
		if (rest)
			break;
	}
	return 0;
}

static int parse_args(struct parse *p)
{
	while (p->next < p->argc) {
		const char *arg = p->argv[p->next++];
		int rc = 0;

		if (strcmp(arg, "--") == 0)
			break;
		if (arg[0] != '-' || !arg[1]) {
			if (list_add(&p->operands, arg) < 0)
				return out_of_memory(p->err);
		} else if (arg[1] == '-') {
			rc = parse_long(p, arg);
		} else {
			rc = parse_letters(p, arg);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int opts_parse(const struct opt *const *tables, int argc, char **argv, void *into,
	struct opt_list *ret_operands, char ***ret_rest, struct err *err)
{
	struct parse p = {
		.tables = tables, .argc = argc, .argv = argv, .into = into, .err = err};

	if (parse_args(&p) < 0) {
		free(p.operands.items);
		return -1;
	}
	*ret_operands = p.operands;
	*ret_rest = argv + p.next;
	return 0;
}

/* "-o, --output DIR" */
static void help_left(const struct opt *o, struct buf *b)
{
	if (o->letter)
		buf_printf(b, "  -%c, --%s", o->letter, o->name);
	else
		buf_printf(b, "      --%s", o->name);
	if (o->type == OPT_OPTIONAL) {
		buf_printf(b, "[=%s]", o->arg ? o->arg : "VALUE");
		return;
	}
	if (!takes_value(o))
		return;
	buf_putc(b, ' ');
	if (o->arg || o->type != OPT_CHOICE) {
		buf_puts(b, o->arg ? o->arg : "VALUE");
		return;
	}
	for (size_t i = 0; o->choices[i]; i++)
		buf_printf(b, "%s%s", i ? "|" : "", o->choices[i]);
}

/* The sentence, and the other names of the option. */
static void help_right(const struct opt *o, struct buf *b)
{
	buf_puts(b, o->help);
	for (const char *const *alias = o->aliases; alias && *alias; alias++)
		buf_printf(b, "%s--%s%s", alias == o->aliases ? " (also " : ", ", *alias,
			alias[1] ? "" : ")");
}

/* Words from column on, broken before HELP_WIDTH and continued in HELP_COLUMN. */
static void put_words(struct buf *out, char *words, size_t column)
{
	char *rest = NULL;
	bool first = true;

	for (char *word = strtok_r(words, " ", &rest); word;
		word = strtok_r(NULL, " ", &rest)) {
		size_t width = text_width(word);

		if (!first && column + 1 + width > HELP_WIDTH) {
			buf_printf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (!first) {
			buf_putc(out, ' ');
			column++;
		}
		buf_puts(out, word);
		column += width;
		first = false;
	}
	buf_putc(out, '\n');
}

void opts_help_one(const struct opt *o, struct buf *out)
{
	struct buf left AUTO_BUF = BUF_INIT, right AUTO_BUF = BUF_INIT;
	AUTO_FREE char *words = NULL;
	size_t width;

	if (!o->help)
		return;
	help_left(o, &left);
	help_right(o, &right);
	words = buf_steal(&right);
	if (!left.data || !words)
		return;
	width = text_width(left.data);
	if (width + 2 > HELP_COLUMN)
		buf_printf(out, "%s\n%*s", left.data, HELP_COLUMN, "");
	else
		buf_printf(out, "%-*s", HELP_COLUMN, left.data);
	put_words(out, words, HELP_COLUMN);
}

void opts_help(const struct opt *table, struct buf *out)
{
	for (const struct opt *o = table; o->name; o++)
		opts_help_one(o, out);
}
