/* console: what a person sees. Lines that stay, and on a terminal a live block below them.
 *
 * A thread of its own does the writing, so that a paused terminal (Ctrl-S) or a slow pipe never holds
 * the loop up: live frames are dropped while output waits, lines that stay are kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct console;
struct err;

struct console_config {
	int fd;        /* where lines go: 1, or 2 when stdout carries data */
	bool quiet;    /* only what console_always says */
	bool no_color; /* also from NO_COLOR and a fd that is no terminal */
	/* receives every line that stays, also when quiet; may be NULL */
	void (*copy)(const char *line, void *user);
	void *user;
};

struct console *console_create(const struct console_config *c, struct err *err);
/* Writes what waits (this may block), ends the thread. Takes NULL. */
void console_destroy(struct console *c);

/* Waits, a second at most, until what was said is written: a question comes after it. */
void console_flush(struct console *c);

bool console_is_tty(const struct console *c);
bool console_color(const struct console *c);
bool console_utf8(const struct console *c);
unsigned console_columns(const struct console *c);

/* One line that stays; no newline at its end. */
void console_line(struct console *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, also when quiet. */
void console_always(struct console *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A line of the moment: shown also when quiet, and not copied. */
void console_aside(struct console *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A line for stderr (errors, plain progress): never mixed into the live block. */
void console_stderr(struct console *c, const char *line);

/* Replaces the live block, each line cut to the terminal's width; n 0 removes it. Nothing happens without a
 * terminal. */
void console_live(struct console *c, const char *const *lines, size_t n);

/* The terminal is given up: what waits for it is written, then stdin, stdout and stderr become /dev/null,
 * all of them or those that are terminals. After that left (may be NULL) is called, by the writing thread.
 * Copies go on. Once only. */
void console_leave(struct console *c, bool all, void (*left)(void *user), void *user);

/* Where the copies go can change once there is a results directory. */
void console_set_copy(
	struct console *c, void (*copy)(const char *line, void *user), void *user);

/* Sends log_msg through c, until c is destroyed. */
void console_take_log(struct console *c);
