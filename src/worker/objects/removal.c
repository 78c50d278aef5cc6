/* removal: directories are removed from the bottom up, each when those in it are gone. */
#include "worker/objects/removal.h"

#include <errno.h>
#include <stdlib.h>

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

int removal_init(struct removal *r, const struct keyset *k, struct share share)
{
	uint64_t key = 0;

	removal_finish(r);
	r->parts = calloc(k->n_parts + 1, sizeof(*r->parts));
	if (!r->parts)
		return -ENOMEM;
	for (size_t i = 0; i < k->n_parts; i++) {
		const struct job_tree *t = &k->parts[i].set->spec->tree;
		struct removal_part *p = &r->parts[r->n_parts++];

		if (init_part(p, t, share) < 0)
			return -ENOMEM;
		p->key = key;
		key += k->parts[i].n;
		r->leaves += p->leaves;
		r->n += job_tree_part(t, share.index, share.count).dirs;
	}
	return 0;
}

void removal_finish(struct removal *r)
{
	for (size_t i = 0; i < r->n_parts; i++)
		free(r->parts[i].gone);
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
	return p->key + p->last + p->at + leaf;
}

/* Of directories that are numbered level by level the first width ones are in none. One that holds some of another
 * worker's never comes to its width. */
void removal_done(struct removal_lane *l, uint64_t key)
{
	const struct removal *r = l->removal;
	size_t i = r->n_parts - 1;

	while (r->parts[i].key > key)
		i--;

	const struct removal_part *p = &r->parts[i];
	const uint64_t dir = key - p->key;

	l->in_flight--;
	if (dir < p->width)
		return;
	const uint64_t above = dir / p->width - 1;

	if (__atomic_add_fetch(&p->gone[above], 1, __ATOMIC_ACQ_REL) == p->width)
		l->ready[l->n_ready++] = p->key + above;
}
