/* environment: the variables that a job brings along. */
#include "worker/host/environment.h"

#include <stdbool.h>
#include <sys/prctl.h>

#include "cloud/environment.h"
#include "proto/job.h"

static bool any(char *const *list)
{
	return list && *list;
}

int environment_set(const struct job *j, struct err *err)
{
	if (any(j->env) || any(j->env_default) || j->store.client_key_pem)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return environment_apply(j->env, j->env_default, err);
}
