/* matrix_tests: what each pair runs, and the tasks that pairs and tests make together. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"

#define INTERVAL_NS NS_PER_SEC

/* "tcp-send", "tcp-rr", "udp-bidir" */
static char *name_of(const struct net_spec *s)
{
	return text_printf("%s-%s", net_protocol_names[s->protocol],
		s->test == NET_STREAM ? net_dir_names[s->dir] : net_test_names[s->test]);
}

static int by_words(struct matrix *m, struct err *err)
{
	m->tests = calloc(1, sizeof(*m->tests));
	if (!m->tests)
		return err_sys(err, ENOMEM, "matrix");
	m->n_tests = 1;
	m->tests->words = &m->words;
	m->tests->name = name_of(&m->words.spec);
	if (m->app->o.duration_set)
		m->words.spec.duration_ns = m->app->o.duration_ns;
	if (net_spec_check(&m->words.spec, err) < 0)
		return err_prefix(err, "--duration");
	return m->tests->name ? 0 : err_sys(err, ENOMEM, "matrix");
}

/* What the tests take, all in all. */
static void add_up(struct matrix *m)
{
	struct matrix_work *w = &m->work;
	const struct net_words *first = m->tests->words;

	*w = (struct matrix_work){.tests = m->n_tests,
		.repeats = m->repeats,
		.iterations = {first->iterations_min, first->iterations_max},
		.duration_ns = first->spec.duration_ns,
		.rest_ns = m->profile.cooldown_ns};
	for (size_t i = 0; i < m->n_tests; i++) {
		const struct net_spec *s = &m->tests[i].words->spec;

		w->by_amount |= s->max_bytes || s->max_transactions;
		w->round_ns += s->warmup_ns + s->duration_ns;
		if (s->duration_ns != w->duration_ns)
			w->duration_ns = 0;
	}
}

static int read_words(struct matrix *m, struct err *err)
{
	char *const *words = m->app->rest;
	size_t n = 0;

	while (words[n])
		n++;
	return net_words_parse(
		(enum net_dialect)m->app->o.words, words, n, &m->words, err);
}

static int print_words(struct matrix_test *t, struct err *err)
{
	struct net_words silent = *t->words;
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf shown = BUF_INIT;

	silent.output_asked = false;
	silent.selectors = NULL;
	silent.n_selectors = 0;
	if (net_words_print(t->words, &text) < 0 || net_words_print(&silent, &shown) < 0)
		return err_sys(err, ENOMEM, "matrix");
	t->text = buf_steal(&text);
	t->shown = buf_steal(&shown);
	return t->text && t->shown ? 0 : err_sys(err, ENOMEM, "matrix");
}

int matrix_tests_read(struct matrix *m, struct err *err)
{
	const struct options *o = &m->app->o;
	int rc;

	if (o->duration_set && o->duration_ns < NS_PER_MS)
		return err_set(err, ERR_INPUT, "--duration must be over 0");
	if (read_words(m, err) < 0)
		return -1;
	rc = o->profile ? matrix_profile_read(m, err) : by_words(m, err);
	for (size_t i = 0; rc == 0 && i < m->n_tests; i++)
		rc = print_words(&m->tests[i], err);
	if (rc == 0)
		add_up(m);
	return rc;
}

void matrix_tests_finish(struct matrix *m)
{
	for (size_t i = 0; i < m->n_tests; i++) {
		free(m->tests[i].name);
		free(m->tests[i].text);
		free(m->tests[i].shown);
	}
	free(m->tests);
	net_words_finish(&m->words);
	net_profile_finish(&m->profile);
}

static bool is_flood(const struct matrix_test *t)
{
	const struct net_spec *s = &t->words->spec;

	return s->protocol == NET_UDP && s->test == NET_STREAM && !s->rate_bits;
}

static bool is_loopback(const char *address)
{
	return text_starts_with(address, "127.") || strcmp(address, "::1") == 0;
}

/* Datagrams without a limit take the network away from all others. */
static int check_flood(struct matrix *m, const struct matrix_test *t, struct err *err)
{
	for (size_t i = 0; i < m->n_hosts; i++) {
		AUTO_FREE char *why = NULL;
		AUTO_FREE char *address = NULL;

		if (!m->hosts[i].server)
			continue;
		address = matrix_host_address(&m->hosts[i], t->words->spec.family, &why);
		if (address && !is_loopback(address))
			return err_set(err, ERR_INPUT,
				"test %s sends udp to %s (%s) as fast as it can, which "
				"others "
				"on that network will feel: give it a rate, or say "
				"--allow-flood",
				t->name, m->hosts[i].w->host->name, address);
	}
	return 0;
}

int matrix_tests_fit(const struct matrix *m, struct err *err)
{
	const struct {
		const char *address, *option, *what;
		size_t n;
	} given[] = {{m->words.server_address, "-H", "servers", m->lists.n_servers},
		{m->words.client_address, "-L", "clients", m->lists.n_clients}};

	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		if (given[i].address && given[i].n > 1)
			return err_set(err, ERR_INPUT,
				"%s %s behind '--' is the address of one host, and there "
				"are "
				"%zu %s: data_address in the inventory says it for each",
				given[i].option, given[i].address, given[i].n,
				given[i].what);
	return 0;
}

int matrix_tests_check(struct matrix *m, struct err *err)
{
	for (size_t i = 0; i < m->n_tests; i++)
		if (is_flood(&m->tests[i]) && !m->app->o.allow_flood &&
			check_flood(m, &m->tests[i], err) < 0)
			return -1;
	return 0;
}

void matrix_command(const struct matrix *m, const struct matrix_pair *p,
	const char *words, struct buf *out)
{
	const struct options *o = &m->app->o;
	const struct {
		const char *option, *value;
	} given[] = {{"--hosts", o->hosts}, {"--hosts-file", o->hosts_file},
		{"--user", o->user}, {"--key", o->key}, {"--port-range", o->port_range}};

	buf_puts(out, "muster matrix ");
	if (!m->ctx.embedded) {
		matrix_host_words(m, p->client, out);
		buf_putc(out, ' ');
		matrix_host_words(m, p->server, out);
		buf_putc(out, ' ');
	}
	for (size_t i = 0; i < ARRAY_LEN(given); i++) {
		if (!given[i].value)
			continue;
		buf_printf(out, "%s ", given[i].option);
		text_shell_quote(out, given[i].value);
		buf_putc(out, ' ');
	}
	matrix_engine_options(m, out);
	if (o->port)
		buf_printf(out, "--port %u ", o->port);
	if (o->allow_flood)
		buf_puts(out, "--allow-flood ");
	buf_printf(out, "-- %s", words);
}

int matrix_order(struct matrix *m, struct err *err)
{
	const struct matrix_plan *p = &m->plan;
	free(m->order);
	free(m->first);
	m->order = calloc(p->n, sizeof(*m->order));
	m->first = calloc(p->rounds + 1, sizeof(*m->first));
	if (!m->order || !m->first)
		return err_sys(err, ENOMEM, "matrix");
	for (size_t i = 0; i < p->n; i++)
		if (!p->pairs[i].done)
			m->first[p->pairs[i].round + 1]++;
	for (size_t i = 0; i < p->rounds; i++)
		m->first[i + 1] += m->first[i];
	for (size_t i = 0; i < p->n; i++) {
		size_t round = p->pairs[i].round;

		if (!p->pairs[i].done)
			m->order[m->first[round]++] = i;
	}
	/* each has moved to where the next one begins */
	for (size_t i = p->rounds; i > 0; i--)
		m->first[i] = m->first[i - 1];
	m->first[0] = 0;
	return 0;
}

/* The test's spec as these two hosts run it. */
static int make_spec(struct matrix *m, struct matrix_task *t)
{
	const struct matrix_host *client, *server;

	if (net_spec_copy(&t->spec, &t->test->words->spec) < 0)
		return -ENOMEM;
	if (!t->test->from || !t->test->from->cpu_affinity || t->pair->done)
		return 0;
	client = &m->hosts[t->pair->client];
	server = &m->hosts[t->pair->server];
	return net_profile_bind(&t->spec, client->w->hello.cpus, server->w->hello.cpus);
}

static char *command_of(struct matrix *m, const struct matrix_task *t)
{
	struct net_words words = *t->test->words;
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf command = BUF_INIT;

	words.spec = t->spec;
	if (net_words_print(&words, &text) < 0)
		return NULL;
	matrix_command(m, t->pair, text.data, &command);
	return buf_steal(&command);
}

static int make_record(
	struct matrix *m, struct matrix_task *t, size_t repeat, struct err *err)
{
	const struct host *hosts = m->ctx.hosts.hosts;
	struct net_record *r = t->record;

	if (make_spec(m, t) < 0)
		return err_sys(err, ENOMEM, "matrix");
	*r = (struct net_record){.client = hosts[t->pair->client].name,
		.server = hosts[t->pair->server].name,
		.test = t->test->name,
		.engine = m->engine,
		.spec = &t->spec,
		.command = command_of(m, t),
		.round = t->pair->round + 1,
		.resumed = m->session,
		.iteration = (uint32_t)repeat + 1,
		.concurrent = m->mode == MATRIX_CONCURRENT && m->plan.n > 1};
	/* what moves is shown each second, whether the words ask for reports or not */
	if (!t->spec.interval_ns && m->kind == NET_ENGINE_NATIVE)
		t->spec.interval_ns = INTERVAL_NS;
	t->cv = NAN;
	return r->command ? 0 : err_sys(err, ENOMEM, "matrix");
}

int matrix_tasks_make(struct matrix *m, struct err *err)
{
	size_t n = m->repeats * m->n_tests * m->plan.n;

	if (matrix_order(m, err) < 0)
		return -1;
	m->records = calloc(n, sizeof(*m->records));
	m->tasks = calloc(n, sizeof(*m->tasks));
	if (!m->records || !m->tasks)
		return err_sys(err, ENOMEM, "matrix");
	m->n_tasks = n;
	m->n_steps = m->repeats * m->n_tests * m->plan.rounds;
	for (size_t i = 0; i < n; i++) {
		struct matrix_task *t = &m->tasks[i];

		t->record = &m->records[i];
		t->pair = &m->plan.pairs[i % m->plan.n];
		t->test = &m->tests[i / m->plan.n % m->n_tests];
		if (make_record(m, t, i / m->plan.n / m->n_tests, err) < 0)
			return -1;
	}
	return matrix_resume_restore(m, err);
}

void matrix_tasks_finish(struct matrix *m)
{
	for (size_t i = 0; i < m->n_tasks; i++) {
		matrix_task_forget(&m->tasks[i]);
		net_spec_finish(&m->tasks[i].spec);
	}
	for (size_t i = 0; i < m->n_tasks; i++)
		net_record_finish(&m->records[i]);
	free(m->tasks);
	free(m->records);
	free(m->order);
	free(m->first);
	matrix_plan_finish(&m->plan);
}
