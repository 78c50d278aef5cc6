/* missed: how often an op was drawn that removes what the load has made, when its thread had nothing to be removed:
 * then another one ran, and the mix is not the one that was asked for. Each thread counts for itself. */
#pragma once

#include <stdint.h>

struct engine;
struct task;

struct missed {
	uint64_t *counts; /* per thread, stride apart, per op; NULL: nobody has counted */
	uint32_t threads, stride;
};

/* Begins anew. 0 or -ENOMEM. */
int missed_init(struct missed *m, uint32_t threads, uint32_t ops);
void missed_finish(struct missed *m);

/* Those of a thread, per op. The thread alone may write. */
static inline uint64_t *missed_of(const struct missed *m, uint32_t thread)
{
	return m->counts + (uint64_t)thread * m->stride;
}

/* Behind engine_wait, when all threads have ended: what became of the mix in the measured part; malloc, NULL: it is
 * as it was asked for, as far as that goes: less than one op of a thousand was missed. */
char *missed_text(const struct task *t, const struct engine *e);
