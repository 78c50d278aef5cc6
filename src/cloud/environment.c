/* environment: reading variables through cloud_env, and the families that decide between sources. */
#include "cloud/environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"

static const char *get_own(void *user, const char *name)
{
	(void)user;
	return getenv(name);
}

const struct cloud_env cloud_env_own = {.get = get_own};

const char *environment_get(const struct cloud_env *env, const char *name)
{
	const char *value = env->get(env->user, name);

	return value && *value ? value : NULL;
}

char *environment_path(
	const struct cloud_env *env, const char *variable, const char *usual)
{
	const char *path = environment_get(env, variable);
	const char *home = environment_get(env, "HOME");

	if (path && !text_starts_with(path, "~/"))
		return strdup(path);
	return home ? text_printf("%s/%s", home, path ? path + 2 : usual) : NULL;
}

/* ---- families ---- */

#define MEMBERS_MAX 12

/* A profile and a container's service are sources of keys like the keys themselves. */
static const struct family {
	bool identity; /* who one is: without it, where the store is */
	const char *names[MEMBERS_MAX];
} families[] = {
	{true, {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		       "AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
		       "AWS_SHARED_CREDENTIALS_FILE",
		       "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		       "AWS_CONTAINER_CREDENTIALS_FULL_URI"}},
	{false, {"AWS_REGION", "AWS_DEFAULT_REGION"}},
	{false, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}},
	{true, {"AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT",
		       "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_KEY",
		       "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"}},
	{true, {"GOOGLE_APPLICATION_CREDENTIALS", "GCS_ACCESS_TOKEN",
		       "GCS_HMAC_ACCESS_KEY", "GCS_HMAC_SECRET"}},
	{false, {"STORAGE_EMULATOR_HOST", "GCS_ENDPOINT_URL"}},
};

/* Index of the family of a name of this length; ARRAY_LEN(families): it stands alone. */
static size_t family_of(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(families); i++)
		for (const char *const *at = families[i].names; *at; at++)
			if (strlen(*at) == len && memcmp(*at, name, len) == 0)
				return i;
	return i;
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool family_is_set(const char *const *family)
{
	while (*family && !is_set(*family))
		family++;
	return *family;
}

/* Sets NAME=VALUE; not with unless_set when it has a value. What is there already stays in its place: another job of
 * the same run brings the same variables, and threads of the last one may read them still. 0 or -errno. */
static int set_one(const char *pair, bool unless_set)
{
	size_t len = strcspn(pair, "=");
	AUTO_FREE char *name = strndup(pair, len);
	const char *value = pair[len] ? pair + len + 1 : "", *now;

	if (!name)
		return -ENOMEM;
	if (unless_set && is_set(name))
		return 0;
	now = getenv(name);
	if (now && strcmp(now, value) == 0)
		return 0;
	return setenv(name, value, 1) == 0 ? 0 : -errno;
}

static bool is_in(char *const *list, const char *name)
{
	size_t len = strlen(name);

	for (; *list; list++)
		if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
			return true;
	return false;
}

/* Of each family that set names a member of, the others go. */
static void clear_families(char *const *set)
{
	for (char *const *pair = set; pair && *pair; pair++) {
		size_t family = family_of(*pair, strcspn(*pair, "="));

		if (family == ARRAY_LEN(families))
			continue;
		for (const char *const *at = families[family].names; *at; at++)
			if (!is_in(set, *at) && getenv(*at))
				unsetenv(*at);
	}
}

bool environment_has_identity(char *const *list)
{
	for (; list && *list; list++) {
		size_t len = strcspn(*list, "="), family = family_of(*list, len);

		if (family < ARRAY_LEN(families) && families[family].identity &&
			(*list)[len] && (*list)[len + 1])
			return true;
	}
	return false;
}

int environment_apply(char *const *set, char *const *def, struct err *err)
{
	bool taken[ARRAY_LEN(families) + 1] = {false};
	int rc = 0;

	clear_families(set);
	for (; rc == 0 && set && *set; set++)
		rc = set_one(*set, false);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		taken[i] = family_is_set(families[i].names);
	for (; rc == 0 && def && *def; def++)
		if (!taken[family_of(*def, strcspn(*def, "="))])
			rc = set_one(*def, true);
	return rc < 0 ? err_sys(err, -rc, "environment") : 0;
}
