/* gcs_json: JSON of Google Cloud Storage (cloud.google.com/storage/docs/json_api). */
#include "backends/object/gcs_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

static json_t *read_object(const char *text, size_t len, struct err *err)
{
	json_error_t why;
	json_t *j = len ? json_loadb(text, len, 0, &why) : NULL;

	if (!j) {
		err_set(err, ERR_FAILED, "it is no JSON%s%s", len ? ": " : "",
			len ? why.text : "");
		return NULL;
	}
	if (json_is_object(j))
		return j;
	json_decref(j);
	err_set(err, ERR_FAILED, "it is no JSON object");
	return NULL;
}

/* --- pages */

/* Sizes are strings of digits: JSON's numbers end at 2^53. */
static int read_item(const json_t *item, object_key_fn *fn, void *user, bool *ret_go_on,
	struct err *err)
{
	const char *name = json_string_value(json_object_get(item, "name"));
	const char *digits = json_string_value(json_object_get(item, "size"));
	uint64_t size = 0;
	char *end;

	if (!name)
		return err_set(err, ERR_FAILED, "an object in it has no name");
	if (digits) {
		errno = 0;
		size = strtoull(digits, &end, 10);
		if (errno || *end || *digits < '0' || *digits > '9')
			return err_set(err, ERR_FAILED, "a size in it is no number");
	}
	*ret_go_on = !fn || fn(user, name, strlen(name), size);
	return 0;
}

int gcs_page_parse(const char *text, size_t len, object_key_fn *fn, void *user,
	struct object_page *ret, struct err *err)
{
	json_t *page AUTO_JSON = read_object(text, len, err);
	json_t *items, *item, *token;
	struct object_page p = {.next = NULL};
	bool go_on = true;
	size_t i;

	if (!page)
		return -1;
	items = json_object_get(page, "items");
	if (items && !json_is_array(items))
		return err_set(err, ERR_FAILED, "its items are no list");
	json_array_foreach(items, i, item)
	{
		if (read_item(item, fn, user, &go_on, err) < 0)
			return -1;
		p.objects++;
		if (!go_on)
			break;
	}
	p.prefixes = json_array_size(json_object_get(page, "prefixes"));
	token = json_object_get(page, "nextPageToken");
	if (go_on && json_string_length(token)) {
		p.next = strdup(json_string_value(token));
		if (!p.next)
			return err_sys(err, ENOMEM, "a page");
	}
	*ret = p;
	return 0;
}

/* --- rewrites */

int gcs_rewrite_parse(
	const char *text, size_t len, bool *ret_done, char **ret_token, struct err *err)
{
	json_t *answer AUTO_JSON = read_object(text, len, err);
	const json_t *done;
	const char *token;

	if (!answer)
		return -1;
	done = json_object_get(answer, "done");
	if (!json_is_boolean(done))
		return err_set(err, ERR_FAILED, "it does not say whether it is done");
	*ret_token = NULL;
	*ret_done = json_is_true(done);
	if (*ret_done)
		return 0;
	token = json_string_value(json_object_get(answer, "rewriteToken"));
	if (!token)
		return err_set(err, ERR_FAILED, "it is not done, and has no token");
	*ret_token = strdup(token);
	return *ret_token ? 0 : err_sys(err, ENOMEM, "a copy");
}

/* --- errors */

static void keep(char *out, size_t size, const json_t *text)
{
	const char *value = json_string_value(text);

	if (value)
		snprintf(out, size, "%s", value);
}

/* "No such object: bench/x": the first line, unless it is a page for people. */
static void keep_plain(const char *text, size_t len, struct gcs_fault *ret)
{
	size_t n = 0;

	while (n < len && n < sizeof(ret->message) - 1 && text[n] && text[n] != '\n' &&
		text[n] != '\r')
		n++;
	if (!n || *text == '<' || *text == '{' || *text == '[')
		return;
	memcpy(ret->message, text, n);
	ret->message[n] = '\0';
}

void gcs_fault_parse(const char *text, size_t len, struct gcs_fault *ret)
{
	struct err ignored = ERR_INIT;
	json_t *answer AUTO_JSON = read_object(text, len, &ignored);
	const json_t *error, *first;

	*ret = (struct gcs_fault){.reason = ""};
	if (!answer) {
		keep_plain(text, len, ret);
		return;
	}
	error = json_object_get(answer, "error");
	if (json_is_string(error)) { /* of a token endpoint */
		keep(ret->reason, sizeof(ret->reason), error);
		keep(ret->message, sizeof(ret->message),
			json_object_get(answer, "error_description"));
		return;
	}
	first = json_array_get(json_object_get(error, "errors"), 0);
	keep(ret->reason, sizeof(ret->reason), json_object_get(first, "reason"));
	keep(ret->message, sizeof(ret->message), json_object_get(error, "message"));
}
