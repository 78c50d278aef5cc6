/* Words behind `--`, one a line: refused with words, or a test that the wire can carry, that prints as
 * words which make the same test, and that engines refuse or have a command line for. */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "proto/fields.h"
#include "proto/net_fields.h"
#include "workload/net_argv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 100

/* Splits what text_shell_quote made; text is written over. */
static size_t unquote(char *text, char **words, size_t max)
{
	size_t n = 0;
	char *to = text;

	while (*text && n < max) {
		words[n++] = to;
		for (bool quoted = false; *text && (quoted || *text != ' '); text++) {
			if (*text == '\'')
				quoted = !quoted;
			else if (*text == '\\' && !quoted)
				*to++ = *++text;
			else
				*to++ = *text;
		}
		if (*text)
			text++;
		*to++ = '\0';
	}
	return n;
}

/* Members that the wire carries, all of them. */
static void check_same(const struct net_spec *a, const struct net_spec *b)
{
	json_t *first = json_object(), *second = json_object();

	assert(first && fields_encode(net_spec_fields, a, first) == 0);
	assert(second && fields_encode(net_spec_fields, b, second) == 0);
	assert(json_equal(first, second));
	json_decref(first);
	json_decref(second);
}

static void check_again(const struct net_words *w)
{
	AUTO_BUF struct buf once = BUF_INIT, again = BUF_INIT;
	struct err err = ERR_INIT;
	char *words[4 * WORDS_MAX];
	struct net_words second;
	AUTO_FREE char *copy = NULL;
	size_t n;

	assert(net_words_print(w, &once) == 0);
	copy = strdup(once.data);
	assert(copy);
	n = unquote(copy, words, 4 * WORDS_MAX);
	if (net_words_parse(NET_WORDS_NETPERF, words, n, &second, &err) < 0) {
		fprintf(stderr, "%s\n%s\n", once.data, err.text);
		abort();
	}
	assert(net_words_print(&second, &again) == 0);
	assert(strcmp(once.data, again.data) == 0);
	check_same(&w->spec, &second.spec);
	net_words_finish(&second);
}

static void check_engines(const struct net_words *w)
{
	static const struct net_argv_way way = {.address = "10.0.0.2", .port = 5000};

	for (int e = 0; e < NET_ENGINES; e++) {
		struct err err = ERR_INIT;
		char **argv;

		if (net_argv_client((enum net_engine)e, w, &way, &argv, &err) == 0) {
			assert(argv[0] && argv[1]);
			net_argv_free(argv);
		} else
			assert(err.kind == ERR_INPUT);
	}
	assert(net_argv_deadline_ns(w) > w->spec.duration_ns);
}

/* The first byte chooses the dialect. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = NULL;
	char *words[WORDS_MAX], *rest, *word;
	enum net_dialect dialect;
	struct err err = ERR_INIT;
	struct net_words w;
	size_t n = 0;

	if (!size)
		return 0;
	dialect = data[0] == 'i' ? NET_WORDS_IPERF3 : NET_WORDS_NETPERF;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	rest = text;
	while (n < WORDS_MAX && (word = strsep(&rest, "\n")))
		if (*word)
			words[n++] = word;
	if (net_words_parse(dialect, words, n, &w, &err) < 0) {
		assert(err.kind == ERR_INPUT && *err.text && !w.given);
		return 0;
	}
	check_again(&w);
	check_engines(&w);
	net_words_finish(&w);
	return 0;
}
