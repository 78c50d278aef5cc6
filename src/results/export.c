/* export: --export FILE: one file for other programs, JSON or CSV by its ending. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"
#include "results/rundir.h"
#include "results/tables.h"

static int make_json(
	struct agg *a, const struct run_info *info, struct buf *out, struct err *err)
{
	struct json_writer w;

	jw_init(&w, out, JSON_FLAT);
	jw_object(&w, NULL);
	if (results_members(&w, a, info, err) < 0)
		return -1;
	jw_object(&w, "metadata");
	metadata_members(&w, info);
	jw_object_end(&w);
	jw_object_end(&w);
	return w.failed ? err_sys(err, ENOMEM, "cannot export results") : 0;
}

static int make_csv(
	struct agg *a, const struct run_info *info, struct buf *out, struct err *err)
{
	return table_csv(a, info, out, err);
}

static const struct export_format {
	const char *ending;
	int (*make)(struct agg *a, const struct run_info *info, struct buf *out,
		struct err *err);
} formats[] = {
	{".json", make_json},
	{".csv", make_csv},
};

/* NULL: err says which there are. */
static const struct export_format *find_format(const char *path, struct err *err)
{
	if (strcmp(path, "-") == 0)
		return &formats[0];
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (text_ends_with(path, formats[i].ending))
			return &formats[i];
	err_set(err, ERR_INPUT, "--export %s: the name must end in .json or .csv", path);
	return NULL;
}

int export_check(const char *path, struct err *err)
{
	return find_format(path, err) ? 0 : -1;
}

int export_results(
	const char *path, struct agg *a, const struct run_info *info, struct err *err)
{
	const struct export_format *format = find_format(path, err);
	AUTO_BUF struct buf text = BUF_INIT;
	int rc;

	if (!format || format->make(a, info, &text, err) < 0)
		return -1;
	if (strcmp(path, "-") != 0)
		return file_write_atomic(path, text.data, text.len, 0644, err);
	rc = file_write_all(STDOUT_FILENO, text.data, text.len);
	return rc < 0 ? err_sys(err, -rc, "cannot write to standard output") : 0;
}
