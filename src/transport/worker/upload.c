/* upload: one directory after the other, until one takes the program. */
#include "transport/worker/upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "transport/impl.h"
#include "transport/worker/loader.h"
#include "transport/worker/script.h"

#define PIECE ((size_t)256 << 10)
#define STALL_NS (60 * NS_PER_SEC)
#define LINE_MAX ((size_t)4096)
#define ANSWER "MUSTER-UPLOAD "

struct upload {
	struct conn *conn;
	struct chan *chan;
	const struct worker_file *file;
	char *dirs, *rest; /* the list, and what of it is untried */
	char *dir;         /* being tried; part of dirs */
	uint64_t stall_ns;
	struct loop_timer *stall;
	struct upload_events events;
	void *user;
	size_t given; /* bytes handed to the channel */
	struct buf line, complaint;
	char *path;    /* the answer was ok */
	char *lacking; /* it runs in no directory of that host */
	bool answered;
	struct buf reasons; /* "DIR: reason; " ... */
};

static void next_dir(struct upload *u);

static const char *what(const struct upload *u)
{
	return u->file->name ? u->file->name : "the worker";
}

static void upload_free(struct upload *u)
{
	chan_close(u->chan);
	loop_timer_del(u->stall);
	buf_finish(&u->line);
	buf_finish(&u->complaint);
	buf_finish(&u->reasons);
	free(u->path);
	free(u->lacking);
	free(u->dirs);
	free(u);
}

static void report(struct upload *u, const char *path, const struct err *err)
{
	/* before the call, in which the connection may be closed */
	chan_close(u->chan);
	u->chan = NULL;
	loop_timer_stop(u->stall);
	u->events.done(u, path, err, u->user);
	upload_free(u);
}

static void fail(struct upload *u)
{
	struct err err = ERR_INIT;

	if (u->reasons.len > 2)
		u->reasons.data[u->reasons.len - 2] = '\0';
	err_set(&err, ERR_HOST, "%s could not be put on the host: %s", what(u),
		u->reasons.len ? u->reasons.data
			       : "no directory can be written and run in");
	report(u, NULL, &err);
}

/* What the directory said; text is from the host. */
static void add_reason(struct upload *u, const char *text, size_t len)
{
	AUTO_FREE char *safe = text_sanitize(text, len < 300 ? len : 300);

	if (u->reasons.len < 700)
		buf_printf(&u->reasons, "%s: %s; ", u->dir,
			safe && *safe ? safe : "no answer");
}

#define RUN "run "
static const struct {
	const char *what, *words;
	bool named; /* what it is that was sent stands in front */
} answers[] = {
	{"dir ", "", false},
	{"write ", "", false},
	{"hash ", "what arrived is not what was sent, its SHA-256 is ", false},
	{RUN, " does not run there (mounted noexec?): ", true},
};

static void take_answer(struct upload *u, const char *text)
{
	AUTO_FREE char *words = NULL;

	if (u->answered)
		return;
	u->answered = true;
	if (text_starts_with(text, "ok ") && script_dir_ok(text + strlen("ok "))) {
		u->path = strdup(text + strlen("ok "));
		return;
	}
	if (text_starts_with(text, RUN)) {
		u->lacking = u->file->name ? loader_explain(u->file->name, text)
					   : loader_explain_start(text);
		if (u->lacking)
			return;
	}
	for (size_t i = 0; i < ARRAY_LEN(answers) && !words; i++)
		if (text_starts_with(text, answers[i].what))
			words = text_printf("%s%s%s", answers[i].named ? what(u) : "",
				answers[i].words, text + strlen(answers[i].what));
	text = words ? words : text;
	add_reason(u, text, strlen(text));
}

static void move_stall(struct upload *u)
{
	loop_timer_set(u->stall, clock_ns() + u->stall_ns, 0);
}

static void on_data(struct chan *ch, int stream, const char *data, size_t len, void *user)
{
	struct upload *u = user;
	const char *nl;

	(void)ch;
	if (stream == 2) {
		if (u->complaint.len < LINE_MAX)
			buf_append(&u->complaint, data, len < LINE_MAX ? len : LINE_MAX);
		return;
	}
	buf_append(&u->line, data, len);
	while (u->line.data && (nl = memchr(u->line.data, '\n', u->line.len))) {
		size_t n = (size_t)(nl - u->line.data);

		u->line.data[n] = '\0';
		if (text_starts_with(u->line.data, ANSWER))
			take_answer(u, u->line.data + strlen(ANSWER));
		buf_consume(&u->line, n + 1);
	}
	if (u->line.len > LINE_MAX)
		buf_clear(&u->line); /* noise of start-up files */
}

static void send_piece(struct upload *u)
{
	size_t left = u->file->size - u->given;
	size_t n = left < PIECE ? left : PIECE;

	if (n && chan_write(u->chan, (const char *)u->file->data + u->given, n) == 0)
		u->given += n;
	if (u->given == u->file->size)
		chan_eof(u->chan);
}

static void on_drained(struct chan *ch, void *user)
{
	struct upload *u = user;

	(void)ch;
	move_stall(u);
	send_piece(u);
	/* last: it may cancel */
	if (u->events.progress)
		u->events.progress(
			u, u->given - chan_queued(u->chan), u->file->size, u->user);
}

static void on_closed(struct chan *ch, const struct chan_exit *e, void *user)
{
	struct upload *u = user;

	(void)ch;
	u->chan = NULL;
	if (u->path) {
		if (u->reasons.len > 2)
			conn_note(u->conn, "%s lies in %s, because of %.*s", what(u),
				u->path, (int)u->reasons.len - 2, u->reasons.data);
		report(u, u->path, NULL);
		return;
	}
	if (u->lacking) {
		struct err err = ERR_INIT;

		err_set(&err, ERR_HOST, "%s", u->lacking);
		report(u, NULL, &err);
		return;
	}
	if (!u->answered && e->why) {
		struct err err = ERR_INIT;

		/* the connection is gone: no other directory will do better */
		err_set(&err, ERR_HOST, "while %s was being copied: %s", what(u), e->why);
		report(u, NULL, &err);
		return;
	}
	if (!u->answered)
		add_reason(u, u->complaint.len ? u->complaint.data : "the shell ended",
			u->complaint.len ? u->complaint.len : strlen("the shell ended"));
	next_dir(u);
}

static void try_dir(struct upload *u)
{
	static const struct chan_events events = {
		.data = on_data, .drained = on_drained, .closed = on_closed};
	AUTO_FREE char *command = script_upload(u->file, u->dir);

	u->given = 0;
	u->answered = false;
	buf_clear(&u->line);
	buf_clear(&u->complaint);
	if (!command)
		abort(); /* a script of ours that cannot be quoted */
	u->chan = chan_open(u->conn, command, &events, u);
	move_stall(u);
	send_piece(u);
}

static void next_dir(struct upload *u)
{
	while ((u->dir = strsep(&u->rest, " "))) {
		if (!*u->dir)
			continue;
		if (script_dir_ok(u->dir)) {
			try_dir(u);
			return;
		}
		add_reason(u, "its name has strange characters",
			strlen("its name has strange characters"));
	}
	fail(u);
}

/* Also the first step, so that nothing is reported from within upload_start. */
static void on_stall(struct loop_timer *t, void *user)
{
	struct upload *u = user;
	struct err err = ERR_INIT;

	(void)t;
	if (!u->dir) {
		next_dir(u);
		return;
	}
	err_set(&err, ERR_HOST,
		"copying %s has stalled: nothing moved for %s, after %s of %s", what(u),
		units_duration(u->stall_ns).s,
		units_bytes(u->given - chan_queued(u->chan)).s,
		units_bytes(u->file->size).s);
	report(u, NULL, &err);
}

struct upload *upload_start(struct conn *c, const struct worker_file *f, const char *dirs,
	uint64_t stall_timeout_ns, const struct upload_events *e, void *user)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u || !(u->dirs = strdup(dirs)))
		abort();
	u->rest = u->dirs;
	u->conn = c;
	u->file = f;
	u->stall_ns = stall_timeout_ns ? stall_timeout_ns : STALL_NS;
	u->events = *e;
	u->user = user;
	u->stall = loop_timer_add(c->t->loop, 1, 0, on_stall, u);
	return u;
}

void upload_cancel(struct upload *u)
{
	if (u)
		upload_free(u);
}
