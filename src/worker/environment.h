/* environment: the variables that a job brings along. */
#pragma once

struct job;

/* Sets them: the job's own (of the inventory) always; those that were forwarded where this machine has no
 * value, and, of what proves who one is to a store, only where this machine has nothing of the kind: half
 * of one identity and half of another would be refused in ways that nobody understands. With secrets among
 * them the process leaves no core dump from now on. 0 or -ENOMEM. */
int environment_set(const struct job *j);
