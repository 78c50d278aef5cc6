/* batch: multipart/mixed with application/http in it (RFC 2046 5.1). */
#include "backends/object/batch.h"

#include <string.h>

#include "common/buf.h"

int batch_add(struct buf *b, unsigned i, const char *head, size_t len)
{
	int r = buf_printf(b,
		"--" BATCH_BOUNDARY "\r\nContent-Type: application/http\r\n"
		"Content-Transfer-Encoding: binary\r\nContent-ID: %u\r\n\r\n",
		i);

	if (r == 0)
		r = buf_append(b, head, len);
	return r == 0 ? buf_puts(b, "\r\n") : r;
}

int batch_end(struct buf *b)
{
	return buf_puts(b, "--" BATCH_BOUNDARY "--\r\n");
}

/* The line at p: its length without its end; *ret_next: the one behind it. */
static size_t line_len(const char *p, const char *end, const char **ret_next)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	size_t len = (size_t)((nl ? nl : end) - p);

	*ret_next = nl ? nl + 1 : end;
	return len && p[len - 1] == '\r' ? len - 1 : len;
}

/* "HTTP/1.1 202 Accepted": the status, or 0. */
static int status_of(const char *line, size_t len)
{
	int status = 0;

	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		status = 10 * status + (line[i] - '0');
	}
	return status;
}

struct boundary {
	const char *text; /* "--..." */
	size_t len;
};

static bool is_boundary(const struct boundary *b, const char *line, size_t len)
{
	return len >= b->len && memcmp(line, b->text, b->len) == 0 &&
	       (len == b->len || line[b->len] == '-' || line[b->len] == ' ' ||
		       line[b->len] == '\t');
}

/* The start of the next boundary from p on, or end. */
static const char *part_end(const struct boundary *b, const char *p, const char *end)
{
	while (p < end) {
		const char *next;
		size_t len = line_len(p, end, &next);

		if (is_boundary(b, p, len))
			return p;
		p = next;
	}
	return end;
}

/* The status line of the response in a part: behind the part's own fields. */
static const char *response_of(const char *p, const char *end, int *ret_status)
{
	while (p < end) {
		const char *next;
		size_t len = line_len(p, end, &next);

		*ret_status = status_of(p, len);
		if (*ret_status)
			return p;
		p = next;
	}
	return NULL;
}

static bool count(void *user, int status, const char *text, size_t len)
{
	struct batch_tally *t = user;

	if (status >= 200 && status < 300) {
		t->good++;
	} else if (!t->failed) {
		t->failed = status;
		t->text = text;
		t->len = len;
	}
	return true;
}

struct batch_tally batch_count(const char *text, size_t len)
{
	struct batch_tally t = {.text = ""};

	batch_parse(text ? text : "", len, count, &t);
	return t;
}

long batch_parse(const char *text, size_t len, batch_fn *fn, void *user)
{
	const char *end = text + len, *p = text, *next;
	struct boundary b = {.text = NULL};
	long n = 0;

	while (p < end && !b.text) {
		size_t l = line_len(p, end, &next);

		if (l > 2 && memcmp(p, "--", 2) == 0)
			b = (struct boundary){.text = p, .len = l};
		p = next;
	}
	if (!b.text)
		return -1;
	while (p < end) {
		const char *stop = part_end(&b, p, end), *response;
		int status;

		response = response_of(p, stop, &status);
		if (response) {
			n++;
			if (!fn(user, status, response, (size_t)(stop - response)))
				return n;
		}
		line_len(stop, end, &next);
		p = next;
	}
	return n;
}
