/* fuzz-batch: responses in one body of multipart/mixed. Each lies in the text, and begins with its status. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

struct seen {
	const char *text;
	size_t size;
	long n;
};

static bool take(void *user, int status, const char *text, size_t len)
{
	struct seen *s = user;

	require(status >= 0 && status <= 999);
	require(text >= s->text && text + len <= s->text + s->size);
	require(len >= 12 && memcmp(text, "HTTP/1.", 7) == 0);
	s->n++;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = {.text = (const char *)data, .size = size};
	long n = batch_parse(s.text, size, take, &s);
	struct batch_tally t = batch_count(s.text, size);

	require(n == s.n || (n < 0 && s.n == 0));
	require(t.good + (t.failed != 0) <= (uint64_t)s.n);
	if (t.failed)
		require(t.text >= s.text && t.text + t.len <= s.text + size);
	else
		require(t.len == 0 && t.good == (uint64_t)s.n);
	return 0;
}
