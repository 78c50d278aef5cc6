/* run_left: what stays on the hosts when a run is over is named, with the command that removes it. */
#include <stdlib.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/run/run_private.h"

#define MOST_NAMES 8

static bool makes_data(const struct run *r)
{
	const struct job *j = r->plan.n ? &r->plan.jobs[0] : NULL;

	if (!j || (r->plan.target && text_starts_with(r->plan.target, "null:")))
		return false;
	for (size_t i = 0; i < j->n_ops; i++)
		if (job_op_puts(&j->ops[i]))
			return true;
	return r->plan.prepare_objects + r->plan.prepare_dirs != 0;
}

/* On shared storage those that are left clean up after one that was lost before. */
static bool not_cleaned(const struct run *r, const struct run_member *m, bool any)
{
	if (!m->job_worker || m->cleanup_known)
		return false;
	return !(r->plan.shared && any && m->lost_in != PHASE_CLEANUP);
}

static void note_not_cleaned(struct run *r, const char *dir)
{
	const char **names = calloc(r->n, sizeof(*names));
	AUTO_BUF struct buf list = BUF_INIT;
	bool any = false;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		any |= r->members[i].cleanup_known;
	for (size_t i = 0; names && i < r->n; i++)
		if (not_cleaned(r, &r->members[i], any))
			names[n++] = r->members[i].w->id;
	display_names(&list, names, n, MOST_NAMES);
	free(names);
	if (n)
		run_remark(r,
			"what was made there was not cleaned up: %s (muster clean "
			"--data %s)",
			list.data, dir);
}

/* What cleanup met, and could not remove. */
static void note_behind(struct run *r, const char *dir)
{
	const char **names = calloc(r->n, sizeof(*names));
	AUTO_BUF struct buf list = BUF_INIT;
	uint64_t left = 0;
	size_t n = 0;

	for (size_t i = 0; names && i < r->n; i++) {
		const struct run_member *m = &r->members[i];

		if (!m->cleanup_known || (!m->cleanup.left && !m->cleanup.errors))
			continue;
		left += m->cleanup.left;
		names[n++] = m->w->id;
	}
	display_names(&list, names, n, MOST_NAMES);
	free(names);
	r->left_behind = n && r->plan.jobs[0].cleanup_mode != CLEANUP_BEST_EFFORT;
	if (n)
		run_remark(r, "cleanup left %s behind: %s (muster clean --data %s)",
			units_of(left, "object").s, list.data ? list.data : "", dir);
}

void run_note_left(struct run *r)
{
	AUTO_FREE char *dir = text_shell_word(rundir_path(r->dir));

	note_behind(r, dir);
	if (!r->begun || !makes_data(r))
		return;
	if (r->plan.jobs[0].cleanup)
		note_not_cleaned(r, dir);
	else
		console_line(r->ctx.console,
			"The data stays where it is (remove it: muster clean --data %s)",
			dir);
}
