/* run_once: of a load that works through its objects once, how far all workers were when the first was through,
 * and when the last was. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "orchestrator/console/console.h"
#include "orchestrator/run/run_private.h"

void run_once_begin(struct run *r)
{
	first_done_destroy(r->first_done);
	r->first_done =
		r->plan.n > 0 && r->plan.jobs[0].once ? first_done_create(r->n) : NULL;
}

/* How far they are just now is known only from a report of just now. */
static void ask_others(struct run *r, const struct run_member *but)
{
	const struct msg msg = {
		.type = MSG_REPORT, .u.report = {.generation = r->generation}};

	for (size_t i = 0; i < r->n; i++)
		if (r->members[i].in && &r->members[i] != but && !r->members[i].done)
			fleet_send(r->members[i].w, &msg);
}

void run_once_ended(struct run *r, const struct run_member *m, const struct msg_phase *p)
{
	const bool idle = p->done == 0 && p->errors == 0;

	if (!r->first_done)
		return;
	if (first_done_end(r->first_done, m->w->index, idle ? 0 : m->measure_end_ns,
		    p->left == 0 && !p->stopped))
		ask_others(r, m);
}

bool run_once_find(const struct run *r, struct first_done_report *ret)
{
	return r->first_done &&
	       first_done_find(r->first_done, r->load_start_ns + r->warm_ns, ret);
}

void run_once_show(struct run *r)
{
	AUTO_FREE struct run_worker *workers = calloc(r->n, sizeof(*workers));
	AUTO_BUF struct buf table = BUF_INIT, tail = BUF_INIT;
	struct run_info info = {.workers = workers, .n_workers = r->n};
	struct first_done_report d;
	char *rest, *line;

	/* of one worker both are the same, and said already */
	if (!workers || r->n < 2 || !run_once_find(r, &d))
		return;
	for (size_t i = 0; i < r->n; i++)
		workers[i].id = r->members[i].w->id; /* not owned here */
	first_done_table(&d, &table);
	first_done_tail(&info, &d, &tail);
	rest = table.data;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			console_line(r->ctx.console, "%s", line);
	if (tail.len)
		console_always(r->ctx.console, "Tail: %s", tail.data);
}
