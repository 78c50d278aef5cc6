/* verdict_impl: what verdict.c and limit_rules.c share. */
#pragma once

#include <stdbool.h>

#include "results/run_info.h"

static inline bool is_open(const struct run_worker *rw)
{
	return rw->rate > 0;
}

static inline bool is_known(const struct run_worker *rw)
{
	return rw->machine && rw->machine->seconds > 0;
}

/* What they are called whose verdict_busy is told. */
const char *verdict_processors(const struct run_worker *rw);
/* Hosts may be one machine. */
bool verdict_same_machine(const struct run_worker *a, const struct run_worker *b);
