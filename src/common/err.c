/* err: filling and prefixing the one error; text that does not fit is cut, nothing is allocated. */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;
	char text[sizeof(err->text)];

	/* by way of a copy: an argument may be the old text */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(err->text, text, sizeof(text));
	err->kind = kind;
	err->errnum = 0;
	return -1;
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	char text[sizeof(err->text)];
	char reason[128];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(err, ERR_SYSTEM, "%s: %s", text,
		strerror_r(errnum, reason, sizeof(reason)));
	err->errnum = errnum;
	return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	va_list ap;
	char text[sizeof(err->text)];
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %.*s",
			(int)sizeof(text) - n - 1, err->text);
	memcpy(err->text, text, sizeof(text));
	return -1;
}

int err_exit_code(const struct err *err)
{
	static const int codes[] = {
		[ERR_NONE] = 0,
		[ERR_SYSTEM] = 1,
		[ERR_FAILED] = 1,
		[ERR_INPUT] = 2,
		[ERR_HOST] = 3,
	};

	return codes[err->kind];
}
