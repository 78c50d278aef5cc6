/* matrix_saved: one table of the members of matrix.json, for both ways. */
#include "orchestrator/matrix/matrix_saved.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "muster_version.h"
#include "results/json_writer.h"

#define FORMAT 1
#define FLAT 1

#define LIST(member)                                                                     \
	{                                                                                \
#member, offsetof(struct matrix_saved, member)                           \
	}
static const struct {
	const char *name;
	size_t offset;
} lists[] = {LIST(options), LIST(hosts_options), LIST(words), LIST(clients),
	LIST(servers), LIST(outside)};

static char ***list_at(const struct matrix_saved *s, size_t i)
{
	return (char ***)(void *)((char *)(uintptr_t)s + lists[i].offset);
}

static void list_free(char **list)
{
	for (char **t = list; t && *t; t++)
		free(*t);
	free(list);
}

void matrix_saved_finish(struct matrix_saved *s)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_free(*list_at(s, i));
	*s = (struct matrix_saved){0};
}

int matrix_saved_print(const struct matrix_saved *s, struct buf *out)
{
	struct json_writer w;

	jw_init(&w, out, FLAT);
	jw_object(&w, NULL);
	jw_uint(&w, "format", FORMAT);
	jw_text(&w, "command", "matrix");
	jw_text(&w, "muster", MUSTER_VERSION);
	jw_uint(&w, "started_ns", s->started_wall_ns);
	jw_bool(&w, "embedded", s->embedded);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		jw_texts(&w, lists[i].name, *list_at(s, i));
	jw_object_end(&w);
	return w.failed ? -ENOMEM : 0;
}

static int wrong(struct err *err, const char *name, const char *member, const char *want)
{
	return err_set(
		err, ERR_INPUT, "%s: member \"%s\" must be %s", name, member, want);
}

static int get_list(const char *name, const char *member, const json_t *from, char ***ret,
	struct err *err)
{
	size_t n = json_array_size(from);
	char **list;

	if (!json_is_array(from))
		return wrong(err, name, member, "an array of texts");
	*ret = list = calloc(n + 1, sizeof(*list));
	if (!list)
		return err_sys(err, ENOMEM, "%s", name);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(from, i));

		if (!text)
			return wrong(err, name, member, "an array of texts");
		list[i] = strdup(text);
		if (!list[i])
			return err_sys(err, ENOMEM, "%s", name);
	}
	return 0;
}

/* Whose file it is comes before what is wrong with it. */
static int check_kind(const char *name, const json_t *root, struct err *err)
{
	const char *command = json_string_value(json_object_get(root, "command"));
	const json_t *format = json_object_get(root, "format");

	if (!command || strcmp(command, "matrix") != 0 || !json_is_integer(format))
		return err_set(err, ERR_INPUT,
			"%s: this is not what muster matrix writes", name);
	if (json_integer_value(format) != FORMAT)
		return err_set(err, ERR_INPUT,
			"%s: its format is %lld, and muster %s knows %d: go on with the "
			"muster that began it",
			name, (long long)json_integer_value(format), MUSTER_VERSION,
			FORMAT);
	return 0;
}

static int get_members(
	const char *name, const json_t *root, struct matrix_saved *ret, struct err *err)
{
	const json_t *started = json_object_get(root, "started_ns"),
		     *embedded = json_object_get(root, "embedded");

	if (check_kind(name, root, err) < 0)
		return -1;
	if (!json_is_integer(started) || json_integer_value(started) < 0)
		return wrong(err, name, "started_ns", "a time in nanoseconds");
	if (!json_is_boolean(embedded))
		return wrong(err, name, "embedded", "true or false");
	ret->started_wall_ns = (uint64_t)json_integer_value(started);
	ret->embedded = json_is_true(embedded);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (get_list(name, lists[i].name, json_object_get(root, lists[i].name),
			    list_at(ret, i), err) < 0)
			return -1;
	if (!ret->embedded && (!*ret->clients || !*ret->servers))
		return wrong(err, name, *ret->clients ? "servers" : "clients",
			"an array of hosts");
	return 0;
}

int matrix_saved_parse(const char *name, const char *text, size_t len,
	struct matrix_saved *ret, struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	int rc;

	*ret = (struct matrix_saved){0};
	if (!root)
		return err_set(err, ERR_INPUT, "%s:%d: %s", name, why.line, why.text);
	rc = get_members(name, root, ret, err);
	json_decref(root);
	if (rc < 0)
		matrix_saved_finish(ret);
	return rc;
}
