/* console: lines and the live block, written by a thread. */
#include "orchestrator/console/console.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"

#define LIVE_MAX 4096 /* no new frame while more than this waits */

struct item {
	struct item *next;
	int fd; /* -1: leave the terminal */
	size_t len;
	char text[];
};

struct console {
	struct console_config config;
	bool tty, color, utf8, err_tty;
	bool terminals[3]; /* which of 0, 1 and 2 are */
	atomic_bool hung_up;
	struct buf live; /* the block as it stands, "" when there is none */
	size_t live_lines;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	struct item *head, **tail;
	size_t waiting; /* bytes */
	bool ending;
	void (*left)(void *user); /* of console_leave */
	void *left_user;
};

/* Whoever writes to 0 to 2 later writes to nobody. */
static void leave(struct console *c)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		if (c->terminals[fd])
			dup2(null, fd);
	if (null >= 0)
		close(null);
	if (c->left)
		c->left(c->left_user);
}

static void write_item(struct console *c, const struct item *it)
{
	if (it->fd < 0)
		leave(c);
	/* a closed pipe or terminal is no reason to stop a run */
	else if (file_write_all(it->fd, it->text, it->len) == -EIO)
		atomic_store(&c->hung_up, true);
}

static void *write_items(void *arg)
{
	struct console *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct item *it = c->head;

		if (!it) {
			if (c->ending)
				break;
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		c->head = it->next;
		if (!c->head)
			c->tail = &c->head;
		pthread_mutex_unlock(&c->lock);
		write_item(c, it);
		pthread_mutex_lock(&c->lock);
		c->waiting -= it->len;
		if (!c->waiting)
			pthread_cond_signal(&c->idle);
		free(it);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void enqueue(struct console *c, int fd, const char *text, size_t len)
{
	struct item *it = malloc(sizeof(*it) + len);

	if (!it)
		return;
	it->next = NULL;
	it->fd = fd;
	it->len = len;
	memcpy(it->text, text, len);
	pthread_mutex_lock(&c->lock);
	*c->tail = it;
	c->tail = &it->next;
	c->waiting += len;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

struct console *console_create(const struct console_config *config, struct err *err)
{
	struct console *c = calloc(1, sizeof(*c));
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	if (!c) {
		err_sys(err, ENOMEM, "console");
		return NULL;
	}
	c->config = *config;
	c->tail = &c->head;
	c->tty = isatty(config->fd) && term && strcmp(term, "dumb") != 0;
	c->err_tty = isatty(2);
	for (int fd = 0; fd <= 2; fd++)
		c->terminals[fd] = isatty(fd);
	c->color = c->tty && !config->no_color && !(no_color && *no_color);
	c->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->idle, NULL);

	/* signals are the loop's: this thread takes none */
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);

	int r = pthread_create(&c->thread, NULL, write_items, c);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r) {
		err_sys(err, r, "console: cannot start a thread");
		free(c);
		return NULL;
	}
	return c;
}

static void release(struct console *c)
{
	log_set_sink(NULL, NULL);
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	console_live(c, NULL, 0);
	release(c);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
	pthread_cond_destroy(&c->idle);
	buf_finish(&c->live);
	free(c);
}

void console_flush(struct console *c)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&c->lock);
	while (c->waiting && pthread_cond_timedwait(&c->idle, &c->lock, &until) == 0)
		;
	pthread_mutex_unlock(&c->lock);
}

bool console_is_tty(const struct console *c)
{
	return c->tty && !atomic_load(&c->hung_up);
}

bool console_color(const struct console *c)
{
	return c->color;
}

bool console_utf8(const struct console *c)
{
	return c->utf8;
}

unsigned console_columns(const struct console *c)
{
	struct winsize ws;

	if (ioctl(c->config.fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 1)
		return ws.ws_col;
	return 80;
}

/* The block is taken off the screen, text is written, the block comes back below. */
static void put(struct console *c, int fd, const char *line)
{
	AUTO_BUF struct buf out = BUF_INIT;

	bool live = c->live_lines && (fd == c->config.fd || c->err_tty);

	if (live)
		buf_printf(&out, "\r\x1b[%zuA\x1b[J", c->live_lines);
	buf_printf(&out, "%s\n", line);
	if (live)
		buf_append(&out, c->live.data, c->live.len);
	enqueue(c, live ? c->config.fd : fd, out.data, out.len);
}

static void __attribute__((format(printf, 3, 0)))
line_v(struct console *c, bool show, const char *fmt, va_list ap)
{
	AUTO_BUF struct buf line = BUF_INIT;

	if (buf_vprintf(&line, fmt, ap) < 0)
		return;
	if (c->config.copy)
		c->config.copy(line.data ? line.data : "", c->config.user);
	if (show)
		put(c, c->config.fd, line.data ? line.data : "");
}

void console_line(struct console *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_v(c, !c->config.quiet, fmt, ap);
	va_end(ap);
}

void console_always(struct console *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_v(c, true, fmt, ap);
	va_end(ap);
}

void console_aside(struct console *c, const char *fmt, ...)
{
	AUTO_BUF struct buf line = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(&line, fmt, ap) == 0)
		put(c, c->config.fd, line.data ? line.data : "");
	va_end(ap);
}

void console_stderr(struct console *c, const char *line)
{
	if (c->config.copy)
		c->config.copy(line, c->config.user);
	put(c, 2, line);
}

/* A line that wraps would spoil the block. */
static void put_cut(struct buf *to, const char *line, unsigned columns)
{
	size_t from = to->len;

	buf_puts(to, line);
	while (to->len > from && text_width(to->data + from) >= columns) {
		do
			to->len--;
		while (to->len > from &&
			((unsigned char)to->data[to->len] & 0xc0) == 0x80);
		to->data[to->len] = '\0';
	}
	buf_putc(to, '\n');
}

void console_live(struct console *c, const char *const *lines, size_t n)
{
	AUTO_BUF struct buf out = BUF_INIT;
	unsigned columns = n ? console_columns(c) : 0;
	bool busy;

	if (!console_is_tty(c) || c->config.quiet)
		return;
	pthread_mutex_lock(&c->lock);
	busy = c->waiting > LIVE_MAX;
	pthread_mutex_unlock(&c->lock);
	if ((busy && n) || (n == 0 && c->live_lines == 0))
		return;
	if (c->live_lines)
		buf_printf(&out, "\r\x1b[%zuA\x1b[J", c->live_lines);
	buf_clear(&c->live);
	for (size_t i = 0; i < n; i++)
		put_cut(&c->live, lines[i], columns);
	c->live_lines = n;
	buf_append(&out, c->live.data ? c->live.data : "", c->live.len);
	enqueue(c, c->config.fd, out.data, out.len);
}

void console_leave(struct console *c, bool all, void (*left)(void *user), void *user)
{
	console_live(c, NULL, 0);
	for (int fd = 0; fd <= 2; fd++)
		c->terminals[fd] |= all;
	c->tty = c->err_tty = false;
	c->live_lines = 0;
	c->left = left;
	c->left_user = user;
	enqueue(c, -1, "", 0);
}

void console_set_copy(
	struct console *c, void (*copy)(const char *line, void *user), void *user)
{
	c->config.copy = copy;
	c->config.user = user;
}

static void take_log(enum log_level level, const char *line, void *user)
{
	(void)level;
	console_stderr(user, line);
}

void console_take_log(struct console *c)
{
	log_set_sink(take_log, c);
}
