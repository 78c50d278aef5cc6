/* net_rows_parse: lines of rows.jsonl back into records. Each reader gets what a member says, or refuses it
 * by its name. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "proto/net_json.h"
#include "proto/net_selectors.h"
#include "results/net_rows.h"

#define INTERVALS_MAX 1000000u

static int wrong(struct err *err, const char *key, const char *want)
{
	return err_set(err, ERR_INPUT, "member \"%s\" must be %s", key, want);
}

static int get_text(
	const json_t *o, const char *key, bool needed, char **ret, struct err *err)
{
	const json_t *v = json_object_get(o, key);

	if (!v && !needed)
		return 0;
	if (!json_is_string(v) || (needed && !json_string_length(v)))
		return wrong(err, key, "a text");
	*ret = text_sanitize(json_string_value(v), json_string_length(v));
	return *ret ? 0 : err_sys(err, ENOMEM, "%s", key);
}

static int get_uint(
	const json_t *o, const char *key, uint64_t max, uint64_t *ret, struct err *err)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
		(uint64_t)json_integer_value(v) > max)
		return wrong(err, key, "a whole number in its range");
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_u32(const json_t *o, const char *key, uint32_t *ret, struct err *err)
{
	uint64_t v = 0;

	if (get_uint(o, key, UINT32_MAX, &v, err) < 0)
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

static int get_real(
	const json_t *o, const char *key, double missing, double *ret, struct err *err)
{
	const json_t *v = json_object_get(o, key);

	*ret = missing;
	if (!v)
		return 0;
	if (!json_is_number(v) || !isfinite(json_number_value(v)))
		return wrong(err, key, "a number");
	*ret = json_number_value(v);
	return 0;
}

/* Values that this version does not know are left out. */
static int get_values(const json_t *o, struct net_values *ret, struct err *err)
{
	for (size_t i = 0; i < NET_SELECTORS; i++) {
		const char *name = net_selectors[i].name;
		struct net_value *v = &ret->of[i];
		int rc;

		if (!json_object_get(o, name))
			continue;
		rc = net_selectors[i].unit ? get_real(o, name, 0, &v->number, err)
					   : get_text(o, name, false, &v->text, err);
		if (rc < 0)
			return err_prefix(err, "values");
		v->known = true;
	}
	return 0;
}

static int get_end(const json_t *o, struct net_result **ret, struct err *err)
{
	struct net_result *r = o ? malloc(sizeof(*r)) : NULL;

	if (!o)
		return 0;
	if (!r)
		return err_sys(err, ENOMEM, "ends");
	if (net_result_from_json(o, r, err) < 0) {
		free(r);
		return -1;
	}
	*ret = r;
	return 0;
}

static int get_intervals(const json_t *list, struct net_intervals *ret, struct err *err)
{
	size_t n = json_array_size(list);

	if (!n)
		return 0;
	if (n > INTERVALS_MAX)
		return wrong(err, "intervals", "shorter");
	ret->items = calloc(n, sizeof(*ret->items));
	if (!ret->items)
		return err_sys(err, ENOMEM, "intervals");
	for (; ret->n < n; ret->n++)
		if (net_interval_from_json(
			    json_array_get(list, ret->n), &ret->items[ret->n], err) < 0)
			return -1;
	return 0;
}

static int get_error(const json_t *o, struct net_record *r, struct err *err)
{
	AUTO_FREE char *class = NULL;

	if (get_text(o, "message", false, &r->error, err) < 0 ||
		get_text(o, "class", false, &class, err) < 0)
		return err_prefix(err, "error");
	for (size_t i = 0; class && i < NET_FAILURES; i++)
		if (strcmp(class, net_failure_names[i]) == 0)
			r->error_class = net_failure_names[i];
	return 0;
}

static int get_measured(const json_t *o, struct net_record *r, struct err *err)
{
	const json_t *ends = json_object_get(o, "ends"),
		     *intervals = json_object_get(o, "intervals");

	if (!json_is_object(json_object_get(o, "values")))
		return wrong(err, "values", "an object");
	if (get_values(json_object_get(o, "values"), &r->values, err) < 0)
		return -1;
	for (int side = 0; side < NET_SIDES; side++) {
		const char *name = net_side_names[side];

		if (get_end(json_object_get(ends, name), &r->end[side], err) < 0 ||
			get_intervals(json_object_get(intervals, name),
				&r->intervals[side], err) < 0)
			return err_prefix(err, "%s", name);
	}
	return 0;
}

static int get_row(const json_t *o, struct net_row *row, struct err *err)
{
	struct net_record *r = &row->record;

	if (get_text(o, "client", true, &row->client, err) < 0 ||
		get_text(o, "server", true, &row->server, err) < 0 ||
		get_text(o, "test", true, &row->test, err) < 0 ||
		get_text(o, "client_address", false, &r->client_address, err) < 0 ||
		get_text(o, "server_address", false, &r->server_address, err) < 0 ||
		get_text(o, "command", false, &r->command, err) < 0)
		return -1;
	if (get_u32(o, "iteration", &r->iteration, err) < 0 ||
		get_u32(o, "round", &r->round, err) < 0 ||
		get_u32(o, "resumed", &r->resumed, err) < 0 ||
		get_u32(o, "attempts", &r->attempts, err) < 0 ||
		get_uint(o, "started_ns", INT64_MAX, &r->started_wall_ns, err) < 0 ||
		get_real(o, "elapsed_s", 0, &r->elapsed_s, err) < 0 ||
		get_real(o, "cv", NAN, &row->cv, err) < 0)
		return -1;
	if (!json_is_boolean(json_object_get(o, "success")))
		return wrong(err, "success", "true or false");
	r->client = row->client;
	r->server = row->server;
	r->test = row->test;
	r->success = json_is_true(json_object_get(o, "success"));
	r->cut_short = json_is_true(json_object_get(o, "cut_short"));
	return r->success ? get_measured(o, r, err)
			  : get_error(json_object_get(o, "error"), r, err);
}

static void row_finish(struct net_row *row)
{
	net_record_finish(&row->record);
	free(row->client);
	free(row->server);
	free(row->test);
}

static int add_row(const json_t *o, size_t line, struct net_rows *ret, struct err *err)
{
	struct net_row row = {.line = line};
	struct net_row *grown = reallocarray(ret->items, ret->n + 1, sizeof(*ret->items));

	if (!grown)
		return err_sys(err, ENOMEM, "rows");
	ret->items = grown;
	if (get_row(o, &row, err) < 0) {
		row_finish(&row);
		return -1;
	}
	ret->items[ret->n++] = row;
	return 0;
}

static int add_session(
	const json_t *o, size_t line, struct net_rows *ret, struct err *err)
{
	struct net_session *grown =
		reallocarray(ret->sessions, ret->n_sessions + 1, sizeof(*ret->sessions));
	struct net_session s;
	uint64_t kept = 0, left = 0;

	(void)line;
	if (!grown)
		return err_sys(err, ENOMEM, "rows");
	ret->sessions = grown;
	if (get_uint(o, "at_ns", INT64_MAX, &s.wall_ns, err) < 0 ||
		get_uint(o, "kept", UINT32_MAX, &kept, err) < 0 ||
		get_uint(o, "left", UINT32_MAX, &left, err) < 0)
		return -1;
	s.kept = kept;
	s.left = left;
	ret->sessions[ret->n_sessions++] = s;
	return 0;
}

static int parse_line(
	const char *text, size_t len, size_t line, struct net_rows *ret, struct err *err)
{
	static const struct {
		const char *kind;
		int (*add)(const json_t *, size_t, struct net_rows *, struct err *);
	} kinds[] = {{"pair", add_row}, {"resumed", add_session}};
	json_error_t why;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	const char *kind = json_string_value(json_object_get(o, "kind"));
	int rc = 1;

	if (!o)
		return err_set(err, ERR_INPUT, "is no JSON object: %s", why.text);
	for (size_t i = 0; kind && i < ARRAY_LEN(kinds); i++)
		if (strcmp(kind, kinds[i].kind) == 0)
			rc = kinds[i].add(o, line, ret, err);
	json_decref(o);
	return rc > 0 ? wrong(err, "kind", "pair or resumed") : rc;
}

int net_rows_parse(const char *name, const char *text, size_t len, struct net_rows *ret,
	struct err *err)
{
	const char *end;

	*ret = (struct net_rows){0};
	for (size_t line = 1; len && (end = memchr(text, '\n', len)); line++) {
		size_t n = (size_t)(end - text);

		if (parse_line(text, n, line, ret, err) < 0) {
			err->kind = ERR_INPUT;
			err_prefix(err, "%s:%zu", name, line);
			net_rows_finish(ret);
			return -1;
		}
		text += n + 1;
		len -= n + 1;
	}
	return 0;
}

void net_rows_finish(struct net_rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		row_finish(&r->items[i]);
	free(r->items);
	free(r->sessions);
	*r = (struct net_rows){0};
}
