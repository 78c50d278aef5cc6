/* sizes: draws object sizes from a size_spec. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/job.h"

struct rng;

/* A spec made ready for drawing; refers to it. */
struct sizes {
	const struct size_spec *spec;
	double mu, sigma;    /* lognormal: of the logarithm */
	double weight_total; /* mix */
};

void sizes_init(struct sizes *s, const struct size_spec *spec);

/* One size in bytes. */
uint64_t sizes_draw(const struct sizes *s, struct rng *r);

/* The size of object index of the prepared set id: the same on every machine. */
uint64_t sizes_at(const struct sizes *s, uint64_t set_id, uint64_t index);

/* "4.0 KiB..64.0 KiB uniform" */
void sizes_describe(const struct size_spec *spec, char *out, size_t size);
