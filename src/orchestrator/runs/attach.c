/* attach: the console of a run that goes on elsewhere. Its log and its events are followed as files: that
 * works for any number of onlookers, and none of them can hold the run up. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"
#include "common/text.h"
#include "common/units.h"
#include "orchestrator/command.h"
#include "orchestrator/console/console.h"
#include "orchestrator/console/display.h"
#include "orchestrator/console/live.h"
#include "orchestrator/console/progress.h"
#include "orchestrator/context.h"
#include "orchestrator/runs/follow.h"
#include "orchestrator/runs/runs.h"

#define POLL_NS (200 * NS_PER_MS)
#define HISTORY_BYTES (UINT64_C(256) << 10)

struct attach {
	struct context ctx;
	struct run_entry *entry;
	struct follow log, events;
	struct progress progress;
	uint64_t shown_ns, last_plain_ns;
	enum attach_end end;
	int signo;
	struct loop_fd *keys;
	bool quiet_keys; /* the terminal passes keys on as they come */
	struct termios old;
};

/* --- keys --- */

static void take_keys(struct attach *a)
{
	struct termios now;

	if (a->quiet_keys || !isatty(0) || !console_is_tty(a->ctx.console) ||
		tcgetpgrp(0) != getpgrp() || tcgetattr(0, &a->old) < 0)
		return;
	now = a->old;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	a->quiet_keys = tcsetattr(0, TCSANOW, &now) == 0;
}

static void give_keys_back(struct attach *a)
{
	if (a->quiet_keys)
		tcsetattr(0, TCSANOW, &a->old);
	a->quiet_keys = false;
}

static void finish(struct attach *a, enum attach_end end)
{
	a->end = end;
	loop_stop(a->ctx.loop);
}

static void on_key(struct loop_fd *w, uint32_t events, void *user)
{
	struct attach *a = user;
	char keys[64];
	ssize_t n = read(0, keys, sizeof(keys));

	(void)events;
	if (n <= 0 && errno != EINTR && errno != EAGAIN) {
		loop_fd_del(w);
		a->keys = NULL;
	}
	if (n > 0 && memchr(keys, 'q', (size_t)n))
		finish(a, ATTACH_LEFT);
}

/* Ctrl-Z: the shell gets the terminal as it was. */
static void on_pause(int signo, void *user)
{
	struct attach *a = user;

	(void)signo;
	console_live(a->ctx.console, NULL, 0);
	give_keys_back(a);
	raise(SIGSTOP);
	take_keys(a);
}

static void on_signal(int signo, void *user)
{
	struct attach *a = user;

	a->signo = signo;
	finish(a, ATTACH_SIGNAL);
}

/* --- what is shown --- */

/* What a run without a terminal says of its progress is said here by the display. */
static void on_log_line(const char *line, void *user)
{
	struct attach *a = user;
	AUTO_FREE char *safe = text_sanitize(line, strlen(line));

	if (safe && !display_is_bar(safe))
		console_line(a->ctx.console, "%s", safe);
}

static void on_event_line(const char *line, void *user)
{
	struct attach *a = user;

	progress_line(&a->progress, line);
}

static void show(struct attach *a)
{
	AUTO_LIVE struct live_block b = {0};
	struct console *con = a->ctx.console;
	const struct options *o = &a->ctx.app->o;
	uint64_t now = clock_ns();

	if (now < a->shown_ns + NS_PER_SEC)
		return;
	a->shown_ns = now;
	progress_block(&a->progress, (double)(now - a->entry->began_ns) / 1e9,
		console_columns(con), console_utf8(con), &b);
	if (b.n)
		live_show(con, &b, o->headless, o->quiet, now, &a->last_plain_ns);
	else
		console_live(con, NULL, 0);
}

/* Its file anew. When that is gone, the process alone tells. */
static void look(struct attach *a)
{
	struct run_entry now;
	struct err ignored = ERR_INIT;

	if (run_entry_load(a->entry->path, &now, &ignored) == 0) {
		run_entry_finish(a->entry);
		*a->entry = now;
	} else if (process_state(&a->entry->process) == PROCESS_GONE) {
		a->entry->state = STATE_LOST;
	}
}

static void on_poll(struct loop_timer *t, void *user)
{
	struct attach *a = user;

	(void)t;
	/* first whether it is over: then what is read now is all there is */
	look(a);
	follow_poll(&a->log, on_log_line, a);
	follow_poll(&a->events, on_event_line, a);
	if (run_entry_over(a->entry))
		finish(a, a->entry->state == STATE_DONE ? ATTACH_OVER : ATTACH_LOST);
	else
		show(a);
}

/* --- from begin to end --- */

static int watch_terminal(struct attach *a, struct err *err)
{
	static const struct {
		int signo;
		loop_signal_fn *fn;
	} signals[] = {{SIGINT, on_signal}, {SIGTERM, on_signal}, {SIGHUP, on_signal},
		{SIGTSTP, on_pause}};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (!loop_signal_add(
			    a->ctx.loop, signals[i].signo, signals[i].fn, a, err))
			return -1;
	take_keys(a);
	if (!a->quiet_keys)
		return 0;
	a->keys = loop_fd_add(a->ctx.loop, 0, EPOLLIN, on_key, a, err);
	return a->keys ? 0 : -1;
}

static int open_files(struct attach *a, bool history, struct err *err)
{
	AUTO_FREE char *log = text_printf("%s/console.log", a->entry->directory);
	AUTO_FREE char *events = text_printf("%s/events.jsonl", a->entry->directory);

	if (!log || !events ||
		follow_init(&a->log, log, history ? HISTORY_BYTES : 0) < 0 ||
		follow_init(&a->events, events, UINT64_MAX) < 0)
		return err_sys(err, ENOMEM, "attach");
	return 0;
}

static int go(struct attach *a, const struct attach_how *how, struct err *err)
{
	struct loop_timer *poll;
	int rc;

	if (open_files(a, how->history, err) < 0 ||
		(how->begin && how->begin(a->ctx.app, a->entry, err) < 0) ||
		watch_terminal(a, err) < 0)
		return -1;
	if (how->hint)
		console_line(a->ctx.console, "%s", how->hint);
	a->last_plain_ns = clock_ns();
	poll = loop_timer_add(a->ctx.loop, clock_ns(), POLL_NS, on_poll, a);
	rc = loop_run(a->ctx.loop, err);
	loop_timer_del(poll);
	console_live(a->ctx.console, NULL, 0);
	return rc;
}

int attach_run(struct app *app, struct run_entry *e, const struct attach_how *how,
	enum attach_end *ret, int *ret_signo, struct err *err)
{
	struct attach a = {.entry = e, .log.fd = -1, .events.fd = -1};
	int rc = context_open(&a.ctx, app, false, err);

	if (rc == 0)
		rc = go(&a, how, err);
	loop_fd_del(a.keys);
	give_keys_back(&a);
	follow_finish(&a.log);
	follow_finish(&a.events);
	progress_finish(&a.progress);
	context_close(&a.ctx);
	*ret = a.end;
	*ret_signo = a.signo;
	return rc;
}
