/* store_config: where an S3 store is and how to get in, as other tools write it down. */
#include "workload/store_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "workload/storage.h"
#include "workload/uri.h"
#include "yaml/decode.h"

#define FILE_BYTES_MAX (1u << 20)

struct config {
	char *endpoint, *access_key, *secret_key, *session_token, *bucket, *region;
};

#define AT(member) .offset = offsetof(struct config, member)
static const char *const other_endpoint[] = {"endpoint_url", NULL};
static const char *const other_access[] = {"access_key_id", "aws_access_key_id", NULL};
static const char *const other_secret[] = {
	"secret_access_key", "aws_secret_access_key", NULL};
static const char *const other_token[] = {"aws_session_token", NULL};

static const struct key config_keys[] = {
	{"endpoint", KEY_STR, AT(endpoint), .aliases = other_endpoint,
		.help = "URL of the store."},
	{"access_key", KEY_STR, AT(access_key), .aliases = other_access,
		.help = "Name of the key."},
	{"secret_key", KEY_STR, AT(secret_key), .aliases = other_secret,
		.help = "The key."},
	{"session_token", KEY_STR, AT(session_token), .aliases = other_token,
		.help = "Token of temporary credentials."},
	{"bucket", KEY_STR, AT(bucket), .help = "Where objects go."},
	{"region", KEY_STR, AT(region), .help = "That requests are signed for."},
	{.name = NULL},
};

static void config_finish(struct config *c)
{
	char *const secrets[] = {c->access_key, c->secret_key, c->session_token};

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		if (secrets[i])
			explicit_bzero(secrets[i], strlen(secrets[i]));
	decode_release(config_keys, c);
}

static int check(const struct yaml_doc *doc, const struct node *map,
	const struct config *c, struct err *err)
{
	struct err why = ERR_INIT;
	const struct node *endpoint = node_get(map, "endpoint");

	if (!c->bucket || !*c->bucket || strchr(c->bucket, '/'))
		return node_error(doc, c->bucket ? node_get(map, "bucket") : map, err,
			"'bucket' must name a bucket");
	if (!c->access_key != !c->secret_key)
		return node_error(doc, map, err,
			"access_key and secret_key belong together, and one of them is "
			"missing");
	if (c->endpoint && storage_check_endpoint(c->endpoint, &why) < 0)
		return node_error(doc, endpoint ? endpoint : map, err,
			"key 'endpoint' %s", why.text);
	return 0;
}

static int add_variable(char **env, size_t *n, const char *name, const char *value)
{
	if (!value)
		return 0;
	env[*n] = text_printf("%s=%s", name, value);
	return env[(*n)++] ? 0 : -ENOMEM;
}

static int convert(const struct config *c, struct store_config *ret)
{
	size_t n = 0;

	ret->target = text_printf("s3://%s/", c->bucket);
	ret->endpoint = c->endpoint ? strdup(c->endpoint) : NULL;
	ret->env = calloc(5, sizeof(*ret->env));
	if (!ret->target || !ret->env || (c->endpoint && !ret->endpoint))
		return -ENOMEM;
	if (add_variable(ret->env, &n, "AWS_ACCESS_KEY_ID", c->access_key) < 0 ||
		add_variable(ret->env, &n, "AWS_SECRET_ACCESS_KEY", c->secret_key) < 0 ||
		add_variable(ret->env, &n, "AWS_SESSION_TOKEN", c->session_token) < 0)
		return -ENOMEM;
	return add_variable(ret->env, &n, "AWS_REGION", c->region);
}

static int read_document(
	const struct yaml_doc *doc, struct store_config *ret, struct err *err)
{
	/* what the tool has besides is none of our business */
	struct decode d = {.doc = doc, .lenient = true};
	CLEANUP(config_finish) struct config c = {0};
	CLEANUP(store_config_finish) struct store_config made = {0};
	const struct node *map = doc->root, *inner;
	struct err why = ERR_INIT;

	if (map->type == NODE_MAP && (inner = node_get(map, "s3")) &&
		inner->type == NODE_MAP)
		map = inner;
	if (map->type != NODE_MAP)
		return node_error(doc, map, err,
			"a mapping with endpoint, bucket, access_key and secret_key is "
			"wanted");
	if (decode_map(&d, map, config_keys, "set of store settings", &c, err) < 0 ||
		check(doc, map, &c, err) < 0)
		return -1;
	if (convert(&c, &made) < 0)
		return err_sys(err, ENOMEM, "%s", doc->name);
	if (uri_check_target(made.target, &why) < 0)
		return node_error(doc, node_get(map, "bucket"), err, "%s", why.text);
	*ret = made;
	made = (struct store_config){0};
	return 0;
}

int store_config_parse(const char *name, const char *text, size_t len,
	struct store_config *ret, struct err *err)
{
	struct yaml_doc *doc = NULL;
	int rc;

	if (yaml_parse(name, text, len, &doc, err) < 0)
		return -1;
	rc = read_document(doc, ret, err);
	yaml_destroy(doc);
	return rc;
}

int store_config_load(const char *path, struct store_config *ret, struct err *err)
{
	struct buf text AUTO_BUF = BUF_INIT;
	int rc;

	if (file_read(path, FILE_BYTES_MAX, &text, err) < 0) {
		err->kind = ERR_INPUT;
		return -1;
	}
	rc = store_config_parse(path, text.data ? text.data : "", text.len, ret, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	return rc;
}

void store_config_finish(struct store_config *c)
{
	for (char **env = c->env; env && *env; env++) {
		explicit_bzero(*env, strlen(*env));
		free(*env);
	}
	free(c->env);
	free(c->endpoint);
	free(c->target);
	*c = (struct store_config){0};
}
