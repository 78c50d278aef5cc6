/* limit: --limit keeps the hosts that a pattern selects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "inventory/build.h"

#define PATTERNS_MAX 10000

/* Roles are matched as a whole, so that 'ser*' means names and not half of all hosts. */
static bool is_match(const char *pattern, const struct host *h)
{
	if (strcmp(pattern, h->name) == 0 || strcmp(pattern, h->address) == 0 ||
		text_match(pattern, h->name, true) ||
		text_match(pattern, h->address, true))
		return true;
	for (size_t i = 0; h->labels && h->labels[i]; i++)
		if (text_match(pattern, h->labels[i], true))
			return true;
	return h->role != ROLE_BOTH && strcmp(pattern, host_role_names[h->role]) == 0;
}

/* One element of the pattern: marks what it selects. */
struct marking {
	const struct inventory *inv;
	bool *kept;
	bool keep; /* or take away */
	bool hit;
};

static int mark(const char *pattern, void *user, struct err *err)
{
	struct marking *m = user;

	(void)err;
	for (size_t i = 0; i < m->inv->n; i++) {
		if (is_match(pattern, &m->inv->hosts[i])) {
			m->kept[i] = m->keep;
			m->hit = true;
		}
	}
	return 0;
}

/* Runs the elements that keep, or those that take away. Returns how many there were, or -1. */
static long mark_elements(const char *pattern, const struct inventory *inv, bool *kept,
	bool keep, struct err *err)
{
	struct list_cursor c = {.text = pattern, .len = strlen(pattern)};
	long n = 0;

	for (;;) {
		AUTO_FREE char *element = NULL;
		struct marking m = {inv, kept, keep, false};
		int r = list_next(&c, &element, err);

		if (r < 0)
			return err_prefix(err, "--limit");
		if (r == 0)
			return n;
		if ((*element == '!') == keep)
			continue;
		n++;
		if (expand_ranges(element + !keep, PATTERNS_MAX, mark, &m, err) < 0)
			return err_prefix(err, "--limit: '%s'", element);
		if (!m.hit)
			return err_set(
				err, ERR_INPUT, "--limit: '%s' matches no host", element);
	}
}

static void keep_marked(struct inventory *inv, const bool *kept)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n; i++) {
		if (kept[i])
			inv->hosts[n++] = inv->hosts[i];
		else
			host_finish(&inv->hosts[i]);
	}
	inv->n = n;
}

int inventory_limit(struct inventory *inv, const char *pattern, struct err *err)
{
	AUTO_FREE bool *kept = calloc(inv->n + 1, sizeof(*kept));
	size_t left = 0;
	long n;

	if (!kept)
		return err_sys(err, ENOMEM, "hosts");
	n = mark_elements(pattern, inv, kept, true, err);
	if (n == 0) /* only '!': from all of them */
		memset(kept, true, inv->n);
	if (n < 0 || mark_elements(pattern, inv, kept, false, err) < 0)
		return -1;
	for (size_t i = 0; i < inv->n; i++)
		left += kept[i];
	if (left == 0)
		return err_set(err, ERR_INPUT, "--limit: '%s' leaves no host", pattern);
	keep_marked(inv, kept);
	return 0;
}
