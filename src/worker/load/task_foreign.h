/* task_foreign: what muster may touch. Private to task_check.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct task;

/* Whether op i removes or overwrites objects or directories that are there. */
bool task_touches(const struct task *t, size_t i);

/* Before its keys are looked for (keys of sets are judged by whose these are): 0, or -1 with err (ERR_INPUT): what
 * op i would touch is nothing that this job makes, and the job does not allow that. */
int task_check_place(const struct task *t, size_t i, struct err *err);
/* Behind: the same of the sets that its keys are of. */
int task_check_keys(const struct task *t, size_t i, struct err *err);
/* Whether op i, which is allowed to, touches what muster did not make. */
bool task_is_foreign(const struct task *t, size_t i);
