/* forward: what of this machine's credentials hosts need for one scheme, as variables whose values are all
 * there is to them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/credentials.h"
#include "cloud/encode.h"
#include "cloud/environment.h"
#include "cloud/secret.h"
#include "common/err.h"
#include "common/text.h"

#define ITEMS_MAX 16
/* The protocol's bound on one variable of a job is 512 KiB, with its name. */
#define VALUE_MAX 500000
#define FILE_MAX (4u << 20)

void cloud_forwarded_finish(struct cloud_forwarded *f)
{
	for (char **at = f->list; at && *at; at++)
		secret_free(*at);
	free(f->list);
	free(f->origin);
	*f = (struct cloud_forwarded){0};
}

/* Adds NAME=VALUE; nothing when value is NULL. */
static int add(
	struct cloud_forwarded *f, const char *name, const char *value, struct err *err)
{
	size_t n = 0;

	if (!value || !*value)
		return 0;
	if (strlen(value) > VALUE_MAX)
		return err_set(err, ERR_INPUT,
			"%s has %zu bytes, and %d can be forwarded to hosts: make it "
			"smaller, or put it on the hosts and run with --no-forward-env",
			name, strlen(value), VALUE_MAX);
	if (!f->list)
		f->list = calloc(ITEMS_MAX + 1, sizeof(*f->list));
	while (f->list && f->list[n])
		n++;
	if (f->list && n < ITEMS_MAX)
		f->list[n] = text_printf("%s=%s", name, value);
	return f->list && n < ITEMS_MAX && f->list[n] ? 0
						      : err_sys(err, ENOMEM, "%s", name);
}

static int add_variables(struct cloud_forwarded *f, const struct cloud_env *env,
	const char *const *names, struct err *err)
{
	for (; *names; names++)
		if (add(f, *names, environment_get(env, *names), err) < 0)
			return -1;
	return 0;
}

/* ---- S3 ---- */

int aws_ca_bundle_find(const struct cloud_env *env, char **ret_pem, struct err *err)
{
	const char *value = environment_get(env, "AWS_CA_BUNDLE");
	AUTO_FREE char *profile = value ? NULL : aws_profile_option(env, "ca_bundle");
	size_t len;

	if (!value)
		value = profile;
	if (!value)
		return 0;
	if (strstr(value, "-----BEGIN"))
		return (*ret_pem = strdup(value)) ? 1
						  : err_sys(err, ENOMEM, "AWS_CA_BUNDLE");
	if (env->no_files)
		return 0;
	*ret_pem = secret_file(value, FILE_MAX, &len, err);
	if (!*ret_pem)
		return err_prefix(err, "AWS_CA_BUNDLE");
	if (strstr(*ret_pem, "CERTIFICATE-----"))
		return 1;
	explicit_bzero(*ret_pem, len); /* it may well be a key */
	free(*ret_pem);
	*ret_pem = NULL;
	return err_set(
		err, ERR_INPUT, "AWS_CA_BUNDLE: %s has no certificate in PEM", value);
}

static int add_aws_keys(
	struct cloud_forwarded *f, const struct cloud_env *env, struct err *err)
{
	struct aws_credentials c CLEANUP(aws_credentials_finish) = {0};
	char ends[32] = "";
	int rc = aws_credentials_find(env, &c, err);

	if (rc <= 0)
		return rc;
	f->expires_s = c.expires_s;
	f->origin = STEAL_PTR(&c.origin);
	if (c.expires_s)
		encode_time_iso(c.expires_s, ends);
	if (add(f, "AWS_ACCESS_KEY_ID", c.access_key, err) < 0 ||
		add(f, "AWS_SECRET_ACCESS_KEY", c.secret_key, err) < 0 ||
		add(f, "AWS_SESSION_TOKEN", c.session_token, err) < 0)
		return -1;
	return add(f, "AWS_CREDENTIAL_EXPIRATION", ends, err);
}

static int forward_s3(struct cloud_forwarded *f, bool anonymous,
	const struct cloud_env *env, struct err *err)
{
	static const char *const endpoints[] = {
		"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL};
	AUTO_FREE char *region = aws_region_find(env);
	AUTO_FREE char *endpoint = aws_profile_option(env, "endpoint_url");
	AUTO_FREE char *pem = NULL;

	if (!anonymous && add_aws_keys(f, env, err) < 0)
		return -1;
	if (environment_get(env, endpoints[0]) || environment_get(env, endpoints[1])) {
		if (add_variables(f, env, endpoints, err) < 0)
			return -1;
	} else if (add(f, endpoints[1], endpoint, err) < 0) {
		return -1;
	}
	if (aws_ca_bundle_find(env, &pem, err) < 0 ||
		add(f, "AWS_CA_BUNDLE", pem, err) < 0)
		return -1;
	return add(f, "AWS_REGION", region, err);
}

/* ---- Azure ---- */

static int forward_azure(struct cloud_forwarded *f, bool anonymous,
	const struct cloud_env *env, struct err *err)
{
	static const char *const whole[] = {"AZURE_STORAGE_CONNECTION_STRING", NULL};
	static const char *const key[] = {"AZURE_STORAGE_ACCOUNT",
		"AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_KEY",
		"AZURE_STORAGE_ACCOUNT_KEY", NULL};
	static const char *const sas[] = {"AZURE_STORAGE_ACCOUNT",
		"AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_SAS_TOKEN", NULL};
	static const char *const endpoint[] = {"AZURE_STORAGE_ENDPOINT", NULL};
	struct azure_credentials c CLEANUP(azure_credentials_finish) = {0};
	int rc = anonymous ? 0 : azure_credentials_find(env, &c, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		const char *const *names = c.sas ? sas : key;

		if (environment_get(env, whole[0]))
			names = whole;
		f->expires_s = c.expires_s;
		f->origin = STEAL_PTR(&c.origin);
		if (add_variables(f, env, names, err) < 0)
			return -1;
	}
	return add_variables(f, env, endpoint, err);
}

/* ---- GCS ---- */

/* The content of the file that was found. */
static int add_google_file(struct cloud_forwarded *f, const char *path, struct err *err)
{
	size_t len;
	AUTO_SECRET char *text = secret_file(path, FILE_MAX, &len, err);

	return text ? add(f, "GOOGLE_APPLICATION_CREDENTIALS", text, err) : -1;
}

static int forward_gcs(struct cloud_forwarded *f, bool anonymous,
	const struct cloud_env *env, struct err *err)
{
	static const char *const as_they_are[] = {"GOOGLE_APPLICATION_CREDENTIALS",
		"GCS_ACCESS_TOKEN", "GCS_HMAC_ACCESS_KEY", NULL};
	static const char *const hmac[] = {
		"GCS_HMAC_ACCESS_KEY", "GCS_HMAC_SECRET", NULL};
	static const char *const endpoints[] = {
		"STORAGE_EMULATOR_HOST", "GCS_ENDPOINT_URL", NULL};
	struct gcs_credentials c CLEANUP(gcs_credentials_finish) = {0};
	int rc = anonymous ? 0 : gcs_credentials_find(env, &c, err);

	if (rc < 0)
		return -1;
	if (rc > 0) {
		const char *const *name = as_they_are;

		/* origin is the variable with the content, or the path of a file */
		while (*name && strcmp(*name, c.origin) != 0)
			name++;
		if (!*name)
			rc = add_google_file(f, c.origin, err);
		else if (c.kind == GCS_HMAC)
			rc = add_variables(f, env, hmac, err);
		else
			rc = add(f, *name, environment_get(env, *name), err);
		f->origin = STEAL_PTR(&c.origin);
		if (rc < 0)
			return -1;
	}
	return add_variables(f, env, endpoints, err);
}

/* ---- schemes ---- */

static const struct way {
	const char *scheme;
	int (*forward)(struct cloud_forwarded *f, bool anonymous,
		const struct cloud_env *env, struct err *err);
} ways[] = {
	{"s3://", forward_s3},
	{"az://", forward_azure},
	{"gs://", forward_gcs},
	{"gcs://", forward_gcs},
};

int cloud_forward(const char *scheme, bool anonymous, const struct cloud_env *env,
	struct cloud_forwarded *ret, struct err *err)
{
	*ret = (struct cloud_forwarded){0};
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(ways[i].scheme, scheme) == 0 &&
			ways[i].forward(ret, anonymous, env, err) < 0) {
			cloud_forwarded_finish(ret);
			return -1;
		}
	return 0;
}
