/* once: how far a load has come that works through its objects once. */
#include "worker/load/once.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int once_init(struct once *o, uint32_t threads)
{
	const size_t bytes = threads * sizeof(*o->lanes);

	once_finish(o);
	o->lanes = aligned_alloc(_Alignof(struct once_lane), bytes);
	if (!o->lanes)
		return -ENOMEM;
	memset(o->lanes, 0, bytes);
	o->n = threads;
	return 0;
}

void once_finish(struct once *o)
{
	free(o->lanes);
	*o = (struct once){0};
}

uint64_t once_done(const struct once *o)
{
	uint64_t done = 0;

	for (uint32_t i = 0; i < o->n; i++)
		done += __atomic_load_n(&o->lanes[i].done, __ATOMIC_RELAXED);
	return done;
}
