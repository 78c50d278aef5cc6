/* null: every op succeeds at once, or after a fixed latency. It measures the engine itself, and
 * gives tests a store whose times are known; it knows all ops that an object store knows.
 *
 * Options stand where other URIs have a host: null://latency=200us,size=4KiB/. */
#include "backends/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/units.h"

#define SCHEME "null://"

struct null_job {
	uint64_t latency_ns;
	uint64_t get_bytes; /* of an object whose size nobody knows */
	uint32_t retries;   /* that each op is said to have taken */
	void (*page)(void *thread_user, const struct io *io, uint64_t start_ns,
		uint64_t end_ns);
};

struct null_thread {
	struct null_job *job;
	void *user;
	/* in order of their ends, since the latency is constant */
	struct io *head, **tail;
};

static const struct backend_option null_options[] = {
	{"latency", "service time of every op", "0"},
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

static int set_option(
	struct null_job *job, const char *name, const char *value, struct err *err)
{
	if (strcmp(name, "latency") == 0) {
		if (units_parse_duration_ns(value, &job->latency_ns) == 0)
			return 0;
		return err_set(
			err, ERR_INPUT, "null: latency \"%s\" is not a duration", value);
	}
	if (strcmp(name, "size") == 0) {
		if (units_parse_size_bytes(value, &job->get_bytes) == 0)
			return 0;
		return err_set(err, ERR_INPUT, "null: size \"%s\" is not a size", value);
	}
	if (strcmp(name, "retries") == 0)
		return set_retries(job, value, err);
	return err_set(err, ERR_INPUT,
		"null: unknown option \"%s\" (known: latency, size, retries)", name);
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
		char name[32], value[32];

		snprintf(name, sizeof(name), "%.*s", (int)name_len, p);
		snprintf(value, sizeof(value), "%.*s", (int)value_len, v);
		if (set_option(job, name, value, err) < 0)
			return -1;
		p = v + value_len + (v[value_len] == ',');
	}
	return 0;
}

static int null_job_init(void *state, const struct backend_config *cfg, struct err *err)
{
	struct null_job *job = state;

	job->page = cfg->page;
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

	(void)err;
	t->job = job;
	t->user = thread_user;
	t->tail = &t->head;
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
		return io->size;
	case OP_GET:
	case OP_COPY:
		return io->size == UINT64_MAX ? job->get_bytes : io->size;
	default:
		return 0;
	}
}

static void push(struct null_thread *t, struct io *io)
{
	io->next = NULL;
	*t->tail = io;
	t->tail = &io->next;
}

static struct io *pop(struct null_thread *t)
{
	struct io *io = t->head;

	t->head = io->next;
	if (!t->head)
		t->tail = &t->head;
	return io;
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

static void null_submit(void *thread, struct io **ops, size_t n)
{
	struct null_thread *t = thread;
	uint64_t latency = t->job->latency_ns;
	uint64_t last_end = 0;

	for (size_t i = 0; i < n; i++) {
		struct io *io = ops[i];

		io->bytes = moved_bytes(t->job, io);
		io->start_ns = last_end ? last_end : io->start_ns;
		if (latency) {
			io->end_ns = io->start_ns + latency; /* planned */
		} else {
			last_end = clock_ns();
			finish(t, io, last_end);
		}
		push(t, io);
	}
}

static size_t null_wait(void *thread, struct io **done, size_t max, uint64_t deadline_ns)
{
	struct null_thread *t = thread;
	size_t n = 0;

	if (!t->job->latency_ns) {
		while (n < max && t->head)
			done[n++] = pop(t);
		return n;
	}
	if (!t->head) {
		clock_sleep_until(deadline_ns);
		return 0;
	}
	uint64_t until = t->head->end_ns < deadline_ns ? t->head->end_ns : deadline_ns;
	uint64_t now = clock_ns();

	if (now < until) {
		clock_sleep_until(until);
		now = clock_ns();
	}

	while (n < max && t->head && t->head->end_ns <= now) {
		done[n] = pop(t);
		finish(t, done[n++], now);
	}
	return n;
}

static void null_cancel(void *thread)
{
	struct null_thread *t = thread;
	uint64_t now = clock_ns();

	for (struct io *io = t->head; io; io = io->next) {
		if (io->end_ns > now) {
			io->error = OP_ERR_TIMEOUT;
			snprintf(io->error_text, sizeof(io->error_text),
				"%s %.100s: given up", op_infos[io->kind].display,
				io->uri);
		}
		io->end_ns = now;
	}
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
	       1u << OP_MULTIPART_PUT,
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
	.thread_fini = null_fini,
	.job_fini = null_fini,
	.list = null_list,
	.read_small = null_read_small,
	.write_small = null_write_small,
	.remove_small = null_remove_small,
};
