/* io: the text of an error. */
#include "backends/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

/* So much is kept for what was wrong, before the URI is cut. */
#define WHY_ROOM 100u

void io_fail(struct io *io, enum op_error error, const char *fmt, ...)
{
	const char *op = op_infos[io->kind].display, *cut, *key;
	char why[sizeof(io->error_text)];
	size_t room = sizeof(io->error_text) - strlen(op) - strlen(" : ") - 1, len;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(why, sizeof(why), fmt, ap) < 0)
		why[0] = '\0';
	va_end(ap);
	len = strlen(why) < WHY_ROOM ? strlen(why) : WHY_ROOM;
	key = text_tail(io->uri, room - len, &cut);
	io->error = error;
	len = (size_t)snprintf(
		io->error_text, sizeof(io->error_text), "%s %s%s: ", op, cut, key);
	strncat(io->error_text, why, sizeof(io->error_text) - len - 1);
	text_sanitize_inplace(io->error_text);
}
