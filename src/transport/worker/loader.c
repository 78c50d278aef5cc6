/* loader: a static program needs none of this; a dynamic one needs all it was linked to, on every host. */
#include "transport/worker/loader.h"

#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"

#define NAME_MAX_LEN 80

/* The name stands between before and after: glibc's words, musl's, glibc's of versions. */
static const struct sign {
	const char *before, *after;
	const char *text; /* behind the name */
} signs[] = {
	{"error while loading shared libraries: ", ": cannot open shared object file",
		", which this host does not have"},
	{"Error loading shared library ", ": No such file or directory",
		", which this host does not have"},
	{": version `", "' not found", ", and the libraries of this host are older"},
};

static char *sentence(const char *program, const char *name, size_t len, const char *text)
{
	AUTO_FREE char *safe = text_sanitize(name, len);

	if (program)
		return text_printf(
			"%s needs %s%s", program, safe ? safe : "libraries", text);
	return text_printf(
		"the worker needs %s%s (build it static: tools/static-curl.sh)",
		safe ? safe : "libraries", text);
}

char *loader_explain(const char *program, const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		const char *name = strstr(text, signs[i].before), *end;

		if (!name)
			continue;
		name += strlen(signs[i].before);
		end = strstr(name, signs[i].after);
		if (end && end > name && end - name <= NAME_MAX_LEN)
			return sentence(
				program, name, (size_t)(end - name), signs[i].text);
	}
	return NULL;
}

char *loader_explain_start(const char *text)
{
	static const char what[] = "a dynamic loader";
	/* of dash and busybox, of bash up to 5.1, of bash since then */
	static const char *const ends[] = {": not found", ": No such file or directory",
		": cannot execute: required file not found"};
	char *known = loader_explain(NULL, text);
	size_t len = strlen(text);

	while (len && strchr(" \n", text[len - 1]))
		len--;
	for (size_t i = 0; i < ARRAY_LEN(ends) && !known; i++) {
		size_t n = strlen(ends[i]);

		if (len >= n && memcmp(text + len - n, ends[i], n) == 0)
			known = sentence(NULL, what, strlen(what),
				", which this host does not have");
	}
	return known;
}
