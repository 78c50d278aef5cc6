/* object_check: whether ops can work, before any load: the bucket is there and may be listed, an object can be
 * read, a probe object can be written, read back and removed. What was found good is not asked again. */
#include "backends/object/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/object/object_impl.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/rng.h"
#include "common/text.h"

#define PROBE_TEXT "muster was here, and removes this again\n"

static bool is_known(struct object_job *job, uint64_t hash)
{
	bool known = false;

	pthread_mutex_lock(&job->lock);
	for (size_t i = 0; !known && i < job->n_checked; i++)
		known = job->checked[i] == hash;
	pthread_mutex_unlock(&job->lock);
	return known;
}

/* Without memory it is asked again, no more. */
static void note_known(struct object_job *job, uint64_t hash)
{
	uint64_t *grown;

	pthread_mutex_lock(&job->lock);
	grown = realloc(job->checked, (job->n_checked + 1) * sizeof(*grown));
	if (grown) {
		job->checked = grown;
		job->checked[job->n_checked++] = hash;
	}
	pthread_mutex_unlock(&job->lock);
}

static int probe_list(struct object_job *job, const char *uri, struct err *err)
{
	struct io io = {.kind = OP_LIST, .uri = uri, .size = UINT64_MAX};
	struct object_extra extra = {.probe = true};

	if (object_control_run(job, &io, NULL, &extra, err) < 0)
		return object_cannot(job, "list", uri, err);
	return 0;
}

/* A HEAD has no body that says why it is refused: the first byte is asked for, too. */
static int ask_for_a_byte(struct object_job *job, const char *uri, struct err *err)
{
	AUTO_BUF struct buf body = BUF_INIT_MAX(OBJECT_BODY_MAX);
	struct io io = {.kind = OP_RANGE_GET, .uri = uri, .size = 1};
	struct object_extra extra = {.body = &body};

	if (object_control_run(job, &io, NULL, &extra, err) == 0)
		return 0;
	/* an object of no bytes has no first one */
	return io.error == OP_ERR_SHORT ? 0 : -1;
}

static int probe_object(struct object_job *job, const char *uri, struct err *err)
{
	struct io io = {.kind = OP_STAT, .uri = uri, .size = UINT64_MAX};
	struct object_extra extra = {0};

	if (object_control_run(job, &io, NULL, &extra, err) == 0)
		return 0;
	if (io.error != OP_ERR_NETWORK && io.error != OP_ERR_TIMEOUT &&
		ask_for_a_byte(job, uri, err) == 0)
		return 0;
	return object_cannot(job, "find", uri, err);
}

static int read_probe(
	struct object_job *job, const char *prefix, const char *uri, struct err *err)
{
	AUTO_BUF struct buf body = BUF_INIT_MAX(OBJECT_BODY_MAX);
	struct io io = {.kind = OP_GET, .uri = uri, .size = strlen(PROBE_TEXT)};
	struct object_extra extra = {.body = &body};

	if (object_control_run(job, &io, NULL, &extra, err) < 0)
		return object_cannot(
			job, "read back what was written below", prefix, err);
	if (body.len != strlen(PROBE_TEXT) ||
		memcmp(body.data, PROBE_TEXT, body.len) != 0) {
		err_set(err, ERR_FAILED, "what was read is not what was written");
		return object_cannot(
			job, "read back what was written below", prefix, err);
	}
	return 0;
}

/* Errors name the place and not the probe, whose name is another on each host: what is wrong for all of them
 * is said once. */
static int probe_write(struct object_job *job, const char *prefix, struct err *err)
{
	AUTO_FREE char *uri = text_printf("%s.muster-probe-%s", prefix,
		job->cfg.name && job->cfg.name[0] ? job->cfg.name : "worker");
	struct io put = {.kind = OP_PUT, .uri = uri, .size = strlen(PROBE_TEXT)};
	struct io gone = {.kind = OP_DELETE, .uri = uri};
	struct object_extra extra = {0}, extra_gone = {0};
	struct err late = ERR_INIT;
	int rc;

	if (!uri)
		return err_sys(err, ENOMEM, "no memory");
	if (object_control_run(job, &put, PROBE_TEXT, &extra, err) < 0)
		return object_cannot(job, "write below", prefix, err);
	rc = read_probe(job, prefix, uri, err);
	/* it goes also when it could not be read */
	if (object_control_run(job, &gone, NULL, &extra_gone, &late) < 0 && rc == 0) {
		*err = late;
		return object_cannot(job, "remove what was written below", prefix, err);
	}
	return rc;
}

static bool writes(enum op_kind kind)
{
	return kind == OP_PUT || kind == OP_MULTIPART_PUT;
}

int object_check(void *state, enum op_kind kind, const char *uri, struct err *err)
{
	struct object_job *job = state;
	struct object_place place = {0};
	const char *slash = strrchr(uri, '/');
	AUTO_FREE char *prefix = NULL;
	uint64_t hash;
	int rc;

	if (job->store->place(job, uri, &place, err) < 0)
		return -1;
	if (kind != OP_LIST && !writes(kind) && place.key_len > 0 && slash && slash[1])
		return probe_object(job, uri, err);
	/* puts and lists: everything below the same '/' is one place */
	prefix = place.key_len > 0 && slash ? strndup(uri, (size_t)(slash + 1 - uri))
					    : strdup(uri);
	if (!prefix)
		return err_sys(err, ENOMEM, "no memory");
	hash = rng_hash(prefix, strlen(prefix)) ^ (writes(kind) ? 1 : 0);
	if (is_known(job, hash))
		return 0;
	rc = writes(kind) ? probe_write(job, prefix, err) : probe_list(job, uri, err);
	if (rc == 0)
		note_known(job, hash);
	return rc;
}
