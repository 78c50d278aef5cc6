/* null: every op succeeds at once. It measures the engine itself; told to take time or to fail (null_faults.h),
 * it gives tests a store whose times are known. It knows all ops that any store knows.
 *
 * Options stand where other URIs have a host: null://latency=200us,size=4KiB/. */
#include "backends/io.h"
#include "backends/null_faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/units.h"

#define SCHEME "null://"
/* A sleep that ends later than that is one of a thread that had no processor: it would not have had one
 * earlier either. */
#define LEAD_MAX_NS (100 * NS_PER_US)
/* Of the time of a thread a quarter at most goes to looking at the clock. */
#define SLEEP_PER_LOOK 3
#define CREDIT_MAX_NS NS_PER_MS

struct null_job {
	struct null_faults faults;
	bool timed;         /* ops end later than they begin, or fail */
	uint64_t spin_ns;   /* so long before the end of an op nobody sleeps */
	bool spin_said;     /* else as long as sleeps are late */
	uint64_t get_bytes; /* of an object whose size nobody knows */
	uint32_t retries;   /* that each op is said to have taken */
	uint32_t concurrency;
	uint32_t n_threads; /* so far: their random numbers are different (atomic) */
	void (*page)(void *thread_user, const struct io *io, uint64_t start_ns,
		uint64_t end_ns);
};

struct null_thread {
	struct null_job *job;
	void *user;
	struct io_list line; /* not timed: in order of their ends */
	struct io **heap;    /* timed: the one that ends first on top */
	uint32_t n_heap;
	uint64_t lead_ns;   /* so long before the end of an op a sleep has to end */
	uint64_t credit_ns; /* sleep that pays for looking at the clock meanwhile */
	struct rng rng;
};

static const struct backend_option null_options[] = {
	{"latency",
		"service time of every op, or uniform:MIN:MAX, exp:MEAN, "
		"bimodal:MOST:FEW:SHARE_OF_THE_FEW",
		"0"},
	{"ramp", "FROM:TO:OVER: a latency that goes from one to the other in that time",
		"none"},
	{"stall", "LENGTH@TIME: the store stands still, TIME after the first op", "none"},
	{"errors", "share of the ops that fail, 0 to 1", "0"},
	{"spin", "so long before the end of an op nobody sleeps",
		"as long as sleeps are late, 100us at most"},
	{"size", "bytes of a get whose object no prepared set defines", "0"},
	{"retries", "attempts beyond the first that each op is said to have taken", "0"},
	{NULL},
};

static int set_retries(struct null_job *job, const char *value, struct err *err)
{
	uint64_t n;

	if (units_parse_count(value, &n) < 0 || n > UINT32_MAX)
		return err_set(
			err, ERR_INPUT, "null: retries \"%s\" is not a count", value);
	job->retries = (uint32_t)n;
	return 0;
}

static int set_size(struct null_job *job, const char *value, struct err *err)
{
	if (units_parse_size_bytes(value, &job->get_bytes) == 0)
		return 0;
	return err_set(err, ERR_INPUT, "null: size \"%s\" is not a size", value);
}

static int set_spin(struct null_job *job, const char *value, struct err *err)
{
	job->spin_said = true;
	if (units_parse_duration_ns(value, &job->spin_ns) == 0)
		return 0;
	return err_set(err, ERR_INPUT, "null: spin \"%s\" is not a duration", value);
}

static int set_option(
	struct null_job *job, const char *name, const char *value, struct err *err)
{
	static const struct {
		const char *name;
		int (*set)(struct null_job *job, const char *value, struct err *err);
		int (*fault)(struct null_faults *f, const char *value, struct err *err);
	} setters[] = {
		{"latency", NULL, null_set_latency},
		{"ramp", NULL, null_set_ramp},
		{"stall", NULL, null_set_stall},
		{"errors", NULL, null_set_errors},
		{"spin", set_spin, NULL},
		{"size", set_size, NULL},
		{"retries", set_retries, NULL},
	};

	for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
		if (strcmp(name, setters[i].name) != 0)
			continue;
		return setters[i].set ? setters[i].set(job, value, err)
				      : setters[i].fault(&job->faults, value, err);
	}
	return err_set(err, ERR_INPUT,
		"null: unknown option \"%s\" (known: latency, ramp, stall, errors, "
		"spin, size, retries)",
		name);
}

/* NAME=VALUE,... where other URIs have a host; text without a '=' there means nothing. */
static int parse_options(struct null_job *job, const char *uri, struct err *err)
{
	const char *p = uri + strlen(SCHEME);
	size_t len = strcspn(p, "/");

	if (!memchr(p, '=', len))
		return 0;
	while (*p && *p != '/') {
		size_t name_len = strcspn(p, "=,/");
		const char *v = p + name_len + (p[name_len] == '=');
		size_t value_len = strcspn(v, ",/");
		char name[32], value[96];

		snprintf(name, sizeof(name), "%.*s", (int)name_len, p);
		snprintf(value, sizeof(value), "%.*s", (int)value_len, v);
		if (set_option(job, name, value, err) < 0)
			return -1;
		p = v + value_len + (v[value_len] == ',');
	}
	job->timed = null_faults_any(&job->faults);
	return 0;
}

static int null_job_init(void *state, const struct backend_config *cfg, struct err *err)
{
	struct null_job *job = state;

	job->page = cfg->page;
	job->concurrency = cfg->concurrency;
	return cfg->target ? parse_options(job, cfg->target, err) : 0;
}

static int null_check(void *state, enum op_kind kind, const char *uri, struct err *err)
{
	(void)kind;
	return parse_options(state, uri, err);
}

static int null_thread_init(void *job, void *thread, void *thread_user, struct err *err)
{
	struct null_thread *t = thread;

	t->job = job;
	t->user = thread_user;
	io_list_init(&t->line);
	rng_seed(&t->rng, __atomic_fetch_add(&t->job->n_threads, 1, __ATOMIC_RELAXED));
	/* also for those that a check turns on later: what is not touched takes no memory */
	t->heap = calloc(t->job->concurrency + 1, sizeof(struct io *));
	if (!t->heap)
		return err_sys(err, ENOMEM, "no memory for %u ops in flight",
			t->job->concurrency);
	/* the default slack of 50 us would add itself to every latency */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	return 0;
}

static uint64_t moved_bytes(const struct null_job *job, const struct io *io)
{
	switch (io->kind) {
	case OP_PUT:
	case OP_MULTIPART_PUT:
	case OP_RANGE_GET:
	case OP_RANGE_PUT:
		return io->size;
	case OP_GET:
	case OP_COPY:
		return io->size == UINT64_MAX ? job->get_bytes : io->size;
	default:
		return 0;
	}
}

/* ---- timed: a heap by end_ns ---- */

static void heap_push(struct null_thread *t, struct io *io)
{
	uint32_t i = t->n_heap++;

	while (i > 0 && t->heap[(i - 1) / 2]->end_ns > io->end_ns) {
		t->heap[i] = t->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	t->heap[i] = io;
}

static struct io *heap_pop(struct null_thread *t)
{
	struct io *top = t->heap[0], *last = t->heap[--t->n_heap];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < t->n_heap) {
		if (child + 1 < t->n_heap &&
			t->heap[child + 1]->end_ns < t->heap[child]->end_ns)
			child++;
		if (last->end_ns <= t->heap[child]->end_ns)
			break;
		t->heap[i] = t->heap[child];
		i = child;
	}
	t->heap[i] = last;
	return top;
}

static void finish(struct null_thread *t, struct io *io, uint64_t end_ns)
{
	io->end_ns = end_ns;
	io->attempts = t->job->retries;
	if (io->kind == OP_DELETE)
		io->entries = io->n_more ? io->n_more + 1 : 0;
	if (io->kind == OP_LIST) {
		io->pages = 1;
		if (t->job->page)
			t->job->page(t->user, io, io->start_ns, end_ns);
	}
}

static void fail(struct io *io, enum op_error error, const char *why)
{
	io->bytes = 0;
	io_fail(io, error, "%s", why);
}

static void submit_timed(struct null_thread *t, struct io **ops, size_t n)
{
	struct null_faults *f = &t->job->faults;

	for (size_t i = 0; i < n; i++) {
		struct io *io = ops[i];

		io->bytes = moved_bytes(t->job, io);
		io->end_ns = null_end_ns(f, io->start_ns, &t->rng); /* planned */
		if (null_fails(f, &t->rng))
			fail(io, OP_ERR_IO, "fails, as errors= of the URI asks for");
		heap_push(t, io);
	}
}

static void null_submit(void *thread, struct io **ops, size_t n)
{
	struct null_thread *t = thread;
	uint64_t last_end = 0;

	if (t->job->timed) {
		submit_timed(t, ops, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct io *io = ops[i];

		io->bytes = moved_bytes(t->job, io);
		if (last_end)
			io->start_ns = last_end;
		last_end = clock_ns();
		finish(t, io, last_end);
		io_list_add(&t->line, io);
	}
}

/* How late sleeps are at most, but for a few: that is quick to grow and slow to fall. */
static void learn_lead(struct null_thread *t, uint64_t late_ns)
{
	if (late_ns > LEAD_MAX_NS)
		t->lead_ns -= t->lead_ns / 8;
	else if (late_ns > t->lead_ns)
		t->lead_ns += (late_ns - t->lead_ns + 1) / 2;
	else
		t->lead_ns -= (t->lead_ns - late_ns) / 32;
}

/* How long before the end of an op a sleep ends. Where ops end so often that hardly any time is left to sleep, looking
 * at the clock may not take the processor as if it were a load. */
static uint64_t lead_of(const struct null_thread *t)
{
	if (t->job->spin_said)
		return t->job->spin_ns;
	return t->credit_ns >= t->lead_ns * SLEEP_PER_LOOK ? t->lead_ns : 0;
}

static void slept(struct null_thread *t, uint64_t ns)
{
	t->credit_ns += ns;
	if (t->credit_ns > CREDIT_MAX_NS)
		t->credit_ns = CREDIT_MAX_NS;
}

static void looked(struct null_thread *t, uint64_t ns)
{
	uint64_t price = ns * SLEEP_PER_LOOK;

	t->credit_ns -= price < t->credit_ns ? price : t->credit_ns;
}

/* Until the first op ends, or the deadline. A sleep ends some 20 to 60 us late, which would be in every
 * latency: it has to end that much before the op, and from then on the thread looks at the clock. */
static uint64_t wait_until(struct null_thread *t, uint64_t end_ns, uint64_t deadline_ns)
{
	uint64_t until = end_ns < deadline_ns ? end_ns : deadline_ns;
	uint64_t now = clock_ns(), from = now, lead, awake;

	if (now >= until)
		return now;
	lead = lead_of(t);
	awake = end_ns > lead ? end_ns - lead : 0;
	if (awake > deadline_ns)
		awake = deadline_ns;
	if (now < awake) {
		clock_sleep_until(awake);
		from = clock_ns();
		slept(t, from - now);
		learn_lead(t, from - awake);
	}
	for (now = from; now < until; now = clock_ns())
		;
	looked(t, now - from);
	return now;
}

static size_t wait_timed(
	struct null_thread *t, struct io **done, size_t max, uint64_t deadline_ns)
{
	uint64_t end = t->n_heap > 0 ? t->heap[0]->end_ns : UINT64_MAX;
	uint64_t now = wait_until(t, end, deadline_ns);
	size_t n = 0;

	/* they end when that is seen, as those of any store: a generator that looks too late shows */
	while (n < max && t->n_heap > 0 && t->heap[0]->end_ns <= now) {
		done[n] = heap_pop(t);
		finish(t, done[n++], now);
	}
	return n;
}

static size_t null_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	struct null_thread *t = thread;

	if (t->job->timed)
		return wait_timed(t, done, max, deadline_ns);
	return io_list_give(&t->line, done, max);
}

static void null_cancel(void *thread)
{
	struct null_thread *t = thread;
	uint64_t now = clock_ns();

	for (uint32_t i = 0; i < t->n_heap; i++) {
		if (t->heap[i]->end_ns > now)
			fail(t->heap[i], OP_ERR_TIMEOUT, "given up");
		t->heap[i]->end_ns = now;
	}
}

static void null_thread_fini(void *thread)
{
	struct null_thread *t = thread;

	free(t->heap);
}

static void null_fini(void *state)
{
	(void)state;
}

static int null_list(void *job, const char *uri, list_fn *fn, void *user, struct err *err)
{
	(void)job;
	(void)uri;
	(void)fn;
	(void)user;
	(void)err;
	return 0;
}

static long null_read_small(
	void *job, const char *uri, char *out, size_t size, struct err *err)
{
	(void)job;
	(void)out;
	(void)size;
	err_set(err, ERR_SYSTEM, "%s: null holds nothing", uri);
	return -ENOENT;
}

static int null_write_small(void *job, const char *uri, const char *text, struct err *err)
{
	(void)job;
	(void)uri;
	(void)text;
	(void)err;
	return 0;
}

static int null_remove_small(void *job, const char *uri, struct err *err)
{
	(void)job;
	(void)uri;
	(void)err;
	return 0;
}

extern const struct backend backend_null;
const struct backend backend_null = {
	.name = "null",
	.schemes = SCHEME,
	.summary = "does nothing: measures the engine itself",
	.options = null_options,
	.ops = 1u << OP_GET | 1u << OP_PUT | 1u << OP_LIST | 1u << OP_STAT |
	       1u << OP_DELETE | 1u << OP_RANGE_GET | 1u << OP_COPY |
	       1u << OP_MULTIPART_PUT | 1u << OP_MKDIR | 1u << OP_RMDIR |
	       1u << OP_RANGE_PUT,
	.batch_max = 1000,
	.any_object = true,
	.job_size = sizeof(struct null_job),
	.thread_size = sizeof(struct null_thread),
	.job_init = null_job_init,
	.check = null_check,
	.thread_init = null_thread_init,
	.submit = null_submit,
	.wait = null_wait,
	.cancel = null_cancel,
	.thread_fini = null_thread_fini,
	.job_fini = null_fini,
	.list = null_list,
	.read_small = null_read_small,
	.write_small = null_write_small,
	.remove_small = null_remove_small,
};
