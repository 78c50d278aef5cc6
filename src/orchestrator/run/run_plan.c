/* run_plan: who does what, over the workers that are there; and the journal that clean --data reads. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/run/journal.h"
#include "orchestrator/run/run_private.h"

/* Plans over the members that want() picks, into r->plan. */
static int plan_over(
	struct run *r, bool (*want)(const struct run_member *), struct err *err)
{
	struct plan_worker *pw = calloc(r->n ? r->n : 1, sizeof(*pw));
	struct plan plan = {0};
	size_t n = 0;
	int res;

	if (!pw)
		return err_sys(err, ENOMEM, "plan");
	for (size_t i = 0; i < r->n; i++) {
		const struct fleet_worker *w = r->members[i].w;

		if (!want(&r->members[i]))
			continue;
		pw[n++] = (struct plan_worker){.id = w->id,
			.host = r->ctx.embedded && r->n == 1 ? NULL : w->host,
			.number = w->number};
	}
	res = workload_plan(
		r->workload, &r->overrides, pw, n, r->run_id, r->generation, &plan, err);
	free(pw);
	if (res < 0)
		return -1;
	if (r->planned)
		plan_finish(&r->plan);
	r->plan = plan;
	r->planned = true;
	/* one run, one seed: planning again must not draw another */
	r->overrides.seed = plan.seed;
	r->overrides.seed_set = true;
	return 0;
}

static bool want_all(const struct run_member *m)
{
	(void)m;
	return true;
}

static bool want_in(const struct run_member *m)
{
	return m->in;
}

int run_plan_dry(struct run *r, struct err *err)
{
	return plan_over(r, want_all, err);
}

/* On shared storage the survivors clean up after the lost: of each store the first of its workers. */
static int name_heirs(struct run *r, struct job *first, struct err *err)
{
	size_t n = 0;

	first->heirs_of = calloc(r->n + 1, sizeof(char *));
	if (!first->heirs_of)
		return err_sys(err, ENOMEM, "plan");
	for (size_t i = 0; i < r->n; i++)
		if (!r->members[i].in) {
			if (!r->members[i].job_worker)
				continue; /* it never had a job */
			first->heirs_of[n] = strdup(r->members[i].job_worker);
			if (!first->heirs_of[n++])
				return err_sys(err, ENOMEM, "plan");
		}
	return 0;
}

static int send_job(struct run_member *m, struct job *job)
{
	struct msg msg = {.type = MSG_JOB, .u.job = *job};

	free(m->job_worker);
	m->job_worker = text_printf("%s", job->worker);
	free(m->target);
	m->target = job->target ? text_printf("%s", job->target) : NULL;
	m->ready = m->armed = m->done = false;
	m->objects = m->objects_total = m->objects_bytes = 0;
	if (job->load)
		m->rate = job->rate.ops;
	fleet_send(m->w, &msg);
	return 0;
}

int run_send_jobs(struct run *r, bool cleanup_only, struct err *err)
{
	size_t k = 0;

	r->generation++;
	if (!r->measured)
		agg_reset(r->agg);
	if (plan_over(r, want_in, err) < 0)
		return -1;
	for (size_t i = 0; cleanup_only && r->plan.shared && i < r->plan.n; i++)
		if (r->plan.jobs[i].share_index == 0 &&
			name_heirs(r, &r->plan.jobs[i], err) < 0)
			return -1;
	for (size_t i = 0; !cleanup_only && i < r->n; i++)
		r->members[i].rate = 0; /* the others do its part */
	if (!cleanup_only && journal_write(r->dir, &r->plan, r->members, r->n, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n; i++) {
		struct job *job;

		if (!r->members[i].in)
			continue;
		job = &r->plan.jobs[k++];
		if (cleanup_only)
			job->prepare = job->load = false;
		send_job(&r->members[i], job);
	}
	return 0;
}
