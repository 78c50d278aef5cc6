/* keyset_resolve: what an op chooses from: sets that its uri covers, an exact key, or what a listing
 * finds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/text.h"
#include "worker/engine/storage.h"
#include "worker/objects/keyset_impl.h"

struct listing {
	struct keyset *k;
	const char *pattern; /* NULL: everything */
	const uint32_t *cancel;
	struct share
		share; /* of what is to be removed each worker has its own, by their names */
	size_t top; /* directories: how long a prefix is below which those with one name are one worker's */
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

/* How many bytes of a name say whose it is. Directories in one another are one worker's, since each has to wait for
 * those in it. */
static size_t dealt_by(const struct listing *l, const char *uri)
{
	const char *slash = l->top ? strchr(uri + l->top, '/') : NULL;

	return slash ? (size_t)(slash - uri) : strlen(uri);
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
	if (!share_has(l->share, rng_hash(e->uri, dealt_by(l, e->uri))))
		return true;
	if (!grow_names(k, len)) {
		l->no_memory = true;
		return false;
	}
	memcpy(k->names + k->names_len, e->uri, len);
	k->offsets[k->n] = k->names_len;
	k->sizes[k->n++] = e->size;
	k->names_len += len;
	keyset_note_length(k, len);
	return true;
}

struct listed {
	uint64_t offset, size;
};

static int by_name(const void *a, const void *b, void *names)
{
	const struct listed *x = a, *y = b;

	return strcmp((const char *)names + x->offset, (const char *)names + y->offset);
}

static bool in_order(const struct keyset *k)
{
	for (uint64_t i = 1; i < k->n; i++)
		if (strcmp(k->names + k->offsets[i - 1], k->names + k->offsets[i]) > 0)
			return false;
	return true;
}

/* By their names, whatever order the listing had: all workers, and all runs with one seed, number them
 * alike. */
static int sort_keys(struct keyset *k)
{
	AUTO_FREE struct listed *list = NULL;

	if (in_order(k))
		return 0;
	list = reallocarray(NULL, k->n, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (uint64_t i = 0; i < k->n; i++)
		list[i] = (struct listed){k->offsets[i], k->sizes[i]};
	qsort_r(list, k->n, sizeof(*list), by_name, k->names);
	for (uint64_t i = 0; i < k->n; i++) {
		k->offsets[i] = list[i].offset;
		k->sizes[i] = list[i].size;
	}
	return 0;
}

/* The directory part of what stands before the first wildcard. */
static char *literal_prefix(const char *uri)
{
	size_t len = strcspn(uri, "*?[");

	while (len > 0 && uri[len - 1] != '/')
		len--;
	return strndup(uri, len);
}

static int compare_backwards(const void *a, const void *b, void *names)
{
	const char *text = names;

	return strcmp(text + *(const uint64_t *)b, text + *(const uint64_t *)a);
}

/* Each comes behind those in it, whose names begin with its own, and these lie together. Nobody asks for
 * sizes of directories. */
static void sort_dirs(struct keyset *k)
{
	if (k->n > 1)
		qsort_r(k->offsets, k->n, sizeof(*k->offsets), compare_backwards,
			k->names);
}

static int list_keys(struct keyset *k, const struct job_op *op, const struct job *job,
	const struct storage *store, const uint32_t *cancel, struct err *err)
{
	const char *uri = op->uri;
	AUTO_FREE char *prefix = literal_prefix(uri);
	struct listing l = {.k = k, .cancel = cancel, .share = {0, 1}};

	if (op->kind == OP_DELETE || op->kind == OP_RMDIR)
		l.share = share_of(job);
	k->dealt = op->kind == OP_DELETE || op->kind == OP_RMDIR;
	if (text_has_wildcard(uri))
		l.pattern = uri;
	if (!prefix)
		return err_sys(err, ENOMEM, "no memory");
	if (keyset_is_dirs(op)) {
		l.top = strlen(prefix);
		if (storage_list_dirs(store, prefix, add_listed, &l, err) < 0)
			return -1;
		sort_dirs(k);
	} else if (storage_list(store, prefix, add_listed, &l, err) < 0) {
		return -1;
	}
	if (l.no_memory || (!keyset_is_dirs(op) && sort_keys(k) < 0))
		return err_sys(err, ENOMEM, "no memory to list %s", uri);
	return 0;
}

struct find {
	const char *uri;
	uint64_t size;
	const uint32_t *cancel;
};

static bool is_it(const struct list_entry *e, void *user)
{
	struct find *s = user;

	if (strcmp(e->uri, s->uri) != 0)
		return !__atomic_load_n(s->cancel, __ATOMIC_RELAXED);
	s->size = e->size;
	return false;
}

/* Whether an op needs to know the size of an object. */
static bool asks_size(const struct job_op *op)
{
	return op->kind == OP_RANGE_GET || op->kind == OP_RANGE_PUT || op->verify;
}

/* A directory by its name. */
static int find_dir(const struct job_op *op, const struct storage *store, struct err *err)
{
	AUTO_FREE char *dir = text_printf("%s/", op->uri);

	if (!dir)
		return err_sys(err, ENOMEM, "no memory");
	if (storage_holder_missing(store, dir))
		return err_set(err, ERR_INPUT, "%s is not there", op->uri);
	return 0;
}

/* One object by its name. Its size is only asked for where parts of it are to be read, or all of it is to be there. */
static int take_exact(struct keyset *k, const struct job_op *op,
	const struct storage *store, const uint32_t *cancel, struct err *err)
{
	struct find s = {.uri = op->uri, .size = UINT64_MAX, .cancel = cancel};

	k->exact = op->uri;
	k->n = k->own = 1;
	keyset_note_length(k, strlen(op->uri));
	if (op->kind == OP_RMDIR)
		return find_dir(op, store, err);
	if (storage_check(store, op->kind, op->uri, err) < 0)
		return -1;
	if (asks_size(op) && !store->backend->any_object &&
		storage_list(store, op->uri, is_it, &s, err) < 0)
		return -1;
	k->exact_size = s.size;
	return 0;
}

/* Covered sets have nothing for this worker. */
static int say_nothing_covered(
	const struct job_op *op, const struct job *job, struct err *err)
{
	if (job->path_selection == PATHS_EXCLUSIVE ||
		job->path_selection == PATHS_PARTITIONED)
		return err_set(err, ERR_INPUT,
			"%s has no directory for worker %u of %u (path_selection %s): "
			"make "
			"the tree wider, or choose another path_selection",
			op->uri, job->share_index + 1, job->share_count,
			path_selection_names[job->path_selection]);
	return err_set(
		err, ERR_INPUT, "%s matches no object of its prepared set", op->uri);
}

int keyset_resolve(struct keyset *k, const struct job_op *op, const struct job *job,
	const struct set *sets, const struct storage *store, const uint32_t *cancel,
	struct err *err)
{
	const bool remove = op->kind == OP_DELETE || op->kind == OP_RMDIR;
	int covered;

	*k = (struct keyset){0};
	covered = keyset_add_sets(k, op, job, sets);
	if (covered < 0)
		return err_sys(err, ENOMEM, "no memory for the keys of %s", op->uri);
	if (covered > 0 && (k->n > 0 || remove || (job->once && op->kind != OP_PUT)))
		return 0;
	if (covered > 0)
		return say_nothing_covered(op, job, err);
	bool exact = !text_has_wildcard(op->uri) && !text_ends_with(op->uri, "/");

	if (store->backend->any_object || exact)
		return take_exact(k, op, store, cancel, err);
	if (list_keys(k, op, job, store, cancel, err) < 0)
		return -1;
	k->own = k->n;
	if (k->n == 0 && !remove)
		return err_set(err, ERR_INPUT,
			"%s matches nothing here, and no ensure_objects makes it",
			op->uri);
	return 0;
}
