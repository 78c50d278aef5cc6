/* azure: a connection string, or an account with its key or a shared access signature (SAS). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloud/credentials.h"
#include "cloud/encode.h"
#include "cloud/environment.h"
#include "cloud/secret.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

/* Account and key of every storage emulator (learn.microsoft.com, "Use the Azurite emulator"). */
#define EMULATOR_ACCOUNT "devstoreaccount1"
#define EMULATOR_KEY                                                                     \
	"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"     \
	"KBHBeksoGMGw=="
#define EMULATOR_HOST "http://127.0.0.1"

void azure_credentials_finish(struct azure_credentials *c)
{
	free(c->account);
	secret_free(c->key);
	secret_free(c->sas);
	free(c->endpoint);
	free(c->origin);
	*c = (struct azure_credentials){0};
}

/* The value of a parameter of a query, decoded; malloc or NULL. */
static char *query_value(const char *query, const char *name)
{
	size_t n = strlen(name), len;
	char *value;

	for (; *query; query += len + (query[len] == '&')) {
		len = strcspn(query, "&");
		if (len <= n || query[n] != '=' || strncmp(query, name, n) != 0)
			continue;
		value = malloc(len + 1);
		if (value && decode_uri(query + n + 1, len - n - 1, value) >= 0)
			return value;
		free(value);
		return NULL;
	}
	return NULL;
}

/* Takes a SAS, with or without the '?' that portals put before it. */
static int set_sas(
	struct azure_credentials *c, const char *sas, const char *origin, struct err *err)
{
	AUTO_SECRET char *signature = NULL;
	AUTO_FREE char *end = NULL;

	if (*sas == '?')
		sas++;
	signature = query_value(sas, "sig");
	if (!signature || strpbrk(sas, " \t\r\n"))
		return err_set(err, ERR_INPUT,
			"%s has no shared access signature (a query with sig=...)",
			origin);
	end = query_value(sas, "se");
	if (end && !decode_time(end, &c->expires_s))
		return err_set(err, ERR_INPUT,
			"%s: se= of the shared access signature is no time", origin);
	return secret_set(&c->sas, sas) < 0 ? err_sys(err, ENOMEM, "credentials") : 0;
}

/* ---- connection strings ---- */

enum part { PROTOCOL, ACCOUNT, KEY, SUFFIX, BLOB, SAS, DEVELOPMENT, PROXY, PARTS };
static const char *const part_names[PARTS] = {"DefaultEndpointsProtocol", "AccountName",
	"AccountKey", "EndpointSuffix", "BlobEndpoint", "SharedAccessSignature",
	"UseDevelopmentStorage", "DevelopmentStorageProxyUri"};

struct parts {
	char *value[PARTS];
};

static void parts_finish(struct parts *p)
{
	for (int i = 0; i < PARTS; i++)
		secret_free(p->value[i]);
}
#define AUTO_PARTS CLEANUP(parts_finish)

/* "Name=value;Name=value"; names that mean nothing here (QueueEndpoint) pass. */
static int split(const char *text, struct parts *ret, struct err *err)
{
	size_t len;

	for (; *text; text += len + (text[len] == ';')) {
		const char *equals;

		len = strcspn(text, ";");
		if (strspn(text, " \t\r\n") >= len)
			continue;
		equals = memchr(text, '=', len);
		if (!equals)
			return err_set(err, ERR_INPUT,
				"AZURE_STORAGE_CONNECTION_STRING is no list of "
				"Name=value with ';' between them");
		for (int i = 0; i < PARTS; i++) {
			size_t name = (size_t)(equals - text);

			if (strlen(part_names[i]) != name ||
				strncasecmp(text, part_names[i], name) != 0)
				continue;
			secret_free(ret->value[i]);
			ret->value[i] = strndup(equals + 1, len - name - 1);
			if (!ret->value[i])
				return err_sys(err, ENOMEM, "credentials");
		}
	}
	return 0;
}

/* "https://ACCOUNT.blob.SUFFIX", or what BlobEndpoint says, without '/' at its end. */
static char *endpoint_of(const struct parts *p)
{
	const char *blob = p->value[BLOB];
	const char *protocol = p->value[PROTOCOL], *suffix = p->value[SUFFIX];

	if (blob) {
		size_t len = strlen(blob);

		while (len && blob[len - 1] == '/')
			len--;
		return strndup(blob, len);
	}
	if (!p->value[ACCOUNT] || (!protocol && !suffix))
		return NULL;
	return text_printf("%s://%s.blob.%s", protocol ? protocol : "https",
		p->value[ACCOUNT], suffix ? suffix : "core.windows.net");
}

static int emulator(const struct parts *p, struct azure_credentials *ret, struct err *err)
{
	const char *host = p->value[PROXY] ? p->value[PROXY] : EMULATOR_HOST;

	ret->endpoint = text_printf("%s:10000/" EMULATOR_ACCOUNT, host);
	if (secret_set(&ret->account, EMULATOR_ACCOUNT) < 0 ||
		secret_set(&ret->key, EMULATOR_KEY) < 0 || !ret->endpoint)
		return err_sys(err, ENOMEM, "credentials");
	return 0;
}

static int from_parts(
	const struct parts *p, struct azure_credentials *ret, struct err *err)
{
	if (secret_set(&ret->origin, "AZURE_STORAGE_CONNECTION_STRING") < 0)
		return err_sys(err, ENOMEM, "credentials");
	if (p->value[DEVELOPMENT] && strcasecmp(p->value[DEVELOPMENT], "true") == 0)
		return emulator(p, ret, err);
	if (secret_set(&ret->account, p->value[ACCOUNT]) < 0 ||
		secret_set(&ret->key, p->value[KEY]) < 0)
		return err_sys(err, ENOMEM, "credentials");
	ret->endpoint = endpoint_of(p);
	if (ret->key && !ret->account)
		return err_set(err, ERR_INPUT,
			"AZURE_STORAGE_CONNECTION_STRING has no AccountName");
	if (ret->key)
		return 0;
	if (p->value[SAS] && *p->value[SAS])
		return set_sas(
			ret, p->value[SAS], "AZURE_STORAGE_CONNECTION_STRING", err);
	return err_set(err, ERR_INPUT,
		"AZURE_STORAGE_CONNECTION_STRING has neither AccountKey nor "
		"SharedAccessSignature");
}

int azure_connection_string(
	const char *text, struct azure_credentials *ret, struct err *err)
{
	struct parts p AUTO_PARTS = {0};

	*ret = (struct azure_credentials){0};
	if (split(text, &p, err) == 0 && from_parts(&p, ret, err) == 0)
		return 0;
	azure_credentials_finish(ret);
	return -1;
}

/* ---- single variables ---- */

/* The first of two names that has a value; *ret_name is its name. */
static const char *either(const struct cloud_env *env, const char *first,
	const char *second, const char **ret_name)
{
	const char *value = environment_get(env, first);

	*ret_name = value ? first : second;
	return value ? value : environment_get(env, second);
}

static int from_variables(
	const struct cloud_env *env, struct azure_credentials *ret, struct err *err)
{
	const char *ignored, *name;
	const char *account = either(
		env, "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME", &ignored);
	const char *key =
		either(env, "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", &name);
	const char *sas = environment_get(env, "AZURE_STORAGE_SAS_TOKEN");

	if (!key && !sas)
		return 0;
	if (!key)
		name = "AZURE_STORAGE_SAS_TOKEN";
	if (secret_set(&ret->account, account) < 0 || secret_set(&ret->key, key) < 0 ||
		secret_set(&ret->origin, name) < 0)
		return err_sys(err, ENOMEM, "credentials");
	if (!key && set_sas(ret, sas, name, err) < 0)
		return -1;
	return 1;
}

int azure_credentials_find(
	const struct cloud_env *env, struct azure_credentials *ret, struct err *err)
{
	const char *whole = environment_get(env, "AZURE_STORAGE_CONNECTION_STRING");
	int rc;

	*ret = (struct azure_credentials){0};
	if (whole)
		return azure_connection_string(whole, ret, err) < 0 ? -1 : 1;
	rc = from_variables(env, ret, err);
	if (rc <= 0)
		azure_credentials_finish(ret);
	return rc;
}
