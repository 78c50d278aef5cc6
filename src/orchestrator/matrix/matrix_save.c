/* matrix_save: what a results directory gets at its start and as pairs end, so that --resume can go on with it
 * whatever becomes of this process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"
#include "orchestrator/matrix/matrix_saved.h"
#include "results/net_rows.h"

const struct option_group *const matrix_saved_groups[] = {
	&group_matrix, &group_engine, NULL};

/* Options of the matrix that say how one muster goes about it, not what is measured. */
static const char *const of_a_session[] = {
	"output", "dry-run", "headless", "detach", "resume"};
/* Options of hosts that its commands show. */
static const char *const of_hosts[] = {"hosts", "hosts-file", "user", "key", "port"};

static bool is_among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool matrix_option_saved(const struct opt *o)
{
	return !is_among(of_a_session, ARRAY_LEN(of_a_session), o->name);
}

bool matrix_hosts_option_saved(const struct opt *o)
{
	return is_among(of_hosts, ARRAY_LEN(of_hosts), o->name);
}

/* Appends to a NULL-terminated list. Takes text. */
static int add(char ***list, size_t *n, char *text)
{
	char **grown = text ? reallocarray(*list, *n + 2, sizeof(*grown)) : NULL;

	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	*list = grown;
	grown[(*n)++] = text;
	grown[*n] = NULL;
	return 0;
}

static int add_options(const struct opt *table, bool (*saved)(const struct opt *),
	const struct options *from, char ***list)
{
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	for (const struct opt *o = table; o->name; o++) {
		AUTO_BUF struct buf word = BUF_INIT;

		if (!saved(o) || !opts_given(o, from))
			continue;
		if (opts_word(o, from, &word) < 0 || add(list, &n, buf_steal(&word)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_hosts(
	const struct matrix *m, const uint32_t *hosts, size_t n, char ***list)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (add(list, &count, strdup(m->ctx.hosts.hosts[hosts[i]].name)) < 0)
			return -ENOMEM;
	return 0;
}

static int add_outside(const struct matrix *m, char ***list)
{
	size_t count = 0;

	for (size_t i = 0; i < m->ctx.hosts.n; i++)
		if (m->outside[i] &&
			add(list, &count, strdup(m->ctx.hosts.hosts[i].name)) < 0)
			return -ENOMEM;
	return 0;
}

static int add_words(char *const *words, char ***list)
{
	size_t n = 0;

	for (char *const *w = words; w && *w; w++)
		if (add(list, &n, strdup(*w)) < 0)
			return -ENOMEM;
	return 0;
}

static int fill(const struct matrix *m, struct matrix_saved *s)
{
	const struct options *o = &m->app->o;

	s->started_wall_ns = m->wall_start_ns;
	s->embedded = m->ctx.embedded;
	for (const struct option_group *const *g = matrix_saved_groups; *g; g++)
		if (add_options((*g)->options, matrix_option_saved, o, &s->options) < 0)
			return -ENOMEM;
	if (add_options(group_hosts.options, matrix_hosts_option_saved, o,
		    &s->hosts_options) < 0 ||
		add_words(m->app->rest, &s->words) < 0)
		return -ENOMEM;
	if (m->ctx.embedded)
		return 0;
	if (add_hosts(m, m->lists.clients, m->lists.n_clients, &s->clients) < 0 ||
		add_hosts(m, m->lists.servers, m->lists.n_servers, &s->servers) < 0)
		return -ENOMEM;
	return add_outside(m, &s->outside);
}

int matrix_save(struct matrix *m, struct err *err)
{
	CLEANUP(matrix_saved_finish) struct matrix_saved saved = {0};
	AUTO_FREE char *hosts = m->ctx.embedded ? NULL : inventory_to_yaml(&m->ctx.hosts);
	AUTO_BUF struct buf text = BUF_INIT;

	if (fill(m, &saved) < 0 || matrix_saved_print(&saved, &text) < 0 ||
		(!hosts && !m->ctx.embedded))
		return err_sys(err, ENOMEM, MATRIX_SAVED_FILE);
	if (hosts && rundir_write(m->dir, "hosts.yaml", hosts, err) < 0)
		return -1;
	if (m->profile_text &&
		rundir_write(m->dir, MATRIX_PROFILE_FILE, m->profile_text, err) < 0)
		return -1;
	return rundir_write(m->dir, MATRIX_SAVED_FILE, text.data, err);
}

void matrix_save_row(struct matrix *m, const struct matrix_task *t)
{
	AUTO_BUF struct buf line = BUF_INIT;

	/* a directory that cannot be written to is an error at the end */
	if (net_row_print(t->record, t->cv, &line) == 0)
		rundir_row(m->dir, line.data);
	else
		log_warn("%s → %s is not in rows.jsonl: out of memory", t->record->client,
			t->record->server);
}
