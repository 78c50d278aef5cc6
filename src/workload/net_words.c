/* net_words: the scanner: words to rows of the tables, getopt's way. */
#include "workload/net_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/net_words_impl.h"

const char *const net_dialect_names[] = {"netperf", "iperf3"};

void net_words_init(struct net_words *w)
{
	*w = (struct net_words){
		.spec = {.test = NET_STREAM,
			.protocol = NET_TCP,
			.dir = NET_SEND,
			.flows = 1,
			.depth = 1,
			.duration_ns = 10 * NS_PER_SEC},
		.format = NET_KEYVAL,
		.iterations_min = 1,
		.iterations_max = 1,
		.confidence_level = 0.99,
		.confidence_width = 0.05,
	};
	w->spec.timeout_ns = net_words_timeout_ns(&w->spec);
}

void net_words_finish(struct net_words *w)
{
	net_spec_finish(&w->spec);
	free(w->selectors);
	free(w->client_address);
	free(w->server_address);
	free(w->brand);
	free(w->uuid);
	for (size_t i = 0; w->given && w->given[i]; i++)
		free(w->given[i]);
	free(w->given);
	memset(w, 0, sizeof(*w));
}

bool net_words_given(const struct net_words *w, const char *option)
{
	for (size_t i = 0; w->given && w->given[i]; i++) {
		if (strcmp(w->given[i], option) == 0)
			return true;
	}
	return false;
}

/* A dialect's own rows come before the common ones. */
static const struct word *const *tables_of(enum net_dialect dialect)
{
	static const struct word *const tables[NET_DIALECTS][3] = {
		[NET_WORDS_NETPERF] = {words_netperf, words_common, NULL},
		[NET_WORDS_IPERF3] = {words_iperf3, words_common, NULL},
	};

	return tables[dialect];
}

const struct word *words_find_letter(enum net_dialect dialect, char letter, unsigned pos)
{
	for (const struct word *const *t = tables_of(dialect); *t; t++) {
		for (const struct word *r = *t; r->pos; r++) {
			if (r->letter && r->letter[1] == letter && r->pos & pos)
				return r;
		}
	}
	return NULL;
}

const struct word *words_find_name(
	enum net_dialect dialect, const char *name, size_t len, unsigned pos)
{
	for (const struct word *const *t = tables_of(dialect); *t; t++) {
		for (const struct word *r = *t; r->pos; r++) {
			if (r->name && strlen(r->name) == len &&
				memcmp(r->name, name, len) == 0 && r->pos & pos)
				return r;
		}
	}
	return NULL;
}

/* A common row whose letter the dialect has itself is never found. */
static bool is_hidden(enum net_dialect dialect, const struct word *r)
{
	if (r->letter)
		return words_find_letter(dialect, r->letter[1], r->pos) != r;
	return words_find_name(dialect, r->name, strlen(r->name), r->pos) != r;
}

bool net_words_help(enum net_dialect dialect, size_t i, struct net_word_help *ret)
{
	for (const struct word *const *t = tables_of(dialect); *t; t++) {
		for (const struct word *r = *t; r->pos; r++) {
			if (is_hidden(dialect, r) || i--)
				continue;
			*ret = (struct net_word_help){.letter = r->letter,
				.name = r->name,
				.arg = r->arg,
				.help = r->help,
				.refused = r->type == WORD_REFUSED,
				.global = r->pos == POS_GLOBAL};
			return true;
		}
	}
	return false;
}

static int unknown_letter(enum net_dialect dialect, char letter, struct err *err)
{
	enum net_dialect other =
		dialect == NET_WORDS_NETPERF ? NET_WORDS_IPERF3 : NET_WORDS_NETPERF;
	const struct word *there = words_find_letter(other, letter, POS_ANY);
	char shown[2] = {letter, '\0'};

	text_sanitize_inplace(shown);
	if (there && there->type != WORD_REFUSED)
		return err_set(err, ERR_INPUT,
			"-%s is no option of %s (--words %s has it: %s)", shown,
			net_dialect_names[dialect], net_dialect_names[other],
			there->help);
	return err_set(err, ERR_INPUT,
		"unknown option -%s behind -- (docs/networks.md lists them all)", shown);
}

static int unknown_name(
	enum net_dialect dialect, const char *name, size_t len, struct err *err)
{
	const char *names[200], *near;
	AUTO_FREE char *safe = text_sanitize(name, len);
	size_t n = 0;

	for (const struct word *const *t = tables_of(dialect); *t; t++) {
		for (const struct word *r = *t; r->pos && n < ARRAY_LEN(names); r++) {
			if (r->name && r->type != WORD_REFUSED)
				names[n++] = r->name;
		}
	}
	near = safe ? text_nearest(safe, names, n) : NULL;
	return err_set(err, ERR_INPUT, "unknown option %.60s behind --%s%s%s",
		safe ? safe : "", near ? " (did you mean " : "", near ? near : "",
		near ? "?)" : "");
}

/* Where the scanner is. */
struct scan {
	struct words_parse *p;
	char *const *words;
	size_t n, i;
	unsigned pos;
};

static int remember(struct words_parse *p, const struct word *row)
{
	const struct word **rows = realloc(p->rows, (p->n_rows + 1) * sizeof(*rows));
	char **given, *name;

	if (!rows)
		return -ENOMEM;
	p->rows = rows;
	given = realloc(p->w->given, (p->n_rows + 2) * sizeof(*given));
	if (!given)
		return -ENOMEM;
	p->w->given = given;
	name = strdup(p->shown);
	given[p->n_rows] = name;
	given[p->n_rows + 1] = NULL;
	if (!name)
		return -ENOMEM;
	rows[p->n_rows++] = row;
	return 0;
}

/* The value of a row: what is attached, or the next word if the row takes it. */
static int find_value(struct scan *s, const struct word *row, const char *attached,
	const char **ret, struct err *err)
{
	const char *next = s->i + 1 < s->n ? s->words[s->i + 1] : NULL;
	bool optional = row->arg && row->arg[0] == '[', taken;

	*ret = attached;
	if (!row->arg || attached)
		return 0;
	if (optional)
		taken = next && (row->takes ? row->takes(next) : next[0] != '-');
	else
		taken = next != NULL && strcmp(next, "--") != 0;
	if (!taken && !optional)
		return err_set(err, ERR_INPUT, "%s wants a value: %s %s (%s)",
			s->p->shown, s->p->shown, row->arg, row->help);
	if (!taken)
		return 0;
	*ret = next;
	s->i++;
	return 0;
}

static int use(struct scan *s, const struct word *row, const char *shown,
	const char *attached, struct err *err)
{
	struct words_parse *p = s->p;
	const char *value;

	p->word = row;
	p->shown = shown;
	if (row->type == WORD_REFUSED)
		return words_set(p, "", err);
	if (find_value(s, row, attached, &value, err) < 0 || words_set(p, value, err) < 0)
		return -1;
	return remember(p, row) < 0 ? err_sys(err, ENOMEM, "%s", shown) : 0;
}

/* "-cCl30": flags, and the first that takes a value has the rest. */
static int scan_letters(struct scan *s, const char *word, struct err *err)
{
	for (const char *c = word + 1; *c; c++) {
		const struct word *row = words_find_letter(s->p->dialect, *c, s->pos);
		char shown[3] = {'-', *c, '\0'};

		if (!row)
			return unknown_letter(s->p->dialect, *c, err);
		if (row->arg && c[1] && (!row->takes || row->takes(c + 1)))
			return use(s, row, shown, c + 1, err);
		if (use(s, row, shown, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static int scan_name(struct scan *s, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");
	const struct word *row = words_find_name(s->p->dialect, word, len, s->pos);

	if (!row)
		return unknown_name(s->p->dialect, word, len, err);
	if (word[len] && !row->arg && row->type != WORD_REFUSED)
		return err_set(err, ERR_INPUT, "%s takes no value", row->name);
	return use(s, row, row->name, word[len] ? word + len + 1 : NULL, err);
}

static int scan(struct scan *s, struct err *err)
{
	for (; s->i < s->n; s->i++) {
		const char *word = s->words[s->i];
		AUTO_FREE char *safe = NULL;
		int rc;

		if (strcmp(word, "--") == 0 && s->pos == POS_GLOBAL) {
			s->pos = POS_TEST;
			continue;
		}
		if (word[0] == '-' && word[1] == '-' && word[2])
			rc = scan_name(s, word, err);
		else if (word[0] == '-' && word[1] && word[1] != '-')
			rc = scan_letters(s, word, err);
		else {
			safe = text_sanitize(word, strlen(word));
			rc = err_set(err, ERR_INPUT,
				"'%.60s' belongs to no option: behind -- stand only "
				"options "
				"of the test (hosts stand before it)",
				safe ? safe : "");
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool has_separator(char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], "--") == 0)
			return true;
	}
	return false;
}

int net_words_parse(enum net_dialect dialect, char *const *words, size_t n,
	struct net_words *ret, struct err *err)
{
	struct words_parse p = {.dialect = dialect, .w = ret, .protocol = -1};
	struct scan s = {.p = &p, .words = words, .n = n, .pos = POS_PLAIN};
	int rc = 0;

	net_words_init(ret);
	ret->spec.timeout_ns = 0; /* not said */
	p.separated = has_separator(words, n);
	if (p.separated)
		s.pos = POS_GLOBAL;
	if (p.separated && dialect == NET_WORDS_IPERF3)
		rc = err_set(err, ERR_INPUT,
			"iperf3 has no second --: all its options stand "
			"behind the first");
	if (rc == 0)
		rc = scan(&s, err);
	if (rc == 0)
		rc = words_resolve(&p, err);
	free(p.rows);
	if (rc < 0)
		net_words_finish(ret);
	return rc;
}
