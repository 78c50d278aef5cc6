/* gcs: what a Google credentials file says, and where such a file, a token or HMAC keys are found. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/credentials.h"
#include "cloud/environment.h"
#include "cloud/secret.h"
#include "common/err.h"
#include "common/text.h"

#define FILE_MAX (1u << 20)
#define TOKEN_URI "https://oauth2.googleapis.com/token"

void gcs_credentials_finish(struct gcs_credentials *c)
{
	free(c->client_email);
	secret_free(c->private_key);
	free(c->private_key_id);
	free(c->token_uri);
	aws_credentials_finish(&c->hmac);
	free(c->client_id);
	secret_free(c->client_secret);
	secret_free(c->refresh_token);
	secret_free(c->token);
	free(c->origin);
	*c = (struct gcs_credentials){0};
}

/* ---- files ---- */

struct member {
	const char *name;
	size_t at; /* of a char * in struct gcs_credentials */
	bool optional;
};
#define MEMBER(field) #field, offsetof(struct gcs_credentials, field)

static const struct member service_account[] = {
	{MEMBER(client_email)},
	{MEMBER(private_key)},
	{MEMBER(private_key_id), .optional = true},
	{MEMBER(token_uri), .optional = true},
	{NULL},
};
static const struct member authorized_user[] = {
	{MEMBER(client_id)},
	{MEMBER(client_secret)},
	{MEMBER(refresh_token)},
	{MEMBER(token_uri), .optional = true},
	{NULL},
};
static const struct file_type {
	const char *name;
	enum gcs_kind kind;
	const struct member *members;
} file_types[] = {
	{"service_account", GCS_SERVICE_ACCOUNT, service_account},
	{"authorized_user", GCS_AUTHORIZED_USER, authorized_user},
};

static int take(const json_t *root, const struct file_type *type,
	struct gcs_credentials *ret, struct err *err)
{
	for (const struct member *m = type->members; m->name; m++) {
		const char *text = secret_json_text(root, m->name);
		char **to = (char **)(void *)((char *)ret + m->at);

		if (!text && !m->optional)
			return err_set(err, ERR_INPUT,
				"these credentials of type %s have no %s", type->name,
				m->name);
		if (secret_set(to, text) < 0)
			return err_sys(err, ENOMEM, "credentials");
	}
	ret->kind = type->kind;
	if (!ret->token_uri && secret_set(&ret->token_uri, TOKEN_URI) < 0)
		return err_sys(err, ENOMEM, "credentials");
	return 0;
}

static int of_json(const json_t *root, struct gcs_credentials *ret, struct err *err)
{
	const char *type = secret_json_text(root, "type");
	AUTO_FREE char *shown = type ? text_sanitize(type, strlen(type)) : NULL;

	for (size_t i = 0; type && i < ARRAY_LEN(file_types); i++)
		if (strcmp(type, file_types[i].name) == 0)
			return take(root, &file_types[i], ret, err);
	return err_set(err, ERR_INPUT,
		"credentials of type \"%.40s\" are not understood, only service_account "
		"and authorized_user",
		shown ? shown : "");
}

int gcs_credentials_parse_json(
	const char *text, size_t len, struct gcs_credentials *ret, struct err *err)
{
	json_error_t where;
	AUTO_SECRET_JSON json_t *root = json_loadb(text, len, 0, &where);

	*ret = (struct gcs_credentials){0};
	/* jansson's own words would quote the text */
	if (!root)
		return err_set(err, ERR_INPUT, "line %d: this is no JSON", where.line);
	if (!json_is_object(root))
		return err_set(err, ERR_INPUT, "this is no JSON object");
	if (of_json(root, ret, err) == 0)
		return 0;
	gcs_credentials_finish(ret);
	return -1;
}

static int read_file(const char *path, struct gcs_credentials *ret, struct err *err)
{
	size_t len;
	AUTO_SECRET char *text = secret_file(path, FILE_MAX, &len, err);

	if (!text)
		return -1;
	if (gcs_credentials_parse_json(text, len, ret, err) < 0)
		return err_prefix(err, "%s", path);
	return secret_set(&ret->origin, path) < 0 ? err_sys(err, ENOMEM, "credentials")
						  : 1;
}

/* ---- where they are ---- */

/* A file, or its content when it was forwarded. */
static int of_application(
	const struct cloud_env *env, struct gcs_credentials *ret, struct err *err)
{
	static const char name[] = "GOOGLE_APPLICATION_CREDENTIALS";
	const char *value = environment_get(env, name);

	if (!value)
		return 0;
	if (value[strspn(value, " \t\r\n")] != '{')
		return env->no_files ? 0 : read_file(value, ret, err);
	if (gcs_credentials_parse_json(value, strlen(value), ret, err) < 0)
		return err_prefix(err, "%s", name);
	return secret_set(&ret->origin, name) < 0 ? err_sys(err, ENOMEM, "credentials")
						  : 1;
}

static int of_token(
	const struct cloud_env *env, struct gcs_credentials *ret, struct err *err)
{
	static const char name[] = "GCS_ACCESS_TOKEN";
	const char *value = environment_get(env, name);

	if (!value)
		return 0;
	ret->kind = GCS_TOKEN;
	if (secret_set(&ret->token, value) < 0 || secret_set(&ret->origin, name) < 0)
		return err_sys(err, ENOMEM, "credentials");
	return 1;
}

static int of_hmac(
	const struct cloud_env *env, struct gcs_credentials *ret, struct err *err)
{
	static const char name[] = "GCS_HMAC_ACCESS_KEY";
	const char *access = environment_get(env, name);
	const char *secret = environment_get(env, "GCS_HMAC_SECRET");

	if (!access && !secret)
		return 0;
	if (!access || !secret)
		return err_set(err, ERR_INPUT,
			"%s is set, but %s is not: set both, or neither",
			access ? name : "GCS_HMAC_SECRET",
			access ? "GCS_HMAC_SECRET" : name);
	ret->kind = GCS_HMAC;
	if (secret_set(&ret->hmac.access_key, access) < 0 ||
		secret_set(&ret->hmac.secret_key, secret) < 0 ||
		secret_set(&ret->hmac.origin, name) < 0 ||
		secret_set(&ret->origin, name) < 0)
		return err_sys(err, ENOMEM, "credentials");
	return 1;
}

/* What `gcloud auth application-default login` leaves. */
static int of_gcloud(
	const struct cloud_env *env, struct gcs_credentials *ret, struct err *err)
{
	static const char file[] = "application_default_credentials.json";
	const char *config = environment_get(env, "CLOUDSDK_CONFIG");
	AUTO_FREE char *path = NULL;
	struct err cause = ERR_INIT;
	int rc;

	if (env->no_files)
		return 0;
	path = config ? text_printf("%s/%s", config, file)
		      : environment_path(env, "",
				".config/gcloud/application_default_credentials.json");
	if (!path)
		return 0;
	rc = read_file(path, ret, &cause);
	if (rc < 0 && (cause.errnum == ENOENT || cause.errnum == ENOTDIR))
		return 0;
	if (rc < 0)
		*err = cause;
	return rc;
}

int gcs_credentials_find(
	const struct cloud_env *env, struct gcs_credentials *ret, struct err *err)
{
	static int (*const sources[])(const struct cloud_env *, struct gcs_credentials *,
		struct err *) = {of_application, of_token, of_hmac, of_gcloud};
	int rc = 0;

	*ret = (struct gcs_credentials){0};
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sources); i++)
		rc = sources[i](env, ret, err);
	if (rc <= 0)
		gcs_credentials_finish(ret);
	return rc;
}
