/* fleet_host: from a host to a started worker: connect, start, put it there when it is missing. */
#include "orchestrator/fleet/fleet_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "transport/worker/container.h"
#include "transport/worker/loader.h"

/* With --no-cache another host that is the same machine may take the file away. */
#define MAX_UPLOADS 3

/* Workers first..end-1 of the host get links of their own, `each` of them to a link. */
static void add_links(struct fleet_host *h, size_t first, size_t end, size_t each)
{
	for (; first < end; first += each)
		h->links[h->n_links++] = (struct fleet_link){
			.on = h,
			.first = first,
			.n = end - first < each ? end - first : each,
		};
}

bool fleet_host_init(struct fleet_host *h)
{
	h->links = calloc(h->n, sizeof(*h->links));
	if (h->links)
		add_links(h, 0, h->n, WORKERS_PER_LINK);
	return h->links;
}

static struct fleet_link *link_of(const struct fleet_worker *w)
{
	struct fleet_link *l = w->on->links;

	while (w->number < l->first || w->number >= l->first + l->n)
		l++;
	return l;
}

static void drop_info(struct fleet_host *h)
{
	free((char *)h->info.address);
	free((char *)h->info.host_key);
	free((char *)h->info.login);
	h->info = (struct conn_info){0};
	h->has_info = false;
}

/* A copy, so that it outlives the connection. */
static void keep_info(struct fleet_host *h, const struct conn *c)
{
	const struct conn_info *i = conn_info(c);

	if (!i)
		return;
	drop_info(h);
	h->info = *i;
	h->info.address = i->address ? strdup(i->address) : NULL;
	h->info.host_key = i->host_key ? strdup(i->host_key) : NULL;
	h->info.login = i->login ? strdup(i->login) : NULL;
	h->has_info = true;
}

struct conn *fleet_worker_conn(const struct fleet_worker *w)
{
	return link_of(w)->conn;
}

void fleet_host_info(struct fleet_worker *w)
{
	/* ssh knows who it is only when a command runs */
	if (w->number == 0 && fleet_worker_conn(w))
		keep_info(w->on, fleet_worker_conn(w));
}

void fleet_host_close(struct fleet_host *h)
{
	upload_cancel(h->upload);
	h->upload = NULL;
	chan_close(h->forget);
	h->forget = NULL;
	for (size_t i = 0; i < h->n_links; i++)
		conn_close(h->links[i].conn);
	free(h->links);
	h->links = NULL;
	drop_info(h);
	free(h->runtime);
	h->runtime = NULL;
}

/* Workers first..n-1 of the host are lost, or never came. */
static void fail_from(struct fleet_host *h, size_t first, size_t n, enum conn_failure why,
	const char *text)
{
	for (size_t i = first; i < first + n; i++) {
		struct fleet_worker *w = &h->workers[i];

		w->why = why;
		fleet_fail(w, w->said_hello ? WORKER_LOST : WORKER_ERROR, text);
	}
}

static void fail_all(struct fleet_host *h, const char *text)
{
	fail_from(h, 0, h->n, CONN_FAIL_OTHER, text);
}

static void on_down(
	struct conn *c, enum conn_failure why, const struct err *err, void *user)
{
	struct fleet_link *l = user;
	struct fleet_host *h = l->on;
	bool rest = l == &h->links[0] && !h->workers[0].said_hello;

	(void)c;
	l->conn = NULL;
	l->up = false;
	if (l == &h->links[0]) {
		upload_cancel(h->upload);
		h->upload = NULL;
	}
	/* the other links wait for the first worker */
	fail_from(h, l->first, rest ? h->n : l->n, why, err->text);
}

/* With --no-cache the last worker removes the file, so it comes when all others run. */
static bool must_wait(const struct fleet_host *h, size_t number)
{
	size_t running = 0;

	if (!h->fleet->config.no_cache || number + 1 < h->n)
		return false;
	for (size_t i = 0; i + 1 < h->n; i++)
		running += h->workers[i].said_hello || worker_gone(&h->workers[i]);
	return running + 1 < h->n;
}

/* Starts those of l's workers that can be and are not. */
static void start_workers(struct fleet_link *l)
{
	struct fleet_host *h = l->on;

	for (size_t i = l->first; i < l->first + l->n; i++) {
		struct fleet_worker *w = &h->workers[i];

		if (w->state == WORKER_SETUP && !w->chan && !must_wait(h, i))
			fleet_worker_start(w);
		if (!h->workers[0].said_hello)
			return; /* it finds out whether the program is there */
	}
}

static void on_up(struct conn *c, void *user)
{
	struct fleet_link *l = user;

	if (l == &l->on->links[0])
		keep_info(l->on, c);
	l->up = true;
	for (size_t i = l->first; i < l->first + l->n; i++)
		fleet_worker_state(&l->on->workers[i], WORKER_SETUP);
	start_workers(l);
}

static void open_link(struct fleet_link *l)
{
	static const struct conn_events events = {.up = on_up, .down = on_down};

	l->conn = conn_open(l->on->fleet->transport, l->on->host, &events, l);
}

void fleet_host_open(struct fleet_host *h)
{
	open_link(&h->links[0]);
}

static bool has_unconnected(const struct fleet_link *l)
{
	for (size_t i = l->first; i < l->first + l->n; i++)
		if (l->on->workers[i].state == WORKER_CONNECTING)
			return true;
	return false;
}

void fleet_host_start_rest(struct fleet_host *h)
{
	for (size_t i = 0; i < h->n_links; i++) {
		if (h->links[i].up)
			start_workers(&h->links[i]);
		else if (!h->links[i].conn && has_unconnected(&h->links[i]))
			open_link(&h->links[i]);
	}
}

/* w and those after it move to connections with as many workers as this one turned out to carry. */
static void on_crowded(struct chan *ch, void *user)
{
	struct fleet_worker *w = user;
	struct fleet_host *h = w->on;
	struct fleet_link *l = link_of(w);
	size_t fit = w->number - l->first, end = l->first + l->n;

	(void)ch;
	if (!fit)
		return; /* what takes its place is no worker, and ends soon */
	l->n = fit;
	for (size_t i = w->number; i < end; i++) {
		if (worker_gone(&h->workers[i]))
			continue;
		chan_close(h->workers[i].chan);
		h->workers[i].chan = NULL;
		fleet_worker_state(&h->workers[i], WORKER_CONNECTING);
	}
	add_links(h, w->number, end, fit);
	fleet_host_start_rest(h);
}

void fleet_host_never_came(struct fleet_worker *w)
{
	struct fleet_host *h = w->on;
	AUTO_FREE char *reason = w->reason ? strdup(w->reason) : NULL;

	/* nobody else finds out whether the program is there */
	if (w->number == 0)
		fail_from(h, 1, h->n - 1, w->why, reason ? reason : "out of memory");
	else if (h->workers[0].said_hello && h->fleet->config.no_cache)
		fleet_host_start_rest(h);
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
	if (fleet_contained(w->on) && !w->said_hello)
		fleet_container_stderr(w, data, len);
	free(w->last_stderr);
	w->last_stderr = text_sanitize(data, len < 300 ? len : 300);
	if (f->config.events.worker_stderr)
		f->config.events.worker_stderr(w, data, len, f->config.user);
}

static void exit_text(const struct chan_exit *e, struct buf *out)
{
	if (e->why)
		buf_puts(out, e->why);
	else if (e->exited)
		buf_printf(out, "the worker ended with status %d", e->status);
	else if (*e->signal)
		buf_printf(out, "the worker was killed by signal %s", e->signal);
	else
		buf_puts(out, "the worker's channel was closed");
}

/* Why there was no hello. */
static void never_spoke(
	const struct fleet_worker *w, const struct chan_exit *e, struct buf *out)
{
	const char *words = e->why ? e->why : w->last_stderr;
	AUTO_FREE char *lacking = words ? loader_explain(NULL, words) : NULL;
	AUTO_FREE char *failure = lacking ? NULL : fleet_container_failure(w);

	if (lacking) {
		buf_puts(out, lacking);
		return;
	}
	if (failure && !e->why) {
		buf_puts(out, failure);
		return;
	}
	if (w->host->worker_path && e->exited && (e->status == 126 || e->status == 127)) {
		buf_printf(out, "no worker runs at %s there (put %s there)",
			w->host->worker_path, w->on->file->path);
	} else {
		exit_text(e, out);
		buf_puts(out, e->why ? "" : " before it said hello");
	}
	if (w->last_stderr && *w->last_stderr)
		buf_printf(out, ": %s", w->last_stderr);
	else if (w->last_noise)
		buf_printf(out, ": %s", w->last_noise);
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct fleet_worker *w = user;
	struct fleet *f = w->on->fleet;
	AUTO_BUF struct buf text = BUF_INIT;

	(void)ch;
	w->chan = NULL;
	if (worker_gone(w) || (w->on->upload && !w->said_hello))
		return;
	if (w->finished) {
		if (f->config.events.finished)
			f->config.events.finished(w, f->config.user);
		return;
	}
	if (w->said_hello) {
		exit_text(e, &text);
		if (w->last_stderr && *w->last_stderr)
			buf_printf(&text, ": %s", w->last_stderr);
	} else {
		never_spoke(w, e, &text);
	}
	fleet_fail(w, w->said_hello ? WORKER_LOST : WORKER_ERROR,
		text.data ? text.data : "the worker ended");
}

static const char *worker_path(const struct fleet_host *h)
{
	if (fleet_contained(h))
		return NULL; /* it is in the image, or is put on the host */
	if (h->host->worker_path)
		return h->host->worker_path;
	/* on this machine the program that is here is the one */
	return h->host->transport == TRANSPORT_LOCAL ? h->file->path : NULL;
}

static struct chan *open_chan(struct fleet_worker *w, const char *path)
{
	static const struct chan_events events = {
		.data = on_data, .crowded = on_crowded, .closed = on_closed};
	struct fleet_host *h = w->on;
	/* its siblings need the file too: the last one removes it */
	bool remove =
		h->fleet->config.no_cache && !worker_path(h) && w->number + 1 == h->n;
	const char *option = remove ? "--unlink" : NULL;
	AUTO_FREE char *command = NULL;

	if (path && !fleet_contained(h)) {
		const char *const argv[] = {path, option, NULL};

		return chan_open_argv(fleet_worker_conn(w), argv, &events, w);
	}
	command = fleet_contained(h)
			  ? container_start_command(h->file, h->host, path, w->number > 0)
			  : worker_start_command(h->file, option ? option : "");
	return command ? chan_open(fleet_worker_conn(w), command, &events, w) : NULL;
}

/* path: where it lies; NULL: to be looked for. */
static void start_at(struct fleet_worker *w, const char *path)
{
	buf_clear(w->in);
	buf_clear(w->words);
	w->noise = 0;
	w->heard_ns = clock_ns();
	w->chan = open_chan(w, path);
	if (w->chan)
		fleet_worker_hello(w);
	else
		fleet_fail(w, WORKER_ERROR, "out of memory");
}

void fleet_worker_start(struct fleet_worker *w)
{
	start_at(w, worker_path(w->on));
}

static const struct worker_file *file_for(const struct fleet *f, const char *arch)
{
	for (size_t i = 0; i < f->n_files; i++)
		if (strcmp(f->files[i].arch, arch) == 0)
			return &f->files[i];
	return NULL;
}

void fleet_host_wrong_worker(struct fleet_worker *w, const char *arch, const char *sha256)
{
	const struct fleet_host *h = w->on;
	const struct worker_file *file = file_for(h->fleet, arch);
	const char *path = h->host->worker_path;

	if (!file)
		fleet_worker_failf(w, WORKER_ERROR,
			"the worker there is for %s, and this muster has none for it to "
			"compare",
			arch);
	else
		fleet_worker_failf(w, WORKER_ERROR,
			"the worker%s%s%s%s has sha256 %.16s..., and that of this muster "
			"has "
			"%.16s...: put %s there",
			path ? " at " : " there", path ? path : "",
			fleet_contained(h) ? " in the image " : "",
			fleet_contained(h) ? h->host->container.image : "", sha256,
			file->sha256, file->path);
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
	h->upload = NULL;
	if (err) {
		fail_all(h, err->text);
		return;
	}
	h->uploads++;
	for (size_t i = 0; i < h->n; i++)
		h->workers[i].uploaded = true;
	start_at(w, path);
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
	h->upload = upload_start(h->links[0].conn, h->file, dirs,
		h->fleet->config.setup_timeout_ns, &events, w);
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
