/* aws: credentials of the environment and of instance metadata, their copies and their end. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/aws_files.h"
#include "cloud/credentials.h"
#include "cloud/encode.h"
#include "cloud/environment.h"
#include "cloud/secret.h"
#include "common/err.h"

void aws_credentials_finish(struct aws_credentials *c)
{
	secret_free(c->access_key);
	secret_free(c->secret_key);
	secret_free(c->session_token);
	free(c->origin);
	*c = (struct aws_credentials){0};
}

int aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from)
{
	*to = (struct aws_credentials){.expires_s = from->expires_s};
	if (secret_set(&to->access_key, from->access_key) == 0 &&
		secret_set(&to->secret_key, from->secret_key) == 0 &&
		secret_set(&to->session_token, from->session_token) == 0 &&
		secret_set(&to->origin, from->origin) == 0)
		return 0;
	aws_credentials_finish(to);
	return -ENOMEM;
}

/* 1, 0: the environment has none, -1: half of it. */
static int of_environment(
	const struct cloud_env *env, struct aws_credentials *ret, struct err *err)
{
	const char *access = environment_get(env, "AWS_ACCESS_KEY_ID");
	const char *secret = environment_get(env, "AWS_SECRET_ACCESS_KEY");
	const char *expires = environment_get(env, "AWS_CREDENTIAL_EXPIRATION");

	if (!access && !secret)
		return 0;
	if (!access || !secret)
		return err_set(err, ERR_INPUT,
			"%s is set, but %s is not: set both, or neither",
			access ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
	if (expires && !decode_time(expires, &ret->expires_s))
		return err_set(err, ERR_INPUT,
			"AWS_CREDENTIAL_EXPIRATION is no time like "
			"2026-11-21T16:05:00Z");
	if (secret_set(&ret->access_key, access) < 0 ||
		secret_set(&ret->secret_key, secret) < 0 ||
		secret_set(&ret->session_token,
			environment_get(env, "AWS_SESSION_TOKEN")) < 0 ||
		secret_set(&ret->origin, "AWS_ACCESS_KEY_ID") < 0)
		return err_sys(err, ENOMEM, "credentials");
	return 1;
}

int aws_credentials_find(
	const struct cloud_env *env, struct aws_credentials *ret, struct err *err)
{
	int rc;

	*ret = (struct aws_credentials){0};
	rc = of_environment(env, ret, err);
	if (rc == 0 && !env->no_files)
		rc = aws_files_credentials(env, ret, err);
	if (rc <= 0)
		aws_credentials_finish(ret);
	return rc;
}

char *aws_region_find(const struct cloud_env *env)
{
	const char *region = environment_get(env, "AWS_REGION");

	if (!region)
		region = environment_get(env, "AWS_DEFAULT_REGION");
	return region ? strdup(region) : aws_profile_option(env, "region");
}

/* Metadata says Token, credential_process SessionToken. */
static int of_json(const json_t *root, struct aws_credentials *ret, struct err *err)
{
	const char *access = secret_json_text(root, "AccessKeyId");
	const char *secret = secret_json_text(root, "SecretAccessKey");
	const char *token = secret_json_text(root, "Token");
	const char *expires = secret_json_text(root, "Expiration");
	const char *code = secret_json_text(root, "Code");

	if (code && strcmp(code, "Success") != 0)
		return err_set(err, ERR_FAILED,
			"the answer has no credentials, but %.80s", code);
	if (!access || !secret)
		return err_set(err, ERR_FAILED, "the answer has no %s",
			access ? "SecretAccessKey" : "AccessKeyId");
	if (expires && !decode_time(expires, &ret->expires_s))
		return err_set(err, ERR_FAILED, "Expiration is no time");
	if (!token)
		token = secret_json_text(root, "SessionToken");
	if (secret_set(&ret->access_key, access) < 0 ||
		secret_set(&ret->secret_key, secret) < 0 ||
		secret_set(&ret->session_token, token) < 0 ||
		secret_set(&ret->origin, "instance metadata") < 0)
		return err_sys(err, ENOMEM, "credentials");
	return 0;
}

int aws_credentials_parse_json(
	const char *text, size_t len, struct aws_credentials *ret, struct err *err)
{
	AUTO_SECRET_JSON json_t *root = json_loadb(text, len, 0, NULL);

	*ret = (struct aws_credentials){0};
	if (!json_is_object(root))
		return err_set(err, ERR_FAILED, "the answer is no JSON object");
	if (of_json(root, ret, err) == 0)
		return 0;
	aws_credentials_finish(ret);
	return -1;
}
