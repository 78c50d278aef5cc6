/* task: a job made ready on this machine: its backend, the sets as they lie there, and the keys that
 * its ops choose from. Made off the control thread, since a store may be slow. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backends/backend.h"
#include "proto/job.h"
#include "proto/msg.h"
#include "worker/engine/holders.h"
#include "worker/engine/storage.h"
#include "worker/host/mounts.h"
#include "worker/load/missed.h"
#include "worker/load/once.h"
#include "worker/objects/contents.h"
#include "worker/objects/keyset.h"
#include "worker/objects/removal.h"
#include "worker/objects/set.h"

struct err;

struct task {
	struct job job; /* owned */
	const struct backend *backend;
	void *job_state;
	struct storage store;    /* backend and job_state, through the job's endpoints */
	char *name;              /* unique to run and worker */
	const struct data *data; /* not owned */
	struct set *sets;        /* one per job.sets */
	struct keyset *keys;     /* one per job.ops */
	uint32_t *
		puts_of; /* per op, a delete of this run's puts: the put op, else UINT32_MAX */
	struct contents contents;
	struct holders holders; /* that are missing now */
	uint32_t threads, slots;
	struct once once;         /* job.once: of the load's threads */
	struct missed missed;     /* of the load's threads */
	struct removal *removals; /* one per job.ops: of rmdirs of what is there */
	struct mounts mounts;     /* where its files lie */
	char *samples_path;       /* or NULL */
	char **warnings;          /* NULL-terminated, or NULL */
	size_t n_warnings;
};

/* Takes job over (also on failure, and leaves it empty). Its env must be set already. What an earlier
 * task of the same run (or NULL) made stays known as made. cancel (atomic) ends it early, with any
 * result; listed (atomic, or NULL) counts the objects that listings show. On failure NULL with err; ret_place (struct job_op's, in job's
 * memory: a copy, malloc) says where, when there is a place. ERR_INPUT: the job makes no sense here. */
struct task *task_create(struct job *job, const struct data *data,
	const struct task *earlier, const uint32_t *cancel, uint64_t *listed,
	char **ret_place, struct err *err);
void task_destroy(struct task *t);

static inline struct share task_share(const struct task *t)
{
	return share_of(&t->job);
}

/* Bytes that a URI may grow by when it goes to an endpoint. */
size_t task_growth(const struct task *t);

/* Notes that what holds the objects of a set is muster's to remove when it is empty. */
void task_own_holders(struct task *t, const struct job_set *spec);

/* Keeps something to be said with ready; text is taken over, NULL is no memory. */
int task_warn(struct task *t, char *text);

/* Fills what ready says, but for the generation; strings are the task's. sets needs free(). */
int task_ready(const struct task *t, struct msg_ready *ret);
