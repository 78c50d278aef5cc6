/* rundir_tables: the files that are replaced as a whole. */
#include <errno.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/text.h"
#include "results/rundir_state.h"
#include "results/tables.h"

static int write_file(
	struct rundir *d, const char *file, const char *data, size_t len, struct err *err)
{
	AUTO_FREE char *path = text_printf("%s/%s", d->path, file);

	if (!path)
		return err_sys(err, ENOMEM, "cannot write %s", file);
	return file_write_atomic(path, data, len, 0644, err);
}

int rundir_write(struct rundir *d, const char *file, const char *text, struct err *err)
{
	return write_file(d, file, text, strlen(text), err);
}

static int write_json(
	struct rundir *d, const char *file, struct json_writer *w, struct err *err)
{
	if (w->failed)
		return err_sys(err, ENOMEM, "cannot write %s", file);
	return write_file(d, file, w->out->data, w->out->len, err);
}

static int write_metadata(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	(void)a;
	jw_init(&w, &text, JSON_FLAT);
	jw_object(&w, NULL);
	metadata_members(&w, info);
	jw_object_end(&w);
	return write_json(d, "metadata.json", &w, err);
}

static int write_results_json(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text, JSON_FLAT);
	jw_object(&w, NULL);
	if (results_members(&w, a, info, err) < 0)
		return -1;
	jw_object_end(&w);
	return write_json(d, "results.json", &w, err);
}

static int write_tsv(struct rundir *d, const char *file, struct agg *a, size_t worker,
	const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (table_tsv(a, info, worker, &text, err) < 0)
		return -1;
	return write_file(d, file, text.data, text.len, err);
}

static int write_worker_metadata(struct rundir *d, const char *file,
	const struct run_info *info, const struct run_worker *rw, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text, JSON_FLAT);
	jw_object(&w, NULL);
	jw_uint(&w, "schema_version", RESULTS_SCHEMA_VERSION);
	jw_text(&w, "run", info->run);
	metadata_worker_members(&w, info, rw);
	jw_object_end(&w);
	return write_json(d, file, &w, err);
}

static int write_worker(struct rundir *d, struct agg *a, const struct run_info *info,
	size_t worker, struct err *err)
{
	const struct run_worker *rw = &info->workers[worker];
	AUTO_FREE char *metadata = NULL, *results = NULL;
	size_t i;

	if (rundir_find_worker(d, rw->id, &i, err) < 0)
		return -1;
	metadata = text_printf("%s/metadata.json", d->workers[i].path);
	results = text_printf("%s/results.tsv", d->workers[i].path);
	if (!metadata || !results)
		return err_sys(err, ENOMEM, "results of %s", rw->id);
	if (write_worker_metadata(d, metadata, info, rw, err) < 0)
		return -1;
	return write_tsv(d, results, a, worker, info, err);
}

static int write_all_tsv(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	return write_tsv(d, "results.tsv", a, AGG_ALL, info, err);
}

static int write_endpoints(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	AUTO_BUF struct buf text = BUF_INIT;

	if (table_endpoints(a, info, &text, err) < 0)
		return -1;
	return text.len ? write_file(d, "endpoints.tsv", text.data, text.len, err) : 0;
}

static int write_workers(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	struct err later = ERR_INIT;
	int rc = 0;

	for (size_t i = 0; i < info->n_workers; i++)
		if (write_worker(d, a, info, i, rc == 0 ? err : &later) < 0)
			rc = -1;
	return rc;
}

typedef int write_fn(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err);

/* The ones that matter most first. */
static write_fn *const writers[] = {write_all_tsv, write_endpoints, write_results_json,
	write_metadata, write_workers};

int rundir_results(
	struct rundir *d, struct agg *a, const struct run_info *info, struct err *err)
{
	struct err later = ERR_INIT;
	int rc = 0;

	/* a file that fails says nothing about the next one */
	for (size_t i = 0; i < ARRAY_LEN(writers); i++)
		if (writers[i](d, a, info, rc == 0 ? err : &later) < 0)
			rc = -1;
	return rc;
}
