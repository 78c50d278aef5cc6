/* lease_rows: what became of each server: lines that people and their scripts read, and --export. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/export.h"
#include "orchestrator/lease/lease_private.h"
#include "orchestrator/lease/lease_time.h"

/* What scripts look for is at the beginning; what comes behind it may grow. */
static const struct {
	const char *state; /* in --export */
	const char *words;
	bool has_pid;
	bool to_come; /* it goes on: what is left, and what it is */
} outcomes[LEASE_OUTCOMES] = {
	[LEASE_ROW_STARTED] = {"started", "Started", true, true},
	[LEASE_ROW_ALREADY] = {"already running", "already running", true, true},
	[LEASE_ROW_RUNNING] = {"running", "Running", true, true},
	[LEASE_ROW_NONE] = {"stopped", "Stopped", false, false},
	[LEASE_ROW_ENDED] = {"stopped", "Stopped", true, false},
	[LEASE_ROW_STALE] = {"stale", "Stale", true, false},
	[LEASE_ROW_CLEARED] = {"stale", "Stopped", true, false},
	[LEASE_ROW_UNREACHABLE] = {"unreachable", "Unreachable", false, false},
	[LEASE_ROW_FAILED] = {"failed", "Failed", false, false},
};

struct lease_row *lease_row_add(struct lease_host *h, enum lease_outcome outcome)
{
	struct lease_row *grown = reallocarray(h->rows, h->n_rows + 1, sizeof(*grown));

	if (!grown)
		abort();
	h->rows = grown;
	grown[h->n_rows] = (struct lease_row){.outcome = outcome};
	return &grown[h->n_rows++];
}

struct lease_row *lease_row_of(
	struct lease_host *h, enum lease_outcome outcome, struct lease_info *i)
{
	struct lease_row *r = lease_row_add(h, outcome);

	r->pid = i->pid;
	r->port = i->port;
	r->protocol = i->protocol;
	r->left_ns = i->left_ns;
	r->address = STEAL_PTR(&i->address);
	r->engine = STEAL_PTR(&i->engine);
	r->version = STEAL_PTR(&i->version);
	return r;
}

void lease_row_fail(struct lease_host *h, enum lease_outcome outcome, const char *text)
{
	struct lease_row *r = lease_row_add(h, outcome);

	r->text = strdup(text ? text : "out of memory");
	r->port = h->command->port;
}

void lease_rows_finish(struct lease_host *h)
{
	for (size_t i = 0; i < h->n_rows; i++) {
		free(h->rows[i].address);
		free(h->rows[i].engine);
		free(h->rows[i].version);
		free(h->rows[i].text);
	}
	free(h->rows);
	h->rows = NULL;
	h->n_rows = 0;
}

bool lease_row_good(const struct lease_host *h, const struct lease_row *r)
{
	return h->command->verb->good >> r->outcome & 1;
}

static void put_two(struct buf *out, unsigned long long large, const char *unit,
	unsigned long long small, const char *small_unit)
{
	buf_printf(out, "%llu%s", large, unit);
	if (small)
		buf_printf(out, " %llu%s", small, small_unit);
}

void lease_time_text(uint64_t ns, struct buf *out)
{
	unsigned long long s = ns / NS_PER_SEC;

	if (s >= 86400)
		put_two(out, s / 86400, "d", s % 86400 / 3600, "h");
	else if (s >= 3600)
		put_two(out, s / 3600, "h", s % 3600 / 60, "m");
	else if (s >= 60)
		put_two(out, s / 60, "m", s < 600 ? s % 60 : 0, "s");
	else
		buf_printf(out, "%llus", s);
}

/* "10.9.1.10:12865", "*:12865" */
static void put_way(const struct lease_row *r, struct buf *out)
{
	bool any = !r->address || !*r->address;

	buf_printf(out, !any && strchr(r->address, ':') ? "[%s]:%u" : "%s:%u",
		any ? "*" : r->address, r->port);
}

static void put_facts(const struct lease_row *r, struct buf *out)
{
	buf_puts(out, ", ");
	put_way(r, out);
	buf_printf(out, ", %s, lease ", r->engine ? r->engine : "?");
	lease_time_text(r->left_ns + NS_PER_SEC / 2, out);
	buf_printf(out, ", version %s", r->version ? r->version : "?");
}

/* Behind the host's name. stop: it was told to end. */
static void put_row(const struct lease_row *r, bool stop, struct buf *out)
{
	if (r->text && r->outcome == LEASE_ROW_FAILED) {
		buf_puts(out, r->text);
		return;
	}
	if (stop && r->outcome == LEASE_ROW_NONE) {
		buf_puts(out, "not running");
		return;
	}
	buf_puts(out, outcomes[r->outcome].words);
	if (outcomes[r->outcome].has_pid)
		buf_printf(out, " (PID %llu", (unsigned long long)r->pid);
	if (r->outcome == LEASE_ROW_ALREADY) {
		buf_puts(out, ", ");
		lease_time_text(r->before_ns, out);
		buf_puts(out, " left");
	}
	if (outcomes[r->outcome].has_pid)
		buf_putc(out, ')');
	if (outcomes[r->outcome].to_come) {
		put_facts(r, out);
	} else if (r->text) {
		buf_printf(out, " (%s)", r->text);
	} else if (r->port) {
		buf_puts(out, ", ");
		put_way(r, out);
	}
	if (r->outcome == LEASE_ROW_STALE)
		buf_puts(out, ", its process is gone: muster stop removes its file");
	if (r->outcome == LEASE_ROW_CLEARED)
		buf_puts(out, ", its process was gone already");
}

void lease_rows_show(const struct lease_host *h)
{
	struct console *con = h->command->ctx.console;
	bool color = console_color(con), list = !h->command->verb->done;

	for (size_t i = 0; i < h->n_rows; i++) {
		const struct lease_row *r = &h->rows[i];
		bool good = lease_row_good(h, r);
		int pad = 20 - (int)text_width(h->host->name);
		AUTO_BUF struct buf what = BUF_INIT;

		put_row(r, !list, &what);
		if (list)
			console_always(con, "  %s%*s: %s%s%s", h->host->name,
				pad > 0 ? pad : 0, "",
				color ? (good ? "\x1b[32m" : "\x1b[31m") : "", what.data,
				color ? "\x1b[0m" : "");
		else
			console_line(con, "  %s%s%s %s: %s",
				color ? (good ? "\x1b[32m" : "\x1b[31m") : "",
				good ? "✓" : "✗", color ? "\x1b[0m" : "", h->host->name,
				what.data);
	}
}

/* ---- --export ---- */

static json_t *row_json(const struct lease_host *h, const struct lease_row *r)
{
	json_t *o = json_pack("{s:s, s:s, s:b}", "host", h->host->name, "state",
		outcomes[r->outcome].state, "success", lease_row_good(h, r));

	if (r->pid)
		json_object_set_new(o, "pid", json_integer((json_int_t)r->pid));
	if (r->port)
		json_object_set_new(o, "port", json_integer(r->port));
	if (r->address)
		json_object_set_new(o, "address", json_string(r->address));
	if (r->engine)
		json_object_set_new(o, "engine", json_string(r->engine));
	if (r->version)
		json_object_update_new(o, json_pack("{s:s, s:i}", "version", r->version,
						  "protocol", (int)r->protocol));
	if (outcomes[r->outcome].to_come)
		json_object_set_new(
			o, "lease_left_s", json_real((double)r->left_ns / 1e9));
	if (r->text)
		json_object_set_new(o, "error", json_string(r->text));
	return o;
}

int lease_rows_export(const struct lease_command *c, const char *path, struct err *err)
{
	json_t *rows = json_array(), *all;

	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->hosts[i].n_rows; k++)
			json_array_append_new(
				rows, row_json(&c->hosts[i], &c->hosts[i].rows[k]));
	all = json_pack("{s:i, s:s, s:o}", "schema_version", 1, "command", c->verb->name,
		"servers", rows);
	return export_write(all, path, err);
}
