/* describe: what this worker can do, as JSON, from the tables that it works by. */
#include "worker/control/describe.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "backends/backend.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "muster_version.h"
#include "proto/msg.h"

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

static json_t *ops_of(unsigned mask)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < OP_KINDS; k++)
		if (mask & 1u << k)
			json_array_append_new(list, json_string(op_infos[k].name));
	return list;
}

/* What this machine does not let it do, and what is done then. */
static void describe_limit(const struct backend *b, json_t *to)
{
	char why[200];

	if (!b->works || b->works(why, sizeof(why)))
		return;
	json_object_set_new(to, "why", json_string(why));
	json_object_set_new(to, "instead", json_string(b->instead->summary));
	json_object_set_new(to, "sync", json_boolean(b->instead->sync));
}

static json_t *describe_backends(void)
{
	json_t *list = json_array();

	for (size_t i = 0; backends[i]; i++) {
		const struct backend *b = backends[i];
		json_t *options = json_array(), *one;

		for (const struct backend_option *o = b->options; o->name; o++)
			json_array_append_new(
				options, json_pack("{s:s, s:s, s:s}", "name", o->name,
						 "help", o->help, "default", o->def));
		one = json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:o}", "name", b->name,
			"schemes", b->schemes, "summary", b->summary, "ops",
			ops_of(b->ops), "sync", (int)b->sync, "shared",
			(int)b->shared_default, "options", options);
		describe_limit(b, one);
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *describe_ops(void)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < OP_KINDS; k++)
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:b, s:b, s:s}", "name", op_infos[k].name,
				"display", op_infos[k].display, "moves_data",
				(int)op_infos[k].moves_data, "supported",
				(int)op_infos[k].supported, "help", op_infos[k].help));
	return list;
}

static json_t *names(const char *const *table, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n && table[i]; i++)
		json_array_append_new(list, json_string(table[i]));
	return list;
}

int describe(struct buf *out)
{
	AUTO_JSON json_t *json = json_pack(
		"{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
		MUSTER_VERSION, "protocol", PROTO_VERSION, "backends",
		describe_backends(), "ops", describe_ops(), "fills",
		names(fill_names, SIZE_MAX), "cleanup_modes",
		names(cleanup_mode_names, SIZE_MAX), "phases", names(phase_names, PHASES),
		"buckets", names(bucket_names, BUCKETS), "samples",
		names(sample_names, SAMPLE_KINDS), "errors",
		names(op_error_names, OP_ERRORS));
	AUTO_FREE char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

	if (!text || buf_puts(out, text) < 0 || buf_putc(out, '\n') < 0)
		return -ENOMEM;
	return 0;
}
