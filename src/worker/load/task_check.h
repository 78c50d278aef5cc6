/* task_check: what a job asks of the store, looked at before any load. Private to task.c. */
#pragma once

#include <stdint.h>

struct err;
struct task;

/* Fills sets, keys, puts_of, holders and warnings of a task whose backend is set up. at: the place of what is
 * being looked at. 0 or -1 with err. */
int task_check(struct task *t, const char **at, const uint32_t *cancel, struct err *err);
