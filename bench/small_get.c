/* small_get: gets of 4 KiB files, the engine against a bare loop of openat, read and close with two
 * clock reads over the same files and in the same random order. Processor time per op, alternating, so
 * that a busy machine hits both alike. The files should lie on tmpfs. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"
#include "worker/data.h"
#include "worker/engine.h"
#include "worker/load.h"
#include "worker/task.h"

#define FILES 1000u
#define FILE_BYTES 4096u
#define ROUND_NS (300 * NS_PER_MS)
#define ROUNDS 5

struct cost {
	uint64_t ops, cpu_ns;
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int make_files(const char *dir)
{
	static char content[FILE_BYTES];

	for (unsigned i = 0; i < FILES; i++) {
		char path[256];
		int fd;

		snprintf(path, sizeof(path), "%.128s/prepared-%08u.dat", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, content, FILE_BYTES) != FILE_BYTES)
			return -1;
		close(fd);
	}
	return 0;
}

static void remove_files(const char *dir)
{
	for (unsigned i = 0; i < FILES; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%.128s/prepared-%08u.dat", dir, i);
		unlink(path);
	}
	rmdir(dir);
}

static void bare_round(const char *dir, struct cost *cost, volatile uint64_t *sum)
{
	static char paths[FILES][256];
	static char buffer[1 << 20];
	uint64_t cpu, end, ops = 0;
	struct rng r;

	for (unsigned i = 0; i < FILES; i++)
		snprintf(paths[i], sizeof(paths[i]), "%.128s/prepared-%08u.dat", dir, i);
	rng_seed(&r, 1);
	cpu = cpu_ns();
	end = clock_ns() + ROUND_NS;
	for (uint64_t now = 0; now < end; ops++) {
		uint64_t start = clock_ns();
		int fd = openat(
			AT_FDCWD, paths[rng_below(&r, FILES)], O_RDONLY | O_CLOEXEC);

		if (read(fd, buffer, sizeof(buffer)) != FILE_BYTES)
			abort();
		close(fd);
		now = clock_ns();
		*sum += now - start;
	}
	cost->cpu_ns += cpu_ns() - cpu;
	cost->ops += ops;
}

static struct job make_job(const char *dir)
{
	struct job j = {
		.generation = 1,
		.run = strdup("benchbenchbe"),
		.worker = strdup("w"),
		.seed = 1,
		.count = 1,
		.share_count = 1,
		.concurrency = 1,
		.duration_ns = ROUND_NS,
		.op_timeout_ns = NS_PER_SEC,
		.stats_interval_ns = NS_PER_SEC,
		.load = true,
		.n_ops = 1,
		.ops = calloc(1, sizeof(struct job_op)),
	};
	char uri[256];

	snprintf(uri, sizeof(uri), "file://%.128s/*", dir);
	j.ops[0] = (struct job_op){.kind = OP_GET,
		.weight = 1,
		.uri = strdup(uri),
		.place = strdup("bench")};
	return j;
}

static int engine_round(struct task *t, struct cost *cost, struct err *err)
{
	struct engine_totals totals;
	struct gate gate;
	struct engine *e;
	uint64_t cpu;

	gate_init(&gate);
	const struct engine_config cfg = {
		.backend = t->backend,
		.job = t->job_state,
		.threads = t->threads,
		.slots = t->slots,
		.source = &load_source,
		.source_user = t,
		.kinds = load_kinds(t),
		.gate = &gate,
		.measure_ns = t->job.duration_ns,
		.op_timeout_ns = t->job.op_timeout_ns,
	};

	e = engine_create(&cfg, err);
	if (!e)
		return -1;
	cpu = cpu_ns();
	gate_open(&gate, clock_ns() + 5 * NS_PER_MS);
	engine_wait(e);
	cost->cpu_ns += cpu_ns() - cpu;
	engine_totals(e, OP_GET, &totals);
	cost->ops += totals.count;
	engine_destroy(e);
	gate_finish(&gate);
	return 0;
}

int main(int argc, char **argv)
{
	char dir[128];
	struct cost bare = {0}, engine = {0};
	struct data data = {0};
	struct err err = ERR_INIT;
	uint32_t cancel = 0;
	volatile uint64_t sum = 0;
	char *place;

	snprintf(dir, sizeof(dir), "%s/muster-small-get-%d",
		argc > 1 ? argv[1] : "/dev/shm", getpid());
	if (mkdir(dir, 0700) < 0 || make_files(dir) < 0) {
		perror(dir);
		return 1;
	}
	struct job job = make_job(dir);
	struct task *t = NULL;
	int rc = data_init(&data, &err);

	if (rc == 0)
		t = task_create(&job, &data, NULL, &cancel, NULL, &place, &err);
	for (int i = 0; t && rc == 0 && i < ROUNDS; i++) {
		bare_round(dir, &bare, &sum);
		rc = engine_round(t, &engine, &err);
	}
	remove_files(dir);
	if (!t || rc < 0) {
		fprintf(stderr, "small_get: %s\n", err.text);
		return 1;
	}
	double b = (double)bare.cpu_ns / (double)bare.ops;
	double m = (double)engine.cpu_ns / (double)engine.ops;

	printf("{\"bench\":\"small_get\",\"bare_cpu_ns_per_op\":%.0f,\"engine_cpu_ns_per_"
	       "op\":%.0f,"
	       "\"ratio\":%.3f,\"goal_ratio\":1.15}\n",
		b, m, m / b);
	task_destroy(t);
	data_finish(&data);
	return 0;
}
