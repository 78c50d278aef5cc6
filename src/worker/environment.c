/* environment: the variables that a job brings along. */
#include "worker/environment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/cleanup.h"
#include "proto/job.h"

#define NAME_MAX_BYTES 256u

/* What belongs together: with one of them a machine has an identity of its own. */
static const char *const identities[][6] = {
	{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_PROFILE"},
	{"AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY",
		"AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"},
	{"GOOGLE_APPLICATION_CREDENTIALS", "GCS_ACCESS_TOKEN", "GCS_HMAC_ACCESS_KEY",
		"GCS_HMAC_SECRET"},
};

/* Which identity a variable is part of, or -1. */
static int identity_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(identities); i++)
		for (size_t k = 0; identities[i][k]; k++)
			if (strcmp(name, identities[i][k]) == 0)
				return (int)i;
	return -1;
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

/* NAME of "NAME=VALUE"; the value, or NULL: too long for a name. */
static const char *split(const char *variable, char name[NAME_MAX_BYTES])
{
	size_t len = strcspn(variable, "=");

	if (variable[len] != '=' || len >= NAME_MAX_BYTES)
		return NULL;
	memcpy(name, variable, len);
	name[len] = '\0';
	return variable + len + 1;
}

static int set_own(char *const *env)
{
	for (; env && *env; env++) {
		char name[NAME_MAX_BYTES];
		const char *value = split(*env, name);

		if (value && setenv(name, value, 1) < 0)
			return -errno;
	}
	return 0;
}

static int set_forwarded(char *const *env)
{
	bool has[ARRAY_LEN(identities)] = {false};

	for (size_t i = 0; i < ARRAY_LEN(identities); i++)
		for (size_t k = 0; identities[i][k]; k++)
			has[i] |= is_set(identities[i][k]);
	for (; env && *env; env++) {
		char name[NAME_MAX_BYTES];
		const char *value = split(*env, name);
		int identity = value ? identity_of(name) : -1;

		if (!value || (identity >= 0 && has[identity]))
			continue;
		/* an empty one says as little as none */
		if (!is_set(name) && setenv(name, value, 1) < 0)
			return -errno;
	}
	return 0;
}

int environment_set(const struct job *j)
{
	int rc;

	if ((j->env && *j->env) || (j->env_default && *j->env_default) ||
		j->store.client_key_pem)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	rc = set_own(j->env);
	return rc < 0 ? rc : set_forwarded(j->env_default);
}
