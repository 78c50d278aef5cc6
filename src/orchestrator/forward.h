/* forward: credentials of this machine for the store of a job, on their way to the workers. They travel in the
 * job, and are nowhere else: no argument, no file, no log. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cloud/credentials.h"

struct console;
struct err;
struct job;

/* Finds what the store of this job needs; no credentials where it takes none, or when all jobs bring their own
 * (environment_has_identity). The process leaves no core dump from then on. Credentials that have ended
 * already are an error, ones that will within lasts_ns (0: nobody knows) a warning. Release with
 * cloud_forwarded_finish. 0, or -1 with err. */
int forward_find(const struct job *job, bool own, uint64_t lasts_ns,
	struct cloud_forwarded *ret, struct err *err);

/* Says which variables go, by their names, and where they are from. */
void forward_show(const struct cloud_forwarded *f, struct console *con);
