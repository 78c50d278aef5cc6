/* load-run: a thread of the load that no engine runs, op by op. */
#pragma once

#include "check.h"
#include "worker-run.h"
#include "worker/load/load.h"

#define MORE 65536

struct slot {
	struct io io;
	char uri[ENGINE_URI], more[MORE];
};

static inline void *must_thread(struct task *t, uint32_t index, uint32_t n)
{
	struct err err = ERR_INIT;
	void *state = NULL;

	CHECK(load_source.thread_init(t, index, n, 4, &state, &err) == 0, "%s", err.text);
	return state;
}

static inline enum next next_op(void *thread, struct slot *s)
{
	s->io = (struct io){.uri = s->uri};
	return load_source.next(thread, &s->io, s->uri, s->more);
}
