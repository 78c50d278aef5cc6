/* load: the workload itself as a source of ops: the mix, the keys, the names of puts. */
#pragma once

#include "worker/engine/engine.h"

struct task;

/* source_user is the struct task. */
extern const struct source load_source;

/* engine_config's more_bytes for it. */
size_t load_more_bytes(const struct task *t);

/* Mask of the ops that the workload may run. */
unsigned load_kinds(const struct task *t);

/* Whether the load comes to an end by itself: an op of it has keys that are each taken once. */
bool load_has_end(const struct task *t);
