/* s3_load: signed gets or puts of S3, from the engine's draw to the recorded latency, one thread, as many connections
 * as are asked for, with the keys of the environment: any will do for a server that asks for no signature (http_sink).
 * Prints a JSON line: ops, failures, and the processor time per op, without what starting, connecting and making the
 * pool of content cost.
 *
 *     bench-s3_load own|curl get|put http://ADDRESS:PORT BYTES CONNECTIONS SECONDS */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"
#include "cpu.h"
#include "proto/job.h"
#include "proto/store.h"
#include "worker/engine/engine.h"
#include "worker/objects/data.h"

#define KEYS 1000u

struct load {
	enum op_kind kind;
	uint64_t bytes;
	struct rng rng;
	struct {
		char text[64];
		size_t len;
	} uris[KEYS];
};

static int thread_init(void *user, uint32_t index, uint32_t n, uint32_t slots,
	void **ret_state, struct err *err)
{
	(void)index, (void)n, (void)slots, (void)err;
	*ret_state = user;
	return 0;
}

static enum next next(void *state, struct io *io, char *uri, char *more)
{
	struct load *l = state;
	uint64_t key = rng_below(&l->rng, KEYS);

	(void)more;
	memcpy(uri, l->uris[key].text, l->uris[key].len + 1);
	io->kind = l->kind;
	io->size = l->bytes;
	io->fill = FILL_RANDOM;
	/* where a worker begins */
	io->data_at = rng_below(&l->rng, DATA_SIZE) & ~UINT64_C(63);
	return NEXT_OP;
}

static void done(void *state, const struct io *io)
{
	(void)state, (void)io;
}

static void thread_fini(void *state)
{
	(void)state;
}

static const struct source source = {thread_init, next, done, thread_fini};

static int run(struct load *l, const struct backend *backend, void *job,
	uint32_t connections, uint64_t seconds, struct err *err)
{
	struct engine_totals totals;
	struct gate gate;
	const struct engine_config cfg = {
		.backend = backend,
		.job = job,
		.threads = 1,
		.slots = connections,
		.source = &source,
		.source_user = l,
		.kinds = 1u << l->kind,
		.gate = &gate,
		.measure_ns = seconds * NS_PER_SEC,
		.op_timeout_ns = 10 * NS_PER_SEC,
	};
	struct engine *e;
	uint64_t cpu, failures = 0;

	gate_init(&gate);
	e = engine_create(&cfg, err);
	if (!e)
		return -1;
	cpu = cpu_ns();
	gate_open(&gate, clock_ns() + 5 * NS_PER_MS);
	engine_wait(e);
	cpu = cpu_ns() - cpu;
	engine_totals(e, l->kind, &totals);
	for (unsigned i = 0; i < OP_ERRORS; i++)
		failures += totals.errors[i];
	printf("{\"ops\":%" PRIu64 ",\"failures\":%" PRIu64
	       ",\"cpu_ns_per_op\":%.1f,\"text\":\"%s\"}\n",
		totals.count, failures,
		totals.count ? (double)cpu / (double)totals.count : 0.0,
		totals.first_error);
	engine_destroy(e);
	gate_finish(&gate);
	return 0;
}

int main(int argc, char **argv)
{
	static struct load l;
	struct data data = {0};
	struct err err = ERR_INIT;
	const struct backend *backend = backend_for("s3://bucket/");
	void *job =
		backend ? aligned_alloc(64, (backend->job_size + 63) / 64 * 64) : NULL;
	int rc;

	if (argc != 7 || !job) {
		fprintf(stderr, "usage: bench-s3_load own|curl get|put "
				"http://ADDRESS:PORT BYTES CONNECTIONS SECONDS\n");
		return 2;
	}
	l.kind = strcmp(argv[2], "put") == 0 ? OP_PUT : OP_GET;
	l.bytes = strtoull(argv[4], NULL, 10);
	rng_seed(&l.rng, 1);
	for (unsigned i = 0; i < KEYS; i++)
		l.uris[i].len = (size_t)snprintf(l.uris[i].text, sizeof(l.uris[i].text),
			"s3://bucket/prepared-%08u/%" PRIu64, i, l.bytes);
	struct store_options store = {.endpoint = argv[3],
		.region = strdup("us-east-1"),
		.addressing = STORE_ADDRESSING_PATH,
		.insecure_tls = true,
		.engine = strcmp(argv[1], "curl") == 0 ? STORE_ENGINE_CURL
						       : STORE_ENGINE_OWN};
	const struct backend_config cfg = {
		.target = "s3://bucket/",
		.concurrency = (uint32_t)strtoul(argv[5], NULL, 10),
		.threads = 1,
		.data = &data,
		.store = &store,
		.name = "bench",
		.page = engine_page,
	};

	signal(SIGPIPE, SIG_IGN);
	memset(job, 0, backend->job_size);
	rc = data_init(&data, &err);
	if (rc == 0)
		rc = backend->job_init(job, &cfg, &err);
	if (rc == 0) {
		rc = run(&l, backend, job, cfg.concurrency, strtoull(argv[6], NULL, 10),
			&err);
		backend->job_fini(job);
	}
	if (rc < 0)
		fprintf(stderr, "s3_load: %s\n", err.text);
	free(job);
	free(store.region);
	data_finish(&data);
	return rc < 0;
}
