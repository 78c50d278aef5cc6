/* log: messages for a person, to stderr or to whoever took over (the live display, a file).
 *
 * The sink and the level are the only process-wide state of common/. Text from hosts must have
 * gone through text_sanitize before it comes here. */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_NOTE, LOG_INFO, LOG_DEBUG };

typedef void log_sink(enum log_level level, const char *line, void *user);

/* Messages above level are dropped. Default: LOG_NOTE. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Sends lines, as stderr would show them but without the newline, to sink instead; NULL: stderr
 * again. Lines are cut at 4 KiB. */
void log_set_sink(log_sink *sink, void *user);

/* "muster: error: ..." for errors, "muster: warning: ...", "muster: note: ..."; the program
 * name is what log_set_program was given. */
void log_set_program(const char *name);
void log_msg(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_note(...) log_msg(LOG_NOTE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)
