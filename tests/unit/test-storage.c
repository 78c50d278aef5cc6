/* Listings of a job's store: names that no op could have, and names below endpoints. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "worker/engine/engine.h"
#include "worker/engine/storage.h"

/* What the store tells; NULL-terminated. */
static const char *const *told;

static int list_told(void *job, const char *uri, list_fn *fn, void *user, struct err *err)
{
	(void)job;
	(void)uri;
	(void)err;
	for (const char *const *at = told; *at; at++) {
		const struct list_entry e = {.uri = *at, .size = 1};

		if (!fn(&e, user))
			break;
	}
	return 0;
}

static const struct backend store = {.name = "told", .list = list_told};

struct heard {
	uint32_t n;
	char last[ENGINE_URI];
};

static bool hear(const struct list_entry *e, void *user)
{
	struct heard *h = user;

	h->n++;
	snprintf(h->last, sizeof(h->last), "%s", e->uri);
	return true;
}

/* prefix, and x up to len bytes. */
static void fill(char *out, const char *prefix, size_t len)
{
	size_t n = strlen(prefix);

	memcpy(out, prefix, n);
	memset(out + n, 'x', len - n);
	out[len] = '\0';
}

static void test_names_without_endpoints(void)
{
	char fits[ENGINE_URI + 9], long_one[ENGINE_URI + 9];
	const char *const names[] = {long_one, fits, NULL};
	const struct storage s = {.backend = &store};
	struct heard h = {.n = 0};
	struct err err = ERR_INIT;

	fill(fits, "s3://box/", ENGINE_URI - 1);
	fill(long_one, "s3://box/", ENGINE_URI);
	told = names;
	CHECK(storage_list(&s, "s3://box/", hear, &h, &err) == 0);
	CHECK(h.n == 1 && strlen(h.last) == ENGINE_URI - 1, "%u names", h.n);
}

static void test_names_below_endpoints(void)
{
	char below[] = "s3://box/in/", a[] = "s3://a:1/box/in/",
	     longer[] = "s3://longer:1/box/in/";
	char *uris[] = {a, longer, NULL};
	const struct job_endpoints ends = {.base = below, .uris = uris};
	char long_one[ENGINE_URI + 9], fits[ENGINE_URI + 9];
	const char *const names[] = {"s3://a:1/box/in/k", "s3://a:1/box/",
		"s3://a:1/box/x/k", long_one, fits, NULL};
	uint64_t listed = 0;
	struct storage s = {.backend = &store, .endpoints = &ends, .listed = &listed};
	struct heard h = {.n = 0};
	struct err err = ERR_INIT;
	size_t growth = storage_growth(&ends);
	size_t home = strlen(uris[0]), base = strlen(ends.base);

	CHECK(growth == strlen("longer:1/"));
	fill(long_one, uris[0], ENGINE_URI - growth + home - base);
	fill(fits, uris[0], ENGINE_URI - growth + home - base - 1);
	told = names;
	CHECK(storage_list(&s, "s3://box/in/", hear, &h, &err) == 0);
	CHECK(h.n == 2 && listed == 5, "%u names", h.n);
	CHECK(strlen(h.last) == ENGINE_URI - 1 - growth, "%zu", strlen(h.last));
	CHECK(strncmp(h.last, "s3://box/in/x", 13) == 0, "%.20s", h.last);
}

TEST_MAIN(TEST(test_names_without_endpoints), TEST(test_names_below_endpoints))
