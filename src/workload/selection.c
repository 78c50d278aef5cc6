/* selection: which of its objects an op takes, as a workload says it. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "workload/spec.h"

#define THETA 0.99
#define THETA_FROM_ONE 1e-9

/* as enum selection */
static const char *const choices[] = {
	"uniform|random", "sequential", "zipf|zipfian", "latest", NULL};

#define AT(member) .offset = offsetof(struct selection_spec, member)

const struct key selection_keys[] = {
	{"type", KEY_ENUM, AT(how), choices, .def = "uniform",
		.help = "uniform; sequential (one after the other, round and round); "
			"zipf (few of them often); latest (as zipf, the newest most)."},
	{"theta", KEY_DOUBLE, AT(theta), .def = "0.99",
		.set_offset = offsetof(struct selection_spec, has_theta),
		.help = "zipf, latest: how skewed: the object of rank r has probability "
			"in proportion to 1 / r^theta; not 1."},
	{.name = NULL},
};

static bool is_skewed(int how)
{
	return how == SELECT_ZIPF || how == SELECT_LATEST;
}

static int settle(
	struct decode *d, const struct node *n, struct selection_spec *s, struct err *err)
{
	if (s->has_theta && !is_skewed(s->how))
		return node_error(d->doc, n, err, "selection %s takes no theta",
			selection_names[s->how]);
	if (!s->has_theta)
		s->theta = is_skewed(s->how) ? THETA : 0;
	if (!is_skewed(s->how) ||
		(isfinite(s->theta) && s->theta > 0 && s->theta <= JOB_THETA_MAX &&
			fabs(s->theta - 1) >= THETA_FROM_ONE))
		return 0;
	return node_error(d->doc, n, err,
		"theta is a number above 0, at most %u, and not 1: 0.99 or 1.01 is as "
		"skewed",
		JOB_THETA_MAX);
}

/* TYPE, or TYPE:THETA as fio has it. */
static int decode_words(
	struct decode *d, const struct node *n, struct selection_spec *s, struct err *err)
{
	const char *colon = strchr(n->value, ':');
	AUTO_FREE char *type =
		colon ? text_printf("%.*s", (int)(colon - n->value), n->value)
		      : text_printf("%s", n->value);
	struct node word = *n;

	if (!type)
		return err_set(err, ERR_FAILED, "out of memory");
	word.value = type;
	if (decode_value(d, &word,
		    &(struct key){.name = "selection", .type = KEY_ENUM, .arg = choices},
		    &s->how, err) < 0)
		return -1;
	if (!colon)
		return 0;
	s->has_theta = true;
	if (units_parse_double(colon + 1, &s->theta) < 0)
		return node_error(d->doc, n, err,
			"'%.50s' is no theta, which is a number", colon + 1);
	return 0;
}

/* {zipf: THETA} */
static int decode_short(
	struct decode *d, const struct node *n, struct selection_spec *s, struct err *err)
{
	const struct node *name = n->keys[0];

	s->has_theta = true;
	if (decode_words(d, name, s, err) < 0)
		return -1;
	return decode_value(d, n->items[0],
		&(struct key){.name = "theta", .type = KEY_DOUBLE}, &s->theta, err);
}

int decode_selection(struct decode *d, const struct node *n, void *dst, struct err *err)
{
	struct selection_spec s = {.how = SELECT_UNIFORM}, *ret = dst;
	int r;

	if (n->type == NODE_SCALAR)
		r = decode_words(d, n, &s, err);
	else if (n->type == NODE_MAP && n->n == 1 && !node_get(n, "type") &&
		 !node_get(n, "theta"))
		r = decode_short(d, n, &s, err);
	else
		r = decode_map(d, n, selection_keys, "selection", &s, err);
	if (r < 0 || settle(d, n, &s, err) < 0)
		return -1;
	*ret = s;
	return 0;
}
