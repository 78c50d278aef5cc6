/* journal: jobs as JSON in the results directory, and back. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "orchestrator/run/journal.h"
#include "orchestrator/run/run_private.h"

#define JOURNAL "journal.json"

static json_t *load_workers(const char *dir)
{
	AUTO_FREE char *path = text_printf("%s/" JOURNAL, dir);
	json_t *root = path ? json_load_file(path, 0, NULL) : NULL;
	json_t *workers = json_incref(json_object_get(root, "workers"));

	json_decref(root);
	return json_is_object(workers) ? workers : json_object();
}

/* Without a name and a password. malloc. */
static char *bare_proxy(const char *proxy)
{
	const char *rest = proxy ? strstr(proxy, "://") : NULL;
	const char *at;

	if (!rest)
		return NULL;
	rest += strlen("://");
	at = memrchr(rest, '@', strcspn(rest, "/"));
	return text_printf("%.*s%s", (int)(rest - proxy), proxy, at ? at + 1 : rest);
}

int journal_write(struct rundir *d, const struct plan *plan,
	const struct run_member *members, size_t n, struct err *err)
{
	json_t *workers = load_workers(rundir_path(d));
	AUTO_FREE char *text = NULL;
	json_t *root;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *proxy = NULL;
		struct job shown;
		json_t *job;

		if (!members[i].in)
			continue;
		/* without what is secret */
		shown = plan->jobs[k++];
		shown.env = shown.env_default = NULL;
		shown.store.client_key_pem = NULL;
		shown.store.proxy = proxy = bare_proxy(shown.store.proxy);
		job = job_to_json(&shown);
		json_object_set_new(workers, members[i].w->id,
			json_pack("{s:s, s:o}", "host", members[i].w->host->name, "job",
				job));
	}
	root = json_pack("{s:i, s:b, s:o}", "schema_version", 1, "shared", plan->shared,
		"workers", workers);
	text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	if (!text)
		return err_sys(err, ENOMEM, JOURNAL);
	return rundir_write(d, JOURNAL, text, err);
}

static int read_entry(
	const char *worker, json_t *value, struct journal_entry *ret, struct err *err)
{
	const char *host = json_string_value(json_object_get(value, "host"));

	if (!host)
		return err_set(err, ERR_INPUT, "worker %s has no host", worker);
	ret->worker = strdup(worker);
	ret->host = strdup(host);
	ret->job = calloc(1, sizeof(*ret->job));
	if (!ret->worker || !ret->host || !ret->job)
		return err_sys(err, ENOMEM, "worker %s", worker);
	if (job_from_json(json_object_get(value, "job"), ret->job, err) < 0) {
		free(ret->job);
		ret->job = NULL;
		return err_prefix(err, "worker %s", worker);
	}
	return 0;
}

static int read_entries(json_t *workers, struct journal *ret, struct err *err)
{
	const char *worker;
	json_t *value;

	ret->entries = calloc(json_object_size(workers) + 1, sizeof(*ret->entries));
	if (!ret->entries)
		return err_sys(err, ENOMEM, JOURNAL);
	json_object_foreach(workers, worker, value)
	{
		if (read_entry(worker, value, &ret->entries[ret->n++], err) < 0)
			return -1;
	}
	return 0;
}

int journal_read(const char *dir, struct journal *ret, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s/" JOURNAL, dir);
	json_error_t je;
	json_t *root;
	int r;

	*ret = (struct journal){0};
	if (!path || access(path, F_OK) < 0)
		return err_set(err, ERR_INPUT,
			"%s is no results directory of muster: it has no " JOURNAL, dir);
	root = json_load_file(path, 0, &je);
	if (!root)
		return err_set(err, ERR_INPUT, "%s: %s", path, je.text);
	ret->shared = json_is_true(json_object_get(root, "shared"));
	r = read_entries(json_object_get(root, "workers"), ret, err);
	json_decref(root);
	if (r < 0) {
		err_prefix(err, "%s", path);
		journal_finish(ret);
	}
	return r;
}

void journal_finish(struct journal *j)
{
	for (size_t i = 0; i < j->n; i++) {
		free(j->entries[i].worker);
		free(j->entries[i].host);
		if (j->entries[i].job)
			job_finish(j->entries[i].job);
		free(j->entries[i].job);
	}
	free(j->entries);
	*j = (struct journal){0};
}
