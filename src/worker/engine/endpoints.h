/* endpoints: places that see the same objects, as one engine thread uses them: which one the next op goes
 * to, and what each answered.
 *
 * Sources know nothing of endpoints: they name objects below the base, and the engine moves each op to the
 * endpoint whose turn it is. Deleting what another endpoint took in works, then: a name means the same at
 * all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/backend.h"
#include "proto/hist.h"
#include "proto/job.h"

/* What went through one endpoint. One writer; read when the thread is done. */
struct endpoint_record {
	struct hist response; /* 3 digits; successful ops of all kinds */
	uint64_t bytes, errors[OP_ERRORS];
};

struct endpoints {
	const struct job_endpoints *spec;
	uint32_t n; /* 0: there are none, and nothing else here is used */
	size_t base_len;
	size_t *lens;
	uint32_t turn;       /* the next one, of equal ones */
	uint32_t *in_flight; /* per endpoint */
	/* n + 1: the last one is of ops that are not below the base */
	struct endpoint_record *records;
	uint8_t *counts; /* of the histograms, one mapping */
	size_t counts_bytes;
};

/* spec may be NULL. thread: so that not all begin with the same one. 0 or -ENOMEM (endpoints_finish is
 * still due). */
int endpoints_init(
	struct endpoints *e, const struct job_endpoints *spec, uint32_t thread);
void endpoints_finish(struct endpoints *e);

/* Moves an op to the endpoint whose turn it is: io->uri to uri (ENGINE_URI bytes; may be where it is
 * already), io->more and io->to to more (where they may not be yet). */
void endpoints_route(struct endpoints *e, struct io *io, char *uri, char *more);
/* An op has ended; counted: it belongs to the results. due_ns is set. */
void endpoints_done(struct endpoints *e, const struct io *io, bool counted);
