/* log: one line per message, to stderr or to the sink that took over. */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

static struct {
	enum log_level level;
	log_sink *sink;
	void *user;
	char program[32];
} state = {.level = LOG_NOTE, .program = "muster"};

void log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level log_get_level(void)
{
	return state.level;
}

void log_set_sink(log_sink *sink, void *user)
{
	state.sink = sink;
	state.user = user;
}

void log_set_program(const char *name)
{
	snprintf(state.program, sizeof(state.program), "%s", name);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	static const char *const words[] = {
		[LOG_ERROR] = "error: ",
		[LOG_WARN] = "warning: ",
		[LOG_NOTE] = "note: ",
		[LOG_INFO] = "",
		[LOG_DEBUG] = "debug: ",
	};
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	if (level > state.level)
		return;
	n = snprintf(line, sizeof(line), "%s: %s", state.program, words[level]);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (state.sink)
		state.sink(level, line, state.user);
	else
		fprintf(stderr, "%s\n", line);
}
