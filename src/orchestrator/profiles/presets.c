/* presets: workload presets, listed and shown. */
#include "orchestrator/profiles/presets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/context.h"
#include "orchestrator/profiles/profile_find.h"
#include "results/json_writer.h"
#include "workload/workload.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

struct preset {
	const struct profile_file *file;
	struct workload *workload; /* NULL: it cannot be used; that was said */
	char *mix;
};

struct presets {
	struct profile_files files;
	struct preset *items;
};

static struct workload *load(const char *path, struct err *err)
{
	const struct workload_options o = {.warn = context_warn};
	struct workload *w = NULL;

	return workload_load(path, &o, &w, err) < 0 ? NULL : w;
}

int presets_load(struct presets **ret, size_t *ret_bad, struct err *err)
{
	struct presets *p = calloc(1, sizeof(*p));

	if (!p)
		return err_sys(err, ENOMEM, "presets");
	if (profile_files_load(PROFILE_PRESET, &p->files, err) < 0) {
		free(p);
		return -1;
	}
	*ret = p;
	p->items = calloc(p->files.n + 1, sizeof(*p->items));
	for (size_t i = 0; p->items && i < p->files.n; i++) {
		struct preset *item = &p->items[i];
		struct err why = ERR_INIT;

		item->file = &p->files.items[i];
		item->workload = load(item->file->path, &why);
		item->mix = item->workload ? workload_mix_text(item->workload) : NULL;
		if (!item->workload)
			log_error("%s", why.text);
		*ret_bad += !item->workload;
	}
	if (p->items)
		return 0;
	presets_destroy(p);
	return err_sys(err, ENOMEM, "presets");
}

void presets_destroy(struct presets *p)
{
	if (!p)
		return;
	for (size_t i = 0; p->items && i < p->files.n; i++) {
		workload_destroy(p->items[i].workload);
		free(p->items[i].mix);
	}
	free(p->items);
	profile_files_finish(&p->files);
	free(p);
}

static const char *text_of(const struct preset *p, size_t column)
{
	const char *description = p->workload ? workload_description(p->workload) : NULL;

	switch (column) {
	case 0:
		return p->file->name;
	case 1:
		return p->mix ? p->mix : "";
	default:
		return description ? description : "";
	}
}

static size_t widest(const struct presets *p, size_t column, const char *head)
{
	size_t most = strlen(head);

	for (size_t i = 0; i < p->files.n; i++)
		if (p->items[i].workload &&
			text_width(text_of(&p->items[i], column)) > most)
			most = text_width(text_of(&p->items[i], column));
	return most;
}

static void put_padded(struct buf *out, const char *text, size_t columns)
{
	AUTO_FREE char *safe = text_sanitize(text, strlen(text));
	size_t width = safe ? text_width(safe) : 0;

	buf_printf(out, "%s%*s", safe ? safe : "",
		width < columns ? (int)(columns - width) : 0, "");
}

void presets_list(const struct presets *p, struct buf *out)
{
	size_t name = widest(p, 0, "PRESET") + 2, mix = widest(p, 1, "OPS IN %") + 2;

	if (p->files.n == 0)
		return;
	buf_puts(out, "\nWorkloads for muster run preset:NAME --target URI\n");
	put_padded(out, "PRESET", name);
	buf_puts(out, "DURATION  ");
	put_padded(out, "OPS IN %", mix);
	buf_puts(out, "DESCRIPTION\n");
	for (size_t i = 0; i < p->files.n; i++) {
		const struct preset *item = &p->items[i];

		if (!item->workload)
			continue;
		put_padded(out, text_of(item, 0), name);
		put_padded(
			out, units_duration(workload_duration_ns(item->workload)).s, 10);
		put_padded(out, text_of(item, 1), mix);
		put_padded(out, text_of(item, 2), 0);
		buf_puts(out, item->file->own ? " (your own)\n" : "\n");
	}
}

void presets_put(const struct presets *p, struct json_writer *w)
{
	for (size_t i = 0; i < p->files.n; i++) {
		const struct preset *item = &p->items[i];

		if (!item->workload)
			continue;
		jw_object(w, NULL);
		jw_text(w, "name", item->file->name);
		jw_text(w, "path", item->file->path);
		jw_text(w, "description", workload_description(item->workload));
		jw_real(w, "duration_s",
			(double)workload_duration_ns(item->workload) / 1e9, 3);
		jw_text(w, "ops", item->mix);
		jw_object_end(w);
	}
}

int preset_show(const char *name, const char *path, struct buf *out, struct err *err)
{
	struct workload *w = load(path, err);
	struct buf text AUTO_BUF = BUF_INIT;
	AUTO_FREE char *mix = NULL;
	const char *description;
	int rc = 0;

	if (!w)
		return -1;
	description = workload_description(w);
	mix = workload_mix_text(w);
	if (file_read(path, FILE_BYTES_MAX, &text, err) < 0) {
		workload_destroy(w);
		return -1;
	}
	rc |= buf_puts(out, PRESET_PREFIX);
	put_padded(out, name, 0);
	rc |= buf_puts(out, description ? ": " : "");
	put_padded(out, description ? description : "", 0);
	rc |= buf_printf(out, "\nFile: %s\nDuration: %s\nOps in %%: %s\n\n", path,
		units_duration(workload_duration_ns(w)).s, mix ? mix : "");
	/* line by line: what makes a text safe takes line breaks as well */
	for (const char *at = text.data; at && *at;) {
		size_t len = strcspn(at, "\n");
		AUTO_FREE char *line = text_sanitize(at, len);

		rc |= buf_printf(out, "    %s\n", line ? line : "");
		at += len + (at[len] == '\n');
	}
	rc |= buf_printf(out,
		"\nRun it: muster run " PRESET_PREFIX "%s --target s3://BUCKET/PREFIX/\n",
		name);
	workload_destroy(w);
	return rc < 0 ? err_sys(err, ENOMEM, "profiles") : 0;
}
