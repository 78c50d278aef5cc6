/* Profiles from anywhere: refused with their place, or tests that can be, each of which its words make
 * again. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "workload/net_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_test(struct net_profile_test *t)
{
	AUTO_BUF struct buf words = BUF_INIT;
	struct err err = ERR_INIT;

	assert(*t->name && t->line);
	assert(net_spec_check(&t->words.spec, &err) == 0);
	assert(net_words_print(&t->words, &words) == 0 && words.len);
	assert(net_profile_bind(&t->words.spec, 4, 1) == 0);
}

static void check_expectations(const struct net_profile *p)
{
	static const struct net_values unknown;
	struct net_outcome o[3];
	char **misses, **met;
	int n;

	for (size_t i = 0; i < 3; i++)
		o[i] = (struct net_outcome){.pair = "a b",
			.test = &p->tests[i % p->n],
			.failed = i == 1,
			.values = &unknown,
			.cv = NAN};
	n = net_expectations_check(&p->expectations, o, 3, &misses, &met);
	assert(n >= 0 && !misses == !n);
	for (int i = 0; i < n; i++)
		free(misses[i]);
	free(misses);
	for (char **l = met; l && *l; l++)
		free(*l);
	free(met);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct net_profile p;

	if (net_profile_parse("fuzz", (const char *)data, size, 0, NULL, NULL, &p, &err) <
		0) {
		assert(err.kind != ERR_NONE && strncmp(err.text, "fuzz:", 5) == 0);
		return 0;
	}
	assert(p.name && p.n);
	for (size_t i = 0; i < p.n; i++)
		check_test(&p.tests[i]);
	check_expectations(&p);
	net_profile_finish(&p);
	return 0;
}
