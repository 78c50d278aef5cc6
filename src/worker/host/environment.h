/* environment: the variables that a job brings along. */
#pragma once

struct err;
struct job;

/* Sets them (cloud/environment.h: what belongs together is of one source): the job's own, of the inventory,
 * always; those that were forwarded where this machine has nothing of the kind. With secrets among them the
 * process leaves no core dump from now on. 0, or -1 with err. */
int environment_set(const struct job *j, struct err *err);
