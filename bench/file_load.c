/* file_load: ops on files, the engine with the backend of the URI, and beside it (bare) a loop of the plain system
 * calls with two clock reads over the same files in the same kind of order, alternating, so that a busy machine hits
 * both alike. Prints a JSON line: processor time per op and ops a second of each. Files should lie in memory.
 *
 *     bench-file_load OP URI FILES BYTES RANGE THREADS ROUNDS MS [bare]
 *
 * OP: get, stat, range_get and range_put (RANGE bytes at multiples of RANGE), put (new files of BYTES, removed after each
 * round). MS: how long a round is, in milliseconds. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"
#include "cpu.h"
#include "load_job.h"
#include "worker/objects/data.h"

#define CHUNK (1u << 20)
#define NAME_ROOM 320u

struct setup {
	enum op_kind kind;
	const char *uri;
	char dir[256];
	uint32_t files, threads;
	uint64_t bytes, range, round_ns;
	char *paths; /* NAME_ROOM each */
	struct data data;
};

struct cost {
	uint64_t ops, cpu_ns, wall_ns;
};

static int make_file(const struct setup *s, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	for (uint64_t done = 0; fd >= 0 && done < s->bytes;) {
		uint64_t left = s->bytes - done;
		ssize_t n = write(fd, s->data.random + done % s->data.size,
			left < CHUNK ? left : CHUNK);

		if (n < 0)
			return -1;
		done += (uint64_t)n;
	}
	/* none of it is left in the page cache, where direct I/O would have to look */
	if (fd >= 0 && strncmp(s->uri, "direct://", 9) == 0 &&
		(fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0))
		return -1;
	return fd < 0 ? -1 : close(fd);
}

static int make_files(struct setup *s)
{
	s->paths = calloc(s->files + 1, NAME_ROOM);
	if (!s->paths || mkdir(s->dir, 0700) < 0)
		return -1;
	for (uint32_t i = 0; i < s->files; i++) {
		char *path = s->paths + (size_t)i * NAME_ROOM;

		snprintf(path, NAME_ROOM, "%.255s/prepared-%08u.dat", s->dir, i);
		if (make_file(s, path) < 0)
			return -1;
	}
	return 0;
}

static void remove_files(const struct setup *s)
{
	for (uint32_t i = 0; i < s->files && s->paths; i++)
		unlink(s->paths + (size_t)i * NAME_ROOM);
	rmdir(s->dir);
}

/* ---- the bare loop ---- */

struct bare {
	const struct setup *setup;
	uint32_t index;
	int *fds; /* range_get: all of them */
	uint64_t end_ns, ops, sum;
	pthread_t id;
};

static void bare_op(struct bare *b, const char *path, int kept, uint64_t at, void *buffer)
{
	const struct setup *s = b->setup;
	struct stat st;

	if (s->kind == OP_STAT) {
		if (fstatat(AT_FDCWD, path, &st, 0) < 0)
			abort();
	} else if (s->kind == OP_RANGE_GET) {
		if (pread(kept, buffer, s->range, (off_t)at) != (ssize_t)s->range)
			abort();
	} else {
		int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

		if (read(fd, buffer, CHUNK) != (ssize_t)s->bytes)
			abort();
		close(fd);
	}
}

static void *bare_thread(void *user)
{
	struct bare *b = user;
	const struct setup *s = b->setup;
	void *buffer = aligned_alloc(4096, CHUNK);
	struct rng r;

	rng_seed(&r, b->index);
	for (uint64_t now = 0; buffer && now < b->end_ns; b->ops++) {
		uint64_t i = rng_below(&r, s->files), at = 0, start;

		if (s->kind == OP_RANGE_GET)
			at = s->range * rng_below(&r, s->bytes / s->range);
		start = clock_ns();
		bare_op(b, s->paths + i * NAME_ROOM, b->fds ? b->fds[i] : -1, at, buffer);
		now = clock_ns();
		b->sum += now - start;
	}
	free(buffer);
	return NULL;
}

static int bare_round(const struct setup *s, int *fds, struct cost *cost)
{
	struct bare *threads = calloc(s->threads, sizeof(*threads));
	uint64_t cpu = cpu_ns(), begin = clock_ns();

	for (uint32_t i = 0; threads && i < s->threads; i++) {
		threads[i] = (struct bare){.setup = s,
			.index = i,
			.fds = fds,
			.end_ns = begin + s->round_ns};
		if (pthread_create(&threads[i].id, NULL, bare_thread, &threads[i]) != 0)
			abort();
	}
	for (uint32_t i = 0; threads && i < s->threads; i++) {
		pthread_join(threads[i].id, NULL);
		cost->ops += threads[i].ops;
	}
	cost->cpu_ns += cpu_ns() - cpu;
	cost->wall_ns += clock_ns() - begin;
	free(threads);
	return 0;
}

/* ---- the engine ---- */

static struct job make_job(const struct setup *s)
{
	struct job j = load_job(s->round_ns, s->threads, 1);
	char uri[512];

	j.allow_foreign = true;
	snprintf(uri, sizeof(uri), "%.255s/%s", s->uri, s->kind == OP_PUT ? "" : "*");
	j.ops[0] = (struct job_op){
		.kind = s->kind,
		.weight = 1,
		.uri = strdup(uri),
		.size = {.type = SIZE_FIXED, .min = s->bytes, .max = s->bytes},
		.range_size = s->range,
		.range_align = s->range,
		.place = strdup("bench"),
	};
	return j;
}

static int engine_round(
	struct task *t, uint64_t round_ns, struct cost *cost, struct err *err)
{
	struct engine_totals totals;
	struct gate gate;
	struct engine *e;
	uint64_t cpu, begin;

	gate_init(&gate);
	e = load_engine(t, NULL, &gate, err);
	if (!e)
		return -1;
	cpu = cpu_ns();
	begin = clock_ns() + 5 * NS_PER_MS;
	gate_open(&gate, begin);
	/* what is counted ends here; taking rings and buffers down is no part of an op, as it is none for fio */
	clock_sleep_until(begin + round_ns);
	cost->cpu_ns += cpu_ns() - cpu;
	cost->wall_ns += round_ns;
	engine_wait(e);
	engine_totals(e, t->job.ops[0].kind, &totals);
	cost->ops += totals.count;
	if (totals.first_error[0])
		err_set(err, ERR_SYSTEM, "%s", totals.first_error);
	engine_destroy(e);
	gate_finish(&gate);
	return err->text[0] ? -1 : 0;
}

static bool remove_one(const struct list_entry *e, void *user)
{
	(void)user;
	unlink(strstr(e->uri, "://") + 3);
	return true;
}

static void remove_puts(struct task *t, const struct setup *s)
{
	struct err ignored = ERR_INIT;
	char uri[300];

	snprintf(uri, sizeof(uri), "%.255s/", s->uri);
	t->backend->list(t->job_state, uri, remove_one, NULL, &ignored);
}

static int run(struct setup *s, int rounds, bool bare, struct cost *m, struct cost *b,
	struct err *err)
{
	struct job job = make_job(s);
	uint32_t cancel = 0;
	char *place = NULL;
	int *fds = calloc(s->files + 1, sizeof(*fds));
	struct task *t = task_create(&job, &s->data, NULL, &cancel, NULL, &place, err);
	int rc = t && fds ? 0 : -1;

	for (uint32_t i = 0; rc == 0 && bare && i < s->files; i++)
		fds[i] = open(s->paths + (size_t)i * NAME_ROOM, O_RDONLY | O_CLOEXEC);
	for (int i = 0; rc == 0 && i < rounds; i++) {
		if (bare)
			bare_round(s, fds, b);
		rc = engine_round(t, s->round_ns, m, err);
		if (s->kind == OP_PUT)
			remove_puts(t, s);
	}
	for (uint32_t i = 0; bare && fds && i < s->files; i++)
		if (fds[i] > 0)
			close(fds[i]);
	free(fds);
	free(place);
	task_destroy(t);
	return rc;
}

static double per_op(const struct cost *c)
{
	return c->ops ? (double)c->cpu_ns / (double)c->ops : 0;
}

static double per_second(const struct cost *c)
{
	return c->wall_ns ? (double)c->ops * 1e9 / (double)c->wall_ns : 0;
}

int main(int argc, char **argv)
{
	struct setup s = {0};
	struct cost m = {0}, b = {0};
	struct err err = ERR_INIT;
	int rc;

	if (argc < 9) {
		fprintf(stderr, "usage: bench-file_load OP URI FILES BYTES RANGE THREADS "
				"ROUNDS MS "
				"[bare]\n");
		return 2;
	}
	s.kind = (enum op_kind)op_kind_from_name(argv[1]);
	s.uri = argv[2];
	s.files = (uint32_t)strtoul(argv[3], NULL, 10);
	s.bytes = strtoull(argv[4], NULL, 10);
	s.range = strtoull(argv[5], NULL, 10);
	s.threads = (uint32_t)strtoul(argv[6], NULL, 10);
	s.round_ns = strtoull(argv[8], NULL, 10) * NS_PER_MS;
	snprintf(s.dir, sizeof(s.dir), "%s", strstr(s.uri, "://") + 3);
	rc = data_init(&s.data, &err);
	if (rc == 0 && make_files(&s) < 0)
		rc = err_sys(&err, errno, "%s", s.dir);
	if (rc == 0)
		rc = run(&s, atoi(argv[7]), argc > 9, &m, &b, &err);
	remove_files(&s);
	free(s.paths);
	data_finish(&s.data);
	if (rc < 0) {
		fprintf(stderr, "file_load: %s\n", err.text);
		return 1;
	}
	printf("{\"bench\":\"file_load\",\"cpu_ns_per_op\":%.1f,\"ops_per_s\":%.0f,"
	       "\"bare_cpu_ns_per_op\":%.1f,\"bare_ops_per_s\":%.0f}\n",
		per_op(&m), per_second(&m), per_op(&b), per_second(&b));
	return 0;
}
