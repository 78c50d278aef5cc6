/* build: an inventory while it is being filled: names, duplicates, what the command line adds. */
#include "inventory/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/file.h"
#include "common/text.h"

void builder_finish(struct builder *b)
{
	for (size_t i = 0; i < b->n; i++)
		host_finish(&b->entries[i].host);
	free(b->entries);
	*b = (struct builder)BUILDER_INIT;
}

int builder_add(
	struct builder *b, struct host *h, bool named, uint16_t port, struct err *err)
{
	if (b->n == INVENTORY_HOSTS_MAX) {
		host_finish(h);
		return err_set(err, ERR_INPUT, "more than %d hosts", INVENTORY_HOSTS_MAX);
	}
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 16;
		struct entry *entries = realloc(b->entries, cap * sizeof(*entries));

		if (!entries) {
			host_finish(h);
			return err_sys(err, ENOMEM, "hosts");
		}
		b->entries = entries;
		b->cap = cap;
	}
	b->entries[b->n++] = (struct entry){*h, named, port};
	memset(h, 0, sizeof(*h));
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;
	int order = strcmp((*x)->host.name, (*y)->host.name);

	/* equal ones in the order of the file, so that the error names the second */
	return order ? order : (*x > *y) - (*x < *y);
}

static struct entry **sorted_by_name(const struct builder *b)
{
	struct entry **sorted = calloc(b->n, sizeof(struct entry *));

	for (size_t i = 0; sorted && i < b->n; i++)
		sorted[i] = &b->entries[i];
	if (sorted)
		qsort(sorted, b->n, sizeof(struct entry *), compare_names);
	return sorted;
}

static int name_by_port(struct entry *e, struct err *err)
{
	char *name;

	if (e->named || e->port == 0)
		return 0;
	name = text_printf(strchr(e->host.name, ':') ? "[%s]:%u" : "%s:%u", e->host.name,
		(unsigned)e->port);
	if (!name)
		return err_sys(err, ENOMEM, "hosts");
	free(e->host.name);
	e->host.name = name;
	return 0;
}

/* Entries of one address that have different ports are called by both. */
static int split_by_port(struct builder *b, struct err *err)
{
	AUTO_FREE struct entry **sorted = sorted_by_name(b);
	size_t i = 0;

	if (!sorted)
		return err_sys(err, ENOMEM, "hosts");
	while (i < b->n) {
		size_t end = i + 1;

		while (end < b->n &&
			strcmp(sorted[end]->host.name, sorted[i]->host.name) == 0)
			end++;
		if (end - i == 1) {
			i = end;
			continue;
		}
		/* the name of the run's first entry changes last: the others were compared to it */
		for (; i < end; i++)
			if (name_by_port(sorted[i], err) < 0)
				return -1;
	}
	return 0;
}

static int refuse_doubles(const struct builder *b, struct err *err)
{
	AUTO_FREE struct entry **sorted = sorted_by_name(b);

	if (!sorted)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 1; i < b->n; i++) {
		const struct host *first = &sorted[i - 1]->host,
				  *second = &sorted[i]->host;

		if (strcmp(first->name, second->name) != 0)
			continue;
		if (strcmp(first->place, second->place) == 0)
			return err_set(err, ERR_INPUT, "%s: host '%s' is there twice",
				second->place, second->name);
		return err_set(err, ERR_INPUT,
			"%s: host '%s' is there twice; the first is at %s", second->place,
			second->name, first->place);
	}
	return 0;
}

static int fill_defaults(struct host *h, const struct inventory_options *o)
{
	if (!h->user && o->default_user && !(h->user = strdup(o->default_user)))
		return -ENOMEM;
	if (!h->key && o->default_key && !(h->key = file_expand_home(o->default_key)))
		return -ENOMEM;
	if (h->port == 0)
		h->port = o->default_port;
	if (!h->workers_set && o->default_workers) {
		h->workers = o->default_workers;
		h->workers_set = true;
	}
	return 0;
}

int builder_build(struct builder *b, const char *what, const struct inventory_options *o,
	struct inventory *ret, struct err *err)
{
	struct host *hosts;

	if (b->n == 0)
		return err_set(err, ERR_INPUT, "%s: names no host", what);
	if (split_by_port(b, err) < 0 || refuse_doubles(b, err) < 0)
		return -1;
	hosts = calloc(b->n, sizeof(*hosts));
	if (!hosts)
		return err_sys(err, ENOMEM, "hosts");
	for (size_t i = 0; i < b->n; i++) {
		struct host *h = &b->entries[i].host;

		if (o && fill_defaults(h, o) < 0) {
			free(hosts);
			return err_sys(err, ENOMEM, "hosts");
		}
	}
	for (size_t i = 0; i < b->n; i++) {
		hosts[i] = b->entries[i].host;
		if (hosts[i].workers == 0)
			hosts[i].workers = 1;
	}
	*ret = (struct inventory){hosts, b->n};
	b->n = 0; /* the hosts are ret's now */
	return 0;
}
