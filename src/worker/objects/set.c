/* set: a prepared set as it lies in the store: whose it is, and what is missing. */
#include "worker/objects/set.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/engine/storage.h"
#include "worker/objects/names.h"
#include "worker/objects/tree.h"

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

#define OWNER_MAX 4096

bool set_wants(const struct job_set *spec)
{
	return spec->count > 0 || tree_is(&spec->tree);
}

size_t set_key_room(const struct job_set *spec)
{
	if (tree_is(&spec->tree))
		return strlen(spec->uri) + tree_room(&spec->tree);
	return strlen(spec->uri) + NAMES_SHARD + strlen(spec->name) + 1 + NAMES_INDEX;
}

size_t set_key(const struct job_set *spec, uint64_t index, char *out)
{
	size_t len = strlen(spec->uri), name_len = strlen(spec->name);

	memcpy(out, spec->uri, len);
	if (tree_is(&spec->tree))
		return len + tree_file(&spec->tree, index, out + len);
	if (spec->shards)
		len += names_put_shard(out + len, spec->shards, index);
	memcpy(out + len, spec->name, name_len);
	len += name_len;
	out[len++] = '-';
	return len + names_put_index(out + len, index);
}

size_t set_dir(const struct job_set *spec, uint64_t dir, char *out)
{
	size_t len = strlen(spec->uri);

	memcpy(out, spec->uri, len);
	return len + tree_dir(&spec->tree, dir, out + len);
}

bool set_index(const struct job_set *spec, const char *name, uint64_t *ret_index)
{
	char shard[NAMES_SHARD];

	if (tree_is(&spec->tree))
		return tree_file_index(&spec->tree, name, ret_index);
	if (!spec->shards)
		return names_index(name, spec->name, ret_index);
	return strlen(name) > NAMES_SHARD - 1 &&
	       names_index(name + NAMES_SHARD - 1, spec->name, ret_index) &&
	       memcmp(name, shard, names_put_shard(shard, spec->shards, *ret_index)) == 0;
}

char *set_owner_uri(const struct set *s)
{
	return text_printf("%s%s", s->spec->uri, names_owner(s->spec->name));
}

/* What a person wants to know of a spec. */
static char *describe_spec(const struct set *s)
{
	const struct job_set *spec = s->spec;
	const struct job_tree *t = &spec->tree;
	char sizes[120], factors[80] = "", tree[120] = "";

	sizes_describe(&spec->size, sizes, sizeof(sizes));
	if (tree_is(t))
		snprintf(tree, sizeof(tree),
			", tree of width %u, depth %u, %u files in each directory of %s",
			t->width, t->depth, t->files_per_dir,
			t->all ? "all levels" : "the last level");
	if (spec->dedup > 1 || spec->compress > 1)
		snprintf(factors, sizeof(factors),
			", dedup_factor %u, compress_factor %u",
			spec->dedup > 1 ? spec->dedup : 1,
			spec->compress > 1 ? spec->compress : 1);
	return text_printf("%s, fill %s%s%s%s", sizes, fill_names[spec->fill], factors,
		s->verify ? ", verify" : "", tree);
}

static int parse_owner(struct set *s, const char *text, struct err *err)
{
	AUTO_JSON json_t *json = json_loads(text, 0, NULL);
	AUTO_FREE char *own_spec = describe_spec(s);
	const char *id = NULL, *name = NULL, *spec = NULL;
	char own_id[24];
	json_int_t count = 0;
	int version = 0, holder = 0, dirs = 0;

	snprintf(own_id, sizeof(own_id), "%016" PRIx64, s->spec->id);
	if (!json ||
		json_unpack(json, "{s:i, s:s, s:s, s:I, s?s, s?b, s?b}", "muster",
			&version, "id", &id, "name", &name, "count", &count, "spec",
			&spec, "directory", &holder, "directories", &dirs) < 0 ||
		version != 1 || count < 0 || (uint64_t)count > SET_COUNT_MAX)
		return err_set(err, ERR_INPUT,
			"%s%s is there, but is not one that this muster writes",
			s->spec->uri, names_owner(s->spec->name));
	if (strcmp(id, own_id) != 0 || strcmp(name, s->spec->name) != 0) {
		AUTO_FREE char *theirs =
			text_sanitize(spec ? spec : "?", strlen(spec ? spec : "?"));

		return err_set(err, ERR_INPUT,
			"%s holds a prepared set of another spec (%s; id %.16s) than "
			"this one (%s; id %s): "
			"use another base_uri, or remove it with `muster clean --data`",
			s->spec->uri, theirs ? theirs : "?", id,
			own_spec ? own_spec : "?", own_id);
	}
	s->owner_count = (uint64_t)count;
	s->made_holder = holder;
	s->made_dirs = dirs;
	return 1;
}

int set_read_owner(struct set *s, const struct storage *store, struct err *err)
{
	AUTO_FREE char *uri = set_owner_uri(s);
	char text[OWNER_MAX];
	struct err why = ERR_INIT;
	long len;
	int rc;

	if (!uri)
		return err_sys(err, ENOMEM, "no memory");
	s->owner_written = false;
	len = storage_read_small(store, uri, text, sizeof(text), &why);
	if (len == -ENOENT)
		return 0;
	if (len < 0) {
		*err = why;
		return -1;
	}
	rc = parse_owner(s, text, err);
	s->owner_written = rc > 0;
	return rc;
}

static int write_owner(struct set *s, const struct storage *store, struct err *err)
{
	AUTO_FREE char *uri = set_owner_uri(s);
	AUTO_FREE char *spec = describe_spec(s);
	AUTO_FREE char *text = NULL;
	char id[24];
	uint64_t count =
		s->spec->count > s->owner_count ? s->spec->count : s->owner_count;

	if (s->owner_written && s->owner_count >= s->spec->count)
		return 0;
	snprintf(id, sizeof(id), "%016" PRIx64, s->spec->id);
	AUTO_JSON json_t *json = json_pack("{s:i, s:s, s:s, s:I, s:s, s:s, s:b}",
		"muster", 1, "id", id, "name", s->spec->name, "count", (json_int_t)count,
		"uri", s->spec->uri, "spec", spec ? spec : "", "directory",
		s->made_holder);
	if (json && tree_is(&s->spec->tree))
		json_object_set_new(json, "directories", json_boolean(s->made_dirs));

	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!uri || !text)
		return err_sys(err, ENOMEM, "cannot write the owner of %s", s->spec->uri);
	if (storage_write_small(store, uri, text, err) < 0)
		return -1;
	s->owner_written = true;
	s->owner_count = count;
	return 0;
}

int set_take(struct set *s, const struct storage *store, struct err *err)
{
	if (s->owner == SET_FOREIGN)
		return 0;
	if (set_read_owner(s, store, err) < 0)
		return -1;
	return write_owner(s, store, err);
}

uint64_t set_size(const struct set *s, uint64_t index)
{
	if (s->owner == SET_OURS || set_was_made(s, index))
		return sizes_at(&s->sizes, s->spec->id, index);
	/* made by others, each may have any size, unless all have the same */
	if (s->trusted && s->spec->size.type == SIZE_FIXED)
		return s->spec->size.min;
	return s->listed ? s->listed[index] : UINT64_MAX;
}

void set_inherit(struct set *s, const struct set *earlier)
{
	uint64_t count = s->spec->count < earlier->spec->count ? s->spec->count
							       : earlier->spec->count;

	s->made_holder |= earlier->made_holder;
	s->made_dirs |= earlier->made_dirs;
	for (uint64_t i = 0; s->made && earlier->made && i < count; i++)
		if (set_was_made(earlier, i))
			s->made[i / 64] |= UINT64_C(1) << (i % 64);
}

void set_mark_made(struct set *s, uint64_t index)
{
	const uint64_t bit = UINT64_C(1) << (index % 64);

	__atomic_fetch_or(&s->complete[index / 64], bit, __ATOMIC_RELAXED);
	if (s->made)
		__atomic_fetch_or(&s->made[index / 64], bit, __ATOMIC_RELAXED);
}

bool set_was_made(const struct set *s, uint64_t index)
{
	return s->made &&
	       (__atomic_load_n(&s->made[index / 64], __ATOMIC_RELAXED) >> (index % 64) &
		       1);
}

void set_finish(struct set *s)
{
	free(s->complete);
	free(s->made);
	free(s->listed);
	s->complete = s->made = s->listed = NULL;
}
