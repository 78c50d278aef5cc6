/* cleanup_dirs: the directories of a tree go, level by level from the deepest. */
#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "worker/load/cleanup_impl.h"
#include "worker/load/task.h"

#define THREADS_MAX 64u

/* The directories of one level. */
struct level {
	const struct storage *store;
	const struct job_set *spec;
	const uint32_t *cancel;
	uint64_t next, end; /* next: atomic */
};

static void *remove_some(void *arg)
{
	struct level *l = arg;
	AUTO_FREE char *uri = malloc(set_key_room(l->spec));
	uint64_t dir;

	while (uri && !__atomic_load_n(l->cancel, __ATOMIC_RELAXED)) {
		dir = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
		if (dir >= l->end)
			break;
		set_dir(l->spec, dir, uri);
		storage_holder_remove(l->store, uri);
	}
	return NULL;
}

/* Where threads cannot be had the caller does it all. */
static void remove_level(struct level *l, uint32_t threads)
{
	pthread_t ids[THREADS_MAX];
	const uint64_t dirs = l->end - l->next;
	uint32_t n = 0;

	while (n + 1 < threads && n < dirs && n < THREADS_MAX &&
		pthread_create(&ids[n], NULL, remove_some, l) == 0)
		n++;
	remove_some(l);
	while (n > 0)
		pthread_join(ids[--n], NULL);
}

void cleanup_tree_dirs(
	const struct task *t, const struct job_set *spec, const uint32_t *cancel)
{
	struct job_tree above = spec->tree;
	struct level l = {.store = &t->store, .spec = spec, .cancel = cancel};

	for (uint32_t levels = spec->tree.depth; levels > 0; levels--) {
		above.depth = levels;
		l.end = job_tree_dirs(&above);
		above.depth = levels - 1;
		l.next = job_tree_dirs(&above);
		remove_level(&l, t->threads);
	}
}
