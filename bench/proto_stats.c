/* proto_stats: what a second of 100 workers costs the orchestrator: for each a stats line
 * with four histograms of 100,000 samples, decoded and added to its worker's and to the
 * fleet's histograms. Prints one JSON line with the share of a core (CPU time of 10 such
 * seconds, best of five). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"
#include "proto/msg.h"
#include "results/rundir.h"

#define WORKERS 100
#define OPS 2 /* response and service each: four histograms */
#define SAMPLES 100000
#define SECONDS 10
#define ROUNDS 5
#define START_NS UINT64_C(88210000000000)

struct side {
	struct hist response, service;
};

static double cpu_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A second as a worker records it: 3 digits live, 2 in the message. */
static int fill(struct hist *delta, struct rng *r, double median_ns)
{
	CLEANUP(hist_finish) struct hist live, seen;

	hist_init(&live, 3);
	hist_init(&seen, 3);
	hist_init(delta, 2);
	if (hist_alloc(&live) < 0)
		return -1;
	for (int i = 0; i < SAMPLES; i++)
		hist_record(&live, (uint64_t)(median_ns * exp(0.6 * rng_normal(r))));
	return hist_diff(&live, &seen, delta);
}

/* One line for each second: the numbers are the same, their place in the run is not. */
static int make_lines(struct buf lines[ROUNDS * SECONDS])
{
	struct op_delta ops[OPS] = {
		{.kind = OP_GET, .count = SAMPLES, .bytes = SAMPLES * 4096ul},
		{.kind = OP_PUT, .count = SAMPLES, .bytes = SAMPLES * 65536ul},
	};
	struct msg m = {.type = MSG_STATS,
		.u.stats = {.generation = 1,
			.phase = PHASE_MEASURE,
			.machine = {93.5, 41.2, 512.5, 73400320, 120000, 52000000},
			.ops = ops,
			.n_ops = OPS}};
	struct rng r;
	int e = 0;

	rng_seed(&r, 1);
	for (int i = 0; i < OPS && e == 0; i++) {
		e = fill(&ops[i].response, &r, i ? 900e3 : 95e3);
		if (e == 0)
			e = fill(&ops[i].service, &r, i ? 880e3 : 90e3);
	}
	for (uint32_t i = 0; i < ROUNDS * SECONDS && e == 0; i++) {
		m.u.stats.seq = i;
		m.u.stats.from_ns = START_NS + i * NS_PER_SEC;
		m.u.stats.to_ns = m.u.stats.from_ns + NS_PER_SEC;
		e = msg_encode(&m, &lines[i]);
	}
	for (int i = 0; i < OPS; i++) {
		hist_finish(&ops[i].response);
		hist_finish(&ops[i].service);
	}
	return e;
}

static int take(struct side *into, const struct op_delta *d)
{
	return hist_add(&into->response, &d->response) < 0 ||
	       hist_add(&into->service, &d->service) < 0;
}

/* What becomes of a message: user is what it is added to. */
typedef int taker(void *user, size_t worker, const struct msg_stats *s, struct err *err);

static int one_second(const struct buf *line, taker *taken, void *user)
{
	struct err err = ERR_INIT;
	int e = 0;

	for (size_t w = 0; w < WORKERS && e == 0; w++) {
		CLEANUP(msg_finish) struct msg m;

		e = msg_decode(MSG_FROM_WORKER, line->data, line->len - 1, &m, &err);
		if (e == 0)
			e = taken(user, w, &m.u.stats, &err);
	}
	if (e < 0)
		fprintf(stderr, "proto_stats: %s\n", err.text);
	return e;
}

/* The share of a core, in percent; negative: it failed. */
static double measure(const struct buf *lines, taker *taken, void *user)
{
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu_s(), each;

		for (int s = 0; s < SECONDS; s++)
			if (one_second(&lines[round * SECONDS + s], taken, user) < 0)
				return -1;
		each = (cpu_s() - begin) / SECONDS;
		best = each < best ? each : best;
	}
	return best * 100;
}

struct sums {
	struct side workers[WORKERS][OPS], fleet[OPS];
};

static int take_sums(
	void *user, size_t worker, const struct msg_stats *s, struct err *err)
{
	struct sums *sums = user;

	for (int i = 0; i < OPS; i++)
		if (take(&sums->workers[worker][i], &s->ops[i]) ||
			take(&sums->fleet[i], &s->ops[i]))
			return err_sys(err, ENOMEM, "sums");
	return 0;
}

static void init_side(struct side *s, unsigned digits)
{
	hist_init(&s->response, digits);
	hist_init(&s->service, digits);
}

static double measure_sums(const struct buf *lines)
{
	static struct sums sums;

	for (int i = 0; i < OPS; i++) {
		init_side(&sums.fleet[i], 3);
		for (int w = 0; w < WORKERS; w++)
			init_side(&sums.workers[w][i], 2);
	}
	return measure(lines, take_sums, &sums);
}

struct run {
	struct rundir *dir;
	struct agg *agg;
};

static int take_run(void *user, size_t worker, const struct msg_stats *s, struct err *err)
{
	const struct live_op *rows;
	struct run *r = user;

	rundir_stats(r->dir, worker, s, 0, START_NS);
	if (agg_add_stats(r->agg, worker, s, err) < 0)
		return -1;
	if (worker == WORKERS - 1)
		agg_live(r->agg, &rows);
	return 0;
}

static double measure_run(const struct buf *lines, const char *path)
{
	static char names[WORKERS][8];
	const char *ids[WORKERS];
	struct err err = ERR_INIT;
	struct run r = {0};
	double percent = -1;

	for (unsigned w = 0; w < WORKERS; w++) {
		snprintf(names[w], sizeof(names[w]), "host%02u", w);
		ids[w] = names[w];
	}
	r.agg = agg_create(ids, WORKERS, &err);
	if (r.agg && rundir_create(".", path, "bench", 0, &r.dir, &err) == 0) {
		rundir_set_workers(r.dir, ids, WORKERS, NS_PER_SEC);
		percent = measure(lines, take_run, &r);
	}
	if (rundir_close(r.dir, &err) < 0 || percent < 0)
		fprintf(stderr, "proto_stats: %s\n", err.text);
	agg_destroy(r.agg);
	return percent;
}

int main(int argc, char **argv)
{
	static struct buf lines[ROUNDS * SECONDS];
	double sums, run;

	if (argc != 2 || make_lines(lines) < 0)
		return 2;
	sums = measure_sums(lines);
	run = measure_run(lines, argv[1]);
	printf("{\"name\":\"stats_100_workers\",\"cpu_percent\":%.2f,\"run_cpu_percent\":"
	       "%.2f,"
	       "\"line_bytes\":%zu}\n",
		sums, run, lines[0].len);
	for (int i = 0; i < ROUNDS * SECONDS; i++)
		buf_finish(&lines[i]);
	return sums < 0 || run < 0;
}
