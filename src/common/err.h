/* err: one error, with context added on the way up and printed once at the top.
 *
 * A function that can fail takes `struct err *err` last (never NULL), fills it and returns a
 * negative value. A function either returns an error or logs it, never both. */
#pragma once

#include <stdbool.h>

/* What a failure means for the exit code of the program. */
enum err_kind {
	ERR_NONE = 0,
	ERR_SYSTEM, /* the operating system said no: exit 1 */
	ERR_FAILED, /* it ran, and something went wrong: exit 1 */
	ERR_INPUT,  /* wrong usage, or a file that cannot be accepted: exit 2 */
	ERR_HOST,   /* a host cannot be reached or is not ready: exit 3 */
};

struct err {
	enum err_kind kind;
	int errnum; /* errno of the cause, 0 when there is none */
	char text[1000];
};

/* A zeroed error, for `struct err err = ERR_INIT;`. */
#define ERR_INIT                                                                         \
	{                                                                                \
		.kind = ERR_NONE                                                         \
	}

/* Fills err and returns -1. Text that does not fit is cut. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set with kind ERR_SYSTEM; ": " and strerror(errnum) are appended. Returns -1. */
int err_sys(struct err *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "CONTEXT: " in front of the text that is there. Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The exit code that design calls for: 0, 1, 2 or 3. */
int err_exit_code(const struct err *err);
