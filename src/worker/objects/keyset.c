/* keyset: which sets a uri covers, and the i-th key of those that were found. */
#include "worker/objects/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/rng.h"
#include "common/text.h"
#include "worker/objects/keyset_impl.h"
#include "worker/objects/names.h"
#include "worker/objects/tree.h"

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

size_t keyset_flat_key(const struct job_set *set, uint64_t index, char *out)
{
	struct job_set flat = *set;
	size_t len = strlen(set->uri);

	if (tree_is(&set->tree)) {
		memcpy(out, set->uri, len);
		return len + tree_file_name(index, out + len);
	}
	flat.shards = 0;
	return set_key(&flat, index, out);
}

/* Whether a glob means a set by its names as they would be without shards, or directories of a tree, which is how
 * people write it who do not care for these. */
static bool matches_flat(const char *uri, const struct job_set *set, char *room)
{
	keyset_flat_key(set, 0, room);
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
	for (uint64_t i = 0;
		i < (tree_is(&set->tree) ? 1 : set->shards) && i < set->count; i++) {
		set_key(set, i, key);
		if (text_match(uri, key, false))
			return true;
	}
	return false;
}

bool keyset_covers_tree(const char *uri, const struct job *job)
{
	for (size_t i = 0; i < job->n_sets; i++)
		if (tree_is(&job->sets[i].tree) && keyset_covers(uri, &job->sets[i]))
			return true;
	return false;
}

/* A star for each level, or none, and then the name. */
static bool matches_all_files(const char *uri, const struct job_set *set)
{
	static const char *const names[] = {"*", "*.dat", "file_*", "file_*.dat"};
	size_t len = strlen(set->uri);
	uint32_t levels = 0;

	if (strncmp(uri, set->uri, len) != 0)
		return false;
	for (uri += len; uri[0] == '*' && uri[1] == '/'; uri += 2)
		levels++;
	if (levels > 0 && (set->tree.all || levels != set->tree.depth))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(uri, names[i]) == 0)
			return true;
	return false;
}

bool keyset_matches_all(const char *uri, const struct job_set *set)
{
	AUTO_FREE char *room = malloc(set_key_room(set));
	const char *slash = strrchr(uri, '/');
	const char *name = slash ? slash + 1 : uri;
	size_t len = strlen(set->name);

	if (!text_has_wildcard(uri))
		return text_ends_with(uri, "/");
	if (tree_is(&set->tree))
		return matches_all_files(uri, set);
	if (!room || !matches_flat(uri, set, room))
		return false;
	if (strcmp(name, "*") == 0 || strcmp(name, "*.dat") == 0)
		return true;
	return strncmp(name, set->name, len) == 0 &&
	       (strcmp(name + len, "-*") == 0 || strcmp(name + len, "-*.dat") == 0);
}

bool keyset_matches_flat(const char *uri, const struct job_set *set)
{
	AUTO_FREE char *room = malloc(set_key_room(set));

	return room && matches_flat(uri, set, room);
}

/* Of the directories that are not share's: number j counts only those. */
static uint64_t other_dir(const struct keyset_part *p, uint64_t j)
{
	uint64_t others = p->share.count - 1, rest;

	if (p->spread)
		j = (uint64_t)(((rng_wide)j * p->spread + p->shift) % p->n_others);
	rest = j % others;
	return j / others * p->share.count + rest + (rest >= p->share.index);
}

uint64_t keyset_number(const struct keyset_part *p, uint64_t i)
{
	uint64_t dir;

	if (p->indices)
		return p->indices[i];
	if (__builtin_expect(p->per == 0, 1))
		return p->first + i * p->step;
	dir = i / p->per;
	dir = p->others ? other_dir(p, dir) : p->share.index + dir * p->share.count;
	return dir * p->per + i % p->per;
}

static void copy_text(char *out, const char *text)
{
	memcpy(out, text, strlen(text) + 1);
}

void keyset_key(const struct keyset *k, uint64_t i, char *uri, uint64_t *ret_size)
{
	const struct keyset_part *part = k->parts;
	uint64_t number;

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
	number = keyset_number(part, i);
	if (__builtin_expect(part->prefix != NULL, 1)) {
		memcpy(uri, part->prefix, part->prefix_len);
		names_put_index(uri + part->prefix_len, number);
	} else if (part->dirs) {
		set_dir(part->set->spec, number, uri);
		*ret_size = UINT64_MAX;
		return;
	} else {
		set_key(part->set->spec, number, uri);
	}
	*ret_size = set_size(part->set, number);
}

const struct set *keyset_object(const struct keyset *k, uint64_t i, uint64_t *ret_index)
{
	const struct keyset_part *part = k->parts;

	if (k->exact || k->offsets)
		return NULL;
	for (; i >= part->n; part++)
		i -= part->n;
	*ret_index = keyset_number(part, i);
	return part->set;
}
