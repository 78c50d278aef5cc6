/* set: a prepared set as it lies in the store: whose it is, and what is missing. */
#include "worker/set.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/text.h"
#include "worker/names.h"
#include "worker/storage.h"

CLEANUP_DEFINE(json_t, json_decref)
#define AUTO_JSON CLEANUP(cleanup_json_decref)

#define OWNER_MAX 4096
/* Indices have to fit into memory as bits, and into names. */
#define COUNT_MAX UINT64_C(100000000000)
/* Sizes of others' objects are remembered up to so many. */
#define LISTED_MAX (UINT64_C(1) << 22)

size_t set_key_room(const struct job_set *spec)
{
	return strlen(spec->uri) + NAMES_SHARD + strlen(spec->name) + 1 + NAMES_INDEX;
}

size_t set_key(const struct job_set *spec, uint64_t index, char *out)
{
	size_t len = strlen(spec->uri), name_len = strlen(spec->name);

	memcpy(out, spec->uri, len);
	if (spec->shards)
		len += names_put_shard(out + len, spec->shards, index);
	memcpy(out + len, spec->name, name_len);
	len += name_len;
	out[len++] = '-';
	return len + names_put_index(out + len, index);
}

bool set_index(const struct job_set *spec, const char *name, uint64_t *ret_index)
{
	char shard[NAMES_SHARD];

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
static char *describe_spec(const struct job_set *spec)
{
	char sizes[120];

	sizes_describe(&spec->size, sizes, sizeof(sizes));
	return text_printf("%s, fill %s", sizes, fill_names[spec->fill]);
}

static int parse_owner(struct set *s, const char *text, struct err *err)
{
	AUTO_JSON json_t *json = json_loads(text, 0, NULL);
	AUTO_FREE char *own_spec = describe_spec(s->spec);
	const char *id = NULL, *name = NULL, *spec = NULL;
	char own_id[24];
	json_int_t count = 0;
	int version = 0, holder = 0;

	snprintf(own_id, sizeof(own_id), "%016" PRIx64, s->spec->id);
	if (!json ||
		json_unpack(json, "{s:i, s:s, s:s, s:I, s?s, s?b}", "muster", &version,
			"id", &id, "name", &name, "count", &count, "spec", &spec,
			"directory", &holder) < 0 ||
		version != 1 || count < 0 || (uint64_t)count > COUNT_MAX)
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
	AUTO_FREE char *spec = describe_spec(s->spec);
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

struct inspection {
	struct set *s;
	struct share share;
	size_t prefix_len;
	const uint32_t *cancel;
	uint64_t of_set; /* objects with names of the set, whoever's part they are */
};

static bool see_object(const struct list_entry *e, void *user)
{
	struct inspection *in = user;
	struct set *s = in->s;
	uint64_t index;

	if (__atomic_load_n(in->cancel, __ATOMIC_RELAXED))
		return false;
	if (strncmp(e->uri, s->spec->uri, in->prefix_len) != 0 ||
		!set_index(s->spec, e->uri + in->prefix_len, &index))
		return true;
	in->of_set++;
	if (s->listed && index < s->spec->count)
		s->listed[index] = e->size;
	/* the size is only ours to judge when the set is; whose it is is known by now */
	if (index < s->spec->count &&
		(!s->owner_written || e->size == sizes_at(&s->sizes, s->spec->id, index)))
		s->complete[index / 64] |= UINT64_C(1) << (index % 64);
	return true;
}

static void count_share(struct set *s, struct share share)
{
	for (uint64_t i = share.index; i < s->spec->count; i += share.count) {
		if (!set_is_complete(s, i))
			s->to_make++;
		else if (s->owner == SET_FOREIGN)
			s->foreign++;
		else
			s->existing++;
	}
	if (s->owner == SET_FOREIGN)
		s->existing = s->foreign;
}

/* What has no owner may be somebody else's, whose sizes only a listing tells. Without memory they are not
 * known, that is all. */
static void remember_sizes(struct set *s)
{
	if (s->spec->count > LISTED_MAX)
		return;
	s->listed = malloc((s->spec->count + 1) * sizeof(*s->listed));
	for (uint64_t i = 0; s->listed && i < s->spec->count; i++)
		s->listed[i] = UINT64_MAX;
}

int set_inspect(struct set *s, const struct job_set *spec, struct share share,
	const struct storage *store, const uint32_t *cancel, struct err *err)
{
	struct inspection in = {.s = s,
		.share = share,
		.prefix_len = strlen(spec->uri),
		.cancel = cancel};
	size_t words = (size_t)(spec->count / 64 + 1);

	*s = (struct set){.spec = spec, .owner = SET_OURS};
	sizes_init(&s->sizes, &spec->size);
	if (spec->count > COUNT_MAX)
		return err_set(err, ERR_INPUT, "%s: count %" PRIu64 " is too large",
			spec->uri, spec->count);
	s->complete = calloc(words, sizeof(*s->complete));
	if (!s->complete)
		return err_sys(err, ENOMEM, "no memory for a set of %" PRIu64 " objects",
			spec->count);
	if (set_read_owner(s, store, err) < 0)
		return -1;
	if (!s->owner_written) {
		s->made_holder = storage_holder_missing(store, spec->uri);
		remember_sizes(s);
	}
	if (storage_list(store, spec->uri, see_object, &in, err) < 0)
		return -1;
	if (!s->owner_written && in.of_set > 0) {
		s->owner = SET_FOREIGN;
		s->made = calloc(words, sizeof(*s->made));
		if (!s->made)
			return err_sys(err, ENOMEM, "no memory for a set");
	}
	if (s->owner == SET_OURS) {
		free(s->listed);
		s->listed = NULL;
	}
	count_share(s, share);
	return 0;
}

uint64_t set_size(const struct set *s, uint64_t index)
{
	if (s->owner == SET_OURS || set_was_made(s, index))
		return sizes_at(&s->sizes, s->spec->id, index);
	return s->listed ? s->listed[index] : UINT64_MAX;
}

void set_inherit(struct set *s, const struct set *earlier)
{
	uint64_t count = s->spec->count < earlier->spec->count ? s->spec->count
							       : earlier->spec->count;

	s->made_holder |= earlier->made_holder;
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
