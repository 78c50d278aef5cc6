/* fleet_container: what is different where the worker runs in a container of its host: which runtime
 * does it, the image that may have to be pulled first, why it failed, and the file under --no-cache. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/fleet/fleet_private.h"
#include "transport/worker/container.h"

/* Pulling may take long, and some layers arrive without a word for minutes. */
#define PULL_TIMEOUT_NS (600 * NS_PER_SEC)
/* What is kept of the runtime's words: its last ones tell why it failed. */
#define WORDS_MAX 8192u
/* An sshd with MaxSessions 1 has none to spare while the worker runs. */
#define FORGET_NS (10 * NS_PER_SEC)

bool fleet_contained(const struct fleet_host *h)
{
	return h->host->container.image != NULL;
}

const char *fleet_container_runtime(const struct fleet_worker *w)
{
	return w->on->runtime;
}

uint64_t fleet_setup_timeout(const struct fleet_host *h)
{
	return fleet_contained(h) && h->host->container.pull != PULL_NEVER
		       ? PULL_TIMEOUT_NS
		       : h->fleet->config.setup_timeout_ns;
}

void fleet_container_answer(struct fleet_worker *w, const char *runtime)
{
	const struct host_container *c = &w->host->container;

	if (*runtime) {
		free(w->on->runtime);
		w->on->runtime = text_sanitize(runtime, strlen(runtime));
	} else if (c->runtime) {
		fleet_worker_failf(w, WORKER_ERROR,
			"there is no %s on the host to run the image %s: install it, or "
			"name "
			"another one (container.runtime)",
			c->runtime, c->image);
	} else {
		fleet_worker_failf(w, WORKER_ERROR,
			"needs docker or podman on the host to run the image %s, and "
			"neither is "
			"there",
			c->image);
	}
}

bool fleet_pulling(const struct fleet_worker *w)
{
	return w->pulling && !w->said_hello && !worker_gone(w);
}

static void pulling(struct fleet_worker *w)
{
	const struct fleet_config *c = &w->on->fleet->config;

	if (!w->pulling)
		log_note("%s: pulling %s", w->id, w->host->container.image);
	w->pulling = true;
	if (c->events.progress)
		c->events.progress(w, 0, 0, c->user);
}

void fleet_container_stderr(struct fleet_worker *w, const char *data, size_t len)
{
	struct buf *words = w->words;

	w->heard_ns = clock_ns();
	if (len > WORDS_MAX) {
		data += len - WORDS_MAX;
		len = WORDS_MAX;
	}
	if (words->len + len > WORDS_MAX)
		buf_consume(words, words->len + len - WORDS_MAX);
	if (buf_append(words, data, len) == 0 &&
		(w->pulling || container_says_pulling(words->data)))
		pulling(w);
}

char *fleet_container_failure(const struct fleet_worker *w)
{
	const struct fleet_host *h = w->on;
	const char *runtime = h->runtime;

	if (!runtime)
		runtime = h->host->container.runtime;
	if (!runtime)
		runtime = "the container runtime";
	return fleet_contained(h) && w->words->len
		       ? container_explain(h->host, runtime, w->words->data)
		       : NULL;
}

char *fleet_progress_text(const struct fleet_worker *w, uint64_t sent, uint64_t size)
{
	return size ? text_printf("copying the worker to %s: %s of %s", w->host->name,
			      units_bytes(sent).s, units_bytes(size).s)
		    : text_printf(
			      "%s: pulling %s", w->host->name, w->host->container.image);
}

/* ---- --no-cache: the worker cannot unlink a file that is mounted into its container ---- */

static void on_forgotten(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct fleet_worker *w = user;

	(void)ch;
	w->on->forget = NULL;
	if (!e->why && !worker_gone(w))
		fleet_worker_greeted(w);
}

static void on_words(
	struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	(void)ch;
	(void)stream;
	fleet_log_stderr(user, data, len);
}

bool fleet_container_forget(struct fleet_worker *w)
{
	static const struct chan_events events = {
		.data = on_words, .closed = on_forgotten};
	struct fleet_host *h = w->on;
	char *command;

	if (!fleet_contained(h) || h->host->worker_path || !h->fleet->config.no_cache ||
		w->number + 1 < h->n)
		return false;
	command = worker_forget_command(h->file);
	if (command)
		h->forget = chan_open(fleet_worker_conn(w), command, &events, w);
	free(command);
	h->forget_ns = clock_ns();
	return h->forget != NULL;
}

void fleet_container_tick(struct fleet_worker *w, uint64_t now)
{
	struct fleet_host *h = w->on;

	if (!h->forget || w->number + 1 < h->n || now - h->forget_ns < FORGET_NS)
		return;
	log_warn(
		"%s: the worker's file stays on the host: there was no second session to "
		"remove it in",
		w->host->name);
	chan_close(h->forget);
	h->forget = NULL;
	fleet_worker_greeted(w);
}
