/* man: commands, options and keys as sections of manual pages, in scdoc's language. */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "docgen.h"
#include "inventory/keys.h"
#include "orchestrator/command.h"
#include "proto/net_selectors.h"
#include "worker/control/options.h"
#include "workload/net_profile.h"
#include "workload/workload.h"

/* Text as text: nothing in it is markup. */
static void text(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("\\_*<>#`~", *s))
			buf_putc(out, '\\');
		buf_putc(out, *s);
	}
}

static void marked(struct buf *out, char mark, const char *s)
{
	buf_putc(out, mark);
	text(out, s);
	buf_putc(out, mark);
}

/* The help of an option as a sentence: with a capital and a full stop. */
static void sentence(struct buf *out, const char *s)
{
	if (s[0] >= 'a' && s[0] <= 'z') {
		buf_putc(out, (char)(*s - 'a' + 'A'));
		s++;
	}
	text(out, s);
	if (*s && s[strlen(s) - 1] != '.')
		buf_putc(out, '.');
}

static void also(struct buf *out, const char *dashes, const char *const *names)
{
	for (const char *const *n = names; n && *n; n++) {
		buf_puts(out, n == names ? " Also: " : ", ");
		buf_printf(out, "*%s", dashes);
		text(out, *n);
		buf_puts(out, n[1] ? "*" : "*.");
	}
}

/* --- commands and options --- */

static void groups_of(struct buf *out, const struct command *c)
{
	buf_puts(out, "\tOptions: ");
	for (const struct option_group *const *g = c->groups; *g; g++) {
		if (*g == &group_common)
			continue;
		buf_printf(out, "%s_%s_", g == c->groups ? "" : ", ", (*g)->heading);
	}
	buf_puts(out, ", and those of all commands.\n\n");
}

void docgen_man_commands(struct buf *out)
{
	for (const struct command *c = commands; c->name; c++) {
		buf_printf(out, "*muster %s* [options]", c->name);
		if (*c->operands) {
			buf_putc(out, ' ');
			marked(out, '_', c->operands);
		}
		buf_puts(out, "\n\t");
		text(out, c->text);
		also(out, "muster ", c->aliases);
		buf_puts(out, "\n\n");
		groups_of(out, c);
		if (!c->examples)
			continue;
		buf_puts(out, "\tExamples:\n\n\t```\n");
		for (const char *const *e = c->examples; *e; e++)
			buf_printf(out, "\t%s\n", *e);
		buf_puts(out, "\t```\n\n");
	}
}

static void option_head(struct buf *out, const struct opt *o)
{
	if (o->letter)
		buf_printf(out, "*-%c*, ", o->letter);
	buf_puts(out, "*--");
	text(out, o->name);
	buf_putc(out, '*');
	if (o->type == OPT_OPTIONAL) {
		buf_puts(out, "[=");
		marked(out, '_', o->arg ? o->arg : "VALUE");
		buf_putc(out, ']');
	} else if (docgen_takes_value(o)) {
		buf_putc(out, ' ');
		marked(out, '_', o->arg ? o->arg : "VALUE");
	}
}

static void options(struct buf *out, const struct opt *table)
{
	for (const struct opt *o = table; o->name; o++) {
		if (!docgen_shown(o))
			continue;
		option_head(out, o);
		buf_puts(out, "\n\t");
		sentence(out, o->help);
		also(out, "--", o->aliases);
		buf_puts(out, "\n\n");
	}
}

static void group(struct buf *out, const struct option_group *g)
{
	buf_printf(out, "## %s\n\n", g->heading);
	options(out, g->options);
}

void docgen_man_options(struct buf *out)
{
	const struct option_group *groups[DOCGEN_GROUPS_MAX];
	size_t n = docgen_groups(groups, DOCGEN_GROUPS_MAX);

	for (size_t i = 0; i < n; i++)
		if (groups[i] != &group_common)
			group(out, groups[i]);
	group(out, &group_common);
}

void docgen_man_ssh_setup_options(struct buf *out)
{
	options(out, group_ssh_setup.options);
}

void docgen_man_worker_options(struct buf *out)
{
	options(out, worker_options);
}

/* --- keys --- */

static const char *const type_names[] = {
	[KEY_STR] = "text",
	[KEY_BOOL] = "true or false",
	[KEY_COUNT] = "count",
	[KEY_UINT] = "count",
	[KEY_SIZE] = "size",
	[KEY_DURATION] = "duration",
	[KEY_DOUBLE] = "number",
	[KEY_PORT] = "port",
	[KEY_STRV] = "list",
	[KEY_ENV] = "map of NAME: value",
};

static void key_type(struct buf *out, const struct key *k)
{
	if (k->type == KEY_ENUM) {
		buf_puts(out, " (");
		for (const char *const *v = k->arg; *v; v++) {
			char name[64];

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(*v, "|"), *v);
			buf_puts(out, v == (const char *const *)k->arg ? "" : ", ");
			text(out, name);
		}
		buf_putc(out, ')');
	} else if ((size_t)k->type < ARRAY_LEN(type_names) && type_names[k->type]) {
		buf_printf(out, " (%s)", type_names[k->type]);
	}
}

static void key_entry(struct buf *out, const struct key *k)
{
	marked(out, '*', k->name);
	key_type(out, k);
	buf_puts(out, "\n\t");
	text(out, k->help ? k->help : "");
	if (k->def) {
		buf_puts(out, " Default: ");
		text(out, k->def);
		buf_putc(out, '.');
	}
	also(out, "", k->aliases);
	buf_puts(out, "\n\n");
}

/* The names of the keys of a type in one sentence. */
static void key_names(
	struct buf *out, const struct key *table, enum key_type type, const char *lead)
{
	bool any = false;

	for (const struct key *k = table; k->name; k++) {
		if (k->type != type)
			continue;
		buf_puts(out, any ? ", " : lead);
		marked(out, '*', k->name);
		any = true;
	}
	if (any)
		buf_puts(out, ".\n\n");
}

static void key_table(struct buf *out, const struct key *table)
{
	for (const struct key *k = table; k->name; k++)
		if (k->type != KEY_LATER && k->type != KEY_IGNORED)
			key_entry(out, k);
	key_names(out, table, KEY_IGNORED,
		"Accepted with a warning, and without effect here: ");
	key_names(out, table, KEY_LATER, "Known, and refused as not supported yet: ");
}

void docgen_man_host_keys(struct buf *out)
{
	key_table(out, host_keys);
}

void docgen_man_container_keys(struct buf *out)
{
	key_table(out, container_keys);
}

static void key_tables(struct buf *out, const struct workload_table *t)
{
	for (; t->name; t++) {
		buf_puts(out, "## ");
		text(out, *t->name ? t->name : "top level");
		buf_puts(out, "\n\n");
		key_table(out, t->keys);
	}
}

void docgen_man_workload_keys(struct buf *out)
{
	key_tables(out, workload_tables);
}

void docgen_man_profile_keys(struct buf *out)
{
	key_tables(out, net_profile_tables);
}

/* --- words behind "--", and what they can ask for --- */

static void word_head(struct buf *out, const struct net_word_help *w)
{
	if (w->letter)
		marked(out, '*', w->letter);
	if (w->letter && w->name)
		buf_puts(out, ", ");
	if (w->name)
		marked(out, '*', w->name);
	if (w->arg) {
		buf_putc(out, ' ');
		marked(out, '_', w->arg);
	}
	if (w->global)
		buf_puts(out, " (before a second *--*)");
}

static void words_of(struct buf *out, enum net_dialect dialect)
{
	struct net_word_help w;

	for (size_t i = 0; net_words_help(dialect, i, &w); i++) {
		if (w.refused)
			continue;
		word_head(out, &w);
		buf_puts(out, "\n\t");
		text(out, w.help); /* it may begin with a word that is typed so */
		buf_puts(out, ".\n\n");
	}
	buf_puts(out, "Refused, since they would do nothing here: ");
	for (size_t i = 0, n = 0; net_words_help(dialect, i, &w); i++) {
		if (!w.refused)
			continue;
		buf_puts(out, n++ ? ", " : "");
		word_head(out, &w);
	}
	buf_puts(out, ".\n\n");
}

void docgen_man_words_netperf(struct buf *out)
{
	words_of(out, NET_WORDS_NETPERF);
}

void docgen_man_words_iperf3(struct buf *out)
{
	words_of(out, NET_WORDS_IPERF3);
}

void docgen_man_selectors(struct buf *out)
{
	for (size_t i = 0; i < NET_SELECTORS; i++) {
		const struct net_selector_info *s = &net_selectors[i];

		marked(out, '*', s->name);
		if (s->unit && *s->unit) {
			buf_puts(out, " (");
			text(out, s->unit);
			buf_putc(out, ')');
		}
		buf_puts(out, s->ours ? " (of muster alone)\n\t" : "\n\t");
		sentence(out, s->help);
		buf_puts(out, "\n\n");
	}
}
