/* removal: directories are removed from the bottom up, each when those in it are gone. */
#include "worker/objects/removal.h"

#include <errno.h>
#include <stdlib.h>

#include "common/text.h"
#include "worker/objects/keyset.h"
#include "worker/objects/tree.h"

static int init_part(struct removal_part *p, const struct job_tree *t, struct share share)
{
	const struct job_tree_part mine = job_tree_part(t, share.index, share.count);

	p->last = job_tree_dirs(t) - tree_leaves(t);
	p->at = mine.first;
	p->leaves = mine.n;
	p->width = t->width;
	p->gone = calloc(p->last + 1, sizeof(*p->gone));
	return p->gone ? 0 : -ENOMEM;
}

static const char *listed_name(const struct keyset *k, uint64_t key)
{
	return k->names + k->offsets[key];
}

/* Names end with '/', and those in a directory stand right before it: what begins with its name. */
static void find_above(struct removal_part *p, const struct keyset *k)
{
	uint64_t up = NOT_IN_ANY;

	for (uint64_t i = k->n; i-- > 0;) {
		const char *name = listed_name(k, i);

		while (up != NOT_IN_ANY && !text_starts_with(name, listed_name(k, up)))
			up = p->above[up];
		p->above[i] = up;
		if (up != NOT_IN_ANY)
			p->inside[up]++;
		up = i;
	}
	for (uint64_t i = 0; i < k->n; i++)
		if (p->inside[i] == 0)
			p->empty[p->leaves++] = i;
}

static int init_listed(struct removal_part *p, const struct keyset *k)
{
	p->gone = calloc(k->n + 1, sizeof(*p->gone));
	p->inside = calloc(k->n + 1, sizeof(*p->inside));
	p->above = calloc(k->n + 1, sizeof(*p->above));
	p->empty = calloc(k->n + 1, sizeof(*p->empty));
	if (!p->gone || !p->inside || !p->above || !p->empty)
		return -ENOMEM;
	find_above(p, k);
	return 0;
}

static int init_trees(struct removal *r, const struct keyset *k, struct share share)
{
	uint64_t key = 0;

	for (size_t i = 0; i < k->n_parts; i++) {
		const struct job_tree *t = &k->parts[i].set->spec->tree;
		struct removal_part *p = &r->parts[r->n_parts++];

		if (init_part(p, t, share) < 0)
			return -ENOMEM;
		p->key = key;
		key += k->parts[i].n;
		r->n += job_tree_part(t, share.index, share.count).dirs;
	}
	return 0;
}

int removal_init(struct removal *r, const struct keyset *k, struct share share)
{
	int rc;

	removal_finish(r);
	r->parts = calloc(k->n_parts + 1, sizeof(*r->parts));
	if (!r->parts)
		return -ENOMEM;
	if (k->offsets) {
		r->n_parts = 1;
		r->n = k->n;
		rc = init_listed(r->parts, k);
	} else {
		rc = init_trees(r, k, share);
	}
	for (size_t i = 0; i < r->n_parts; i++)
		r->leaves += r->parts[i].leaves;
	return rc;
}

void removal_finish(struct removal *r)
{
	for (size_t i = 0; i < r->n_parts; i++) {
		free(r->parts[i].gone);
		free(r->parts[i].empty);
		free(r->parts[i].above);
		free(r->parts[i].inside);
	}
	free(r->parts);
	*r = (struct removal){0};
}

int removal_lane_init(
	struct removal_lane *l, struct removal *r, uint32_t i, uint32_t n, uint32_t slots)
{
	*l = (struct removal_lane){
		.removal = r,
		.next = r->leaves * i / n,
		.end = r->leaves * (i + 1) / n,
	};
	/* one that is removed makes one more possible at most */
	l->ready = calloc(slots + 1, sizeof(*l->ready));
	return l->ready ? 0 : -ENOMEM;
}

void removal_lane_finish(struct removal_lane *l)
{
	free(l->ready);
	l->ready = NULL;
}

/* What has become empty goes first: then no more than the slots can be waiting here. */
uint64_t removal_take(struct removal_lane *l)
{
	const struct removal_part *p = l->removal->parts;
	uint64_t leaf;

	l->in_flight++;
	if (l->n_ready > 0)
		return l->ready[--l->n_ready];
	for (leaf = l->next++; leaf >= p->leaves; p++)
		leaf -= p->leaves;
	return p->empty ? p->empty[leaf] : p->key + p->last + p->at + leaf;
}

/* Of directories that are numbered level by level the first width ones are in none. */
static uint64_t above(const struct removal_part *p, uint64_t dir)
{
	if (p->above)
		return p->above[dir];
	return dir < p->width ? NOT_IN_ANY : dir / p->width - 1;
}

/* One that holds some of another worker's never has all of its own gone. */
void removal_done(struct removal_lane *l, uint64_t key)
{
	const struct removal *r = l->removal;
	const struct removal_part *p = &r->parts[r->n_parts - 1];

	while (p->key > key)
		p--;

	const uint64_t up = above(p, key - p->key);

	l->in_flight--;
	if (up == NOT_IN_ANY)
		return;

	const uint32_t all = p->inside ? p->inside[up] : p->width;

	if (__atomic_add_fetch(&p->gone[up], 1, __ATOMIC_ACQ_REL) == all)
		l->ready[l->n_ready++] = p->key + up;
}
