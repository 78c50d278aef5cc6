/* net_rows: records as JSON, by their members. Back again: net_rows_parse.c. */
#include "results/net_rows.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "proto/net_json.h"
#include "proto/net_selectors.h"

static int append(const char *data, size_t len, void *out)
{
	return buf_append(out, data, len);
}

/* Takes object, which may be NULL. */
static int print(json_t *object, struct buf *out)
{
	int rc = object ? json_dump_callback(object, append, out,
				  JSON_COMPACT | JSON_REAL_PRECISION(17))
			: -1;

	json_decref(object);
	return rc == 0 ? 0 : -ENOMEM;
}

/* Takes value; NULL: no memory. What is not known is left out. */
static int set(json_t *to, const char *key, json_t *value)
{
	return value && json_object_set_new(to, key, value) == 0 ? 0 : -ENOMEM;
}

static int set_text(json_t *to, const char *key, const char *text)
{
	AUTO_FREE char *safe = text ? text_sanitize(text, strlen(text)) : NULL;

	if (!text)
		return 0;
	return safe ? set(to, key, json_string(safe)) : -ENOMEM;
}

static int set_real(json_t *to, const char *key, double v)
{
	return isfinite(v) ? set(to, key, json_real(v)) : 0;
}

static int set_uint(json_t *to, const char *key, uint64_t v)
{
	return set(to, key, json_integer((json_int_t)(v & INT64_MAX)));
}

static json_t *values_of(const struct net_record *r)
{
	json_t *o = json_object();
	int rc = 0;

	for (size_t i = 0; o && rc == 0 && i < NET_SELECTORS; i++) {
		const struct net_value *v = &r->values.of[i];
		const char *name = net_selectors[i].name;

		if (!v->known)
			continue;
		rc = net_selectors[i].unit ? set_real(o, name, v->number)
					   : set_text(o, name, v->text);
	}
	if (rc == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* The number of its pair meant something to its session alone. */
static json_t *result_of(const struct net_result *result)
{
	struct net_result r = *result;

	r.pair = 1;
	return net_result_to_json(&r);
}

static json_t *intervals_of(const struct net_intervals *list)
{
	json_t *o = json_array();

	for (size_t i = 0; o && i < list->n; i++) {
		struct net_interval one = list->items[i];

		one.pair = 1;
		if (json_array_append_new(o, net_interval_to_json(&one)) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static int set_ends(json_t *o, const struct net_record *r)
{
	json_t *ends = json_object(), *intervals = json_object();
	int rc = ends && intervals ? 0 : -ENOMEM;

	for (int side = 0; rc == 0 && side < NET_SIDES; side++) {
		const char *name = net_side_names[side];

		if (r->end[side])
			rc = set(ends, name, result_of(r->end[side]));
		if (rc == 0)
			rc = set(intervals, name, intervals_of(&r->intervals[side]));
	}
	if (set(o, "ends", ends) < 0 || set(o, "intervals", intervals) < 0)
		return -ENOMEM;
	return rc;
}

static int set_error(json_t *o, const struct net_record *r)
{
	json_t *error;
	int rc;

	if (!r->error)
		return 0;
	error = json_object();
	rc = error ? 0 : -ENOMEM;
	if (rc == 0)
		rc = set_text(error, "class", r->error_class);
	if (rc == 0)
		rc = set_text(error, "message", r->error);
	return set(o, "error", error) < 0 ? -ENOMEM : rc;
}

static int set_record(json_t *o, const struct net_record *r, double cv)
{
	const struct {
		const char *key, *text;
	} texts[] = {{"client", r->client}, {"server", r->server}, {"test", r->test},
		{"client_address", r->client_address},
		{"server_address", r->server_address}, {"command", r->command}};
	const struct {
		const char *key;
		uint64_t number;
	} numbers[] = {{"iteration", r->iteration}, {"round", r->round},
		{"resumed", r->resumed}, {"attempts", r->attempts},
		{"started_ns", r->started_wall_ns}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (set_text(o, texts[i].key, texts[i].text) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (set_uint(o, numbers[i].key, numbers[i].number) < 0)
			return -ENOMEM;
	if (set(o, "success", json_boolean(r->success)) < 0 ||
		(r->cut_short && set(o, "cut_short", json_true()) < 0) ||
		set_real(o, "elapsed_s", r->elapsed_s) < 0 || set_real(o, "cv", cv) < 0 ||
		set_error(o, r) < 0)
		return -ENOMEM;
	if (!r->success)
		return 0;
	return set(o, "values", values_of(r)) < 0 ? -ENOMEM : set_ends(o, r);
}

int net_row_print(const struct net_record *r, double cv, struct buf *out)
{
	json_t *o = json_object();

	if (!o)
		return -ENOMEM;
	if (set(o, "kind", json_string("pair")) < 0 || set_record(o, r, cv) < 0) {
		json_decref(o);
		return -ENOMEM;
	}
	return print(o, out);
}

int net_row_print_resumed(uint64_t wall_ns, size_t kept, size_t left, struct buf *out)
{
	return print(json_pack("{s:s, s:I, s:I, s:I}", "kind", "resumed", "at_ns",
			     (json_int_t)(wall_ns & INT64_MAX), "kept", (json_int_t)kept,
			     "left", (json_int_t)left),
		out);
}
