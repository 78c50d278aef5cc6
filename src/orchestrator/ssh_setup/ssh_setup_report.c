/* ssh_setup_report: a block for each host, in the order of the inventory; then the summary, what to do
 * next, and the export. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/status.h"
#include "orchestrator/export.h"
#include "orchestrator/ssh_setup/ssh_setup.h"

static const struct {
	const char *sign, *color;
} marks[] = {
	[MARK_GOOD] = {"✓", "\x1b[32m"},
	[MARK_BAD] = {"✗", "\x1b[31m"},
	[MARK_PLAIN] = {"-", ""},
	[MARK_WARN] = {"!", "\x1b[33m"},
};

static void put_marked(
	const struct setup *s, bool always, enum setup_mark mark, const char *text)
{
	bool color = console_color(s->ctx.console) && *marks[mark].color;

	(always ? console_always : console_line)(s->ctx.console, "%s%s%s %s",
		color ? marks[mark].color : "", marks[mark].sign, color ? "\x1b[0m" : "",
		text);
}

void setup_say(struct setup_host *h, enum setup_mark mark, const char *fmt, ...)
{
	va_list ap;

	if (buf_putc(&h->lines, (char)('0' + mark)) < 0)
		return;
	va_start(ap, fmt);
	buf_vprintf(&h->lines, fmt, ap);
	va_end(ap);
	buf_putc(&h->lines, '\n');
}

/* Each once. */
static void print_lines(struct setup *s, struct setup_host *h)
{
	char *at = h->lines.data, *end;

	for (; at && (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		put_marked(s, false, (enum setup_mark)(*at - '0'), at + 1);
	}
	buf_clear(&h->lines);
}

static void print_block(struct setup *s, struct setup_host *h)
{
	console_line(s->ctx.console,
		s->ctx.app->o.remove ? "=== Removing the SSH key from %s ==="
				     : "=== Setting up SSH access to %s ===",
		h->label);
	print_lines(s, h);
	console_line(s->ctx.console, "%s", "");
}

static void show_status(struct setup *s)
{
	AUTO_BUF struct buf text = BUF_INIT;
	const char *names[DISPLAY_WAITED_MAX];
	size_t waiting = 0;

	if (s->parked)
		buf_printf(&text, ", %zu %s a password", s->parked,
			s->parked == 1 ? "needs" : "need");
	for (size_t i = 0; i < s->n; i++)
		if (s->hosts[i].step != SETUP_OVER && s->hosts[i].step != SETUP_PARKED &&
			waiting++ < DISPLAY_WAITED_MAX)
			names[waiting - 1] = s->hosts[i].host->name;
	display_waited(&text, names, waiting);
	status_show(s->ctx.status, "  %zu/%zu hosts done%s", s->over, s->n,
		text.data ? text.data : "");
}

void setup_report_progress(struct setup *s)
{
	while (s->printed < s->n && s->hosts[s->printed].step == SETUP_OVER)
		print_block(s, &s->hosts[s->printed++]);
	if (!s->active)
		status_clear(s->ctx.status);
	else
		show_status(s);
}

void setup_report_parked(struct setup *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct setup_host *h = &s->hosts[i];

		if (h->step == SETUP_PARKED)
			print_lines(s, h);
	}
}

void setup_report_key(const struct setup *s)
{
	AUTO_FREE char *path = setup_short_path(s->key.path);
	AUTO_FREE char *line =
		text_printf("SSH key %s: %s", s->key.made ? "generated" : "exists", path);

	put_marked(s, false, MARK_GOOD, line);
	console_line(s->ctx.console, "%s", "");
}

/* ---- --dry-run ---- */

/* "user@address:port", as an element of a list. malloc. */
static char *where_of(const struct host *h)
{
	AUTO_FREE char *port =
		h->port && h->port != 22 ? text_printf(":%u", h->port) : NULL;
	bool brackets = port && strchr(h->address, ':');

	return text_printf("%s%s%s%s%s%s", h->user ? h->user : "", h->user ? "@" : "",
		brackets ? "[" : "", h->address, brackets ? "]" : "", port ? port : "");
}

/* The same with the host's name where that is another one, and the way there. malloc. */
static char *place_of(const struct host *h)
{
	AUTO_FREE char *where = where_of(h);
	AUTO_FREE char *way = h->jump && strcmp(h->jump, "none") != 0
				      ? text_printf(" through %s", h->jump)
				      : NULL;

	if (text_starts_with(h->name, h->address) || !where)
		return text_printf("%s%s", where ? where : h->name, way ? way : "");
	return text_printf("%s (%s)%s", h->name, where, way ? way : "");
}

void setup_report_plan(const struct setup *s)
{
	struct console *con = s->ctx.console;
	AUTO_FREE char *path = setup_short_path(s->key.path);
	bool remove = s->ctx.app->o.remove;

	if (s->key.exists)
		console_always(con, "SSH key exists: %s (%s)", path, s->key.fingerprint);
	else
		console_always(
			con, "Would generate the SSH key: %s (%s)", path, s->key.type);
	for (size_t i = 0; i < s->n; i++) {
		const struct host *h = s->hosts[i].host;
		AUTO_FREE char *place = place_of(h);

		if (setup_by_ssh(h))
			console_always(con,
				remove ? "Would remove the key from %s"
				       : "Would set up SSH access to %s",
				place);
		else
			console_always(con,
				"Would leave %s alone: it is reached without SSH "
				"(transport: %s)",
				h->name, host_transport_names[h->transport]);
	}
	if (s->output)
		console_always(con, "Would write the inventory: %s", s->output);
	console_always(con, "No host was contacted, and nothing was changed.");
}

/* ---- the end ---- */

/* Without the "address:port: " in front, which stands in the label. */
static const char *bare_reason(const struct setup_host *h)
{
	const char *reason = h->reason ? h->reason : "";
	const char *end = strstr(reason, ": ");
	const char *own = strstr(reason, h->host->address);

	return end && own && own < end ? end + 2 : reason;
}

/* What keeps many hosts away is said once, with all of them. */
static void print_failed(const struct setup *s)
{
	AUTO_FREE char *line = text_printf("Failed: %zu/%zu", s->n - s->ready, s->n);
	AUTO_FREE bool *said = calloc(s->n ? s->n : 1, sizeof(*said));

	if (s->ready == s->n || !said)
		return;
	put_marked(s, true, MARK_BAD, line);
	for (size_t i = 0; i < s->n; i++) {
		const struct setup_host *h = &s->hosts[i];
		AUTO_BUF struct buf names = BUF_INIT;
		bool alone = true;

		if (h->ready || said[i])
			continue;
		buf_puts(&names, h->label);
		for (size_t k = i + 1; k < s->n; k++) {
			if (s->hosts[k].ready ||
				strcmp(bare_reason(&s->hosts[k]), bare_reason(h)) != 0)
				continue;
			buf_printf(&names, ", %s", s->hosts[k].label);
			said[k] = true;
			alone = false;
		}
		console_always(s->ctx.console, "  %s: %s", names.data ? names.data : "",
			!alone      ? bare_reason(h)
			: h->reason ? h->reason
				    : "");
	}
}

/* Whether j is on the way to h and takes the key only since now. */
static bool opened_the_way(const struct setup_host *j, const struct setup_host *h)
{
	return j->fate == FATE_COPIED && j->ready && h->host->jump &&
	       (strstr(h->host->jump, j->host->address) ||
		       strstr(h->host->jump, j->host->name));
}

/* All hosts are tried at once, also those behind others. */
static void print_behind(const struct setup *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; !s->hosts[i].ready && k < s->n; k++)
			if (opened_the_way(&s->hosts[k], &s->hosts[i])) {
				AUTO_FREE char *line = text_printf(
					"%s takes the key now: do it again for the "
					"hosts behind it",
					s->hosts[k].host->name);

				put_marked(s, true, MARK_PLAIN, line);
				return;
			}
}

static void print_inventory(const struct setup *s)
{
	AUTO_FREE char *line = NULL;
	size_t env = 0;

	for (size_t i = 0; i < s->n; i++)
		env += s->hosts[i].ready && s->given.hosts[i].env;
	if (s->output_written)
		line = text_printf("Inventory written: %s", s->output);
	else if (s->output_same)
		line = text_printf("Inventory is there already: %s", s->output);
	if (line)
		put_marked(s, false, MARK_GOOD, line);
	else if (s->output_left)
		put_marked(s, false, MARK_PLAIN,
			"hosts.yaml is there already and was left as it is (--output "
			"FILE "
			"writes another one)");
	if (s->output_written && env)
		put_marked(s, true, MARK_WARN,
			"env of the hosts was left out of it: it may hold secrets");
}

/* Hosts whose own ssh_key is another one log in with that one. */
static void print_other_keys(const struct setup *s)
{
	AUTO_FREE char *path = setup_short_path(s->key.path);

	if (s->from_list || s->output_written)
		return;
	for (size_t i = 0; i < s->n; i++) {
		const char *key = s->given.hosts[i].key;
		AUTO_FREE char *line = NULL;

		if (!s->hosts[i].ready || !setup_by_ssh(s->hosts[i].host) ||
			(key && strcmp(key, s->key.path) == 0))
			continue;
		line = text_printf(
			"put this into %s, so that muster uses the key: ssh_key: %s",
			s->ctx.app->o.hosts ? s->ctx.app->o.hosts : "the inventory",
			path);
		put_marked(s, false, MARK_PLAIN, line);
		return;
	}
}

/* The hosts of a list that are ready, as a list. */
static void put_ready(const struct setup *s, struct buf *b)
{
	AUTO_BUF struct buf list = BUF_INIT;

	for (size_t i = 0; i < s->n; i++) {
		AUTO_FREE char *where = where_of(&s->given.hosts[i]);

		if (s->hosts[i].ready && where)
			buf_printf(&list, "%s%s", list.len ? "," : "", where);
	}
	buf_puts(b, "--hosts ");
	text_shell_quote(b, list.data ? list.data : "");
}

/* How the hosts are named from now on. */
static char *hosts_argument(const struct setup *s)
{
	const struct options *o = &s->ctx.app->o;
	AUTO_FREE char *path = setup_shell_path(s->key.path);
	AUTO_BUF struct buf b = BUF_INIT;

	if (s->output_written || s->output_same) {
		buf_puts(&b, "--hosts ");
		text_shell_quote(&b, s->output);
		return buf_steal(&b);
	}
	if (s->from_list && s->ready < s->n) {
		put_ready(s, &b);
	} else if (o->hosts) {
		buf_puts(&b, "--hosts ");
		text_shell_quote(&b, o->hosts);
	}
	if (o->hosts_file && (!s->from_list || s->ready == s->n)) {
		buf_puts(&b, b.len ? " --hosts-file " : "--hosts-file ");
		text_shell_quote(&b, o->hosts_file);
	}
	if (s->from_list) {
		if (o->user) {
			buf_puts(&b, " --user ");
			text_shell_quote(&b, o->user);
		}
		if (o->port)
			buf_printf(&b, " --port %u", o->port);
		buf_printf(&b, " --key %s", path);
	}
	return buf_steal(&b);
}

static void print_next(const struct setup *s)
{
	struct console *con = s->ctx.console;
	AUTO_FREE char *hosts = hosts_argument(s);
	AUTO_BUF struct buf block = BUF_INIT;
	char *save = NULL;

	console_line(con, "%s", "");
	console_line(con, "=== Next Steps ===");
	console_line(con, "Look at the hosts, and run a workload on them:");
	console_line(con, "  muster check %s", hosts);
	console_line(con, "  muster run WORKLOAD.yaml %s", hosts);
	setup_inventory_block(s, &block);
	if (block.len)
		console_line(con, "Or name them in the workload:\n");
	for (char *line = strtok_r(block.data, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save))
		console_line(con, "%s", line);
}

static void print_removed(const struct setup *s)
{
	AUTO_FREE char *path = setup_shell_path(s->key.path);
	AUTO_FREE char *line = text_printf(
		"The key stays on this machine: %s (delete it with: rm %s %s.pub)", path,
		path, path);

	put_marked(s, false, MARK_PLAIN, line);
}

void setup_report_end(struct setup *s)
{
	bool remove = s->ctx.app->o.remove;
	AUTO_FREE char *line = text_printf("Successfully %s: %zu/%zu",
		remove ? "removed" : "configured", s->ready, s->n);

	status_clear(s->ctx.status);
	for (; s->printed < s->n; s->printed++) /* those before were not done */
		if (s->hosts[s->printed].step == SETUP_OVER)
			print_block(s, &s->hosts[s->printed]);
	console_always(
		s->ctx.console, "=== %s Summary ===", remove ? "Removal" : "Setup");
	put_marked(s, true, s->ready ? MARK_GOOD : MARK_PLAIN, line);
	print_failed(s);
	if (s->signo)
		return;
	if (remove) {
		print_removed(s);
		return;
	}
	print_behind(s);
	print_inventory(s);
	print_other_keys(s);
	if (s->ready)
		print_next(s);
}

/* ---- --export ---- */

static void set(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, json_string(text));
}

static json_t *host_json(const struct setup_host *h)
{
	static const char *const fates[] = {
		[FATE_NONE] = "unknown",
		[FATE_COPIED] = "copied",
		[FATE_THERE] = "there",
		[FATE_REMOVED] = "removed",
		[FATE_ABSENT] = "absent",
	};
	json_t *o = json_pack("{s:s, s:s, s:b, s:s}", "name", h->host->name, "address",
		h->host->address, "ready", h->ready, "key", fates[h->fate]);

	set(o, "user", h->host->user);
	set(o, "error", h->ready ? NULL : h->reason ? h->reason : "");
	set(o, "login", h->login_by);
	set(o, "host_key", h->host_key);
	json_object_set_new(o, "host_key_new", json_boolean(h->host_key_new));
	set(o, "os", h->os);
	set(o, "arch", h->arch);
	set(o, "worker", h->worker);
	set(o, "docker", h->docker);
	set(o, "podman", h->podman);
	if (h->clock_known) {
		json_object_set_new(o, "clock_offset_s", json_real(h->clock_offset_s));
		json_object_set_new(o, "clock_bound_s", json_real(h->clock_bound_s));
	}
	return o;
}

int setup_report_export(const struct setup *s, const char *path, struct err *err)
{
	json_t *hosts = json_array();
	json_t *all;

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(hosts, host_json(&s->hosts[i]));
	all = json_pack("{s:i, s:s, s:b, s:{s:s, s:s, s:b}, s:i, s:i, s:o}",
		"schema_version", 1, "command", "ssh-setup", "remove",
		s->ctx.app->o.remove, "key", "path", s->key.path, "fingerprint",
		s->key.fingerprint, "generated", s->key.made, "ready", (int)s->ready,
		"total", (int)s->n, "hosts", hosts);
	if (s->output_written)
		set(all, "inventory", s->output);
	return export_write(all, path, err);
}
