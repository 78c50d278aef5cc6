/* environment: variables that credentials stand in, and whose word counts when several sources have them.
 *
 * A *family* is variables that only make sense together: an access key of one source must never meet the
 * session token of another. */
#pragma once

#include "cloud/credentials.h"

struct err;

/* The value of a variable, or NULL when it is not set or empty. */
const char *environment_get(const struct cloud_env *env, const char *name);

/* The path that a variable names, else usual below HOME; "~/" stands for HOME. malloc; NULL: neither is
 * known. */
char *environment_path(
	const struct cloud_env *env, const char *variable, const char *usual);

/* Whether any NAME=VALUE of the list is part of what proves who one is to a store. NULL: no. */
bool environment_has_identity(char *const *list);

/* Sets the environment of this process for a job. set wins over what is there: a family that it names a
 * member of is taken from it whole, the others of that family are removed. def only fills gaps: a
 * family of which any member is there by then stays as it is. Both NAME=VALUE, NULL-terminated, or NULL.
 * 0, or -1 with err. Not while other threads read the environment. */
int environment_apply(char *const *set, char *const *def, struct err *err);
