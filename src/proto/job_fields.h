/* job_fields: the rows of a job, for the message that carries it. Private to proto/. */
#pragma once

#include "proto/fields.h"

extern const struct field job_fields[];
/* Of struct store_options: job_store.c. */
extern const struct field store_fields[];
extern const struct names op_kind_names;

/* What must hold between the members of a struct job: 0, or -1 with err. */
int job_check(const void *object, struct err *err);
