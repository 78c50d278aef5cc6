/* json_writer: JSON text straight into a buffer, for the files of the results directory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;

struct json_writer {
	struct buf *out;
	unsigned depth;
	unsigned flat; /* what is nested deeper than this stands on one line */
	bool first;    /* nothing yet in the innermost object or array */
	bool failed;   /* out of memory: the text is not whole */
};

/* Text appended to out, indented by tabs down to depth flat. */
void jw_init(struct json_writer *w, struct buf *out, unsigned flat);

/* key: name of the member, NULL in an array or at the top. Text that is not UTF-8 becomes U+FFFD; a
 * number that is not finite becomes null; text NULL becomes null. */
void jw_object(struct json_writer *w, const char *key);
void jw_object_end(struct json_writer *w);
void jw_array(struct json_writer *w, const char *key);
void jw_array_end(struct json_writer *w);
void jw_text(struct json_writer *w, const char *key, const char *text);
void jw_uint(struct json_writer *w, const char *key, uint64_t value);
void jw_int(struct json_writer *w, const char *key, int64_t value);
void jw_real(struct json_writer *w, const char *key, double value, int decimals);
void jw_bool(struct json_writer *w, const char *key, bool value);
void jw_null(struct json_writer *w, const char *key);
/* An array of texts; texts is NULL-terminated, or NULL: empty. */
void jw_texts(struct json_writer *w, const char *key, char *const *texts);
