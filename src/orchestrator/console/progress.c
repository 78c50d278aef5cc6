/* progress: events in, live block out. */
#include "orchestrator/console/progress.h"

#include <jansson.h>
#include <string.h>

#include "common/cleanup.h"

static const char *string_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static double number_of(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(o, name));
}

static uint64_t count_of(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

static void take_phase(struct progress *p, const json_t *o)
{
	bool begun = strcmp(string_of(o, "is"), "begun") == 0;

	for (size_t i = 0; i < PHASES; i++) {
		if (strcmp(string_of(o, "phase"), phase_names[i]) != 0)
			continue;
		p->phases[i].on = begun;
		p->phases[i].start_s = number_of(o, "start_s");
		p->phases[i].planned_s = number_of(o, "planned_s");
	}
	p->done = p->total = 0;
	p->n_ops = 0;
	for (size_t i = 0; i < ARRAY_LEN(p->latest); i++)
		buf_clear(&p->latest[i]);
}

static void take_progress(struct progress *p, const json_t *o)
{
	p->done = count_of(o, "done");
	p->total = count_of(o, "total");
}

static void take_op(struct progress *p, const json_t *o)
{
	struct display_rates *to = &p->ops[p->n_ops];

	for (size_t k = 0; k < OP_KINDS; k++) {
		if (strcmp(string_of(o, "operation"), op_infos[k].display) != 0)
			continue;
		*to = (struct display_rates){
			.operation = op_infos[k].display,
			.moves_data = op_infos[k].moves_data,
			.ops_per_s = number_of(o, "ops_per_sec"),
			.bytes_per_s = number_of(o, "throughput_mibps") * 1048576.0,
			.mean_us = number_of(o, "mean_us"),
			.p50_us = number_of(o, "p50_us"),
			.p95_us = number_of(o, "p95_us"),
			.p99_us = number_of(o, "p99_us"),
			.errors = count_of(o, "errors"),
			.retries = count_of(o, "retries"),
		};
		p->n_ops++;
		return;
	}
}

static void take_interval(struct progress *p, const json_t *o)
{
	const json_t *ops = json_object_get(o, "ops");

	p->n_ops = 0;
	for (size_t i = 0; i < json_array_size(ops) && p->n_ops < OP_KINDS; i++)
		take_op(p, json_array_get(ops, i));
}

static const struct {
	const char *mark; /* how such a line is told from others without reading it */
	int latest;       /* only the last one counts, which is kept there; -1: all do */
	void (*take)(struct progress *p, const json_t *o);
} kinds[] = {
	{"\"event\":\"phase\"", -1, take_phase},
	{"\"event\":\"interval\"", 0, take_interval},
	{"\"event\":\"progress\"", 1, take_progress},
};

static void take(struct progress *p, const char *line)
{
	json_error_t ignored;
	json_t *o = json_loads(line, 0, &ignored);

	for (size_t i = 0; o && i < ARRAY_LEN(kinds); i++)
		if (strstr(line, kinds[i].mark))
			kinds[i].take(p, o);
	json_decref(o);
}

void progress_line(struct progress *p, const char *line)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!strstr(line, kinds[i].mark))
			continue;
		if (kinds[i].latest >= 0) {
			buf_clear(&p->latest[kinds[i].latest]);
			buf_puts(&p->latest[kinds[i].latest], line);
		} else {
			take(p, line);
		}
		return;
	}
}

void progress_finish(struct progress *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->latest); i++)
		buf_finish(&p->latest[i]);
}

static void objects(const struct progress *p, enum phase phase, double since_s,
	unsigned columns, bool utf8, struct live_block *b)
{
	display_bar_objects(live_add(b), phase_names[phase], p->done, p->total,
		since_s > 0 ? (double)p->done / since_s : 0, columns, utf8);
}

static void load(const struct progress *p, enum phase phase, double since_s,
	unsigned columns, bool utf8, struct live_block *b)
{
	display_bar_time(live_add(b), phase_names[phase], since_s > 0 ? since_s : 0,
		p->phases[phase].planned_s, columns, utf8);
	if (p->total > 0)
		display_bar_objects(live_add(b), "once", p->done, p->total,
			since_s > 0 ? (double)p->done / since_s : 0, columns, utf8);
	for (size_t i = 0; i < p->n_ops; i++) {
		struct buf *line = live_add(b);

		buf_puts(line, "  ");
		display_rates(line, &p->ops[i], utf8);
	}
}

void progress_block(struct progress *p, double now_s, unsigned columns, bool utf8,
	struct live_block *b)
{
	static const struct {
		enum phase phase;
		void (*show)(const struct progress *p, enum phase phase, double since_s,
			unsigned columns, bool utf8, struct live_block *b);
	} order[] = {/* the last to begin comes first */
		{PHASE_CLEANUP, objects}, {PHASE_MEASURE, load}, {PHASE_WARMUP, load},
		{PHASE_PREPARE, objects}};

	for (size_t i = 0; i < ARRAY_LEN(p->latest); i++) {
		if (p->latest[i].len)
			take(p, p->latest[i].data);
		buf_clear(&p->latest[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		enum phase phase = order[i].phase;

		if (!p->phases[phase].on || p->phases[phase].start_s > now_s)
			continue;
		order[i].show(
			p, phase, now_s - p->phases[phase].start_s, columns, utf8, b);
		return;
	}
}
