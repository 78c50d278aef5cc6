/* task_fit: whether the words of an op fit the store and its objects. Private to task_check.c. */
#pragma once

#include <stddef.h>

struct err;
struct task;

/* Asks the backend, of one of the objects that op i is for; then looks whether its ranges can be written to their
 * ends. Keys are resolved. Sizes that are certain refuse the job (-1 with err, ERR_INPUT); those that differ are warned
 * of, and ranges end where they can (job_op.range_unit). */
int task_fit(struct task *t, size_t i, struct err *err);
