/* matrix_resume: --resume DIR: options, tests and hosts as the directory has them. What was measured and is kept:
 * matrix_kept.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/matrix/matrix_private.h"
#include "orchestrator/matrix/matrix_resume.h"

#define SAVED_MAX ((size_t)64 << 20)
#define ROWS_MAX ((size_t)4 << 30)

/* Options that would change what is measured, by name. */
static int refuse_options(const struct app *app, struct err *err)
{
	static const char *const not_here[] = {"hosts-file", "limit", "workers"};
	const struct options *o = &app->o;
	const char *bad = NULL;

	for (const struct option_group *const *g = matrix_saved_groups; *g; g++)
		for (const struct opt *t = (*g)->options; t->name; t++)
			if ((matrix_option_saved(t) || strcmp(t->name, "output") == 0) &&
				opts_given(t, o))
				bad = t->name;
	for (const struct opt *t = group_hosts.options; t->name; t++)
		for (size_t i = 0; i < ARRAY_LEN(not_here); i++)
			if (strcmp(t->name, not_here[i]) == 0 && opts_given(t, o))
				bad = t->name;
	if (bad)
		return err_set(err, ERR_INPUT,
			"--%s cannot be changed by --resume: %s says what is measured, "
			"and "
			"where results go (--hosts, --user, --key, --port and --timeout "
			"may stand beside it)",
			bad, o->resume);
	if (app->operands.n || (app->rest && app->rest[0]))
		return err_set(err, ERR_INPUT,
			"'%s' cannot be changed by --resume: %s has its own hosts and "
			"tests",
			app->operands.n ? app->operands.items[0] : app->rest[0],
			o->resume);
	return 0;
}

static bool has_file(const char *dir, const char *file)
{
	AUTO_FREE char *path = text_printf("%s/%s", dir, file);

	return path && access(path, F_OK) == 0;
}

/* Why a directory without matrix.json cannot be gone on with. */
static int refuse_directory(const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return err_set(err, ERR_INPUT, "--resume %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INPUT,
			"--resume %s: this is a file, and not the results directory of a "
			"matrix",
			dir);
	if (has_file(dir, "journal.json") || has_file(dir, "config.yaml"))
		return err_set(err, ERR_INPUT,
			"--resume %s: these are results of muster run, which cannot be "
			"gone "
			"on with: only a matrix can",
			dir);
	return err_set(err, ERR_INPUT,
		"--resume %s: there is no " MATRIX_SAVED_FILE
		", so this is not the results "
		"directory of a matrix, or nothing was measured before it ended",
		dir);
}

static int load(struct matrix_resume *r, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s/" MATRIX_SAVED_FILE, r->dir);
	AUTO_FREE char *rows = text_printf("%s/rows.jsonl", r->dir);
	AUTO_BUF struct buf text = BUF_INIT;
	AUTO_BUF struct buf lines = BUF_INIT;

	if (!path || !rows)
		return err_sys(err, ENOMEM, "--resume");
	if (!has_file(r->dir, MATRIX_SAVED_FILE))
		return refuse_directory(r->dir, err);
	if (file_read(path, SAVED_MAX, &text, err) < 0 ||
		matrix_saved_parse(
			path, text.data ? text.data : "", text.len, &r->saved, err) < 0)
		return -1;
	if (!has_file(r->dir, "rows.jsonl"))
		return 0; /* it ended before the first pair did */
	if (file_read(rows, ROWS_MAX, &lines, err) < 0)
		return -1;
	return net_rows_parse(
		rows, lines.data ? lines.data : "", lines.len, &r->rows, err);
}

static int parse_options(const struct option_group *const *groups, char **words,
	const char *dir, struct options *ret, struct err *err)
{
	const struct opt *tables[4] = {NULL};
	struct opt_list operands = {0};
	char **rest = NULL;
	int n = 0;

	*ret = (struct options){0};
	for (size_t i = 0; groups[i] && i + 1 < ARRAY_LEN(tables); i++)
		tables[i] = groups[i]->options;
	while (words[n])
		n++;
	if (opts_parse(tables, n, words, ret, &operands, &rest, err) < 0)
		return err_prefix(err, "%s/" MATRIX_SAVED_FILE, dir);
	free(operands.items);
	if (operands.n || (rest && *rest))
		return err_set(err, ERR_INPUT,
			"%s/" MATRIX_SAVED_FILE
			": '%s' is no option of a matrix that can be "
			"gone on with",
			dir, operands.n ? words[0] : *rest);
	return 0;
}

/* What is measured, as if it stood on this command line. */
static int apply(struct matrix *m, struct err *err)
{
	struct matrix_resume *r = m->resume;
	struct options said;

	if (parse_options(matrix_saved_groups, r->saved.options, r->dir, &said, err) < 0)
		return -1;
	for (const struct option_group *const *g = matrix_saved_groups; *g; g++)
		for (const struct opt *t = (*g)->options; t->name; t++)
			if (matrix_option_saved(t))
				opts_copy(t, &said, &m->app->o);
	if (m->app->o.profile) {
		r->profile = text_printf("%s/" MATRIX_PROFILE_FILE, r->dir);
		if (!r->profile)
			return err_sys(err, ENOMEM, "--resume");
		m->app->o.profile = r->profile;
	}
	m->app->rest = r->saved.words;
	m->wall_start_ns = r->saved.started_wall_ns;
	return options_check(&m->app->o, err);
}

int matrix_resume_read(struct matrix *m, struct err *err)
{
	const char *dir = m->app->o.resume;

	if (!dir)
		return 0;
	if (refuse_options(m->app, err) < 0)
		return -1;
	m->resume = calloc(1, sizeof(*m->resume));
	if (!m->resume)
		return err_sys(err, ENOMEM, "--resume");
	m->resume->dir = dir;
	if (load(m->resume, err) < 0)
		return -1;
	m->session = (uint32_t)m->resume->rows.n_sessions + 1;
	return apply(m, err);
}

void matrix_resume_finish(struct matrix *m)
{
	struct matrix_resume *r = m->resume;

	if (!r)
		return;
	matrix_saved_finish(&r->saved);
	net_rows_finish(&r->rows);
	free(r->row);
	free(r->profile);
	free(r);
	m->resume = NULL;
}

/* A word of the command line is for every host. */
static int put(char **at, const char *value, struct err *err)
{
	char *copy = value ? strdup(value) : NULL;

	if (!value)
		return 0;
	if (!copy)
		return err_sys(err, ENOMEM, "hosts");
	free(*at);
	*at = copy;
	return 0;
}

static int add_host(struct matrix *m, const struct inventory *from, const char *path,
	const char *name, uint32_t *ret, struct err *err)
{
	struct inventory *all = &m->ctx.hosts;
	const struct options *o = &m->app->o;
	const struct host *h = inventory_find(from, name);
	struct host *mine = inventory_find(all, name);

	if (!h)
		return err_set(err, ERR_INPUT,
			"%s: host '%s' of the matrix in %s is not there: --hosts FILE "
			"that has "
			"it",
			path, name, m->resume->dir);
	if (!mine) {
		mine = &all->hosts[all->n];
		if (host_copy(mine, h) < 0)
			return err_sys(err, ENOMEM, "hosts");
		all->n++;
		if (put(&mine->user, o->user, err) < 0 ||
			put(&mine->key, o->key, err) < 0)
			return -1;
		mine->port = o->port ? o->port : mine->port;
	}
	*ret = (uint32_t)(mine - all->hosts);
	return 0;
}

static int add_list(struct matrix *m, const struct inventory *from, const char *path,
	char **names, uint32_t **ret, size_t *ret_n, struct err *err)
{
	size_t n = 0;

	while (names[n])
		n++;
	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return err_sys(err, ENOMEM, "hosts");
	for (; *ret_n < n; (*ret_n)++)
		if (add_host(m, from, path, names[*ret_n], &(*ret)[*ret_n], err) < 0)
			return -1;
	return 0;
}

static int note_outside(struct matrix *m, struct err *err)
{
	struct inventory *all = &m->ctx.hosts;

	m->outside = calloc(all->n + 1, sizeof(*m->outside));
	m->ctx.refs = calloc(all->n + 1, sizeof(*m->ctx.refs));
	if (!m->outside || !m->ctx.refs)
		return err_sys(err, ENOMEM, "hosts");
	for (char **name = m->resume->saved.outside; *name; name++) {
		const struct host *h = inventory_find(all, *name);

		if (h)
			m->outside[h - all->hosts] = true;
	}
	return 0;
}

/* Commands are shown as at the first time. */
static int take_hosts_options(struct matrix *m, struct err *err)
{
	struct matrix_resume *r = m->resume;
	const struct option_group *const groups[] = {&group_hosts, NULL};
	struct options said;

	if (parse_options(groups, r->saved.hosts_options, r->dir, &said, err) < 0)
		return -1;
	for (const struct opt *t = group_hosts.options; t->name; t++)
		if (matrix_hosts_option_saved(t) && !opts_given(t, &m->app->o))
			opts_copy(t, &said, &m->app->o);
	return 0;
}

static int read_hosts(struct matrix *m, struct err *err)
{
	struct inventory_options io = context_inventory_options(m->app);
	struct matrix_saved *s = &m->resume->saved;
	CLEANUP(inventory_finish) struct inventory from = {0};
	AUTO_FREE char *own = text_printf("%s/hosts.yaml", m->resume->dir);
	const char *path = m->app->o.hosts ? m->app->o.hosts : own;
	size_t room = 0;

	if (!own)
		return err_sys(err, ENOMEM, "hosts");
	if (inventory_load(path, NULL, &io, &from, err) < 0)
		return -1;
	room = from.n;
	m->ctx.hosts.hosts = calloc(room + 1, sizeof(*m->ctx.hosts.hosts));
	if (!m->ctx.hosts.hosts)
		return err_sys(err, ENOMEM, "hosts");
	if (add_list(m, &from, path, s->clients, &m->lists.clients, &m->lists.n_clients,
		    err) < 0)
		return -1;
	return add_list(
		m, &from, path, s->servers, &m->lists.servers, &m->lists.n_servers, err);
}

int matrix_resume_hosts(struct matrix *m, struct err *err)
{
	if (read_hosts(m, err) < 0 || note_outside(m, err) < 0)
		return -1;
	return take_hosts_options(m, err);
}

bool matrix_resume_embedded(const struct matrix *m)
{
	return m->resume->saved.embedded;
}
