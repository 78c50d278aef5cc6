/* status: one line, and the timer that repeats it where there is no terminal. */
#include "orchestrator/console/status.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/units.h"
#include "orchestrator/console/console.h"

#define PLAIN_NS (10 * NS_PER_SEC)

struct status {
	struct loop *loop;
	struct console *console;
	bool plain, quiet;
	struct buf line;
	bool shown;
	struct loop_timer *timer; /* NULL: no line, or a terminal */
};

struct status *status_create(
	struct loop *loop, struct console *console, bool plain, bool quiet)
{
	struct status *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	*s = (struct status){
		.loop = loop, .console = console, .plain = plain, .quiet = quiet};
	return s;
}

void status_destroy(struct status *s)
{
	if (!s)
		return;
	loop_timer_del(s->timer);
	buf_finish(&s->line);
	free(s);
}

static void on_timer(struct loop_timer *t, void *user)
{
	struct status *s = user;

	(void)t;
	console_stderr(s->console, s->line.data);
}

void status_show(struct status *s, const char *fmt, ...)
{
	const char *lines[1];
	va_list ap;
	int r;

	buf_clear(&s->line);
	va_start(ap, fmt);
	r = buf_vprintf(&s->line, fmt, ap);
	va_end(ap);
	if (r < 0 || !s->line.data)
		return;
	s->shown = true;
	lines[0] = s->line.data;
	if (console_is_tty(s->console) && !s->plain)
		console_live(s->console, lines, 1);
	else if (!s->timer && !s->quiet)
		s->timer = loop_timer_add(
			s->loop, clock_ns() + PLAIN_NS, PLAIN_NS, on_timer, s);
}

void status_clear(struct status *s)
{
	if (!s->shown)
		return;
	s->shown = false;
	loop_timer_del(s->timer);
	s->timer = NULL;
	console_live(s->console, NULL, 0);
}
