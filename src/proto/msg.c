/* msg: a message to a line and back. The members are in the tables of msg_to_worker.c and
 * msg_from_worker.c; here is what all messages share. */
#include "proto/msg.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "proto/msg_defs.h"

#define QUOTED_BYTES 80u

const char *const phase_names[PHASES] = {
	[PHASE_NONE] = "none",
	[PHASE_PREPARE] = "prepare",
	[PHASE_WARMUP] = "warmup",
	[PHASE_MEASURE] = "measure",
	[PHASE_CLEANUP] = "cleanup",
};
const struct names phases_by_name = {phase_names, sizeof(char *), PHASES};

int phase_from_name(const char *name)
{
	for (int i = 0; i < PHASES; i++)
		if (strcmp(phase_names[i], name) == 0)
			return i;
	return -1;
}

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

static const struct msg_def *def_of(enum msg_type type)
{
	return type < MSG_HELLO ? &msg_defs_to_worker[type] : &msg_defs_from_worker[type];
}

const char *msg_type_name(enum msg_type type)
{
	return def_of(type)->name;
}

static int append(const char *text, size_t len, void *user)
{
	return buf_append(user, text, len);
}

int msg_encode(const struct msg *m, struct buf *out)
{
	const struct msg_def *def = def_of(m->type);
	AUTO_JSON json_t *json = json_object();
	size_t before = out->len;
	size_t flags =
		JSON_COMPACT | JSON_REAL_PRECISION((def->digits ? def->digits : 6));

	if (!json || json_object_set_new(json, "type", json_string(def->name)) < 0)
		return -ENOMEM;
	if (fields_encode(def->fields, &m->u, json) < 0)
		return -EINVAL;
	if (json_dump_callback(json, append, out, flags) < 0 || buf_putc(out, '\n') < 0 ||
		out->len - before > MSG_MAX_LINE) {
		out->len = before;
		if (out->data)
			out->data[before] = '\0';
		return -ENOBUFS;
	}
	return 0;
}

/* REASON: "start of the line" */
static int __attribute__((format(printf, 4, 5)))
refuse_line(const char *line, size_t len, struct err *err, const char *fmt, ...)
{
	AUTO_FREE char *start =
		text_sanitize(line, len < QUOTED_BYTES ? len : QUOTED_BYTES);
	AUTO_BUF struct buf why = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	return err_set(err, ERR_FAILED, "%s: \"%s\"%s", why.data ? why.data : "bad line",
		start ? start : "", len > QUOTED_BYTES ? "..." : "");
}

static int type_from_name(enum msg_side from, const char *name)
{
	const struct msg_def *defs =
		from == MSG_FROM_WORKER ? msg_defs_from_worker : msg_defs_to_worker;

	for (int i = 0; i < MSG_TYPES; i++)
		if (defs[i].name && strcmp(defs[i].name, name) == 0)
			return i;
	return -1;
}

/* A hello of another version is decoded as far as all versions agree. */
static bool is_foreign_hello(int type, const json_t *json)
{
	const json_t *protocol = json_object_get(json, "protocol");

	return type == MSG_HELLO && json_is_integer(protocol) &&
	       json_integer_value(protocol) != PROTO_VERSION;
}

static int decode_members(struct msg *m, const json_t *json, struct err *err)
{
	const struct msg_def *def = def_of(m->type);
	bool foreign = is_foreign_hello((int)m->type, json);
	struct err why = ERR_INIT;
	char what[32];

	snprintf(what, sizeof(what), "%s message", def->name);
	if (fields_decode(
		    foreign ? hello_any_fields : def->fields, json, &m->u, what, err) < 0)
		return -1;
	if (def->check && def->check(&m->u, &why) < 0)
		return err_set(err, ERR_FAILED, "%s: %s", what, why.text);
	return 0;
}

int msg_decode(enum msg_side from, const char *line, size_t len, struct msg *ret,
	struct err *err)
{
	AUTO_JSON json_t *json = NULL;
	json_error_t error;
	const char *name;
	int type;

	memset(ret, 0, sizeof(*ret));
	if (len > MSG_MAX_LINE)
		return refuse_line(
			line, len, err, "a line of %zu bytes is too long", len);
	json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return refuse_line(line, len, err, "not a message (%s)", error.text);
	name = json_string_value(json_object_get(json, "type"));
	if (!name)
		return refuse_line(line, len, err, "a message without type");
	type = type_from_name(from, name);
	if (type < 0)
		return refuse_line(line, len, err, "unknown message");
	ret->type = (enum msg_type)type;
	if (decode_members(ret, json, err) < 0) {
		msg_finish(ret);
		return -1;
	}
	return 0;
}

void msg_finish(struct msg *m)
{
	fields_finish(def_of(m->type)->fields, &m->u);
	memset(m, 0, sizeof(*m));
}
