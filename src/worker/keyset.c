/* keyset: the objects that a get, stat or delete chooses from, known before the clock starts. */
#include "worker/keyset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/names.h"
#include "worker/storage.h"

void keyset_finish(struct keyset *k)
{
	for (size_t i = 0; i < k->n_parts; i++) {
		free(k->parts[i].indices);
		free(k->parts[i].prefix);
	}
	free(k->parts);
	free(k->names);
	free(k->offsets);
	free(k->sizes);
	*k = (struct keyset){0};
}

/* Whether a glob means a set by its names as they would be without shards, which is how people write it
 * who do not care for shards. */
static bool matches_flat(const char *uri, const struct job_set *set, char *room)
{
	struct job_set flat = *set;

	flat.shards = 0;
	set_key(&flat, 0, room);
	return text_match(uri, room, false);
}

bool keyset_covers(const char *uri, const struct job_set *set)
{
	AUTO_FREE char *key = malloc(set_key_room(set));

	if (!key)
		return false;
	if (!text_has_wildcard(uri)) {
		uint64_t index;

		if (text_ends_with(uri, "/"))
			return text_starts_with(set->uri, uri);
		return text_starts_with(uri, set->uri) &&
		       set_index(set, uri + strlen(set->uri), &index) &&
		       index < set->count;
	}
	if (matches_flat(uri, set, key))
		return true;
	for (uint64_t i = 0; i < set->shards && i < set->count; i++) {
		set_key(set, i, key);
		if (text_match(uri, key, false))
			return true;
	}
	return false;
}

/* Whether a pattern that matches the first object must match all: only the directory part, or the
 * name up to its digits, is spelt out. */
static bool matches_all(const char *uri, const struct job_set *set, char *room)
{
	const char *slash = strrchr(uri, '/');
	const char *name = slash ? slash + 1 : uri;
	size_t len = strlen(set->name);

	if (!matches_flat(uri, set, room))
		return false;
	if (strcmp(name, "*") == 0 || strcmp(name, "*.dat") == 0)
		return true;
	return strncmp(name, set->name, len) == 0 &&
	       (strcmp(name + len, "-*") == 0 || strcmp(name + len, "-*.dat") == 0);
}

/* The indices whose names a narrower pattern matches. */
static int pick_matching(struct keyset_part *part, const char *uri, struct share share)
{
	struct job_set named = *part->set->spec; /* as the pattern names it */
	const struct job_set *set = &named;
	AUTO_FREE char *key = malloc(set_key_room(set));
	uint64_t cap = 0;

	if (!key)
		return -ENOMEM;
	if (matches_flat(uri, set, key))
		named.shards = 0;
	part->n = 0;
	for (uint64_t i = share.index; i < set->count; i += share.count) {
		set_key(set, i, key);
		if (!text_match(uri, key, false))
			continue;
		if (part->n == cap) {
			cap = cap ? 2 * cap : 64;
			uint64_t *more = reallocarray(part->indices, cap, sizeof(*more));

			if (!more)
				return -ENOMEM;
			part->indices = more;
		}
		part->indices[part->n++] = i;
	}
	return 0;
}

static void note_length(struct keyset *k, size_t len)
{
	if (len > k->longest)
		k->longest = len;
}

static int add_part(
	struct keyset *k, const char *uri, const struct set *set, struct share share)
{
	struct keyset_part *parts =
		reallocarray(k->parts, k->n_parts + 1, sizeof(*parts));
	AUTO_FREE char *key = malloc(set_key_room(set->spec));
	uint64_t count = set->spec->count, index;

	if (parts)
		k->parts = parts;
	if (!parts || !key)
		return -ENOMEM;
	struct keyset_part *part = &k->parts[k->n_parts++];

	*part = (struct keyset_part){
		.set = set,
		.first = share.index,
		.step = share.count,
		.n = count > share.index ? (count - share.index - 1) / share.count + 1
					 : 0,
	};
	part->prefix = text_printf("%s%s-", set->spec->uri, set->spec->name);
	if (!part->prefix)
		return -ENOMEM;
	part->prefix_len = strlen(part->prefix);
	if (text_has_wildcard(uri)) {
		if (!matches_all(uri, set->spec, key) &&
			pick_matching(part, uri, share) < 0)
			return -ENOMEM;
	} else if (!text_ends_with(uri, "/")) {
		set_index(set->spec, uri + strlen(set->spec->uri), &index);
		part->first = index;
		part->n = share_has(share, index);
	}
	k->n += part->n;
	note_length(k, set_key_room(set->spec));
	return 0;
}

/* Parts of the covered sets called name. Returns how many sets that were, or -ENOMEM. */
static int add_sets(struct keyset *k, const char *uri, const char *name,
	const struct set *sets, size_t n_sets, struct share share)
{
	int covered = 0;

	for (size_t i = 0; i < n_sets; i++) {
		if (strcmp(sets[i].spec->name, name) != 0 ||
			!keyset_covers(uri, sets[i].spec))
			continue;
		if (add_part(k, uri, &sets[i], share) < 0)
			return -ENOMEM;
		covered++;
	}
	return covered;
}

struct listing {
	struct keyset *k;
	const char *pattern; /* NULL: everything */
	const uint32_t *cancel;
	bool no_memory;
};

static bool grow_names(struct keyset *k, size_t len)
{
	if (k->names_len + len > k->names_cap) {
		size_t cap = k->names_cap ? 2 * k->names_cap : 65536;

		while (cap < k->names_len + len)
			cap *= 2;
		char *names = realloc(k->names, cap);

		if (!names)
			return false;
		k->names = names;
		k->names_cap = cap;
	}
	if (k->n == k->listed_cap) {
		uint64_t cap = k->listed_cap ? 2 * k->listed_cap : 1024;
		uint64_t *offsets = reallocarray(k->offsets, cap, sizeof(*offsets));

		if (!offsets)
			return false;
		k->offsets = offsets;
		uint64_t *sizes = reallocarray(k->sizes, cap, sizeof(*sizes));

		if (!sizes)
			return false;
		k->sizes = sizes;
		k->listed_cap = cap;
	}
	return true;
}

/* Owner objects are no data, nor are the probes of other workers' checks. */
static bool is_musters_own(const char *uri)
{
	const char *slash = strrchr(uri, '/');

	return slash && (text_starts_with(slash + 1, ".muster-owner") ||
				text_starts_with(slash + 1, ".muster-probe-"));
}

static bool add_listed(const struct list_entry *e, void *user)
{
	struct listing *l = user;
	struct keyset *k = l->k;
	size_t len = strlen(e->uri) + 1;

	if (__atomic_load_n(l->cancel, __ATOMIC_RELAXED))
		return false;
	if (is_musters_own(e->uri) ||
		(l->pattern && !text_match(l->pattern, e->uri, false)))
		return true;
	if (!grow_names(k, len)) {
		l->no_memory = true;
		return false;
	}
	memcpy(k->names + k->names_len, e->uri, len);
	k->offsets[k->n] = k->names_len;
	k->sizes[k->n++] = e->size;
	k->names_len += len;
	note_length(k, len);
	return true;
}

/* The directory part of what stands before the first wildcard. */
static char *literal_prefix(const char *uri)
{
	size_t len = strcspn(uri, "*?[");

	while (len > 0 && uri[len - 1] != '/')
		len--;
	return strndup(uri, len);
}

static int list_keys(struct keyset *k, const char *uri, const struct storage *store,
	const uint32_t *cancel, struct err *err)
{
	AUTO_FREE char *prefix = literal_prefix(uri);
	struct listing l = {.k = k, .cancel = cancel};

	if (text_has_wildcard(uri))
		l.pattern = uri;
	if (!prefix)
		return err_sys(err, ENOMEM, "no memory");
	if (storage_list(store, prefix, add_listed, &l, err) < 0)
		return -1;
	if (l.no_memory)
		return err_sys(err, ENOMEM, "no memory to list %s", uri);
	return 0;
}

struct search {
	const char *uri;
	uint64_t size;
	const uint32_t *cancel;
};

static bool is_it(const struct list_entry *e, void *user)
{
	struct search *s = user;

	if (strcmp(e->uri, s->uri) != 0)
		return !__atomic_load_n(s->cancel, __ATOMIC_RELAXED);
	s->size = e->size;
	return false;
}

/* One object by its name. Its size is only asked for where parts of it are to be read. */
static int take_exact(struct keyset *k, const struct job_op *op,
	const struct storage *store, const uint32_t *cancel, struct err *err)
{
	struct search s = {.uri = op->uri, .size = UINT64_MAX, .cancel = cancel};

	k->exact = op->uri;
	k->n = 1;
	note_length(k, strlen(op->uri));
	if (storage_check(store, op->kind, op->uri, err) < 0)
		return -1;
	if (op->kind == OP_RANGE_GET && !store->backend->any_object &&
		storage_list(store, op->uri, is_it, &s, err) < 0)
		return -1;
	k->exact_size = s.size;
	return 0;
}

int keyset_resolve(struct keyset *k, const struct job_op *op, const struct set *sets,
	size_t n_sets, struct share share, const struct storage *store,
	const uint32_t *cancel, struct err *err)
{
	const bool remove = op->kind == OP_DELETE;
	int covered = 0;

	*k = (struct keyset){0};
	if (!remove)
		share = (struct share){0, 1};
	if (remove)
		covered = add_sets(k, op->uri, "deletable", sets, n_sets, share);
	if (covered == 0)
		covered = add_sets(k, op->uri, "prepared", sets, n_sets, share);
	if (covered < 0)
		return err_sys(err, ENOMEM, "no memory for the keys of %s", op->uri);
	if (covered > 0 && (k->n > 0 || remove))
		return 0;
	if (covered > 0)
		return err_set(err, ERR_INPUT, "%s matches no object of its prepared set",
			op->uri);
	bool exact = !text_has_wildcard(op->uri) && !text_ends_with(op->uri, "/");

	if (store->backend->any_object || exact)
		return take_exact(k, op, store, cancel, err);
	if (list_keys(k, op->uri, store, cancel, err) < 0)
		return -1;
	if (k->n == 0)
		return err_set(err, ERR_INPUT,
			"%s matches nothing here, and no ensure_objects makes it",
			op->uri);
	return 0;
}

static void copy_text(char *out, const char *text)
{
	memcpy(out, text, strlen(text) + 1);
}

void keyset_key(const struct keyset *k, uint64_t i, char *uri, uint64_t *ret_size)
{
	const struct keyset_part *part = k->parts;
	uint64_t index;

	if (k->exact) {
		copy_text(uri, k->exact);
		*ret_size = k->exact_size;
		return;
	}
	if (k->offsets) {
		copy_text(uri, k->names + k->offsets[i]);
		*ret_size = k->sizes[i];
		return;
	}
	for (; i >= part->n; part++)
		i -= part->n;
	index = part->indices ? part->indices[i] : part->first + i * part->step;
	if (__builtin_expect(part->set->spec->shards > 0, 0)) {
		set_key(part->set->spec, index, uri);
	} else {
		memcpy(uri, part->prefix, part->prefix_len);
		names_put_index(uri + part->prefix_len, index);
	}
	*ret_size = set_size(part->set, index);
}
