/* fleet_host: from a host to a started worker: connect, start, put it there when it is missing. */
#include "orchestrator/fleet_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

/* With --no-cache another host that is the same machine may take the file away. */
#define MAX_UPLOADS 3

static void keep_info(struct fleet_host *h)
{
	const struct conn_info *i = conn_info(h->conn);

	if (h->has_info || !i)
		return;
	h->info = *i;
	h->info.address = i->address ? strdup(i->address) : NULL;
	h->info.host_key = i->host_key ? strdup(i->host_key) : NULL;
	h->info.login = i->login ? strdup(i->login) : NULL;
	h->has_info = true;
}

void fleet_host_close(struct fleet_host *h)
{
	upload_cancel(h->upload);
	h->upload = NULL;
	conn_close(h->conn);
	h->conn = NULL;
	if (h->has_info) {
		free((char *)h->info.address);
		free((char *)h->info.host_key);
		free((char *)h->info.login);
		h->has_info = false;
	}
}

static void fail_all(struct fleet_host *h, enum conn_failure why, const char *text)
{
	for (size_t i = 0; i < h->n; i++) {
		struct fleet_worker *w = &h->workers[i];

		w->why = why;
		fleet_fail(w, w->said_hello ? WORKER_LOST : WORKER_ERROR, text);
	}
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct fleet_host *h = user;

	(void)c;
	h->conn = NULL;
	upload_cancel(h->upload);
	h->upload = NULL;
	fail_all(h, why, err->text);
}

static void on_up(struct conn *c, void *user)
{
	struct fleet_host *h = user;

	(void)c;
	keep_info(h);
	for (size_t i = 0; i < h->n; i++)
		fleet_worker_state(&h->workers[i], WORKER_SETUP);
	/* one finds out whether the program is there; its siblings follow its hello */
	fleet_worker_start(&h->workers[0]);
}

void fleet_host_open(struct fleet_host *h)
{
	static const struct conn_events events = {.up = on_up, .down = on_down};

	h->conn = conn_open(h->fleet->transport, h->host, &events, h);
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct fleet_worker *w = user;
	struct fleet *f = w->on->fleet;

	(void)ch;
	if (stream == 1) {
		fleet_worker_data(w, data, len);
		return;
	}
	free(w->last_stderr);
	w->last_stderr = text_sanitize(data, len < 300 ? len : 300);
	if (f->config.events.worker_stderr)
		f->config.events.worker_stderr(w, data, len, f->config.user);
}

static void exit_text(const struct chan_exit *e, struct buf *out)
{
	if (e->exited)
		buf_printf(out, "the worker ended with status %d", e->status);
	else if (*e->signal)
		buf_printf(out, "the worker was killed by signal %s", e->signal);
	else
		buf_puts(out, "the worker's channel was closed");
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct fleet_worker *w = user;
	struct fleet *f = w->on->fleet;
	AUTO_BUF struct buf text = BUF_INIT;

	(void)ch;
	w->chan = NULL;
	if (worker_gone(w) || w->on->upload)
		return;
	if (w->finished) {
		if (f->config.events.finished)
			f->config.events.finished(w, f->config.user);
		return;
	}
	exit_text(e, &text);
	if (!w->said_hello)
		buf_puts(&text, " before it said hello");
	if (w->last_stderr && *w->last_stderr)
		buf_printf(&text, ": %s", w->last_stderr);
	else if (!w->said_hello && w->last_noise)
		buf_printf(&text, ": %s", w->last_noise);
	fleet_fail(w, w->said_hello ? WORKER_LOST : WORKER_ERROR,
		text.data ? text.data : "the worker ended");
}

static const char *worker_path(const struct fleet_host *h)
{
	if (h->host->worker_path)
		return h->host->worker_path;
	/* on this machine the program that is here is the one */
	return h->host->transport == TRANSPORT_LOCAL ? h->file->path : NULL;
}

void fleet_worker_start(struct fleet_worker *w)
{
	static const struct chan_events events = {.data = on_data, .closed = on_closed};
	struct fleet_host *h = w->on;
	const char *given = worker_path(h);
	/* its siblings need the file too: the last one removes it */
	bool remove = h->fleet->config.no_cache && !given && w->number + 1 == h->n;
	AUTO_FREE char *command =
		worker_start_command(h->file, given, remove ? "--unlink" : "");

	if (!command) {
		fleet_fail(w, WORKER_ERROR, "out of memory");
		return;
	}
	buf_clear(w->in);
	w->noise = 0;
	w->heard_ns = clock_ns();
	w->chan = chan_open(h->conn, command, &events, w);
	fleet_worker_hello(w);
}

static const struct worker_file *file_for(const struct fleet *f, const char *arch)
{
	for (size_t i = 0; i < f->n_files; i++)
		if (strcmp(f->files[i].arch, arch) == 0)
			return &f->files[i];
	return NULL;
}

static void on_progress(struct upload *u, uint64_t sent, uint64_t size, void *user)
{
	struct fleet_worker *w = user;
	struct fleet *f = w->on->fleet;

	(void)u;
	w->heard_ns = clock_ns();
	if (f->config.events.progress)
		f->config.events.progress(w, sent, size, f->config.user);
}

static void on_uploaded(
	struct upload *u, const char *path, const struct err *err, void *user)
{
	struct fleet_worker *w = user;
	struct fleet_host *h = w->on;

	(void)u;
	(void)path;
	h->upload = NULL;
	if (err) {
		fail_all(h, CONN_FAIL_OTHER, err->text);
		return;
	}
	h->uploads++;
	for (size_t i = 0; i < h->n; i++)
		h->workers[i].uploaded = true;
	fleet_worker_start(w);
}

static void put_there(struct fleet_worker *w, const char *dirs)
{
	static const struct upload_events events = {
		.progress = on_progress, .done = on_uploaded};
	struct fleet_host *h = w->on;

	/* the channel that told us has said all it had to */
	chan_close(w->chan);
	w->chan = NULL;
	w->heard_ns = clock_ns();
	h->upload = upload_start(
		h->conn, h->file, dirs, h->fleet->config.setup_timeout_ns, &events, w);
}

void fleet_host_need(struct fleet_worker *w, const char *line)
{
	struct fleet_host *h = w->on;
	char os[32] = "", arch[32] = "", uid[24] = "";
	int dirs = 0;

	if (sscanf(line, "MUSTER-NEED %31s %31s %23s %n", os, arch, uid, &dirs) < 3 ||
		!dirs) {
		fleet_worker_failf(w, WORKER_ERROR, "setup did not understand: %s", line);
		return;
	}

	const struct worker_file *file = file_for(h->fleet, arch);

	if (strcmp(os, "Linux") != 0 || !file) {
		fleet_worker_failf(w, WORKER_ERROR,
			"no worker for %s %s (there is none in libexec/muster for this "
			"architecture)",
			os, arch);
		return;
	}
	if (file != h->file && !h->arch_known) {
		h->arch_known = true;
		h->file = file;
		chan_close(w->chan);
		fleet_worker_start(w);
		return;
	}
	if (h->uploads == MAX_UPLOADS) {
		fleet_fail(w, WORKER_ERROR,
			"the worker vanished each time it was put there");
		return;
	}
	if (!line[dirs]) {
		fleet_fail(w, WORKER_ERROR,
			"no directory can hold the worker: tried the cache directory, "
			"/var/tmp, /tmp "
			"and /dev/shm; each is full, read-only or mounted noexec");
		return;
	}
	put_there(w, line + dirs);
}
