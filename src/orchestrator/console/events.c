/* events: JSON lines of what happens. */
#include "orchestrator/console/events.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "orchestrator/console/console.h"
#include "orchestrator/context.h"
#include "orchestrator/fleet/fleet.h"
#include "results/rundir.h"

void events_emit(struct context *c, struct rundir *d, const char *event, json_t *members)
{
	AUTO_FREE char *text = NULL;
	char now[32];
	json_t *o;

	if (!d && !c->json) {
		json_decref(members);
		return;
	}
	clock_format_rfc3339(clock_wall_ns(), now, sizeof(now));
	o = json_pack("{s:s, s:s}", "time", now, "event", event);
	if (members)
		json_object_update_missing(o, members);
	json_decref(members);
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));
	json_decref(o);
	if (!text)
		return;
	if (d)
		rundir_event(d, text);
	if (c->json)
		console_always(c->json, "%s", text);
}

void events_state(struct context *c, struct rundir *d, const struct fleet_worker *w)
{
	json_t *m = json_pack("{s:s, s:s, s:s}", "worker", w->id, "host", w->host->name,
		"state", worker_state_name(w->state));

	if (w->reason)
		json_object_set_new(m, "reason", json_string(w->reason));
	events_emit(c, d, "state", m);
}

void events_phase_begun(struct context *c, struct rundir *d, enum phase phase,
	double start_s, double planned_s)
{
	json_t *m = json_pack("{s:s, s:s, s:f}", "phase", phase_names[phase], "is",
		"begun", "start_s", start_s);

	if (planned_s > 0)
		json_object_set_new(m, "planned_s", json_real(planned_s));
	events_emit(c, d, "phase", m);
}

void events_phase_done(struct context *c, struct rundir *d, enum phase phase)
{
	events_emit(c, d, "phase",
		json_pack("{s:s, s:s}", "phase", phase_names[phase], "is", "done"));
}

void events_progress(struct context *c, struct rundir *d, enum phase phase, uint64_t done,
	uint64_t total)
{
	events_emit(c, d, "progress",
		json_pack("{s:s, s:I, s:I}", "phase", phase_names[phase], "done",
			(json_int_t)done, "total", (json_int_t)total));
}

static json_t *live_json(const struct live_op *r)
{
	double s = r->seconds > 0 ? r->seconds : 1;

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
		"operation", op_infos[r->op].display, "count", (json_int_t)r->count,
		"bytes", (json_int_t)r->bytes, "errors", (json_int_t)r->errors, "retries",
		(json_int_t)r->retries, "ops_per_sec", (double)r->count / s,
		"throughput_mibps", (double)r->bytes / s / 1048576.0, "mean_us",
		hist_mean(&r->response) / 1e3, "p50_us",
		(double)hist_percentile(&r->response, 50) / 1e3, "p95_us",
		(double)hist_percentile(&r->response, 95) / 1e3, "p99_us",
		(double)hist_percentile(&r->response, 99) / 1e3, "max_us",
		(double)r->response.max / 1e3);
}

void events_interval(struct context *c, struct rundir *d, double time_s, enum phase phase,
	const struct live_op *rows, size_t n)
{
	json_t *ops;

	if (!d && !c->json)
		return;
	ops = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(ops, live_json(&rows[i]));
	events_emit(c, d, "interval",
		json_pack("{s:f, s:s, s:o}", "time_s", time_s, "phase",
			phase_names[phase], "ops", ops));
}
