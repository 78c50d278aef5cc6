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
	size_t share,
		shares; /* of prepared sets: which of how many workers with this store */
	int strategy;   /* enum endpoint_strategy */
	char **endpoints; /* normalised, NULL-terminated; NULL: there are none */
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
	bool shared,
		isolated; /* isolated: shared, but each worker has a folder of its own */
	bool verify;
	size_t stores;    /* shared storage: places that have a set of their own each */
	bool subfolders;  /* local storage of several workers */
	char **endpoints; /* of all seats, each once; NULL-terminated or NULL */
	char **anchors;   /* NULL-terminated: see plan_anchors */
	bool *deletable;  /* per set: prepare makes a second one for deletes */
	char **notes;     /* NULL-terminated */
};

/* Fills seats: names, targets, then (once the scheme is known) subfolders. */
int plan_seats(
	struct planner *p, const struct plan_worker *workers, size_t n, struct err *err);
int plan_subfolders(struct planner *p, struct err *err);
/* Shared storage: deals sets out over the workers that have the same target. */
void plan_shares(struct planner *p);
void plan_seats_finish(struct planner *p);

/* Takes a URI that names one place as *ret, normalised, and its scheme as the workload's. from: who says so.
 * -1 with err: the reason alone. */
int plan_take_target(struct planner *p, const char *text, const char *from, char **ret,
	struct err *err);

/* --- plan_endpoints.c */

/* Which endpoints a seat has: its own, or those of what it belongs to. */
int plan_endpoints(struct planner *p, struct seat *s, struct err *err);
/* All endpoints of a workload see the same objects: a URI below any of them becomes the one below the seat's
 * target. Takes and returns malloc; NULL when out of memory. */
char *plan_rebase(const struct planner *p, const struct seat *s, char *uri);
/* j's endpoints: those of the seat, with its subfolder. 0 or -ENOMEM. */
int plan_job_endpoints(const struct seat *s, struct job *j);

/* --- plan_store.c */

/* j's store options. -1 with err. */
int plan_job_store(const struct planner *p, struct job *j, struct err *err);
/* What the store of the scheme cannot do, and what people should know about it. */
int plan_limits(struct planner *p, struct err *err);
/* The largest object that a size can be; 0: there is no bound. */
uint64_t plan_size_max(const struct size_spec *s);
/* dynamic_put_pool: which ops of j share a pool. */
void plan_pools(struct job *j);

/* --- plan_keys.c */

/* Keys of ops that would do nothing, by the job of the first worker: refused, or said in a note. */
int plan_check_keys(struct planner *p, const struct job *first, struct err *err);

/* --- plan_trees.c */

/* Whether workers are to have a tree, and so a folder, of their own on storage that they share. */
bool plan_isolated(const struct planner *p);
/* Makes set a tree where spec is one. 0 or -ENOMEM. */
int plan_job_tree(
	const struct planner *p, const struct set_spec *spec, struct job_set *set);
/* How j's sets are made, and which part of a tree is its own. */
void plan_job_parts(const struct planner *p, struct job *j);
/* What is not used of what the workload says about trees. */
int plan_note_trees(struct planner *p, struct err *err);
/* Whether uri means the objects of a set, be it a tree or not: proto/job.h says when. */
bool plan_covers(const char *uri, const struct job_set *set);
/* What ops do in trees, by the job of the first worker. */
int plan_check_trees(struct planner *p, const struct job *first, struct err *err);

/* The one scheme of the job: uri's, or -1 with err (the reason alone) when it is another one. */
int plan_take_scheme(
	struct planner *p, const char *uri, const char *from, struct err *err);

/* The folders that absolute URIs of the workload lie in, without those below another one: where a
 * worker's subfolder goes in a URI that is not below its target. */
int plan_anchors(struct planner *p, struct err *err);

bool plan_has_rate(const struct planner *p);
/* The job of seat i; what planning decides for all is in p already. */
int plan_job(const struct planner *p, size_t i, struct job *ret, struct err *err);
/* Which sets need a second one for deletes, by the job of the first worker. */
int plan_deletable(struct planner *p, const struct job *first, struct err *err);

/* Moves s to the end of a NULL-terminated list; frees it when that fails. 0 or -ENOMEM. */
int plan_append(char ***list, char *s);
void plan_free_strings(char **v);

int plan_note(struct planner *p, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
