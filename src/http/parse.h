/* parse: an HTTP/1.x response as it comes off the wire, piece by piece (RFC 9112). Pure: no socket, no
 * memory of its own.
 *
 * Strict where laxness misleads (framing), and tolerant where servers differ (bare LF, reason phrase,
 * white space). Both Content-Length and Transfer-Encoding, two different lengths, an unknown coding, a
 * field that is folded or has a NUL: malformed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest status line and header fields together. */
#define PARSE_HEAD_MAX 32768

enum parse_framing { PARSE_LENGTH, PARSE_CHUNKED, PARSE_UNTIL_CLOSE, PARSE_NO_BODY };

struct parse_head {
	int status;
	enum parse_framing framing;
	uint64_t length; /* PARSE_LENGTH: of the body */
	bool close;      /* the connection ends with this response */
};

/* Reads a head from text[0..len). The number of bytes of the head, with its empty line; 0: it is not
 * whole yet (ask again with more, never with less); -1: malformed. is_head: the request was HEAD. */
long parse_head(const char *text, size_t len, bool is_head, struct parse_head *ret);

/* Decodes chunked framing. Zero at first; done is set behind the last chunk and its trailer. */
struct parse_chunks {
	uint64_t left; /* of the chunk at hand */
	uint8_t state;
	bool done;
	uint32_t line_len;
};
/* Takes bytes off data[0..len): returns how many were used up (may be fewer than len, call again), -1
 * when malformed. *ret_body, *ret_body_len: body bytes among them, in data; one run per call. */
long parse_chunk(struct parse_chunks *c, const uint8_t *data, size_t len,
	const uint8_t **ret_body, size_t *ret_body_len);

/* A field of a head that parse_head took, by its name in lower case: its value without white space
 * around it, or NULL. */
const char *parse_field(const char *head, size_t len, const char *name, size_t *ret_len);
