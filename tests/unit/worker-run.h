/* worker-run: jobs for tests, and phases run to their end, without the protocol. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "worker/control/work.h"
#include "worker/load/task.h"
#include "worker/objects/data.h"

static struct data run_data;

static inline struct job run_job(uint32_t concurrency, uint64_t duration_ns)
{
	return (struct job){
		.generation = 1,
		.run = strdup("testtesttest"),
		.worker = strdup("w-1"),
		.seed = 7,
		.count = 1,
		.share_count = 1,
		.concurrency = concurrency,
		.duration_ns = duration_ns,
		.op_timeout_ns = 2 * NS_PER_SEC,
		.stats_interval_ns = NS_PER_SEC,
		.prepare = true,
		.load = true,
		.cleanup = true,
	};
}

static inline struct job_op *run_add_op(
	struct job *j, enum op_kind kind, double weight, const char *uri)
{
	j->ops = reallocarray(j->ops, j->n_ops + 1, sizeof(*j->ops));
	j->ops[j->n_ops] = (struct job_op){.kind = kind,
		.weight = weight,
		.uri = strdup(uri),
		.place = strdup("w.yaml:1:1")};
	return &j->ops[j->n_ops++];
}

static inline struct job_set *run_add_set(
	struct job *j, const char *name, uint64_t count, uint64_t size, const char *uri)
{
	j->sets = reallocarray(j->sets, j->n_sets + 1, sizeof(*j->sets));
	j->sets[j->n_sets] = (struct job_set){
		.uri = strdup(uri),
		.name = strdup(name),
		.count = count,
		.size = {.type = SIZE_FIXED, .min = size, .max = size},
		.id = 0xfeed + size,
		.place = strdup("w.yaml:2:2"),
	};
	return &j->sets[j->n_sets++];
}

/* The job is taken over. NULL with err and, when there is one, the place. */
static inline struct task *run_task(
	struct job *j, const struct task *earlier, char **place, struct err *err)
{
	static const uint32_t cancel = 0;

	if (!run_data.size && data_init(&run_data, err) < 0)
		return NULL;
	return task_create(j, &run_data, earlier, &cancel, NULL, place, err);
}

/* The same, of a job that cannot be refused. */
static inline struct task *must_task(struct job *j)
{
	struct err err = ERR_INIT;
	char *place = NULL;
	struct task *t = run_task(j, NULL, &place, &err);

	if (!t) {
		fprintf(stderr, "no task: %s\n", err.text);
		abort();
	}
	return t;
}

/* Waits until the work has come to a state. */
static inline void run_wait(struct work *w, enum work_state state)
{
	eventfd_t n;

	while (work_state(w) < state)
		eventfd_read(w->wake_fd, &n);
}

/* Starts a phase at once; run_end waits for it. */
static inline struct work *run_begin(struct task *t, enum phase phase)
{
	struct err err = ERR_INIT;
	struct work *w = work_phase(t, phase, eventfd(0, EFD_CLOEXEC), &err);

	if (!w)
		abort();
	run_wait(w, WORK_ARMED);
	work_go(w, clock_ns());
	return w;
}

static inline void run_free(struct work *w)
{
	int fd = w->wake_fd;

	work_destroy(w);
	close(fd);
}

/* A whole phase; its outcome (text is not kept). failed with err in ret_err when it failed. */
static inline struct msg_phase run_phase(
	struct task *t, enum phase phase, struct err *ret_err)
{
	struct work *w = run_begin(t, phase);
	struct msg_phase result;

	run_wait(w, WORK_DONE);
	result = w->result;
	result.text = NULL;
	*ret_err = w->failed ? w->err : (struct err)ERR_INIT;
	run_free(w);
	return result;
}
