/* plan: what planning knows of the run and of each worker. Private to workload/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "workload/spec.h"
#include "workload/uri.h"
#include "workload/workload.h"

/* Where a worker works. */
struct seat {
	const struct plan_worker *worker;
	const struct host *host; /* or NULL */
	const struct host *
		agent; /* the workload's agent of that name, whose settings count where host
				   * has none; or NULL */
	char *name;    /* worker id as put names and folders can hold it */
	char *target; /* normalised, or NULL: the workload has none */
	char *sub;    /* "name/" behind the target on local storage, else "" */
};

struct planner {
	const struct workload *w;
	const struct workload_overrides *o;
	const char *run;
	uint32_t generation;
	uint64_t seed;
	struct seat *seats;
	size_t n;
	char *target; /* of the workload or the command line, normalised; or NULL */
	const struct scheme *scheme;
	const char *scheme_from; /* who said the scheme */
	bool shared;
	bool subfolders; /* local storage of several workers */
	char **anchors;  /* NULL-terminated: see plan_anchors */
	bool *deletable; /* per set: prepare makes a second one for deletes */
	char **notes;    /* NULL-terminated */
};

/* Fills seats: names, targets, then (once the scheme is known) subfolders. */
int plan_seats(
	struct planner *p, const struct plan_worker *workers, size_t n, struct err *err);
int plan_subfolders(struct planner *p, struct err *err);
void plan_seats_finish(struct planner *p);

/* The one scheme of the job: uri's, or -1 with err (the reason alone) when it is another one. */
int plan_take_scheme(
	struct planner *p, const char *uri, const char *from, struct err *err);

/* The folders that absolute URIs of the workload lie in, without those below another one: where a
 * worker's subfolder goes in a URI that is not below its target. */
int plan_anchors(struct planner *p, struct err *err);

/* The job of seat i; what planning decides for all is in p already. */
int plan_job(const struct planner *p, size_t i, struct job *ret, struct err *err);
/* Which sets need a second one for deletes, by the job of the first worker. */
int plan_deletable(struct planner *p, const struct job *first, struct err *err);

int plan_note(struct planner *p, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
