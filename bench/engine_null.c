/* engine_null: what the engine costs by itself: null, a weighted draw of four ops, three histograms, sizes in
 * ten orders of magnitude. One thread.
 *
 * engine_null [SECONDS [RATE]]: with a rate an open loop of so many ops a second, 1024 slots; its rate
 * delivered counts then. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"
#include "cpu.h"
#include "load_job.h"
#include "worker/objects/data.h"

static struct job make_job(uint64_t duration_ns, double rate)
{
	static const struct {
		enum op_kind kind;
		double weight;
		const char *uri;
	} ops[] = {
		{OP_GET, 60, "null://x/get/*"},
		{OP_PUT, 25, "null://x/put/"},
		{OP_STAT, 10, "null://x/get/*"},
		{OP_DELETE, 5, "null://x/put/key"},
	};
	struct job j =
		load_job(duration_ns, rate > 0 ? 1024 : 1, sizeof(ops) / sizeof(ops[0]));

	j.threads = 1;
	j.rate = (struct job_rate){.ops = rate, .timer = TIMER_SPIN};
	for (size_t i = 0; i < j.n_ops; i++)
		j.ops[i] = (struct job_op){.kind = ops[i].kind,
			.weight = ops[i].weight,
			.uri = strdup(ops[i].uri),
			.place = strdup("bench")};
	/* as often in each bucket */
	j.ops[1].size = (struct size_spec){.type = SIZE_MIX,
		.n_parts = BUCKETS,
		.parts = calloc(BUCKETS, sizeof(struct size_part))};
	for (unsigned b = 0; b < BUCKETS; b++) {
		uint64_t size = b ? UINT64_C(1000) << (3 * b) : 0;

		j.ops[1].size.parts[b] =
			(struct size_part){.weight = 1, .min = size, .max = size};
	}
	return j;
}

static struct engine *start(struct task *t, struct gate *gate, struct err *err)
{
	const struct pacing pacing = {.rate = t->job.rate, .count = 1, .seed = 1};

	return load_engine(t, &pacing, gate, err);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 2, before, used,
		 ops = 0;
	double rate = argc > 2 ? strtod(argv[2], NULL) : 0;
	struct job job = make_job(seconds * NS_PER_SEC, rate);
	struct engine_rate kept;
	struct data data = {0};
	struct err err = ERR_INIT;
	struct gate gate;
	uint32_t cancel = 0;
	char *place;
	struct task *t;
	struct engine *e;

	gate_init(&gate);
	t = data_init(&data, &err) == 0
		    ? task_create(&job, &data, NULL, &cancel, NULL, &place, &err)
		    : NULL;
	e = t ? start(t, &gate, &err) : NULL;
	if (!e) {
		fprintf(stderr, "engine_null: %s\n", err.text);
		return 1;
	}
	before = cpu_ns();
	gate_open(&gate, clock_ns() + 10 * NS_PER_MS);
	engine_wait(e);
	used = cpu_ns() - before;
	for (unsigned k = 0; k < OP_KINDS; k++) {
		struct engine_totals totals;

		engine_totals(e, (enum op_kind)k, &totals);
		ops += totals.count;
	}
	engine_rate(e, &kept);
	printf("{\"bench\":\"engine_null\",\"ops\":%" PRIu64 ",\"cpu_ns_per_op\":%.1f,"
	       "\"mops_per_core\":%.2f,\"asked_mops\":%.2f,\"delivered_mops\":%.2f,"
	       "\"never_started\":%" PRIu64 "}\n",
		ops, (double)used / (double)ops, (double)ops / (double)used * 1e3,
		rate / 1e6, (double)kept.started / (double)seconds / 1e6,
		kept.never_started);
	engine_destroy(e);
	task_destroy(t);
	gate_finish(&gate);
	data_finish(&data);
	return 0;
}
