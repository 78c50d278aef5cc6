/* net_profile: a profile as a whole: its head, what holds for all tests, and the list of them. */
#include "workload/net_profile.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/net_profile_impl.h"

#define TESTS_MAX 1000

struct file {
	char *name, *description, *category;
	uint64_t version;
	char **tags;
	const struct node *global, *tests, *expectations, *analysis;
};

#define AT(m) .offset = offsetof(struct file, m)
static const struct key file_keys[] = {
	{"name", KEY_STR, AT(name), .help = "Required."},
	{"description", KEY_STR, AT(description), .help = "One line."},
	{"version", KEY_COUNT, AT(version), .def = "1", .min = 1,
		.help = "Of the profile, by who wrote it."},
	{"category", KEY_STR, AT(category), .help = "A word to sort profiles by."},
	{"tags", KEY_STRV, AT(tags), .help = "Words to find it by."},
	{"global", KEY_NODE, AT(global), .help = "What holds for all tests."},
	{"tests", KEY_NODE, AT(tests), .help = "Required: the tests, in their order."},
	{"expectations", KEY_NODE, AT(expectations),
		.help = "What is checked; a miss is printed and makes the exit code 1."},
	{"analysis", KEY_NODE, AT(analysis), .help = "What is reckoned of the results."},
	{.name = NULL},
};
#undef AT

static const char *const formats[] = {"csv", "columns", "keyval", "json", NULL};

#define AT(m) .offset = offsetof(struct profile_globals, m)
static const struct key global_keys[] = {
	{"duration", KEY_DURATION, AT(duration_ns), .def = "10", .min = NS_PER_MS,
		.help = "The window of tests that do not say their own."},
	{"warmup", KEY_DURATION, AT(warmup_ns), .def = "0",
		.help = "Load before the window, left out of all numbers."},
	{"cooldown", KEY_DURATION, AT(cooldown_ns), .def = "0",
		.help = "Rest between two tests."},
	{"continue_on_error", KEY_BOOL, AT(continue_on_error), .def = "true",
		.help = "Go on with the next test when pairs of one failed."},
	{"output_format", KEY_ENUM, AT(output_format), formats, .def = "keyval",
		.help = "csv, columns, keyval or json."},
	{.name = NULL},
};

static int decode_percentiles(
	struct decode *d, const struct node *n, void *dst, struct err *err);

static const struct key analysis_keys[] = {
	{"confidence_level", KEY_DOUBLE, AT(confidence_level), .def = "99",
		.help = "Percent, of the confidence interval over iterations."},
	{"percentiles", KEY_CUSTOM, .fn = decode_percentiles,
		.help = "Of latencies: 50, 90, 95, 99, 99.9, 99.99."},
	{"detect_outliers", KEY_BOOL, AT(detect_outliers), .def = "false",
		.help = "Say which iterations lie far from the others."},
	{.name = NULL},
};
#undef AT

const struct workload_table net_profile_tables[] = {
	{"", file_keys},
	{"global", global_keys},
	{"tests[]", profile_test_keys},
	{"expectations", profile_expectation_keys},
	{"analysis", analysis_keys},
	{NULL, NULL},
};

static int add_percentile(struct decode *d, const struct node *n,
	struct profile_globals *g, struct err *err)
{
	static const struct {
		double p;
		enum net_selector selector;
	} known[] = {{50, SEL_P50_LATENCY}, {90, SEL_P90_LATENCY}, {95, SEL_P95_LATENCY},
		{99, SEL_P99_LATENCY}, {99.9, SEL_P999_LATENCY},
		{99.99, SEL_P9999_LATENCY}};
	double p = 0;

	if (n->type == NODE_SCALAR && units_parse_double(n->value, &p) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(known); i++) {
			if (known[i].p != p)
				continue;
			if (g->n_percentiles < ARRAY_LEN(known))
				g->percentiles[g->n_percentiles++] = known[i].selector;
			return 0;
		}
	}
	return node_error(
		d->doc, n, err, "a percentile is one of 50, 90, 95, 99, 99.9 and 99.99");
}

/* dst is the struct: the key has no offset of its own. */
static int decode_percentiles(
	struct decode *d, const struct node *n, void *dst, struct err *err)
{
	if (n->type != NODE_SEQ)
		return add_percentile(d, n, dst, err);
	for (size_t i = 0; i < n->n; i++) {
		if (add_percentile(d, n->items[i], dst, err) < 0)
			return -1;
	}
	return 0;
}

static int decode_section(struct decode *d, const struct node *n, const struct key *keys,
	const char *what, void *dst, struct err *err)
{
	if (!n || n->type == NODE_NULL)
		return 0;
	return decode_map(d, n, keys, what, dst, err);
}

static int decode_globals(struct decode *d, const struct file *f,
	struct profile_globals *g, struct err *err)
{
	double level;

	if (decode_section(d, f->global, global_keys, "global section", g, err) < 0 ||
		decode_section(
			d, f->analysis, analysis_keys, "analysis section", g, err) < 0)
		return -1;
	level = g->confidence_level;
	if (!(level >= 50 && level <= 99.99))
		return node_error(d->doc, node_get(f->analysis, "confidence_level"), err,
			"key 'confidence_level' wants percent from 50 to 99.99");
	g->confidence_level = level / 100;
	return 0;
}

/* Names stand in tables, in csv and in the name of a directory. */
static int check_name(
	struct decode *d, const struct node *map, const char *name, struct err *err)
{
	for (const char *c = name; *c; c++)
		if (iscntrl((unsigned char)*c) || strchr("\",/", *c))
			return node_error(d->doc, node_get(map, "name"), err,
				"a name has no commas, quotes, slashes or control "
				"characters");
	return 0;
}

static int check_unique(struct decode *d, const struct node *n,
	const struct net_profile *p, struct err *err)
{
	const char *name = p->tests[p->n].name;

	if (check_name(d, n, name, err) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->tests[i].name, name) == 0)
			return node_error(d->doc, node_get(n, "name"), err,
				"test '%.100s' is there twice, first in line %u", name,
				p->tests[i].line);
	}
	return 0;
}

static int decode_tests(struct decode *d, const struct node *list,
	const struct profile_globals *g, struct net_profile *p, struct err *err)
{
	if (!list || list->type != NODE_SEQ || !list->n)
		return node_error(d->doc, list ? list : d->doc->root, err,
			"a profile needs 'tests', a list of at least one");
	if (list->n > TESTS_MAX)
		return node_error(
			d->doc, list, err, "a profile has at most %d tests", TESTS_MAX);
	p->tests = calloc(list->n, sizeof(*p->tests));
	if (!p->tests)
		return err_sys(err, ENOMEM, "tests of a profile");
	for (size_t i = 0; i < list->n; i++) {
		const struct node *n = list->items[i];

		if (profile_decode_test(d, n, g, &p->tests[p->n], err) < 0)
			return -1;
		if (check_unique(d, n, p, err) < 0) {
			p->n++; /* so that it is freed */
			return -1;
		}
		p->n++;
	}
	return 0;
}

static int check_expectations(struct decode *d, const struct node *n,
	const struct net_profile *p, struct err *err)
{
	const struct net_expectations *e = &p->expectations;

	for (size_t i = 0; i < NET_EXPECTATIONS; i++) {
		const char *key = profile_expectation_keys[i].name;
		const char *idle = e->set[i] ? profile_expectation_idle(p, i) : NULL;

		if (idle)
			return node_error(d->doc, node_get(n, key), err,
				"key '%s' is about %s, and no test of this profile is "
				"that: nothing would be checked",
				key, idle);
		if (e->set[i] && e->bound[i] < 0)
			return node_error(d->doc, node_get(n, key), err,
				"key '%s' wants a number that is not negative", key);
	}
	return 0;
}

static int decode_profile(struct decode *d, struct file *f, struct profile_globals *g,
	struct net_profile *p, struct err *err)
{
	if (d->doc->root->type != NODE_MAP)
		return node_error(d->doc, d->doc->root, err,
			"a profile is a mapping with 'name' and 'tests'");
	if (decode_map(d, d->doc->root, file_keys, "profile", f, err) < 0)
		return -1;
	if (!f->name || !*f->name)
		return node_error(d->doc, d->doc->root, err, "a profile needs 'name'");
	if (check_name(d, d->doc->root, f->name, err) < 0)
		return -1;
	if (f->description)
		text_sanitize_inplace(f->description);
	if (decode_globals(d, f, g, err) < 0 ||
		decode_tests(d, f->tests, g, p, err) < 0 ||
		decode_section(d, f->expectations, profile_expectation_keys,
			"expectations section", &p->expectations, err) < 0)
		return -1;
	return check_expectations(d, f->expectations, p, err);
}

int net_profile_parse(const char *place, const char *text, size_t len,
	uint64_t duration_ns, void (*warn)(const char *text, void *user), void *user,
	struct net_profile *ret, struct err *err)
{
	struct profile_globals g = {.duration_ns = 10 * NS_PER_SEC,
		.continue_on_error = true,
		.output_format = -1,
		.confidence_level = 99,
		.override_ns = duration_ns};
	struct file f = {.version = 1};
	struct decode d = {.warn = warn, .user = user};
	struct yaml_doc *doc;
	int rc;

	*ret = (struct net_profile){.name = NULL};
	if (yaml_parse(place, text, len, &doc, err) < 0)
		return -1;
	d.doc = doc;
	rc = decode_profile(&d, &f, &g, ret, err);
	ret->name = STEAL_PTR(&f.name);
	ret->description = STEAL_PTR(&f.description);
	ret->category = STEAL_PTR(&f.category);
	ret->tags = STEAL_PTR(&f.tags);
	ret->version = f.version;
	ret->cooldown_ns = g.cooldown_ns;
	if (duration_ns && ret->cooldown_ns > duration_ns)
		ret->cooldown_ns = duration_ns;
	ret->continue_on_error = g.continue_on_error;
	ret->detect_outliers = g.detect_outliers;
	if (rc < 0)
		net_profile_finish(ret);
	yaml_destroy(doc);
	return rc;
}

void net_profile_finish(struct net_profile *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->tests[i].name);
		net_words_finish(&p->tests[i].words);
	}
	free(p->tests);
	free(p->name);
	free(p->description);
	free(p->category);
	for (size_t i = 0; p->tags && p->tags[i]; i++)
		free(p->tags[i]);
	free(p->tags);
	memset(p, 0, sizeof(*p));
}

static int bind_end(struct net_end *e, uint32_t flows, unsigned cpus)
{
	unsigned last = (flows < cpus ? flows : cpus) - 1;

	if (e->cpus || !cpus)
		return 0;
	e->cpus = last ? text_printf("0-%u", last) : text_printf("0");
	return e->cpus ? 0 : -ENOMEM;
}

int net_profile_bind(struct net_spec *s, unsigned client_cpus, unsigned server_cpus)
{
	int rc = bind_end(&s->local, s->flows, client_cpus);

	return rc < 0 ? rc : bind_end(&s->remote, s->flows, server_cpus);
}
